"""What `scorer plan --arrivals` found as one picture: an SVG that stands by itself, in light and dark, on pages of any width."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # an image of the scorer has no simulation
    from autoscale.arrivals import Setting
    from scorer.cli.arrivals_answer import Answer

WIDTH, EDGE, HALF = 480, 16, 216
"""Of the picture, of its margins, and of each of two plots side by side, in its own units: some pixels of a telephone."""
ROW, PLOT, LETTERS = 62, 190, 60
"""Heights of a setting and of the plot of rates; letters of a line of words."""
STYLE = """
svg{--paper:#fff;--ink:#1c2430;--dim:#5b6675;--line:#d5dbe3;--one:#2166ac;--two:#b35806;--mark:#eef3f9}
@media(prefers-color-scheme:dark){
svg{--paper:#14181f;--ink:#e8ecf2;--dim:#a3adbb;--line:#3a4452;--one:#7ab6ee;--two:#f0a45c;--mark:#1f2733}}
text{font:14px system-ui,sans-serif;fill:var(--ink)}.b{font-weight:600}.d{fill:var(--dim)}.one{fill:var(--one)}
.two{fill:var(--two)}.e{text-anchor:end}.m{text-anchor:middle}path{fill:none;stroke:var(--line)}path.l{stroke-width:2.5}path.one{fill:none;stroke:var(--one)}
path.two{fill:none;stroke:var(--two)}path.dash{stroke:var(--dim);stroke-dasharray:4 4}
"""


def draw(told: Answer) -> str:
    """The SVG: dollars and minutes of each setting, and below them a warm node against none by requests a day."""
    title = f"{told.name}: {told.a_day:,.3g} requests a day"
    words = textwrap.wrap(told.advice, LETTERS)
    parts, y = [_text(EDGE, 28, title, "b")], 40
    parts += [_text(EDGE, y + 18 * (number + 1), line) for number, line in enumerate(words)]
    y += 18 * len(words) + 30
    parts += [_text(EDGE, y, "dollars a month", "one b"), _text(EDGE + HALF + 16, y, "minutes to the result", "two b")]
    y += 10
    able = [each for each in told.settings if each.keeps_up]
    for setting in told.settings:
        parts += _row(setting, able, y, is_best=setting is told.best)
        y += ROW
    if told.rungs:
        parts += _rates(told, y + 34)
        y += PLOT + 100
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" role="img" '
        f'style="width:100%;max-width:{WIDTH * 1.5:.0f}px">'
        f"<title>{escape(title)}</title><style>{STYLE}</style>"
    )
    return "\n".join([head, f'<rect width="{WIDTH}" height="{y}" style="fill:var(--paper)"/>', *parts, "</svg>\n"])


def _row(setting: Setting, able: Sequence[Setting], y: float, *, is_best: bool) -> list[str]:
    mark = f'<rect x="4" y="{y + 2}" width="{WIDTH - 8}" height="{ROW - 4}" rx="6" style="fill:var(--mark)"/>'
    parts = [mark] if is_best else []
    parts.append(_text(EDGE, y + 20, setting.text, "b"))
    if not setting.keeps_up:
        load = max(setting.quick.load, setting.slow.load)
        return [*parts, _text(EDGE, y + 40, f"can't keep up: {load:.0%} of what the nodes can do", "d")]
    ends = (setting.quick, setting.slow)
    dollars, medians = sorted(each.dollars for each in ends), sorted(each.median for each in ends)
    most = max(each.most for each in ends)
    money = _scale([each.dollars for one in able for each in (one.quick, one.slow)], EDGE, EDGE + HALF)
    time = _scale(
        [value for one in able for each in (one.quick, one.slow) for value in (each.median, each.most)],
        EDGE + HALF + 16, WIDTH - EDGE,
    )  # fmt: skip
    parts += [
        _text(EDGE, y + 38, _range(dollars[0], dollars[1], ".2f"), "one"),
        _text(EDGE + HALF + 16, y + 38, f"{_range(medians[0], medians[1], '.0f')}, 95 % in {most:.0f}", "two"),
        _bar(money(dollars[0]), money(dollars[1]), y + 44, 8, "one"),
        _bar(time(medians[0]), time(most), y + 47, 2, "two"),
        _bar(time(medians[0]), time(medians[1]), y + 44, 8, "two"),
    ]
    return parts


def _rates(told: Answer, y: float) -> list[str]:
    """Dollars with waiting, over requests a day."""
    from autoscale.advice import pays_from
    from autoscale.arrivals import MONTH

    worth = told.hour_worth
    lines = [
        ("one", "nodesMin 0", [each.zero.dollars(each.requests * MONTH, worth) for each in told.rungs]),
        (
            "two",
            f"nodesMin {told.rungs[0].warm.pool.nodes_min}",
            [each.warm.dollars(each.requests * MONTH, worth) for each in told.rungs],
        ),
    ]
    left, right, top, bottom = EDGE + 44.0, WIDTH - EDGE - 4.0, y + 50, y + PLOT + 20
    x = _scale([each.requests for each in told.rungs], left, right)
    up = _scale([value for _, _, values in lines for value in values], bottom, top)
    waiting = f", with waiting at {worth:g} an hour" if worth else ""
    parts = [_text(EDGE, y, f"Dollars a month{waiting}", "b")]
    parts += [_text(EDGE + 130 * number, y + 22, f"— {name}", f"{kind} b") for number, (kind, name, _) in enumerate(lines)]
    for tick in _tens([value for _, _, values in lines for value in values]):
        parts += [f'<path d="M{left:.1f} {up(tick):.1f}H{right:.1f}"/>', _text(left - 8, up(tick) + 5, f"{tick:,g}", "d e")]
    for rung in told.rungs[:: 1 + len(told.rungs) // 8]:
        parts.append(_text(x(rung.requests), bottom + 20, f"{rung.requests:,}", "d m"))
    for kind, _, values in lines:
        points = "L".join(f"{x(each.requests):.1f} {up(value):.1f}" for each, value in zip(told.rungs, values, strict=True))
        parts.append(f'<path class="l {kind}" d="M{points}"/>')
    pays = pays_from(told.rungs, worth)
    if pays is not None and pays > told.rungs[0].requests:
        parts.append(f'<path class="dash" d="M{x(pays):.1f} {top}V{bottom}"/>')
        parts.append(
            _text(
                x(pays),
                top - 6,
                f"a warm node pays from {pays:.2g}" if pays < 100 else f"a warm node pays from {pays:.0f}",
                "d m",
            )
        )
    return [*parts, _text((left + right) / 2, bottom + 40, "requests a day", "d m")]


def _scale(values: Sequence[float], first: float, last: float) -> Callable[[float], float]:
    """Where a value stands between two places, in powers of ten."""
    low, high = (math.log10(max(each, 1e-3)) for each in (min(values), max(values)))
    return lambda value: first + (last - first) * (math.log10(max(value, 1e-3)) - low) / max(high - low, 1e-9)


def _tens(values: Sequence[float]) -> list[float]:
    """Round numbers between the least and the most of the values."""
    low, high = math.floor(math.log10(max(min(values), 1e-3))), math.ceil(math.log10(max(*values, 1e-3)))
    steps = (1,) if high - low > 3 else (1, 2, 5)
    return [
        step * 10.0**power for power in range(low, high + 1) for step in steps if min(values) <= step * 10.0**power <= max(values)
    ]


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}">{escape(text)}</text>'


def _bar(first: float, last: float, y: float, height: float, kind: str) -> str:
    return f'<rect class="{kind}" x="{first:.1f}" y="{y:.1f}" width="{max(last - first, 3):.1f}" height="{height}" rx="1"/>'


def _range(low: float, high: float, form: str) -> str:
    first, last = format(low, form), format(high, form)
    return first if first == last else f"{first} to {last}"
