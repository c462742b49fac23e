"""`scorer plan --measured FILE`: rates of a machine in place of arithmetic, and in words what was measured, and where."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scorer.documents.measured import Measured, Stages, read_measured
from scorer.errors import RequestError
from scorer.report.text import counted

if TYPE_CHECKING:  # an image of the scorer has no estimates
    from autoscale.estimate import Rates
    from autoscale.gpu_sizes import GpuSize


@dataclass(frozen=True)
class Source:
    """Measurements of one model, at the size that is nearest to what is planned."""

    path: Path
    measured: Measured
    stages: Stages

    @property
    def rates(self) -> Rates:
        """As an estimate takes them."""
        return rates_of(self.measured, self.stages)

    def words(self, size: GpuSize) -> str:
        """What of a plan for nodes of that size is measured, where, and what isn't."""
        machine, stages = self.measured.machine, self.stages
        day = f"{datetime.fromtimestamp(self.measured.made, UTC):%Y-%m-%d}"
        on = f"{machine.name}, {counted(machine.cores, 'core')}" if machine.device == "cpu" else machine.name
        said = (
            f"Measured ('{self.path.name}', {day}, {on}): frames/s of {stages.model} at {stages.width}x{stages.height} "
            f"with {stages.runtime}, what a core decodes and encodes, the start of a process. "
            "Reckoned: the start of nodes and containers, the merge, other codecs and --steady."
        )
        if machine.device != "cuda":
            return f"{said} The model was measured on a processor: frames/s are of the nodes' cores without their GPU."
        return said if size.gpu.split()[0] in machine.name else f"{said} The nodes' GPU is another one: {size.gpu}."

    def facts(self) -> dict[str, Any]:
        """For programs."""
        return {
            "file": str(self.path), "made": self.measured.made, "machine": self.measured.machine.model_dump(),
            "model": self.stages.model, "runtime": self.stages.runtime, "size": [self.stages.width, self.stages.height],
            "measured": ["frames_per_second", "coding", "process_start"],
        }  # fmt: skip


def source_of(path: Path, model: str, pixels: int) -> Source:
    """What the file has of the model. Raises MissingError, InputError, RequestError."""
    measured = read_measured(path)
    stages = measured.nearest(model, pixels)
    if stages is None:
        known = sorted({each.model for each in measured.stages})
        has = f"it has {', '.join(known)}" if known else "it has no stages of any"
        raise RequestError(
            f"'{path}' has no stages of model '{model}' ({has}): `scorer bench --stages --model {model} --json FILE` measures it."
        )
    return Source(path, measured, stages)


def rates_of(measured: Measured, stages: Stages) -> Rates:
    """Seconds for a pixel: of the GPU where the model ran on one, else of a core."""
    from autoscale.estimate import Rates

    on_gpu, model = measured.machine.device != "cpu", stages.stages["model"]
    return Rates(
        model_seconds=(model.ms if on_gpu else model.core_ms) / 1000 / stages.pixels, on_gpu=on_gpu,
        coding_seconds=stages.coding_core_ms / 1000 / stages.pixels,
        start_seconds=stages.start_seconds if on_gpu else stages.start_core_seconds,
    )  # fmt: skip
