"""What `scorer bench --stages` prints: frames a second of each stage, shares of what the machine can do, and dollars."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from rich.table import Table

from scorer.cli.measured_rates import rates_of
from scorer.documents.measured import STAGES, Measured, Stages
from scorer.errors import RequestError

if TYPE_CHECKING:  # an image of the scorer has no prices
    from autoscale.gpu_sizes import GpuSize

FRAMES = 1000
"""That dollars are told for."""


def size_of(name: str | None) -> GpuSize | None:
    """The node size of that name. Raises RequestError."""
    if name is None:
        return None
    if find_spec("autoscale") is None:
        raise RequestError("Prices are where the deployment's code is: leave out --gpu-size, or measure in a checkout.")
    from autoscale.gpu_sizes import SIZES, check

    try:
        return SIZES[check(name)]
    except ValueError as error:
        raise RequestError(f"--gpu-size '{name}' {error}.") from error


def dollars(measured: Measured, stages: Stages, size: GpuSize) -> tuple[float, float]:
    """For 1,000 frames on a node of that size that does what this machine did: as Spot, and on demand. Starts aren't counted."""
    speed = rates_of(measured, stages).speed(size.cores / size.gpus, stages.pixels, stages.pixels)
    hours = FRAMES / (speed * size.gpus) / 3600
    return hours * size.spot, hours * size.on_demand


def tables(measured: Measured, size: GpuSize | None = None) -> list[Table]:
    """One of stages, and one of shares, with dollars for nodes of that size."""
    each, whole = (
        Table("model", "size", "batch", *STAGES),
        Table("model", "runtime", "size", "frames/s", "busy", "matmul", "copy", "start"),
    )
    if size is not None:
        whole.add_column(f"$ for {FRAMES:,} frames")
    for row in measured.stages:
        frame = f"{row.width}x{row.height}"
        each.add_row(row.model, frame, str(row.batch), *(f"{1000 / max(row.stages[stage].ms, 1e-3):,.0f}" for stage in STAGES))
        cells = [row.model, row.runtime, frame, f"{row.frames_per_second:,.1f}", f"{row.busy:.0%}"]
        cells += ["" if share is None else f"{share:.0%}" for share in (row.of_matmul, row.of_copy)]
        cells.append(f"{row.start_seconds:.1f} s")
        if size is not None:
            cells.append(" to ".join(f"{value:.4f}" for value in dollars(measured, row, size)))
        whole.add_row(*cells)
    return [each, whole]


def notes(measured: Measured) -> str:
    """What the tables' words mean, and on which machine."""
    machine = measured.machine
    said = f"{machine.name}, {machine.cores} cores"
    if measured.ceilings is not None:
        most = measured.ceilings
        said += f"; at most {most.matmul / 1e12:.2g} T operations/s ({most.dtype}), {most.copy_bytes / 1e9:.3g} GB/s copied"
    busy = "the GPU's time by CUDA's events" if machine.device == "cuda" else "the model's time, as there is no CUDA here,"
    return (
        f"{said}. Frames/s of each stage alone, and of one process in which all overlap; busy: {busy} as a share of the clock's; "
        "matmul, copy: shares of what was measured that the model reaches alone (int8 may do more than float32's all)."
    )
