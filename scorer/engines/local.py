"""The local engine: worker processes on this machine, one a GPU, or as many as pay on its processor."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

from scorer.engines import Progress
from scorer.errors import ScorerError, TaskError
from scorer.plan import Chunk, Plan
from scorer.score import find_part, load_model, score_chunk
from scorer.store import Stores

# A task whose process dies (killed, a crash in a decoder, the machine out of memory) is tried this often in all.
TRIES = 3

# Threads one worker keeps busy: beyond this many, one more worker gains more than more threads do.
THREADS_A_WORKER = 8


def gpus() -> int:
    """CUDA devices that this machine offers; 0 without torch."""
    try:
        import torch
    except ImportError:
        return 0
    return torch.cuda.device_count()


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
    """None: one a GPU, or one for every eight processor cores."""
    heartbeat: float = 0.5
    """Seconds after which progress is told, even if nothing has happened."""
    _waiting: deque[Chunk] = field(default_factory=deque)
    _tries: Counter[int] = field(default_factory=Counter)

    def run(self, plan: Plan, on_progress: Callable[[Progress], None]) -> None:
        """Score what isn't scored yet; workers end with it, however it ends."""
        done = failed = reused = 0
        for chunk in plan.chunks:
            if part := find_part(plan, chunk, self.stores):
                reused, failed = reused + chunk.frames, failed + part.failed
            else:
                self._waiting.append(chunk)
        done = reused
        on_progress(Progress(done, failed, reused))
        devices = gpus() if plan.device != "cpu" else 0
        count = min(self.workers or devices or max(1, (os.cpu_count() or 1) // THREADS_A_WORKER), len(self._waiting))
        workers = [self._start(plan, number, count, devices) for number in range(count)]
        try:
            while self._waiting or any(worker.chunk for worker in workers):
                for worker in self._ready(workers):
                    number = workers.index(worker)
                    part_failed = self._hear(worker)
                    if part_failed is None:
                        workers[number] = self._replace(worker, plan, number, count, devices)
                    elif part_failed >= 0 and worker.chunk is not None:
                        done, failed = done + worker.chunk.frames, failed + part_failed
                        worker.chunk, worker.written = None, 0
                for worker in workers:
                    self._feed(worker)
                on_progress(Progress(done + sum(worker.written for worker in workers), failed, reused))
        finally:
            for worker in workers:
                worker.process.kill()
                worker.process.join()

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
        process.start()
        theirs.close()
        return _Worker(process, ours)

    def _replace(self, worker: _Worker, plan: Plan, number: int, count: int, devices: int) -> _Worker:
        """A new process for one that died; what it was at is tried again."""
        worker.process.join()
        if worker.chunk is None:
            raise TaskError(f"A worker process ended with code {worker.process.exitcode} before its first chunk: try again.")
        self._tries[worker.chunk.index] += 1
        if self._tries[worker.chunk.index] >= TRIES:
            chunk, last = worker.chunk, worker.chunk.first + worker.chunk.frames - 1
            raise TaskError(
                f"Chunk {chunk.index} (frames {chunk.first} to {last}) ended its process {TRIES} times, with code "
                f"{worker.process.exitcode} the last time: choose a smaller size, or look for what kills it."
            )
        self._waiting.appendleft(worker.chunk)
        return self._start(plan, number, count, devices)

    def _feed(self, worker: _Worker) -> None:
        if worker.chunk is None and self._waiting:
            worker.chunk = self._waiting.popleft()
            with suppress(OSError):  # it died: the next wait() sees that, with the chunk in its hands
                worker.link.send(worker.chunk.index)

    def _hear(self, worker: _Worker) -> int | None:
        """A message: how many frames failed of a part that is done, -1 for mere progress, None where the process died."""
        try:
            message = worker.link.recv()
        except (EOFError, OSError):
            return None
        if isinstance(message, ScorerError):
            raise message
        kind, count = message
        if kind == "done":
            return int(count)
        worker.written += count
        return -1


def _work(plan: Plan, stores: Stores, threads: int, gpu: int | None, link: Connection[Any, Any]) -> None:
    """A worker process: chunk numbers come in, frame counts go out; it ends with its parent."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=lambda: (wait([parent.sentinel]), os._exit(1)), name="parent-watch", daemon=True).start()
    if gpu is not None:
        # Before CUDA is first used in this process, so that nothing shares a device by accident.
        os.environ["CUDA_VISIBLE_DEVICES"] = str(gpu)
    model = None
    try:
        while True:
            chunk = plan.chunks[link.recv()]
            model = model or load_model(plan, stores, threads)
            report = _Throttled(lambda count: link.send(("frames", count)))
            part, _ = score_chunk(plan, chunk, stores, model, report.add)
            link.send(("done", part.failed))
    except ScorerError as error:
        link.send(type(error)(*error.args))  # without its cause, which may not travel between processes
    except (EOFError, KeyboardInterrupt):
        pass


class _Throttled:
    """Adds up counts, and passes them on a few times a second."""

    def __init__(self, send: Callable[[int], None]) -> None:
        self._send, self._count, self._sent = send, 0, time.monotonic()

    def add(self, count: int) -> None:
        self._count += count
        if time.monotonic() - self._sent >= 0.2:
            self._send(self._count)
            self._count, self._sent = 0, time.monotonic()
