"""What is left of a job to do, found by names in the store alone: however many chunks there are, that is two lists."""

from __future__ import annotations

from dataclasses import dataclass, field

from scorer import documents
from scorer.documents import paths
from scorer.documents.plan import Chunk, Plan
from scorer.errors import FailureThresholdError
from scorer.job.failures import Failure
from scorer.job.marks import frames_failed
from scorer.job.parts import find_parts, forget_part
from scorer.store import Entry, Stores


@dataclass
class Remaining:
    """The chunks of a plan that are still to be scored, each of which is tried `tries` times in all."""

    plan: Plan
    stores: Stores
    tries: int
    open: dict[str, Chunk] = field(default_factory=dict)
    """By their keys."""
    done: int = 0
    """Frames of parts that are there."""
    failed: int = 0
    """Of those, frames that the original stands in for."""
    hopeless: Failure | None = None
    """What says that more frames have failed than may, if anything does: whatever is scored then is in vain."""
    _given_up: set[str] = field(default_factory=set)
    _failures: dict[str, tuple[str, Failure | None]] = field(default_factory=dict)
    """Of each chunk that failed, the ETag of what says so, and what that is."""

    @property
    def given_up(self) -> int:
        """Chunks that are tried no more, and have no part."""
        return len(self._given_up)

    def poll(self) -> None:
        """Find out anew."""
        parts = {entry.path for entry in self.stores.work.list(f"{self.plan.job}/{paths.PARTS}")}
        failed = {entry.path.rpartition("/")[2]: entry for entry in self.stores.work.list(f"{self.plan.job}/{paths.FAILED}")}
        self._given_up = {name.removesuffix(".json") for name, entry in failed.items() if self._is_final(name, entry)}
        there = {chunk.key for chunk in self.plan.chunks if paths.part(self.plan.job, chunk.key) in parts}
        chunks = {chunk.key: chunk for chunk in self.plan.chunks}
        self.open = {key: chunk for key, chunk in chunks.items() if key not in there and key not in self._given_up}
        self.hopeless = next(filter(_is_of_all, (self._failures.get(f"{key}.json", ("", None))[1] for key in chunks)), None)
        self.done = sum(chunks[key].frames for key in there)
        self.failed = sum(frames for key, frames in frames_failed(self.plan, failed).items() if key in there)

    def settle(self, chunk: Chunk, failed: int | None) -> None:
        """Take the chunk as settled until the next poll: its part is whole, with so many failed frames; or given up (None)."""
        if self.open.pop(chunk.key, None) is not None and failed is not None:
            self.done += chunk.frames
            self.failed += failed

    def poll_well(self) -> None:
        """Find out anew, and whether the parts that are said to be whole are: what isn't so is to be made again."""
        self.poll()
        for chunk, part in zip(self.plan.chunks, find_parts(self.plan, self.stores), strict=True):
            if part is None and chunk.key not in self.open and chunk.key not in self._given_up:
                forget_part(self.plan, chunk, self.stores)
                self.open[chunk.key] = chunk

    def _is_final(self, name: str, entry: Entry) -> bool:
        if not name.endswith(".json"):
            return False
        known = self._failures.get(name)
        if known is None or known[0] != entry.etag:
            known = self._failures[name] = entry.etag, documents.find(Failure, self.stores.work, entry.path)
        return known[1] is not None and known[1].is_final(self.tries)


def _is_of_all(failure: Failure | None) -> bool:
    """Whether it is about the whole job, and not about the chunk that found it out."""
    return failure is not None and failure.exit_code == FailureThresholdError.exit_code
