"""The report's plots: SVG and HTML made of numbers, of a size that doesn't grow with the job.

The SVGs are stretched to the page's width (preserveAspectRatio='none'), so all text stands beside them as HTML.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping

from scorer.report.tally import BARS, Bar, Tally, join
from scorer.report.text import counted, duration, escape, milliseconds, share

_HEIGHT = 100  # of the plot, in its own units; a column is 1 wide


def stage_bars(parts: Mapping[str, float], show: Mapping[str, str]) -> str:
    """One bar a part, as long as its share of the sum; `show` is what stands beside it."""
    whole = sum(parts.values())
    return "".join(
        f'<dt>{escape(name)}</dt><dd><span class="track"><span class="fill c{index % 3}" style="width:{_percent(value, whole)}">'
        f'</span></span><span class="much">{escape(show[name])} <small>{share(value, whole)}</small></span></dd>'
        for index, (name, value) in enumerate(parts.items())
    )


def ticks(top: float, about: int = 4) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten apart) from 0 up to the first one at or above `top`."""
    if top <= 0:
        return [0.0, 1.0]
    rough = top / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    return [step * index for index in range(math.ceil(top / step - 1e-9) + 1)]


def frame_plot(tally: Tally) -> str:
    """Time per frame over the frame number: median and maximum of each bin, and where frames failed."""
    medians = [each.median for each in tally.bins]
    slowest = [each.slowest for each in tally.bins]
    scale = ticks(_cap(slowest))
    top = scale[-1]
    columns = len(tally.bins)
    grid = "".join(f"M0 {_y(tick, top)}H{columns}" for tick in scale[1:])
    over = "".join(
        f'<i class="over" style="left:{_percent(index + 0.5, columns)}">▲</i>' for index, each in enumerate(slowest) if each > top
    )
    failed = "".join(f"M{index} 0h1v1h-1z" for index, each in enumerate(tally.bins) if each.failed)
    values = [
        [round(median, 2), round(most, 2), each.failed] for each, median, most in zip(tally.bins, medians, slowest, strict=True)
    ]
    data = json.dumps({"total": tally.total, "width": tally.width, "bins": values}, separators=(",", ":"))
    most_area = f'<path class="most" d="{_steps(slowest, top)}"/>' if tally.width > 1 else ""
    label = (
        f"Time per frame: the slowest, frame {tally.slowest_frame:,}, took {milliseconds(tally.slowest_ms)}. "
        f"{counted(tally.failed, 'frame')} failed."
    )
    return (
        f'<div class="plot" data-plot="{escape(data, len(data))}"><div class="y">{_y_labels(scale)}</div><div class="area">'
        f'<svg viewBox="0 0 {columns} {_HEIGHT}" preserveAspectRatio="none" role="img" aria-label="{label}">'
        f'<path class="grid" d="{grid}"/>{most_area}<path class="median" d="{_steps(medians, top)}"/></svg>{over}'
        f'<svg class="marks" viewBox="0 0 {columns} 1" preserveAspectRatio="none" aria-hidden="true"><path d="{failed}"/></svg>'
        f'</div><div class="x">{_x_labels(ticks(max(tally.total - 1, 1), 5), tally.total - 1)}</div></div>'
    )


def _cap(slowest: list[float]) -> float:
    """Where the plot's scale ends: a few very slow bins (a warm-up, a busy disk) mustn't flatten all others."""
    some = sorted(value for value in slowest if value)
    if not some:
        return 0.0
    common = some[math.ceil(0.97 * len(some)) - 1]
    return some[-1] if some[-1] <= 2.5 * common else 1.2 * common


def _steps(values: Iterable[float], top: float) -> str:
    return f"M0 {_HEIGHT}" + "".join(f"V{_y(value, top)}h1" for value in values) + f"V{_HEIGHT}z"


def _y(value: float, top: float) -> str:
    return f"{max(0.0, _HEIGHT * (1 - value / top)):.4g}"


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole if whole else 0:.3f}".rstrip("0").rstrip(".") + "%"


def _y_labels(scale: list[float]) -> str:
    return "".join(
        f'<span style="bottom:{_percent(tick, scale[-1])}">{tick:,.10g}{" ms" if tick == scale[-1] else ""}</span>'
        for tick in scale
    )


def _x_labels(numbers: list[float], last: float, show: str = "") -> str:
    if last <= 0:
        return '<span style="left:0%">0</span>'
    return "".join(
        f'<span{" class=late" if number > 0.9 * last else ""} style="left:{_percent(number, last)}">{number:,.10g}{show}</span>'
        for number in numbers
        if number <= last * 1.0001
    )


def task_plot(tally: Tally) -> str:
    """One row a worker, one bar a task over time; where there are too many, neighbours share a bar."""
    if not tally.workers:
        return '<p class="none">There is no record of a task.</p>'
    began = min(bar.started for bars in tally.workers.values() for bar in bars)
    length = max(max(bar.ended for bars in tally.workers.values() for bar in bars) - began, 1e-3)
    most = max(12, BARS // len(tally.workers))
    rows = "".join(
        f"<dt>{escape(worker, 80)}</dt><dd>{''.join(_task_bar(bar, began, length) for bar in join(bars, most))}</dd>"
        for worker, bars in tally.workers.items()
    )
    unit, divisor = ("s", 1.0) if length < 300 else ("min", 60.0) if length < 18_000 else ("h", 3600.0)
    axis = _x_labels(ticks(length / divisor, 5), length / divisor, f" {unit}")
    return f'<dl class="tasks">{rows}<dt></dt><dd class="x">{axis}</dd></dl>'


def _task_bar(bar: Bar, began: float, length: float) -> str:
    what = f"chunk {bar.chunk:,}" if bar.tasks == 1 else f"{counted(bar.tasks, 'task')} from chunk {bar.chunk:,}"
    words = [what, counted(bar.frames, "frame"), duration(bar.ended - bar.started), f"batch of {bar.batch_size}"]
    words += [f"{bar.failed:,} failed"] if bar.failed else []
    words += bar.notes
    kind = " bad" if bar.failed else " noted" if bar.notes else ""
    return (
        f'<span class="task{kind}" style="left:{_percent(bar.started - began, length)};'
        f'width:{_percent(bar.ended - bar.started, length)}" data-tip="{escape(" · ".join(words))}"></span>'
    )
