"""A prepared run for a quarter of an hour on a machine with an NVIDIA GPU: `scorer bench --gpu-check`.

    python -m scorer.cli.gpu_check [--quick] [--minutes 9] [--out FILE]

needs neither typer nor rich: torch, numpy and pydantic with the weights' packages are enough for the models, OpenCV and PyAV with
the rest for stages and jobs. A step that can't be taken says why in one line, and the others go on.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from scorer.cli.bench_ceilings import measured_ceilings
from scorer.cli.bench_machine import machine_here
from scorer.cli.bench_planes import FROM, calls
from scorer.cli.bench_worker import picture
from scorer.documents import to_json
from scorer.documents.measured import Ceilings, Computed, Machine, Measured, Stages, Way, Workers
from scorer.errors import ModelError, ScorerError

MINUTES = 9.0
"""After which no further step begins."""
MODEL = "painted"
WAYS = ("float32 eager", "half eager", "phases", "graph", "compiled", "as jobs have it", *FROM)
_OF_CUDA = ("half eager", "graph")


@dataclass(frozen=True)
class Scope:
    """How much is measured."""

    sizes: tuple[tuple[int, int], ...] = ((1280, 720), (1920, 1080))
    batches: tuple[int, ...] = (1, 4, 8, 16)
    compiled_batches: tuple[int, ...] = (8,)
    """Each shape takes up to a minute to compile."""
    seconds: float = 1.0
    """Of each way."""
    models: tuple[str, ...] = ("painted", "adaptive")
    """Whose stages are measured."""
    workers: tuple[int, ...] = (1, 4, 8)
    frames: int = 48
    """Whose stages are measured, and of each worker in a job."""


QUICK = Scope(
    sizes=((160, 96),), batches=(1, 2), compiled_batches=(), seconds=0.1, models=("painted",), workers=(1, 2), frames=6
)  # fmt: skip


@dataclass
class Check:
    """The steps, one after another."""

    scope: Scope
    deadline: float = float("inf")
    """Of time.monotonic()."""
    say: Callable[[str], None] = lambda _: None
    left_out: list[str] = field(default_factory=list)

    def run(self) -> Measured:
        """Take all steps."""
        machine = machine_here()
        self.say(f"{machine.name}, {machine.cores} cores, driver {machine.driver or 'none'}, {machine.versions}")
        ceilings = self._step("ceilings", lambda: measured_ceilings(machine.device))
        self._step("tests of CUDA", lambda: self._tests(machine))
        ways = [
            way
            for size in self.scope.sizes
            for name in WAYS
            for batch in (self.scope.compiled_batches if name == "compiled" else self.scope.batches)
            if (way := self._way(name, size, batch, machine.device)) is not None
        ]
        if not self.scope.compiled_batches:
            self._leave("compiled", "it takes longer than the rest of --quick")
        stages = [
            found
            for size in self.scope.sizes
            for model in self.scope.models
            if (found := self._stages(model, size, machine, ceilings)) is not None
        ]
        workers = [job for count in self.scope.workers if (job := self._workers(count)) is not None]
        return Measured.made_here(
            machine, ceilings, stages=tuple(stages), ways=tuple(ways), workers=tuple(workers), left_out=tuple(self.left_out)
        )

    def _leave(self, what: str, why: str) -> None:
        line = f"{what}: left out, {why}"[:300]
        if line not in self.left_out:
            self.left_out.append(line)
            self.say(line)

    def _step(self, what: str, call: Callable[[], Any]) -> Any:
        """What `call` gives; None where it can't be had here."""
        if time.monotonic() >= self.deadline:
            self._leave(what, "no time is left")
            return None
        try:
            return call()
        except ImportError as error:
            self._leave(what, f"the package '{error.name}' isn't installed")
        except (ScorerError, RuntimeError, OSError, MemoryError) as error:  # torch's own errors are RuntimeErrors
            self._leave(what, " ".join(str(error).split())[:200])
        return None

    def _tests(self, machine: Machine) -> None:
        """Those that need CUDA, where they are."""
        if machine.device != "cuda":
            raise ModelError("there is no CUDA here")
        if find_spec("pytest") is None or not Path("tests").is_dir():
            raise ModelError("there are no tests here, or no pytest")
        command = [sys.executable, "-m", "pytest", "-q", "-m", "cuda", "tests/scorer/models", "tests/scorer/job"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)  # noqa: S603  # own command
        last = (done.stdout.strip().splitlines() or ["pytest said nothing"])[-1]
        self.say(f"tests of CUDA: {last}")
        if done.returncode:
            raise ModelError(f"they fail: {last}")

    def _way(self, name: str, size: tuple[int, int], batch: int, device: Computed) -> Way | None:
        def measured() -> Way:
            if name in _OF_CUDA and device != "cuda":
                raise ModelError("there is no CUDA here")
            runtime, calls = _calls(name, size, batch, device, self.scope.seconds)
            ms = statistics.median(calls) / batch
            self.say(f"{MODEL} {name}, {size[0]}x{size[1]}, batches of {batch}: {ms:.3g} ms a frame")
            return Way(model=MODEL, way=name, runtime=runtime, width=size[0], height=size[1], batch=batch, ms=ms)

        found: Way | None = self._step(name, measured)
        return found

    def _stages(self, model: str, size: tuple[int, int], machine: Machine, ceilings: Ceilings | None) -> Stages | None:
        def measured() -> Stages:
            from scorer.cli.bench_stages import drawn, measure_stages

            with tempfile.TemporaryDirectory() as folder:
                clip = drawn(Path(folder) / "drawn.mp4", self.scope.frames, size)
                found = measure_stages(model, size, clip, "drawn", machine.device, self.scope.frames, ceilings)
            self.say(f"stages of {model}, {size[0]}x{size[1]}: {found.frames_per_second:.3g} frames/s, busy {found.busy:.0%}")
            return found

        found: Stages | None = self._step(f"stages of {model}", measured)
        return found

    def _workers(self, count: int) -> Workers | None:
        size = self.scope.sizes[0]

        def measured() -> Workers:
            seconds, frames = _job(count, size, self.scope.frames)
            self.say(f"a job by {count} workers: {frames} frames in {seconds:.3g} s")
            return Workers(
                model=MODEL, width=size[0], height=size[1], workers=count, frames=frames, seconds=seconds,
                frames_per_second=frames / seconds,
            )  # fmt: skip

        found: Workers | None = self._step(f"a job by {count} workers", measured)
        return found


def _calls(
    name: str, size: tuple[int, int], batch: int, device: Computed, seconds: float
) -> tuple[str, list[float]]:  # fmt: skip
    """What computed, and milliseconds of each call. Raises ModelError where that way can't be had."""
    model = _model(name, device)
    for way in FROM:
        if name == way:
            return str(model.runtime), calls(way, model, size, batch, seconds)
    frames = np.stack([picture(*size)] * batch)
    for _ in range(2):
        model.score(frames)
    if name == "compiled" and "compiled" not in model.runtime:
        raise ModelError("there is no compiler here")
    found: list[float] = []
    end = time.perf_counter() + seconds
    while not found or time.perf_counter() < end:
        began = time.perf_counter()
        model.score(frames)  # which ends with what the GPU did in the processor's memory
        found.append((time.perf_counter() - began) * 1000)
    return str(model.runtime), found


def _model(name: str, device: Computed) -> Any:
    from scorer.models import ModelSettings, Style, spec

    settings = ModelSettings(styles=(Style(7),), device=device)
    if name == "as jobs have it":
        return spec(MODEL).load(settings)
    import torch

    from scorer.models.networks import FixedStyle, StylisationNetwork
    from scorer.models.phased_network import PhasedNetwork
    from scorer.models.torch_runtime import TorchModel
    from scorer.models.weights import painted_weights

    weights, style = painted_weights(), torch.eye(26)[7]
    is_phased, is_graphed = name in ("phases", "graph", *FROM), name in ("graph", *FROM)
    network = PhasedNetwork(weights, style) if is_phased else FixedStyle(StylisationNetwork(weights), style)
    is_compiled, half = name == "compiled", name != "float32 eager"
    return TorchModel(network, settings, compiled=is_compiled, half=half, graphed=is_graphed)


def _job(workers: int, size: tuple[int, int], frames: int) -> tuple[float, int]:
    """Seconds that a local job of so many frames for each worker takes to be scored, and its frames."""
    from scorer.cli.bench_stages import drawn
    from scorer.documents.request import make_request
    from scorer.engines.local import LocalEngine
    from scorer.job.dispatch import dispatch
    from scorer.store import FolderStore, Stores

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        drawn(root / "drawn.mp4", frames * workers, size)
        stores = Stores(FolderStore(root), *(FolderStore(root / name) for name in ("output", "work", "logs")))
        request = make_request(
            {"name": "check", "input": "drawn.mp4", "model": MODEL, "styles": [{"source": 7}], "chunk_frames": frames}
        )
        plan = dispatch("check", request, stores)
        began = time.perf_counter()
        LocalEngine(stores, workers).run(plan, lambda _: None)
        return time.perf_counter() - began, plan.frames


def lines(measured: Measured) -> Iterator[str]:
    """All of it as text, for a screen without rich."""
    if measured.ceilings is not None:
        ceilings = measured.ceilings
        yield f"ceilings: {ceilings.matmul / 1e12:.3g} T operations/s ({ceilings.dtype}), {ceilings.copy_bytes / 1e9:.4g} GB/s"
    for way in measured.ways:
        what = f"{way.model:10} {way.way:16} {way.width}x{way.height} x {way.batch:<3}"
        yield f"{what} {way.ms:8.3f} ms  {1000 / way.ms:8.1f} frames/s"
    for row in measured.stages:
        each = ", ".join(f"{stage} {1000 / max(took.ms, 1e-3):,.0f}" for stage, took in row.stages.items())
        shares = "".join(
            f", {share:.0%} of {what}" for share, what in ((row.of_matmul, "matmul"), (row.of_copy, "copy")) if share is not None
        )
        together = f"together {row.frames_per_second:,.1f} frames/s, busy {row.busy:.0%}{shares}"
        yield f"{row.model} {row.width}x{row.height}: {each}; {together}"
    for job in measured.workers:
        yield f"{job.model} {job.width}x{job.height} by {job.workers} workers: {job.frames_per_second:,.1f} frames/s"


def check(*, quick: bool, minutes: float = MINUTES, say: Callable[[str], None] = print) -> Measured:
    """Take all steps that can be taken here."""
    return Check(QUICK if quick else Scope(), time.monotonic() + minutes * 60, say).run()


def main() -> None:
    """Measure, print, and leave the file."""
    parser = argparse.ArgumentParser(description="Measure this machine's GPU, or what of it can be done on a processor.")
    parser.add_argument("--quick", action="store_true", help="a minute on a processor: small frames, few of them")
    parser.add_argument("--minutes", type=float, default=MINUTES, help=f"after which no further step begins ({MINUTES:g})")
    parser.add_argument("--out", type=Path, default=Path("gpu-check.json"), help="the file (gpu-check.json)")
    asked = parser.parse_args()
    found = check(quick=asked.quick, minutes=asked.minutes, say=print)
    print("\n".join(["", *lines(found)]))
    asked.out.write_bytes(to_json(found) + b"\n")
    print(f"{asked.out}: give it to `scorer plan --measured`")


if __name__ == "__main__":
    main()
