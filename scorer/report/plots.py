"""The report's plots as numbers, of a size that doesn't grow with the job; plots.html draws them.

The SVGs are stretched to the page's width (preserveAspectRatio='none'), so all text stands beside them as HTML.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from scorer.report.tally import BARS, Bar, Tally, join
from scorer.report.text import counted, duration, percent

HEIGHT = 100
"""Of the plot, in its own units; a column is 1 wide."""


class Tick(NamedTuple):
    """A number at an axis."""

    place: str
    """How far along the axis, as CSS takes it."""
    text: str
    late: bool = False
    """Whether it is so near to the axis' end that it must end there."""


@dataclass(frozen=True)
class FramePlot:
    """Time per frame over the frame number: median and maximum of each bin, and where frames failed."""

    columns: int
    grid: str
    """The paths of lines and areas."""
    slowest: str
    median: str
    failed: str
    over: Sequence[str]
    """Places of columns that are higher than the plot."""
    left: Sequence[Tick]
    below: Sequence[Tick]
    data: dict[str, Any]
    """What pointing at it tells."""


def ticks(top: float, about: int = 4) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten apart) from 0 up to the first one at or above `top`."""
    if top <= 0:
        return [0.0, 1.0]
    rough = top / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    return [step * index for index in range(math.ceil(top / step - 1e-9) + 1)]


def frame_plot(tally: Tally) -> FramePlot:
    """Make the plot of time per frame."""
    medians = [each.median for each in tally.bins]
    slowest = [each.slowest for each in tally.bins]
    scale = ticks(_cap(slowest))
    top = scale[-1]
    columns = len(tally.bins)
    bins = [
        [round(median, 2), round(most, 2), each.failed] for each, median, most in zip(tally.bins, medians, slowest, strict=True)
    ]
    return FramePlot(
        columns=columns,
        grid="".join(f"M0 {_y(tick, top)}H{columns}" for tick in scale[1:]),
        slowest=_steps(slowest, top) if tally.width > 1 else "",
        median=_steps(medians, top),
        failed="".join(f"M{index} 0h1v1h-1z" for index, each in enumerate(tally.bins) if each.failed),
        over=[percent(index + 0.5, columns) for index, each in enumerate(slowest) if each > top],
        left=[Tick(percent(tick, top), f"{tick:,.10g}{' ms' if tick == top else ''}") for tick in scale],
        below=_below(ticks(max(tally.total - 1, 1), 5), tally.total - 1),
        data={"total": tally.total, "width": tally.width, "bins": bins},
    )


def _cap(slowest: list[float]) -> float:
    """Where the plot's scale ends: a few very slow bins (a warm-up, a busy disk) mustn't flatten all others."""
    some = sorted(value for value in slowest if value)
    if not some:
        return 0.0
    common = some[math.ceil(0.97 * len(some)) - 1]
    return some[-1] if some[-1] <= 2.5 * common else 1.2 * common


def _steps(values: Iterable[float], top: float) -> str:
    return f"M0 {HEIGHT}" + "".join(f"V{_y(value, top)}h1" for value in values) + f"V{HEIGHT}z"


def _y(value: float, top: float) -> str:
    return f"{max(0.0, HEIGHT * (1 - value / top)):.4g}"


def _below(numbers: list[float], last: float, unit: str = "") -> list[Tick]:
    if last <= 0:
        return [Tick("0%", "0")]
    return [
        Tick(percent(number, last), f"{number:,.10g}{unit}", number > 0.9 * last) for number in numbers if number <= last * 1.0001
    ]


class TaskBar(NamedTuple):
    """One task over time, or neighbours that share a bar."""

    left: str
    width: str
    kind: str
    tip: str


@dataclass(frozen=True)
class TaskPlot:
    """One row a worker, one bar a task over time."""

    rows: Sequence[tuple[str, Sequence[TaskBar]]]
    below: Sequence[Tick]


def task_plot(tally: Tally) -> TaskPlot | None:
    """Make the plot of tasks; None where there is no record of one."""
    if not tally.workers:
        return None
    began = min(bar.started for bars in tally.workers.values() for bar in bars)
    length = max(max(bar.ended for bars in tally.workers.values() for bar in bars) - began, 1e-3)
    most = max(12, BARS // len(tally.workers))
    rows = [(worker[:80], [_task_bar(bar, began, length) for bar in join(bars, most)]) for worker, bars in tally.workers.items()]
    unit, divisor = ("s", 1.0) if length < 300 else ("min", 60.0) if length < 18_000 else ("h", 3600.0)
    return TaskPlot(rows, _below(ticks(length / divisor, 5), length / divisor, f" {unit}"))


def _task_bar(bar: Bar, began: float, length: float) -> TaskBar:
    what = f"chunk {bar.chunk:,}" if bar.tasks == 1 else f"{counted(bar.tasks, 'task')} from chunk {bar.chunk:,}"
    words = [what, counted(bar.frames, "frame"), duration(bar.ended - bar.started), f"batch of {bar.batch_size}"]
    words += [f"{bar.failed:,} failed"] if bar.failed else []
    words += bar.notes
    kind = "bad" if bar.failed else "noted" if bar.notes else ""
    return TaskBar(percent(bar.started - began, length), percent(bar.ended - bar.started, length), kind, " · ".join(words))
