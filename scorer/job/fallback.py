"""Chunks whose tasks failed for good: the originals stand in for them, as far as the failure threshold allows."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from scorer.boundary import typed
from scorer.documents.plan import Chunk, Plan
from scorer.errors import FailureThresholdError, ScorerError, TaskError
from scorer.job.failures import find_failure, tasks_key
from scorer.job.marks import most_failures, too_many_failed
from scorer.job.merge import first_failure, missing_parts
from scorer.job.parts import AT_ONCE, Part, find_parts
from scorer.job.score import score_chunk
from scorer.models import Frames
from scorer.store import Stores


class _NotScoredError(Exception):
    """Of no kind that is tried in another way, whatever its words."""


class _Refusal:
    """A model that scores nothing."""

    runtime, device = "none", "cpu"

    def __init__(self, why: str) -> None:
        self._why = why

    def score(self, frames: Frames) -> Frames:
        del frames
        raise _NotScoredError(self._why)

    def score_at(self, frames: Frames, seconds: Sequence[float]) -> Frames:
        del seconds
        return self.score(frames)

    def reset(self) -> None:
        pass


def fill_gaps(plan: Plan, stores: Stores) -> None:
    """Make the parts that aren't there out of the original frames.

    Raises FailureThresholdError where that would be more failed frames than the request allows, or what they all failed with;
    TaskError where it can't be done.
    """
    parts = find_parts(plan, stores)
    gaps = [chunk for chunk, part in zip(plan.chunks, parts, strict=True) if part is None]
    if not gaps:
        return
    failed = sum(part.failed for part in parts if part) + sum(chunk.frames for chunk in gaps)
    if failed > most_failures(plan):
        raise _too_many(plan, gaps, failed, stores)
    scored = next((part for part in parts if part and part.scale), None)
    for chunk in gaps:
        _originals(plan, chunk, stores, scored)


def _too_many(plan: Plan, gaps: Sequence[Chunk], failed: int, stores: Stores) -> ScorerError:
    """Why the job can't do without these chunks."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        failures = list(pool.map(lambda chunk: find_failure(plan, chunk.key, stores), gaps))
    first = failures[0]
    if first is not None and first.for_good and all(failure == first for failure in failures):
        return first.error()  # not a matter of some frames
    known = [(chunk, failure) for chunk, failure in zip(gaps, failures, strict=True) if failure]
    if not known:
        of_tasks = find_failure(plan, tasks_key(plan), stores)
        return of_tasks.error() if of_tasks else missing_parts(plan, [chunk.index for chunk in gaps])
    own = next((each for each in known if each[1].exit_code != FailureThresholdError.exit_code), None)
    example = f"chunk {own[0].index}: {own[1].message}" if own else first_failure(plan, stores)
    return too_many_failed(failed, most_failures(plan), example)


def _why(plan: Plan, chunk: Chunk, stores: Stores) -> str:
    failure = find_failure(plan, chunk.key, stores)
    return failure.message if failure else "its task ended without a word each time it was tried: look at its log"


def _originals(plan: Plan, chunk: Chunk, stores: Stores, scored: Part | None) -> None:
    """In a process of its own: it may be the decoder that the chunk kills."""
    process = multiprocessing.get_context("spawn").Process(
        target=_make, args=(plan, chunk, stores, _why(plan, chunk, stores), scored.scale if scored else None), name="fallback"
    )
    process.start()
    process.join()
    if process.exitcode:
        raise TaskError(
            f"Chunk {chunk.index} ({chunk.frames} frames from {chunk.first} on) can't even be copied "
            f"(code {process.exitcode}; {_why(plan, chunk, stores)}): fix the input."
        )


def _make(plan: Plan, chunk: Chunk, stores: Stores, why: str, scale: tuple[float, float] | None) -> None:
    try:
        with typed():
            score_chunk(plan, chunk, stores, _Refusal(why), scale=scale)
    except ScorerError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
