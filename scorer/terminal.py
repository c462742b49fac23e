"""What `scorer run` does for a person around the job: progress while it runs, and the result where it was asked for."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress
from rich.text import Text

from scorer.engines import Progress
from scorer.errors import OutputError, RequestError
from scorer.placing import place
from scorer.plan import Plan
from scorer.store import Stores, storage_errors
from scorer.wishes import split_weight


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f} frames/s" if speed else "loading the model …")


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
        """The job is planned: its length is known."""
        self._bar.update(self._task, description="scoring", total=plan.frames)

    def progress(self, progress: Progress) -> None:
        """So many frames are done."""
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


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def result_path(source: Path, styles: Sequence[str], out: Path | None) -> Path:
    """Where the result goes: as asked for, or named after input and style. Raises OutputError, RequestError."""
    style = Path(split_weight(styles[0])[0]).stem
    target = out or Path(f"{source.absolute().stem}-{style}")
    check_place(target, folder=source.is_dir(), source=source)
    return target


def check_place(target: Path, *, folder: bool, source: Path | None = None) -> None:
    """Raise OutputError where `target`, a folder or a file, can't be written or is `source`; nothing is left of trying."""
    if source is not None and target.resolve() == source.resolve():
        raise OutputError(f"'{target}' is the input itself: give the result another name.")
    if target.exists() and target.is_dir() != folder:
        raise OutputError(
            f"'{target}' is in the way: it is a {'folder' if target.is_dir() else 'file'}; give the result another name."
        )
    place = target.absolute() if folder else target.absolute().parent
    there = next(each for each in (place, *place.parents) if each.exists())
    with storage_errors(str(target), writing=True), tempfile.TemporaryFile(dir=there):
        pass


def check_ending(target: Path, *endings: str, why: str = "") -> None:
    """Raise RequestError where a video's name ends otherwise; `why` is said behind the endings that it may have."""
    if target.suffix.lower() not in endings:
        raise RequestError(
            f"The result can't be named '{target}': it is an {' or an '.join(endings)} file{why}; "
            f"call it '{target.with_suffix(endings[0])}'."
        )


def with_ending(target: Path, plan: Plan, *, asked: bool) -> Path:
    """`target`, ending as the result does. Raises RequestError where it was asked for with another ending."""
    if plan.video is None:
        return target
    ending = f".{plan.video.container}"
    if not asked:
        return target.with_name(target.name + ending)
    why = f", since an .mp4 can't hold its sound ({', '.join(plan.video.audio)})" if ending == ".mkv" else ""
    check_ending(target, ending, why=why)
    return target


def deliver(stores: Stores, plan: Plan, target: Path) -> None:
    """Put the result of output/<job>/ to `target`."""
    result = f"{plan.job}/{plan.result}"
    if plan.video:
        place(stores.output, result, target)
        return
    for chunk in plan.chunks:
        for file in chunk.files:
            place(stores.output, result + file.name, target / file.name)
