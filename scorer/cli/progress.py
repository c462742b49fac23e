"""How far a job is: a bar in a terminal, lines where there is none."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress
from rich.text import Text

from scorer.client.describe import describe
from scorer.documents.plan import Plan
from scorer.engines.base import Progress
from scorer.report.text import counted, duration

if TYPE_CHECKING:
    from scorer.client.client import Standing

EVERY = 30.0
"""Seconds between two lines."""


class Shown(Protocol):
    """Whoever shows a job's progress."""

    def plan(self, plan: Plan) -> None:
        """The job is planned: its length is known."""

    def progress(self, progress: Progress) -> None:
        """So many frames are done."""


def shown_on(console: Console, *, quiet: bool) -> AbstractContextManager[Shown]:
    """What shows progress there, while the block runs."""
    if quiet:
        return nullcontext(_Nothing())
    return Bar(console) if console.is_terminal else Lines(console)


class _Nothing:
    def plan(self, plan: Plan) -> None: ...

    def progress(self, progress: Progress) -> None: ...


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        waits = "" if task.finished else "loading the model …"
        return Text(f"{speed:.1f} frames/s" if speed else waits)


class Bar:
    """A progress bar: frames done, frames a second, time left."""

    def __init__(self, console: Console) -> None:
        self._bar = RichProgress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"), console=console, speed_estimate_period=60,
        )  # fmt: skip
        self._task = self._bar.add_task("planning", total=None, note="", visible=True)
        self._started = False

    def plan(self, plan: Plan) -> None:
        self._bar.update(self._task, description="scoring", total=plan.frames)

    def progress(self, progress: Progress) -> None:
        if not self._started:  # frames of an earlier run say nothing of this one's speed
            self._bar.reset(self._task, completed=progress.reused, description="scoring")
            self._started = True
        note = f"{progress.failed} failed" if progress.failed else ""
        self._bar.update(self._task, completed=progress.done, note=note)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is not None and issubclass(kind, Exception):  # what it is about is said below, and the bar is of no more use
            self._bar.live.transient = True
        self._bar.stop()


class Lines:
    """A line once the length is known, one each half minute, and one at the end."""

    def __init__(self, console: Console, every: float = EVERY) -> None:
        self._console, self._every = console, every
        self._ended = threading.Event()
        self._teller = threading.Thread(target=self._tell, name="progress", daemon=True)
        self._frames = 0
        self._now = Progress(0, 0, 0)
        # When the first frame of this run was done, and how many there were then: to load the model takes its own time.
        self._first: tuple[float, int] | None = None

    def plan(self, plan: Plan) -> None:
        self._frames = plan.frames
        self._print(f"scoring {counted(plan.frames, 'frame')} in {counted(len(plan.chunks), 'chunk')}")

    def progress(self, progress: Progress) -> None:
        if self._first is None and progress.done > progress.reused:
            self._first = time.monotonic(), progress.done
        self._now = progress

    def __enter__(self) -> Self:
        self._teller.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ended.set()
        self._teller.join()
        if kind is None:
            self._print(self._line())

    def _tell(self) -> None:
        while not self._ended.wait(self._every):
            self._print(self._line())

    def _line(self) -> str:
        """Where the job stands now."""
        now = self._now
        if not self._frames:
            return "planning"
        failed = f" · {now.failed} failed" if now.failed else ""
        line = f"{now.done} of {counted(self._frames, 'frame')}{failed}"
        if now.done == self._frames:
            return f"{line} · joining the result" if not self._ended.is_set() else line
        if self._first is None:
            return f"{line} · loading the model"
        rate = (now.done - self._first[1]) / max(time.monotonic() - self._first[0], 0.001)
        left = f" · about {duration((self._frames - now.done) / rate)} left" if rate else ""
        return f"{line} · {rate:.1f} frames/s{left}"

    def _print(self, line: str) -> None:
        self._console.print(line, soft_wrap=True)


@contextmanager
def following(console: Console, *, quiet: bool) -> Iterator[Callable[[Standing], None]]:
    """What shows where a job on a deployment stands, at each poll while the block runs."""
    began = time.monotonic()

    def line(standing: Standing) -> str:
        return describe(standing, time.monotonic() - began)

    if quiet:
        yield lambda _: None
    elif console.is_terminal:
        with Live(console=console, refresh_per_second=4, transient=True) as live:
            yield lambda standing: live.update(line(standing))
    else:
        told = -EVERY

        def tell(standing: Standing) -> None:
            nonlocal told
            if time.monotonic() - began - told >= EVERY:
                told = time.monotonic() - began
                console.print(line(standing), soft_wrap=True)

        yield tell
