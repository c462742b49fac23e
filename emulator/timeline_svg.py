"""A picture of a pool at work: nodes over time, and under it each node's tasks as bars."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

LEFT, RIGHT, TOP = 90, 20, 30
WIDTH, PLOT, LANE = 1000, 120, 26
COLORS = {True: "#3b7dd8", False: "#d0453e"}
MERGE_COLOR = "#3aa06a"


@dataclass(frozen=True)
class Bar:
    """One try of one task."""

    node: str
    begin: float
    end: float
    """Seconds."""
    task: str
    good: bool


def draw(nodes: Sequence[tuple[float, int]], bars: Sequence[Bar], end: float) -> str:
    """The SVG; `nodes` are seconds from which on there were so many."""
    names = list(dict.fromkeys(bar.node for bar in sorted(bars, key=lambda bar: bar.begin)))
    lanes = TOP + PLOT + 50
    height = lanes + LANE * len(names) + 40
    scale = (WIDTH - LEFT - RIGHT) / max(end, 1)

    def x(second: float) -> float:
        return LEFT + second * scale

    most = max((count for _, count in nodes), default=1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="{LEFT}" y="18" font-size="14" font-weight="bold">Nodes</text>',
        f'<path d="{_steps(nodes, x, end, most)}" fill="#cfe0f7" stroke="#3b7dd8" stroke-width="1.5"/>',
    ]
    parts += [_label(LEFT - 8, TOP + PLOT - count * PLOT / most + 4, str(count), "end") for count in range(most + 1)]
    parts.append(f'<text x="{LEFT}" y="{lanes - 14}" font-size="14" font-weight="bold">Tasks</text>')
    for number, name in enumerate(names):
        y = lanes + number * LANE
        parts.append(_label(LEFT - 8, y + 15, name, "end"))
        parts += [_bar(bar, x, y) for bar in bars if bar.node == name]
    minutes = range(0, int(end / 60) + 1, max(1, round(end / 60 / 10)))
    for minute in minutes:
        parts.append(f'<path d="M{x(minute * 60):.1f} {TOP}V{height - 30}" stroke="#000" stroke-opacity=".08"/>')
        parts.append(_label(x(minute * 60), height - 14, f"{minute} min", "middle"))
    return "\n".join([*parts, "</svg>\n"])


def _steps(nodes: Sequence[tuple[float, int]], x: Callable[[float], float], end: float, most: int) -> str:
    base = TOP + PLOT
    path = [f"M{x(0):.1f} {base}"]
    for second, count in nodes:
        path.append(f"H{x(second):.1f}V{base - count * PLOT / most:.1f}")
    return "".join([*path, f"H{x(end):.1f}V{base}Z"])


def _bar(bar: Bar, x: Callable[[float], float], y: float) -> str:
    color = MERGE_COLOR if bar.task == "merge" and bar.good else COLORS[bar.good]
    width = max(2.0, x(bar.end) - x(bar.begin))
    how = "done" if bar.good else "lost or failed"
    label = _label(x(bar.begin) + width / 2, y + 14, bar.task, "middle", "#fff") if width > 9 * len(bar.task) else ""
    title = f"<title>{escape(bar.task)}: {bar.end - bar.begin:.0f} s, {how}</title>"
    shape = f'<rect x="{x(bar.begin):.1f}" y="{y}" width="{width:.1f}" height="{LANE - 6}" rx="3" fill="{color}">{title}</rect>'
    return shape + label


def _label(x: float, y: float, text: str, anchor: str, fill: str = "#222") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}">{escape(text)}</text>'
