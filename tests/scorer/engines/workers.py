"""Workers as processes, `scorer work`, by whose clock claims are free after seconds: copies of a process that has loaded it."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from emulator.forked import CopiedProcess, Place, be_scorer
from scorer.engines import work
from scorer.job import claims

FREE, POLL = 1.5, 0.1


@dataclass
class Worker:
    """One of them, alone in its process group."""

    process: CopiedProcess
    folder: Path

    @property
    def out(self) -> str:
        """What it printed as its answer."""
        return (self.folder / "out").read_text()

    @property
    def errors(self) -> str:
        """What else it printed."""
        return (self.folder / "errors").read_text()

    @property
    def scored(self) -> int:
        """Frames that it scored, as it says at its end."""
        return int(json.loads(self.out)["scored"])

    def send(self, number: int) -> None:
        """Send a signal to it and its processes."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def ends(self, code: int = 0) -> None:
        """Wait until it does, with that code."""
        found = self.process.wait()
        assert found == code, f"{found}: {self.errors}"


class Workers:
    """Those of one test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._all: list[Worker] = []

    def start(
        self,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        free: float = FREE,
        poll: float = POLL,
        processes: int = 1,
    ) -> Worker:
        """Start `scorer work` with these arguments, in the test's folder."""
        own = self._folder / f"worker-{len(self._all)}"
        own.mkdir()
        place = Place(dict(environment or os.environ), str(self._folder), str(own / "out"), str(own / "errors"), None)
        command = ["work", *arguments, "--processes", str(processes), "--json"]
        worker = Worker(CopiedProcess(_work, command, place, free, poll), own)
        self._all.append(worker)
        return worker

    def end(self) -> None:
        """End those that are left, stopped ones among them."""
        for worker in self._all:
            worker.send(signal.SIGKILL)
            worker.process.wait()


@contextmanager
def workers_in(folder: Path) -> Iterator[Workers]:
    """Workers that end with the block."""
    workers = Workers(folder)
    try:
        yield workers
    finally:
        workers.end()


def _work(arguments: list[str], place: Place, free: float, poll: float) -> None:
    place.enter()
    claims.RENEW_SECONDS, claims.FREE_SECONDS = 2 * poll, free
    work.POLL_SECONDS = work.BUSY_POLL_SECONDS = poll
    be_scorer(arguments)
