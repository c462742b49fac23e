"""The engine that shares: workers on any machines take chunks of one job by claims in its store, and whoever is last merges.

A worker has processes of its own (`processes.py`), and claims, renews and lets go for all of them, so that one that hangs or dies
keeps nothing. It knows of other workers by their claims alone (`job/claims.py`).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from scorer.boundary import typed
from scorer.documents import paths
from scorer.documents.plan import Chunk, Plan
from scorer.documents.status import find_status
from scorer.engines.base import Progress
from scorer.engines.processes import Ending, Processes, usual_count
from scorer.errors import (
    InternalError,
    LoginError,
    ModelError,
    OutputError,
    RequestError,
    ScorerError,
    StorageFullError,
    StoreError,
    TaskError,
)
from scorer.job.claims import Claims
from scorer.job.failures import error_of, find_failure, is_final, keep_failure, merge_key
from scorer.job.finish import Outcome, done_before
from scorer.job.remaining import Remaining
from scorer.node import promised_slots
from scorer.report.text import counted
from scorer.store import Stores

# How often a worker with room for more polls for what others have let go of; and one without, whether the job goes on.
POLL_SECONDS = 10.0
BUSY_POLL_SECONDS = 30.0
# A store may be away for so long before a worker gives up what it is at.
PATIENCE_SECONDS = 600.0
# A chunk whose worker was lost more often takes its machine with it: a container is ended whole where its memory is used up.
# Machines that are taken away (Spot) come to less.
MOST_LOST = 5
# A mounted folder's file is in its store once it is closed, or a moment later.
MOUNT_SECONDS, MOUNT_POLL_SECONDS = 10.0, 0.1

# What is wrong with this machine (no room, no slot, a GPU that fails, something that isn't installed), or with who is signed in:
# the next chunk would fail as well, and be tried once less elsewhere.
_OF_MACHINES = (ModelError, OutputError, StorageFullError, LoginError, TaskError)

T = TypeVar("T")


@dataclass
class WorkEngine:
    """One worker: a Runner of what others don't run."""

    stores: Stores
    claims: Claims
    tries: int
    """Of each chunk in all, wherever; also of the merge."""
    minutes: float | None = None
    """That one try may last."""
    processes: int | None = None
    """None: as many as the machine has slots, or else as pay."""
    log: Callable[[str], None] = lambda _: None
    """Is given a line for whoever reads along."""
    parts: Stores | None = None
    """Where its processes find parts and leave them, if not in `stores`: there, by folders that are mounted."""
    heartbeat: float = 0.5
    """Seconds after which progress is told, even if nothing has happened."""
    scored: int = 0
    """Frames of parts that this worker made."""
    _order: list[str] = field(default_factory=list)
    """Keys of chunks, as they are tried one after another."""
    _ended: dict[int, str] = field(default_factory=dict)
    """Chunks whose processes this worker has ended, and why; '' where others have the chunk."""
    _answered: float = 0.0

    def run(self, plan: Plan, on_progress: Callable[[Progress], None]) -> None:
        """Score chunks until each is settled, here or elsewhere: its part is there, or it was tried as often as it may.

        Ends as well where the job is done meanwhile. Raises the ScorerError that ended the job, or that keeps this machine from
        working on it.
        """
        left = Remaining(plan, self.stores, self.tries)
        self._answered = time.monotonic()
        # In this order: what was let go of before this looked has left its part or its failure.
        self.claims.poll()
        left.poll()
        if self._is_over(plan) or not left.open:
            return
        # From a place of its own on, so that workers that begin together don't all ask for the same chunk.
        keys = [chunk.key for chunk in plan.chunks]
        first = random.randrange(len(keys))  # noqa: S311  # nothing to be guessed
        # Behind all others come those at which an earlier try of this worker was lost: they may be what ended it.
        lost = self.claims.take_back(left.open)
        self._order = [key for key in keys[first:] + keys[:first] if key not in lost] + lost
        count = min(self.processes or promised_slots() or usual_count(plan), len(left.open))
        try:
            with Processes(plan, self.parts or self.stores, count, as_tasks=True) as processes:
                self._share(plan, left, processes, on_progress, reused=left.done)
        finally:
            self.claims.release_all()

    def _share(
        self, plan: Plan, left: Remaining, processes: Processes, on_progress: Callable[[Progress], None], reused: int
    ) -> None:
        polled, waits = time.monotonic(), False
        while True:
            if time.monotonic() - polled >= (POLL_SECONDS if processes.has_room else BUSY_POLL_SECONDS):
                self._patiently(self.claims.poll)
                self._patiently(left.poll)
                polled = time.monotonic()
                if self._patiently(lambda: self._is_over(plan)):
                    return
            while processes.has_room and (chunk := self._patiently(lambda: self._next(left))):
                if self._patiently(lambda: self._is_over(plan)):  # meanwhile
                    return
                processes.give(chunk)
            if not processes.busy and (not left.open or self._leaves(left)):
                return
            if not processes.busy and not waits:
                self.log(
                    f"{counted(len(left.open), 'chunk')} with other workers; what they don't renew is taken over in two minutes"
                )
            waits = not processes.busy
            for ending in processes.endings(self.heartbeat):
                self._settle(plan, left, ending)
            self._end_those(processes)
            on_progress(Progress(min(left.done + processes.written, plan.frames), left.failed, reused))

    def _leaves(self, left: Remaining) -> bool:
        """Whether this worker ends though chunks are left, all of which others have: a worker of no engine waits for them."""
        del left
        return False

    def _patiently(self, call: Callable[[], T]) -> T | None:
        """What `call` gives; None where the store is away, but raises StoreError where that lasts."""
        try:
            given = call()
        except StoreError as error:
            if time.monotonic() - self._answered >= PATIENCE_SECONDS:
                raise
            self.log(str(error))
            return None
        self._answered = time.monotonic()
        return given

    def _is_over(self, plan: Plan) -> bool:
        """Whether somebody else has brought the job to its end. Raises the ScorerError that ended it otherwise."""
        return is_over(plan, self.stores)

    def _next(self, left: Remaining) -> Chunk | None:
        """A chunk that nobody else has, which this worker has now."""
        for key in [key for key in self._order if key in left.open]:
            claim = self.claims.take(key)
            if claim is None:
                continue
            chunk = left.open[key]
            if self._is_scored(left.plan, chunk):  # since the last poll
                self._let_go(left, chunk, 0)
                continue
            if claim.lost <= MOST_LOST:
                return chunk
            error = TaskError(
                f"Chunk {chunk.index} was lost with its worker {claim.lost} times: look for what ends machines there."
            )
            keep_failure(left.plan, key, error, self.stores, for_good=True)
            self.log(str(error))
            self._let_go(left, chunk, None)
        return None

    def _settle(self, plan: Plan, left: Remaining, ending: Ending) -> None:
        """Count a part that is whole; what failed is free again, for anybody, as often as it may be tried."""
        chunk, key = ending.chunk, ending.chunk.key
        why = self._ended.pop(chunk.index, None)
        if ending.error is None and ending.code is None:
            self.log(f"chunk {chunk.index}: {counted(chunk.frames, 'frame')}, {ending.failed} failed")
            self.scored += chunk.frames if ending.made else 0
            self._wait_for_mount(plan, chunk)
            self._let_go(left, chunk, ending.failed)
            return
        if why == "":
            self.log(f"chunk {chunk.index}: others have it by now, as this worker was away for too long")
            return
        error = ending.error
        if error is None:
            error = TaskError(f"Chunk {chunk.index} {why or f'ended its process with code {ending.code}'}.")
            with suppress(ScorerError), typed():
                keep_failure(plan, key, error, self.stores, for_good=False)
        self.log(f"chunk {chunk.index}: {error}")
        failure = self._patiently(lambda: find_failure(plan, key, self.stores))
        if failure is not None and failure.is_final(self.tries):
            self._let_go(left, chunk, None)
        else:
            self._patiently(lambda: self.claims.release(key))
            self._order.remove(key)
            self._order.append(key)
        if isinstance(ending.error, _OF_MACHINES) and not isinstance(ending.error, InternalError):
            raise ending.error

    def _is_scored(self, plan: Plan, chunk: Chunk) -> bool:
        return self.stores.work.find(paths.part(plan.job, chunk.key)) is not None

    def _wait_for_mount(self, plan: Plan, chunk: Chunk) -> None:
        """Wait for what was written by a mounted folder to be in its store, where others look before they take the chunk."""
        deadline = time.monotonic() + MOUNT_SECONDS
        while self.parts is not None and not self._patiently(lambda: self._is_scored(plan, chunk)):
            if time.monotonic() > deadline:
                return
            time.sleep(MOUNT_POLL_SECONDS)

    def _let_go(self, left: Remaining, chunk: Chunk, failed: int | None) -> None:
        left.settle(chunk, failed)
        self._patiently(lambda: self.claims.release(chunk.key))

    def _end_those(self, processes: Processes) -> None:
        """End what takes too long, and what others do by now."""
        lost = self._patiently(self.claims.renew) or []
        for worker in processes.busy:
            if worker.chunk is None or worker.chunk.index in self._ended:
                continue
            if worker.chunk.key in lost:
                self._ended[worker.chunk.index] = ""
                worker.process.kill()
            elif self.minutes is not None and time.monotonic() - worker.since >= self.minutes * 60:
                self._ended[worker.chunk.index] = f"took longer than {self.minutes:g} minutes"
                worker.process.kill()

    def merge(self, plan: Plan, merge: Callable[[], Outcome]) -> Outcome | None:
        """What `merge` gives, if this worker is the one to do it and nothing is left; None where it is to be called again later.

        Raises the ScorerError that ends the job.
        """
        key = merge_key(plan)
        self.claims.poll()
        if self.claims.take(key) is None:
            return None
        try:
            with self.claims.kept():
                left = Remaining(plan, self.stores, self.tries)
                left.poll_well()
                if left.open and done_before(plan, self.stores) is None:
                    return None
                return merge()
        except ScorerError as error:
            if done := done_before(plan, self.stores):  # somebody else was quicker
                return done
            if is_final(plan, key, error, self.stores, self.tries):
                raise
            self.log(f"merge: {error}")
            return None
        finally:
            self.claims.release_all()


def is_over(plan: Plan, stores: Stores) -> bool:
    """Whether the job is done. Raises the ScorerError that ended it otherwise: RequestError where somebody has cancelled it."""
    status = find_status(plan.job, stores)
    if status is not None and status.state == "cancelled":
        raise RequestError(f"Job '{plan.job}' was cancelled.")
    if status is not None and status.state == "failed":
        raise error_of(status.exit_code or 1, status.error or "It failed without a word.")
    return status is not None and status.state == "done" and done_before(plan, stores) is not None


def work_job(
    plan: Plan, engine: WorkEngine, merge: Callable[[], Outcome], on_progress: Callable[[Progress], None]
) -> Outcome:  # fmt: skip
    """Work on the job until it is done: here, or by whoever else works on it; `merge` is its last step.

    Raises ScorerError: what ended the job, or what keeps this machine from working on it.
    """
    outcome = None
    while outcome is None:
        if is_over(plan, engine.stores):
            outcome = merge()  # which clears what another worker, that was killed, left
        else:
            engine.run(plan, on_progress)
            if (outcome := engine.merge(plan, merge)) is None:
                time.sleep(POLL_SECONDS)
    on_progress(Progress(plan.frames, outcome.status.failed, 0))  # what others did last was not polled for
    return outcome
