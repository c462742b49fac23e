"""Worker processes of one plan: each loads the model once, and scores the chunks that it is given."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from scorer.boundary import typed, unforeseen
from scorer.documents.plan import Chunk, Plan
from scorer.documents.records import Line
from scorer.engines.process_start import start
from scorer.errors import ScorerError, TaskError
from scorer.job.failures import error_of, recorded_failures
from scorer.job.marks import forget_tries
from scorer.job.score import load_model, score_chunk
from scorer.models import Model
from scorer.models.devices import demand_devices, gpus
from scorer.node import promised_slots, take_slot
from scorer.store import Stores
from scorer.telemetry import Telemetry, open_telemetry

# On a processor, workers of one thread each lose less to waiting than one worker of many threads (measured: a tenth on two
# cores); but each holds a model of its own in memory.
MOST_CPU_WORKERS = 4
# How long a process may take to say the last to Application Insights.
END_SECONDS = 10.0


@dataclass
class Worker:
    """One of the processes, and what it is at."""

    number: int
    process: BaseProcess
    link: Connection[Any, Any]
    chunk: Chunk | None = None
    since: float = 0.0
    """When it was given the chunk, of time.monotonic()."""
    written: int = 0
    """Frames of the chunk."""


@dataclass(frozen=True)
class Ending:
    """What came of a chunk that a process was given."""

    chunk: Chunk
    failed: int = 0
    """Frames that failed, of a part that is whole."""
    made: bool = False
    """Whether the part was made by this, and not there before."""
    error: ScorerError | None = None
    """Why there is no part."""
    code: int | None = None
    """The exit code of the process, where it died over the chunk."""


@dataclass
class Processes:
    """Up to `count` worker processes, each started when there is a chunk for it, to be used as a context; they end with it.

    `as_tasks`: each takes a slot of this machine's, as tasks of a cluster do, and tells Application Insights.
    """

    plan: Plan
    stores: Stores
    count: int
    as_tasks: bool = False
    workers: list[Worker] = field(default_factory=list)
    """Those that run."""
    _devices: int = 0

    def __enter__(self) -> Processes:
        self._devices = _devices(self.plan)
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            worker.link.close()
            if worker.chunk is None and self.as_tasks:
                worker.process.join(END_SECONDS)
            worker.process.kill()
            worker.process.join()
            if worker.chunk is not None:
                with suppress(ScorerError), typed():
                    forget_tries(self.plan, worker.chunk, self.stores)

    @property
    def has_room(self) -> bool:
        """Whether another chunk may be given."""
        return len(self.busy) < self.count

    @property
    def busy(self) -> list[Worker]:
        """Those that are at a chunk."""
        return [worker for worker in self.workers if worker.chunk is not None]

    @property
    def written(self) -> int:
        """Frames of chunks that aren't whole yet."""
        return sum(worker.written for worker in self.workers)

    def give(self, chunk: Chunk) -> None:
        """Have one that is idle score the chunk, or a new one."""
        worker = next((worker for worker in self.workers if worker.chunk is None), None)
        if worker is None:
            numbers = {worker.number for worker in self.workers}
            worker = self._start(next(number for number in range(self.count) if number not in numbers))
            self.workers.append(worker)
        worker.chunk, worker.since = chunk, time.monotonic()
        with suppress(OSError):  # it died: the next wait() sees that, with the chunk in its hands
            worker.link.send(chunk.index)

    def endings(self, seconds: float) -> Iterator[Ending]:
        """What has come to its end, or comes to it within so many seconds.

        Raises TaskError where one ended that had nothing to do.
        """
        links = wait([worker.link for worker in self.workers], timeout=seconds)
        for worker in [worker for worker in self.workers if worker.link in links]:
            try:
                message = worker.link.recv()
            except (EOFError, OSError):
                message = None
            if message is None or isinstance(message, ScorerError):
                yield self._ended(worker, message)
                self.workers.remove(worker)
            elif message[0] == "written":
                worker.written += message[1]
            elif worker.chunk is not None:
                chunk, worker.chunk, worker.written = worker.chunk, None, 0
                yield Ending(chunk, failed=message[1], made=message[2])

    def _ended(self, worker: Worker, error: ScorerError | None) -> Ending:
        worker.process.join()
        code = worker.process.exitcode
        if worker.chunk is None:
            raise error or TaskError(f"A worker process ended with code {code} though it had nothing to do: try again.")
        worker.link.close()
        return Ending(worker.chunk, error=error, code=code)

    def _start(self, number: int) -> Worker:
        threads = max(1, (os.cpu_count() or 1) // self.count)
        gpu = number % self._devices if self._devices and not promised_slots() else None
        process, link = start(_work, self.plan, self.stores, threads, gpu, self.as_tasks, name=f"scorer-{number}")
        return Worker(number, process, link)


def usual_count(plan: Plan) -> int:
    """Worker processes that pay on this machine: one a GPU, or one a processor core, up to four."""
    return _devices(plan) or (1 if plan.device == "mps" else min(os.cpu_count() or 1, MOST_CPU_WORKERS))


def _devices(plan: Plan) -> int:
    return gpus() if plan.device != "cpu" else 0


def _work(plan: Plan, stores: Stores, threads: int, gpu: int | None, as_task: bool, link: Connection[Any, Any]) -> None:
    """A worker process: chunk numbers come in, frame counts go out; it ends with its parent."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=lambda: (wait([parent.sentinel]), os._exit(1)), name="parent-watch", daemon=True).start()
    if gpu is not None:
        # Before CUDA is first used in this process, so that nothing shares a device by accident.
        os.environ["CUDA_VISIBLE_DEVICES"] = str(gpu)
    try:
        with typed(), ExitStack() as kept:
            telemetry = kept.enter_context(_telemetry()) if as_task else Telemetry()
            _score_asked(plan, stores, threads, link, telemetry, kept if as_task else None)
    except ScorerError as error:
        link.send(error_of(error.exit_code, str(error)))  # a user's own kind, or its cause, may not travel between processes


def _telemetry() -> AbstractContextManager[Telemetry]:
    from scorer.azure.identity import credential  # which takes a while to load

    return open_telemetry(credential)


def _score_asked(
    plan: Plan, stores: Stores, threads: int, link: Connection[Any, Any], telemetry: Telemetry, slots: ExitStack | None
) -> None:
    """Score chunk after chunk, with a slot of the machine's for as long as `slots` lasts."""
    model: Model | None = None
    for number in _asked(link):
        chunk = plan.chunks[number]
        written: list[Line] = []
        try:
            with recorded_failures(plan, chunk.key, stores), _without_interrupts():
                if model is None:
                    if slots is not None:
                        threads = slots.enter_context(take_slot()).threads or threads
                        demand_devices()
                    model = load_model(plan, stores, threads)
                report = _Throttled(lambda count: link.send(("written", count)))
                part, made = score_chunk(plan, chunk, stores, model, report.add, on_records=written.extend)
        except ScorerError as error:
            telemetry.task(plan.job, number, "failed")
            telemetry.failure(error, plan.job, "score")
            raise
        telemetry.task(plan.job, number, "finished", written)
        link.send(("done", part.failed, made))


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
