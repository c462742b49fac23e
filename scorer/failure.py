"""What a task leaves when trying again can't help: Batch tries every failed task again, and this ends the next try at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import BaseModel, ConfigDict

from scorer import errors
from scorer.errors import MissingError, ScorerError
from scorer.plan import Chunk, Plan
from scorer.store import Stores

_KINDS = {kind.exit_code: kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ScorerError)}


class Failure(BaseModel):
    """Kept as work/<job>/failed/<task>.json."""

    model_config = ConfigDict(frozen=True)

    exit_code: int
    message: str

    def error(self) -> ScorerError:
        """The error that it was."""
        return _KINDS.get(self.exit_code, ScorerError)(self.message)


def chunk_key(chunk: Chunk) -> str:
    """What a chunk's failure is kept under: another fingerprint, another failure."""
    return chunk.part.rpartition("/")[2]


def merge_key(plan: Plan) -> str:
    """What the merge's failure is kept under."""
    return f"merge-{plan.fingerprint}"


def find_failure(plan: Plan, key: str, stores: Stores) -> Failure | None:
    """Why the task failed for good, if it did."""
    try:
        return Failure.model_validate_json(stores.work.get(_path(plan, key)))
    except MissingError:
        return None


@contextmanager
def for_good(plan: Plan, key: str, stores: Stores) -> Iterator[None]:
    """Around a task's work: raises at once what an earlier try raised for good, and keeps what this one does."""
    if (failure := find_failure(plan, key, stores)) is not None:
        raise failure.error()
    try:
        yield
    except ScorerError as error:
        if not error.retry:
            failure = Failure(exit_code=error.exit_code, message=str(error))
            stores.work.put(_path(plan, key), failure.model_dump_json().encode())
        raise


def clear_failures(plan: Plan, stores: Stores) -> None:
    """Forget them all: what failed may be tried again."""
    for entry in stores.work.list(f"{plan.job}/failed"):
        stores.work.delete(entry.path)


def _path(plan: Plan, key: str) -> str:
    return f"{plan.job}/failed/{key}.json"
