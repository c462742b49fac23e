"""What `scorer plan --arrivals` prints: a table of settings, and what to set in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from scorer.cli.console import screen
from scorer.cli.estimate_answer import SPOT_ALONE
from scorer.cli.measured_rates import Source

if TYPE_CHECKING:  # an image of the scorer has no simulation
    from autoscale.advice import Rung
    from autoscale.arrivals import Setting, Trace


@dataclass(frozen=True)
class Answer:
    """All that is told."""

    name: str
    trace: Trace
    played: int
    """Days of it, which stand for all."""
    settings: Sequence[Setting]
    rungs: Sequence[Rung]
    hour_worth: float
    source: Source | None = None
    """Of measured rates, if there is one."""

    @property
    def a_day(self) -> float:
        """Requests."""
        return len(self.trace.requests) / self.trace.days

    @property
    def a_month(self) -> float:
        """Requests."""
        from autoscale.arrivals import MONTH

        return self.a_day * MONTH

    @property
    def advice(self) -> str:
        """In words."""
        from autoscale.advice import recommendation

        return recommendation(self.settings, self.rungs, self.a_month, self.hour_worth)

    @property
    def best(self) -> Setting | None:
        """What the advice is to set."""
        from autoscale.advice import best

        return best(self.settings, self.a_month, self.hour_worth)

    def facts(self) -> dict[str, Any]:
        """For programs: pairs are the low end and the high one; null where the nodes can't keep up."""
        from autoscale.advice import pays_from

        return {
            "name": self.name, "requests": len(self.trace.requests), "days": self.trace.days, "days_played": self.played,
            "model": self.trace.model, "hour_worth": self.hour_worth, "advice": self.advice, "best": self.best and self.best.text,
            "measured": self.source and self.source.facts(),
            "warm_node_pays_from": pays_from(self.rungs, self.hour_worth),
            "warm_node_pays_from_by_bill": pays_from(self.rungs, 0.0),
            "settings": [_facts(each) for each in self.settings],
            "rates": [
                {"requests_a_day": rung.requests, "nodes_min_0": _facts(rung.zero), "nodes_min_1": _facts(rung.warm)}
                for rung in self.rungs
            ],
        }  # fmt: skip


def _facts(setting: Setting) -> dict[str, Any]:
    pool, ends = setting.pool, (setting.quick, setting.slow)

    def both(what: str) -> list[float] | None:
        return sorted(getattr(each, what) for each in ends) if setting.keeps_up else None

    return {
        "if": setting.text, "engine": pool.engine, "gpu_size": pool.gpu_size,
        "nodes_min": pool.nodes_min, "nodes_max": pool.nodes_max, "keep_warm_minutes": pool.keep_warm_minutes,
        "load": sorted(each.load for each in ends),
        "median_minutes": both("median"), "minutes_of_95_percent": both("most"), "mean_minutes": both("mean"),
        "node_hours_a_month": both("node_hours"), "dollars_a_month": both("dollars"), "idle": both("idle"),
    }  # fmt: skip


def show(told: Answer) -> None:
    """Print the table and what it comes to."""
    requests, days = len(told.trace.requests), told.trace.days
    when = f": {requests:,} {'request' if requests == 1 else 'requests'} in {days} {'day' if days == 1 else 'days'}"
    screen.print(Text(told.name, "bold").append_text(Text(f"{when}, model {told.trace.model}")))
    screen.print()
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("if")
    for name in ("median", "95 %", "node hours", "dollars", "idle"):
        table.add_column(name, justify="right", no_wrap=True)
    for setting in told.settings:
        table.add_row(*_cells(setting), style="bold" if setting is told.best else "")
    screen.print(table)
    screen.print()
    screen.print(told.advice)
    screen.print()
    if told.played < days:
        screen.print(f"Played: {told.played} of these days, in weeks that are spread evenly over them.", style="dim")
    screen.print(
        "Minutes from a request to its result; node hours and dollars of a month, for nodes alone, East US, November 2026; "
        "idle: share of the nodes' time without a task. The low end has Spot nodes at once, the high end none. "
        f"Requests wait for nodes, not for maxActiveJobs. {SPOT_ALONE}"
        + (f" {told.source.words(told.settings[0].pool.size)}" if told.source else ""),
        style="dim",
    )


def _cells(setting: Setting) -> tuple[str, ...]:
    if not setting.keeps_up:
        return setting.text, "can't keep up", "", "", "", ""
    ends = (setting.quick, setting.slow)

    def both(values: Sequence[float], form: str) -> str:
        first, last = (format(value, form) for value in sorted(values))
        return first if first == last else f"{first} to {last}"

    return (
        setting.text, both([each.median for each in ends], ".0f"), both([each.most for each in ends], ".0f"),
        both([each.node_hours for each in ends], ".0f"), both([each.dollars for each in ends], ".2f"),
        both([100 * each.idle for each in ends], ".0f") + " %",
    )  # fmt: skip
