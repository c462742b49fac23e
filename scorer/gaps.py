"""Chunks whose tasks failed for good: the originals stand in for them, as far as the failure threshold allows."""

from __future__ import annotations

import multiprocessing

from scorer.errors import TaskError
from scorer.failure import chunk_key, find_failure
from scorer.merge import missing_parts
from scorer.models import Frames
from scorer.parts import Part, find_parts
from scorer.plan import Chunk, Plan
from scorer.score import most_failures, score_chunk, too_many_failed
from scorer.store import Stores


class _NotScoredError(Exception):
    """Of no kind that is tried in another way, whatever its words."""


class _Refusal:
    """A model that scores nothing."""

    runtime = "none"

    def __init__(self, why: str) -> None:
        self._why = why

    def score(self, frames: Frames) -> Frames:
        del frames
        raise _NotScoredError(self._why)

    def reset(self) -> None:
        pass


def fill_gaps(plan: Plan, stores: Stores) -> None:
    """Make the parts that aren't there out of the original frames.

    Raises FailureThresholdError where that would be more failed frames than the request allows, TaskError where it can't be done.
    """
    parts = find_parts(plan, stores)
    gaps = [chunk for chunk, part in zip(plan.chunks, parts, strict=True) if part is None]
    if not gaps:
        return
    failed = sum(part.failed for part in parts if part) + sum(chunk.frames for chunk in gaps)
    if failed > most_failures(plan):
        known = next((chunk for chunk in gaps if find_failure(plan, chunk_key(chunk), stores)), None)
        if known is None:
            raise missing_parts(plan, [chunk.index for chunk in gaps])
        raise too_many_failed(failed, most_failures(plan), f"chunk {known.index}: {_why(plan, known, stores)}")
    scored = next((part for part in parts if part and part.scale), None)
    for chunk in gaps:
        _stand_in(plan, chunk, stores, scored)


def _why(plan: Plan, chunk: Chunk, stores: Stores) -> str:
    failure = find_failure(plan, chunk_key(chunk), stores)
    return failure.message if failure else "its task ended without a word each time it was tried: look at its log"


def _stand_in(plan: Plan, chunk: Chunk, stores: Stores, scored: Part | None) -> None:
    """In a process of its own: it may be the decoder that the chunk kills."""
    process = multiprocessing.get_context("spawn").Process(
        target=_make, args=(plan, chunk, stores, _why(plan, chunk, stores), scored.scale if scored else None), name="stand-in"
    )
    process.start()
    process.join()
    if process.exitcode:
        raise TaskError(
            f"Chunk {chunk.index} ({chunk.frames} frames from {chunk.first} on) can't even be copied "
            f"(code {process.exitcode}; {_why(plan, chunk, stores)}): mend the input."
        )


def _make(plan: Plan, chunk: Chunk, stores: Stores, why: str, scale: tuple[float, float] | None) -> None:
    score_chunk(plan, chunk, stores, _Refusal(why), scale=scale)
