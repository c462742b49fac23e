"""What each codec and quality costs and gives, measured on styled frames of a real clip: the table of docs/quality.md.

    python examples/quality.py CLIP > table.md

It needs a model's runtime (`pip install '.[cpu]'`) and takes some minutes on two cores.
"""

from __future__ import annotations

import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any, get_args

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scorer.media.coding import Codec, Coding, Quality
from scorer.media.limits import Limits
from scorer.media.video import PartWriter, VideoFrame, VideoInfo, probe, read_frames
from scorer.models import Frames, ModelSettings, Style, spec
from scorer.models.openvino_calibration import calibration_frames

FRAMES = 24
SIZES = ((1280, 720), (640, 360))
NUMBER = 7
"""The trained style that `painted` is measured with."""


def styled(model: str, frames: Frames, folder: Path) -> Frames:
    """The frames (N, H, W, 3) in a style: a trained one, or of a drawn painting."""
    source: Path | int = NUMBER
    if model == "adaptive":
        source = folder / "style.png"
        Image.fromarray(calibration_frames(1, 512)[0]).save(source)
    loaded = spec(model).load(ModelSettings(styles=(Style(source),)))
    return np.concatenate([loaded.score(frame[None]) for frame in frames])


def luma(picture: av.VideoFrame) -> NDArray[np.float32]:
    """Y' (H, W) from 0 to 1."""
    deep = picture.format.components[0].bits
    plane = picture.planes[0]
    rows: NDArray[Any] = np.frombuffer(memoryview(plane), np.uint16 if deep > 8 else np.uint8)
    scaled: NDArray[np.float32] = rows.reshape(plane.height, -1)[:, : plane.width].astype(np.float32) / np.float32(2**deep - 1)
    return scaled


def coded(frames: Frames, info: VideoInfo, coding: Coding, part: Path) -> tuple[float, float]:
    """Megabits a second, and milliseconds of processor time a frame."""
    height, width = frames.shape[1:3]
    began = time.process_time()
    with PartWriter(part, info, width, height, coding) as writer:
        for number, frame in enumerate(frames):
            writer.write(frame, number)
    spent = time.process_time() - began
    return part.stat().st_size * 8 * float(info.rate) / len(frames) / 1e6, spent * 1000 / len(frames)


def psnr(first: Path, second: Path) -> float:
    """Of luma, in dB."""
    with av.open(str(first)) as one, av.open(str(second)) as other:
        pairs = zip(one.decode(video=0), other.decode(video=0), strict=True)
        errors = [float(np.mean((luma(a) - luma(b)) ** 2)) for a, b in pairs]
    return float(-10 * np.log10(np.mean(errors)))


def main(clip: Path) -> None:
    """Print the table."""
    index = probe(clip, Limits())
    found = list(islice(read_frames(clip, index.info, index.ranges(FRAMES)[0]), FRAMES))
    pixels = np.stack([frame.pixels for frame in found if isinstance(frame, VideoFrame)])
    print("| codec | quality |" + "".join(f" {model} {w}x{h} |" for w, h in SIZES for model in ("adaptive", "painted")))
    print("|---|---|" + "---|" * 2 * len(SIZES))
    rows: dict[tuple[Codec, Quality], list[str]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for width, height in SIZES:
            smaller = np.stack([cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA) for frame in pixels])
            info = index.info.model_copy(
                update={"width": width, "height": height, "time_base": 1 / index.info.rate, "start_pts": 0, "origin": 0}
            )
            for model in ("adaptive", "painted"):
                frames = styled(model, smaller, folder)
                exact = folder / "exact"
                coded(frames, info, Coding(codec="h264", quality="lossless"), exact)
                for codec in get_args(Codec):
                    for quality in get_args(Quality)[:3]:
                        rate, spent = coded(frames, info, Coding(codec=codec, quality=quality), folder / "part")
                        text = f"{rate:.1f} Mbit/s, {psnr(exact, folder / 'part'):.1f} dB, {spent:.0f} ms"
                        rows.setdefault((codec, quality), []).append(text)
    for (codec, quality), cells in rows.items():
        print(f"| `{codec}` | `{quality}` | {' | '.join(cells)} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
