"""Why a task failed: for the report; and where trying again can't help, to end the next try at once.

Azure Batch tries every failed task again, whatever its exit code, as often as it is told to.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from scorer import documents, errors
from scorer.boundary import TRIES, typed
from scorer.documents import Count, Words, paths
from scorer.documents.plan import Plan
from scorer.errors import (
    ChangedError,
    FailureThresholdError,
    InputError,
    MissingError,
    OutOfMemoryError,
    RequestError,
    ScorerError,
    StyleError,
    TaskError,
)
from scorer.store import Stores

# What is wrong with the work itself. Everything else may be wrong with one machine, or pass.
_FOR_GOOD = (RequestError, InputError, MissingError, ChangedError, StyleError, FailureThresholdError, OutOfMemoryError)

_KINDS = {kind.exit_code: kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ScorerError)}


class Failure(BaseModel):
    """Kept as work/<job>/failed/<task>.json."""

    model_config = ConfigDict(frozen=True)

    exit_code: Annotated[int, Field(ge=0, le=255)]
    message: Words
    for_good: bool
    tries: Count = 1
    """So many have failed by now, those that were killed not among them."""

    def is_final(self, tries: int) -> bool:
        """Whether the task, which is tried so often, is not tried again."""
        return self.for_good or self.tries >= tries

    def error(self) -> ScorerError:
        """The error that it was."""
        return error_of(self.exit_code, self.message)


def error_of(exit_code: int, message: str) -> ScorerError:
    """The error that another process ended with."""
    return _KINDS.get(exit_code, ScorerError)(message)


def ended_by_batch(job: str, reason: str) -> TaskError:
    """The error of a job that could say of none itself."""
    return TaskError(f"Azure ended job '{job}' ({reason}) before its result was there: 'scorer restart {job}' goes on.")


def merge_key(plan: Plan) -> str:
    """What the merge's failure is kept under."""
    return f"merge-{plan.fingerprint}"


def tasks_key(plan: Plan) -> str:
    """What is kept under that a task failed with which isn't about a chunk: a machine that can't score, a package."""
    return f"tasks-{plan.fingerprint}"


def is_for_good(error: ScorerError) -> bool:
    """Whether it is about the work itself, so that no other try can help."""
    return isinstance(error, _FOR_GOOD)


def find_failure(plan: Plan, key: str, stores: Stores) -> Failure | None:
    """Why the task's last try failed, if it did."""
    return documents.find(Failure, stores.work, paths.failure(plan.job, key))


@contextmanager
def kept_failures(plan: Plan, key: str, stores: Stores) -> Iterator[None]:
    """Around a task's work: raises at once what an earlier try raised for good, and keeps what this one raises."""
    with typed():
        failure = find_failure(plan, key, stores)
    if failure is not None and failure.for_good:
        raise failure.error()
    with recorded_failures(plan, key, stores):
        yield


@contextmanager
def recorded_failures(plan: Plan, key: str, stores: Stores) -> Iterator[None]:
    """Around a task's work: keeps why it failed. Raises ScorerErrors alone."""
    try:
        with typed():
            yield
    except ScorerError as error:
        with suppress(ScorerError), typed():  # the store may be what is away, and the first error is the one to know
            keep_failure(plan, key, error, stores, for_good=is_for_good(error))
        raise


def keep_failure(plan: Plan, key: str, error: ScorerError, stores: Stores, *, for_good: bool) -> None:
    """Write down that a try failed with `error`."""
    before = find_failure(plan, key, stores)
    tries = before.tries + 1 if before else 1
    failure = Failure(exit_code=error.exit_code, message=str(error), for_good=for_good, tries=tries)
    stores.work.put(paths.failure(plan.job, key), failure.model_dump_json().encode())


def tries_here() -> int:
    """How often each task is tried in all, as the engine that started this one says; 0 where it says nothing."""
    return int(os.environ.get(TRIES) or "0")


def is_final(plan: Plan, key: str, error: ScorerError, stores: Stores, tries: int | None = None) -> bool:
    """Whether the task will not be tried again after `error`, or can't be helped by it.

    `tries` is how often it is tried in all; if not given, as the engine that started this task says.
    """
    if is_for_good(error):
        return True
    tries = tries_here() if tries is None else tries
    if not tries:
        return not error.retry
    failure = find_failure(plan, key, stores)
    return failure is not None and failure.is_final(tries)


def clear_failures(plan: Plan, stores: Stores) -> None:
    """Forget them all: what failed may be tried again."""
    stores.work.delete_all(entry.path for entry in stores.work.list(f"{plan.job}/{paths.FAILED}"))
