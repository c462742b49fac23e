"""What `scorer plan` prints of a request: its size, and a table of what it takes as set and otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from scorer.cli.console import screen
from scorer.cli.measured_rates import Source
from scorer.documents.plan import Plan
from scorer.report.text import counted

if TYPE_CHECKING:  # an image of the scorer has no estimates
    from autoscale.estimate import Estimate


ARITHMETIC = "Speeds are arithmetic, unless --frames-per-second or --measured says what was measured."
SPOT_ALONE = (
    "With spotPercent 100 Azure Machine Learning has no dedicated nodes to stand in: there both ends have Spot nodes at once."
)


def facts(
    made: Plan, found: Estimate, others: list[tuple[str, Estimate]], source: Source | None = None
) -> dict[str, Any]:  # fmt: skip
    """The same for programs: pairs are the low end and the high one."""
    frames = [chunk.frames for chunk in made.chunks]
    size = [made.video.width, made.video.height] if made.video else None
    return {
        "name": made.request.name, "frames": made.frames, "size": size, "model": made.request.model, "chunks": len(frames),
        "chunk_frames": [min(frames), max(frames)], "frames_per_second": [found.speed.slow, found.speed.quick],
        "notes": made.notes, "measured": source and source.facts(),
        "estimates": [
            {
                "if": text, "engine": each.pool.engine, "gpu_size": each.pool.gpu_size, "nodes": each.nodes,
                "minutes": each.minutes, "dollars": each.dollars, "tasks": each.tasks,
                "idle_dollars_a_day": each.pool.idle_dollars,
            }
            for text, each in [("as set", found), *others]
        ],
    }  # fmt: skip


def show(made: Plan, found: Estimate, others: list[tuple[str, Estimate]], source: Source | None = None) -> None:
    """Print the estimate, and the others below it."""
    frames = [chunk.frames for chunk in made.chunks]
    size = (
        f"{made.video.width}x{made.video.height}" if made.video else "taken to be 1920x1080 (give --frames-per-second otherwise)"
    )
    what = Text(f": {made.frames} frames, {size}, model {made.request.model}")
    screen.print(Text(made.request.name, "bold").append_text(what))
    length = f"{_range(min(frames), max(frames), 'd')} {'frame' if max(frames) == 1 else 'frames'}"
    tasks = counted(found.tasks, "task")
    screen.print(f"{len(frames)} {'chunk' if len(frames) == 1 else 'chunks'} of {length} in {tasks}, then a merge")
    screen.print(f"{found.pool.gpu_size}: {_range(found.speed.slow, found.speed.quick, '.0f')} frames/s a GPU")
    screen.print()
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("if")
    for name in ("nodes", "minutes", "dollars", "idle day"):
        table.add_column(name, justify="right", no_wrap=True)
    for text, each in [("as set", found), *others]:
        cells = (text, str(each.nodes), _range(*each.minutes, ".0f"), _range(*each.dollars, ".2f"))
        table.add_row(*cells, f"{each.pool.idle_dollars:.2f}", style="bold" if each is found else "")
    screen.print(table)
    screen.print()
    screen.print(
        "Minutes to the result; dollars for nodes alone, East US, November 2026. "
        f"The low end has Spot nodes at once, the high end none. {SPOT_ALONE} "
        + (source.words(found.pool.size) if source else ARITHMETIC),
        style="dim",
    )


def _range(low: float, high: float, form: str) -> str:
    first, last = format(low, form), format(high, form)
    return first if first == last else f"{first} to {last}"
