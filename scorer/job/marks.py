"""What the tasks of one job tell each other: empty or tiny files beside the failures, whose names one list brings.

    work/<job>/failed/<chunk>.frames-12    frames of the chunk's part that failed; its content is why the first of them did
    work/<job>/failed/<chunk>.try-8        a try of the chunk began with batches of 8, and has not come to an end of its own

A try that leaves its mark was killed: most often because memory ran out, which Linux tells no process. A machine that is taken
away leaves one as well, and so does a task whose time is over; then the next try's smaller batches are a little slower, no more.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from scorer.boundary import typed
from scorer.documents import MOST_BYTES
from scorer.documents.paths import FAILED, mark
from scorer.documents.plan import Chunk, Plan
from scorer.errors import DocumentError, FailureThresholdError, MissingError, ScorerError
from scorer.report.text import counted
from scorer.store import Stores
from scorer.text import clean

# How often a task at work asks what became of the others.
POLL_SECONDS = 60.0

_MARK = re.compile(r"(\d{6,}-[0-9a-f]{16})\.(frames|try)-(\d{1,9})")


@dataclass
class Marks:
    """The marks of a plan's chunks, as one of its tasks sees them."""

    plan: Plan
    chunk: Chunk
    stores: Stores
    begun: list[int] = field(default_factory=list)
    """Batch sizes of this chunk's tries that were killed."""
    failed: dict[str, int] = field(default_factory=dict)
    """Frames that failed in other chunks, by chunk."""
    _polled: float = -math.inf

    def poll(self) -> None:
        """Find the marks that there are; those of other plans of the job are none."""
        own = self.chunk.key
        self._polled = time.monotonic()
        names = [entry.path.rpartition("/")[2] for entry in self.stores.work.list(f"{self.plan.job}/{FAILED}")]
        marks = [found for name in names if (found := _MARK.fullmatch(name))]
        self.begun = [max(1, int(found[3])) for found in marks if found[2] == "try" and found[1] == own]
        self.failed = {key: failed for key, failed in frames_failed(self.plan, names).items() if key != own}

    def check(self, own: int = 0) -> None:
        """Poll now and then. Raises FailureThresholdError where frames that failed elsewhere, with `own` ones, are too many."""
        if time.monotonic() - self._polled >= POLL_SECONDS:
            self.poll()
        if self.failed and own + self.elsewhere > most_failures(self.plan):
            example = self._example()
            self.tell_failed(own, example)  # so that the others needn't get this far
            raise too_many_failed(own + self.elsewhere, most_failures(self.plan), example)

    @property
    def elsewhere(self) -> int:
        """Frames that failed in all other chunks."""
        return sum(self.failed.values())

    def _example(self) -> str:
        key, failed = max(self.failed.items(), key=lambda item: item[1])
        try:
            told = self.stores.work.get(mark(self.plan.job, key, "frames", failed), most=MOST_BYTES)
            return clean(told.decode(errors="replace"))
        except (MissingError, DocumentError):  # a try that came later has counted anew
            return f"chunk {int(key.partition('-')[0])}"

    def tell_failed(self, failed: int, example: str) -> None:
        """Leave the mark for the other tasks, if frames of this chunk failed."""
        if failed:
            self.stores.work.put(mark(self.plan.job, self.chunk.key, "frames", failed), example.encode(errors="replace"))

    def smaller(self, size: int) -> int:
        """Frames to take at once where `size` are asked for: half of what a try was killed with, then a quarter, an eighth."""
        return max(1, min([size, *self.begun]) >> len(self.begun))

    @contextmanager
    def trying(self, size: int) -> Iterator[None]:
        """Around a try with batches of `size`: its mark is there as long as it lasts. One frame at a time leaves none."""
        sizes = {*self.begun, size} - {1}
        if size > 1:
            self.stores.work.put(mark(self.plan.job, self.chunk.key, "try", size), b"")
        try:
            yield
        finally:
            with suppress(ScorerError), typed():
                for each in sizes:
                    self.stores.work.delete(mark(self.plan.job, self.chunk.key, "try", each))


def frames_failed(plan: Plan, names: Iterable[str]) -> dict[str, int]:
    """How many frames of each chunk failed, by the names of marks; those of other plans of the job are none."""
    frames = {chunk.key: chunk.frames for chunk in plan.chunks}
    failed: dict[str, int] = {}
    for name in names:
        if (found := _MARK.fullmatch(name)) and found[2] == "frames" and found[1] in frames:
            failed[found[1]] = max(failed.get(found[1], 0), min(int(found[3]), frames[found[1]]))
    return failed


def forget_tries(plan: Plan, chunk: Chunk, stores: Stores) -> None:
    """Say that the chunk's try was ended on purpose."""
    marks = Marks(plan, chunk, stores)
    marks.poll()
    for size in marks.begun:
        stores.work.delete(mark(plan.job, chunk.key, "try", size))


def most_failures(plan: Plan) -> int:
    """Frames that may fail before the job does."""
    return int(plan.request.failure_threshold * plan.frames)


def too_many_failed(failed: int, most: int, example: str) -> FailureThresholdError:
    """The error that says so, with one of the reasons."""
    return FailureThresholdError(
        f"{counted(failed, 'frame')} failed and at most {most} may ({example.rstrip('.')}): fix the input or raise the failure "
        "threshold."
    )
