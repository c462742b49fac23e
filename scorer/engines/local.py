"""The local engine: worker processes on this machine, one a GPU, or as many as pay on its processor."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

from scorer.boundary import typed, unforeseen
from scorer.documents.plan import Chunk, Plan
from scorer.engines.base import Progress
from scorer.errors import ScorerError, TaskError
from scorer.job.failures import chunk_key, error_of, recorded_failures
from scorer.job.marks import forget_tries
from scorer.job.parts import find_parts
from scorer.job.score import load_model, score_chunk
from scorer.models import Model
from scorer.models.devices import gpus
from scorer.store import Stores

# A task whose process dies (killed, a crash in a decoder, the machine out of memory) is tried this often in all.
TRIES = 3

# On a processor, workers of one thread each lose less to waiting than one worker of many threads (measured: a tenth on two
# cores); but each holds a model of its own in memory.
MOST_CPU_WORKERS = 4


@dataclass
class _Worker:
    process: SpawnProcess
    link: Connection[Any, Any]
    chunk: Chunk | None = None
    written: int = 0


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
        devices = gpus() if plan.device != "cpu" else 0
        pays = devices or (1 if plan.device == "mps" else min(os.cpu_count() or 1, MOST_CPU_WORKERS))
        count = min(self.workers or pays, len(self._waiting))
        workers = [self._start(plan, number, count, devices) for number in range(count)]
        try:
            while self._feed(workers):
                for worker in self._ready(workers):
                    if not self._hear(worker):
                        number = workers.index(worker)
                        self._give_back(plan, worker)
                        workers[number] = self._start(plan, number, count, devices)
                written = sum(worker.written for worker in workers)
                on_progress(replace(self._done, done=self._done.done + written))
        finally:
            for worker in workers:
                worker.process.kill()
                worker.process.join()
                if worker.chunk is not None:
                    with suppress(ScorerError), typed():
                        forget_tries(plan, worker.chunk, self.stores)

    def _look(self, plan: Plan) -> None:
        """Which parts are there already, and which chunks wait."""
        reused = failed = 0
        for chunk, part in zip(plan.chunks, find_parts(plan, self.stores), strict=True):
            if part:
                reused, failed = reused + chunk.frames, failed + part.failed
            else:
                self._waiting.append(chunk)
        self._done = Progress(reused, failed, reused)

    def _ready(self, workers: list[_Worker]) -> list[_Worker]:
        links = wait([worker.link for worker in workers], timeout=self.heartbeat)
        return [worker for worker in workers if worker.link in links]

    def _start(self, plan: Plan, number: int, count: int, devices: int) -> _Worker:
        threads = max(1, (os.cpu_count() or 1) // count)
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        gpu = number % devices if devices else None
        process = context.Process(
            target=_work, args=(plan, self.stores, threads, gpu, theirs), name=f"scorer-{number}", daemon=True
        )
        # Ctrl-C reaches all processes of a terminal; workers are ended by this one, and say nothing.
        with _interrupts_kept_back():
            process.start()
        theirs.close()
        return _Worker(process, ours)

    def _feed(self, workers: list[_Worker]) -> bool:
        """Give each idle worker a chunk; whether there is still something to wait for."""
        for worker in workers:
            if worker.chunk is None and self._waiting:
                worker.chunk = self._waiting.popleft()
                with suppress(OSError):  # it died: the next wait() sees that, with the chunk in its hands
                    worker.link.send(worker.chunk.index)
        return any(worker.chunk for worker in workers)

    def _hear(self, worker: _Worker) -> bool:
        """Take a worker's message; False where its process has died. Raises the ScorerError that ended its task."""
        try:
            message = worker.link.recv()
        except (EOFError, OSError):
            return False
        if isinstance(message, ScorerError):
            raise message
        kind, count = message
        if kind == "written":
            worker.written += count
        elif worker.chunk is not None:
            done, failed = self._done.done + worker.chunk.frames, self._done.failed + count
            self._done = replace(self._done, done=done, failed=failed)
            worker.chunk, worker.written = None, 0
        return True

    def _give_back(self, plan: Plan, worker: _Worker) -> None:
        """The chunk of a worker that died waits again. Raises TaskError once it was tried often enough."""
        worker.process.join()
        chunk, code = worker.chunk, worker.process.exitcode
        if chunk is None:
            raise TaskError(f"A worker process ended with code {code} though it had nothing to do: try again.")
        self._tries[chunk.index] += 1
        if self._tries[chunk.index] >= TRIES:
            with recorded_failures(plan, chunk_key(chunk), self.stores):
                raise TaskError(
                    f"Chunk {chunk.index} ({chunk.frames} frames from {chunk.first} on) ended its process {TRIES} times, "
                    f"with code {code} the last time: choose a smaller size, or look for what kills it."
                )
        self._waiting.appendleft(chunk)


def _work(plan: Plan, stores: Stores, threads: int, gpu: int | None, link: Connection[Any, Any]) -> None:
    """A worker process: chunk numbers come in, frame counts go out; it ends with its parent."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=lambda: (wait([parent.sentinel]), os._exit(1)), name="parent-watch", daemon=True).start()
    if gpu is not None:
        # Before CUDA is first used in this process, so that nothing shares a device by accident.
        os.environ["CUDA_VISIBLE_DEVICES"] = str(gpu)
    model: Model | None = None
    try:
        with typed():
            for number in _asked(link):
                chunk = plan.chunks[number]
                with recorded_failures(plan, chunk_key(chunk), stores), _without_interrupts():
                    model = model or load_model(plan, stores, threads)
                    report = _Throttled(lambda count: link.send(("written", count)))
                    part, _ = score_chunk(plan, chunk, stores, model, report.add)
                link.send(("done", part.failed))
    except ScorerError as error:
        link.send(error_of(error.exit_code, str(error)))  # a user's own kind, or its cause, may not travel between processes


@contextmanager
def _interrupts_kept_back() -> Iterator[None]:
    """A process that is started in the block gets no interrupt, where the system has signals to keep back."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # by starting it, start() would let the signal through
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """A KeyboardInterrupt is a model's: those of a person don't reach workers."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise unforeseen(error) from error


def _asked(link: Connection[Any, Any]) -> Iterator[int]:
    """The numbers of chunks to score, until nobody is there to ask for more."""
    with suppress(EOFError):
        while True:
            yield link.recv()


class _Throttled:
    """Adds up counts, and passes them on a few times a second."""

    def __init__(self, send: Callable[[int], None]) -> None:
        self._send, self._count, self._sent = send, 0, time.monotonic()

    def add(self, count: int) -> None:
        self._count += count
        if time.monotonic() - self._sent >= 0.2:
            self._send(self._count)
            self._count, self._sent = 0, time.monotonic()
