"""status.json: where a job stands, for people and programs; rewritten all the while, so that its age is a heartbeat."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from scorer import documents
from scorer.documents import Count, Moment, Number, Words
from scorer.documents.paths import STATUS, ResultName
from scorer.errors import ScorerError
from scorer.file_names import LONGEST_BLOB
from scorer.media.notes import Notes
from scorer.store import Stores

State = Literal["planned", "scoring", "merging", "done", "failed", "cancelled"]

ENDED: tuple[State, ...] = ("done", "failed", "cancelled")

STAGES = ("dispatch", "score", "merge")
"""Of a job, in this order."""


class Status(BaseModel):
    """One job, now. Kept as output/<job>/status.json."""

    model_config = ConfigDict(frozen=True)

    job: str
    state: State
    frames: Count = 0
    chunks: Count = 0
    """That the plan has, where a cluster scores them; 0 where nobody said."""
    done: Count = 0
    """Frames whose result is written."""
    failed: Count = 0
    """Frames that the original stands in for."""
    frames_per_second: Number = 0.0
    seconds_left: Number | None = None
    started: Moment
    updated: Moment
    """Seconds since 1970; a running job rewrites it every few seconds."""
    stage_seconds: dict[Annotated[str, Field(pattern="^[a-z]{1,20}$")], Number] = Field(default_factory=dict, max_length=20)
    request: Annotated[str, Field(max_length=LONGEST_BLOB)] | None = None
    """Path in the input store of the request that asked for it, where one did."""
    result: ResultName | None = None
    error: Words | None = None
    """Why it failed; of a job that is merging, why the last try did."""
    exit_code: Annotated[int, Field(ge=0, le=255)] | None = None
    note: Words | None = None
    """What is missing at its end, if anything: a report that couldn't be made."""
    notes: Notes = ()
    """What of the input the result doesn't have, or has otherwise."""


class StatusWriter:
    """Keeps a job's status.json up to date; one process a job does."""

    def __init__(self, job: str, stores: Stores, *, every: float = 2.0) -> None:
        """Write at most every `every` seconds while a job runs."""
        self._stores, self._every = stores, every
        self._stage_began = self._written = 0.0
        # (time, frames done) over the last half minute: what the time left is reckoned from.
        self._recent: deque[tuple[float, int]] = deque(maxlen=64)
        now = time.time()
        self.status = Status(job=job, state="planned", started=now, updated=now)
        self._stage: str | None = None

    @classmethod
    def resume(cls, job: str, stores: Stores) -> StatusWriter:
        """Go on with what another process began, whose last stage is the time since it last wrote."""
        writer = cls(job, stores)
        if found := find_status(job, stores):
            # Of those alone: a node may have written as many as a status can have, and there must be room for those to come.
            spent = {stage: seconds for stage, seconds in found.stage_seconds.items() if stage in STAGES}
            if found.state == "scoring":
                spent["score"] = round(max(0.0, time.time() - found.updated), 3)
            writer.status = found.model_copy(update={"stage_seconds": spent})
        return writer

    def stage(self, name: str) -> None:
        """A stage begins; the one before has ended."""
        self._end_stage()
        self._stage, self._stage_began = name, time.perf_counter()

    def _end_stage(self) -> None:
        if self._stage is not None:
            spent = {**self.status.stage_seconds, self._stage: round(time.perf_counter() - self._stage_began, 3)}
            self.status = self.status.model_copy(update={"stage_seconds": spent})
            self._stage = None

    def state(self, state: State, **changes: object) -> None:
        """The job's state changes: written at once."""
        self._write(self._changed(state, changes))

    def ahead(self, state: State, **changes: object) -> Status:
        """What `state` would write, for a report that must be there before it is."""
        changed = self._changed(state, changes)
        return self.status.model_copy(update={**changed, "updated": time.time()})

    def _changed(self, state: State, changes: Mapping[str, object]) -> dict[str, object]:
        if state in ENDED:
            self._end_stage()
        return {"state": state, **changes}

    def progress(self, done: int, failed: int) -> None:
        """So many frames are written; the file is, when the last time is long enough ago."""
        now = time.monotonic()
        if not self._recent or now - self._recent[-1][0] >= 0.5:
            self._recent.append((now, done))
        began, before = self._recent[0]
        rate = (done - before) / (now - began) if now > began else 0.0
        left = (self.status.frames - done) / rate if rate > 0 else None
        changes = {"done": done, "failed": failed, "frames_per_second": round(rate, 2), "seconds_left": left and round(left, 1)}
        self.status = self.status.model_copy(update=changes)
        if now - self._written >= self._every:
            self._written = now
            self._write({})

    def fail(self, error: ScorerError, state: State = "failed", note: str | None = None) -> None:
        """The job ends with `error`; or it stays in `state`, where that will be tried again."""
        self.state(state, **failed_with(error), note=note)

    def _write(self, changes: dict[str, object]) -> None:
        self.status = self.status.model_copy(update={**changes, "updated": time.time()})
        self._stores.output.put(f"{self.status.job}/{STATUS}", documents.to_json(self.status))


def failed_with(error: ScorerError) -> dict[str, object]:
    """What a status says of `error`."""
    return {"error": str(error), "exit_code": error.exit_code, "seconds_left": None}


def read_status(job: str, stores: Stores) -> Status:
    """Where the job stands. Raises MissingError, DocumentError."""
    return documents.read(Status, stores.output, f"{job}/{STATUS}", job=job)


def find_status(job: str, stores: Stores) -> Status | None:
    """Where the job stands; None where nobody has written that yet, or where what is written doesn't hold."""
    return documents.find(Status, stores.output, f"{job}/{STATUS}", job=job)
