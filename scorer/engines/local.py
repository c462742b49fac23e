"""The local engine: worker processes on this machine, one a GPU, or as many as pay on its processor."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from scorer.documents.plan import Chunk, Plan
from scorer.engines.base import Progress
from scorer.engines.processes import Ending, Processes, usual_count
from scorer.errors import TaskError
from scorer.job.failures import recorded_failures
from scorer.job.parts import find_parts
from scorer.store import Stores

# A task whose process dies (killed, a crash in a decoder, the machine out of memory) is tried this often in all.
TRIES = 3


@dataclass
class LocalEngine:
    """Hands chunks to worker processes, each of which loads the model once."""

    stores: Stores
    workers: int | None = None
    """None: one a GPU, or one a processor core, up to four."""
    heartbeat: float = 0.5
    """Seconds after which progress is told, even if nothing has happened."""
    _waiting: deque[Chunk] = field(default_factory=deque)
    _tries: Counter[int] = field(default_factory=Counter)
    _done: Progress = field(default=Progress(0, 0, 0))
    """Of whole parts."""

    def run(self, plan: Plan, on_progress: Callable[[Progress], None]) -> None:
        """Score what isn't scored yet; workers end with it, however it ends."""
        self._look(plan)
        on_progress(self._done)
        count = min(self.workers or usual_count(plan), len(self._waiting))
        with Processes(plan, self.stores, count) as processes:
            while self._feed(processes):
                for ending in processes.endings(self.heartbeat):
                    self._take(plan, ending)
                on_progress(replace(self._done, done=self._done.done + processes.written))

    def _look(self, plan: Plan) -> None:
        """Which parts are there already, and which chunks wait."""
        reused = failed = 0
        for chunk, part in zip(plan.chunks, find_parts(plan, self.stores), strict=True):
            if part:
                reused, failed = reused + chunk.frames, failed + part.failed
            else:
                self._waiting.append(chunk)
        self._done = Progress(reused, failed, reused)

    def _feed(self, processes: Processes) -> bool:
        """Give each idle worker a chunk; whether there is still something to wait for."""
        while processes.has_room and self._waiting:
            processes.give(self._waiting.popleft())
        return bool(processes.busy)

    def _take(self, plan: Plan, ending: Ending) -> None:
        """Count a part that is whole; the chunk of a worker that died waits again.

        Raises the ScorerError that ended a task; TaskError once it was tried often enough.
        """
        chunk = ending.chunk
        if ending.error is not None:
            raise ending.error
        if ending.code is None:
            self._done = replace(self._done, done=self._done.done + chunk.frames, failed=self._done.failed + ending.failed)
            return
        self._tries[chunk.index] += 1
        if self._tries[chunk.index] >= TRIES:
            with recorded_failures(plan, chunk.key, self.stores):
                raise TaskError(
                    f"Chunk {chunk.index} ({chunk.frames} frames from {chunk.first} on) ended its process {TRIES} times, "
                    f"with code {ending.code} the last time: choose a smaller size, or look for what kills it."
                )
        self._waiting.appendleft(chunk)
