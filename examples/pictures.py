"""Pictures and figures of docs/creating.md and the README, made of a real clip by `scorer.run`.

    python examples/paintings.py paintings
    python examples/pictures.py CLIP paintings/swirls.png docs > table.md

It writes strokes.jpg and steady.webp, and prints the table of stroke sizes. It needs OpenVINO (`pip install '.[cpu]'`) and takes
two minutes on two cores.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

import scorer
from scorer.cli.sheet import Cell, sheet
from scorer.models import ModelSettings, Style, spec
from scorer.models.adaptive import style_square
from scorer.models.around import at_stroke_size, scaled
from scorer.models.openvino_runtime import predict_styles

Pixels = NDArray[np.uint8]

FRAME = 60
"""The one of the clip that strokes are shown on."""
SIZE = 640
STROKES = (0.5, 1.0, 2.0, 3.0)
STYLES = (128, 256, 512, 1024)
TILE = (480, 270)
FILM = ("1.6", "2.8")
"""Seconds of the clip that are shown with and without steadying."""
PART = (30, 40, 350, 280)
"""Left, top, right and bottom of what is shown of a frame, in pixels."""


def frames_of(video: Path) -> Iterator[Pixels]:
    """RGB (H, W, 3), one after another."""
    with av.open(str(video)) as container:
        for frame in container.decode(video=0):
            yield np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)


def detail(picture: Pixels) -> float:
    """Pixels from crest to crest of what is finer than 16 of them: of a wave that is its length, whatever its height."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    fine = grey - cv2.GaussianBlur(grey, (0, 0), 8)
    slopes = [float(np.square(np.gradient(fine, axis=axis)).mean()) for axis in (0, 1)]
    return float(2 * np.pi * np.sqrt(np.square(fine).mean() / sum(slopes)))


def closeness(picture: Pixels, painting: Path) -> float:
    """How much nearer to the painting than a grey picture it is, in the 100 numbers that `adaptive` reads off each."""
    grey = np.full((256, 256, 3), 128, np.uint8)
    found, target, start = predict_styles([picture, style_square(painting), grey], 1)
    return float(1 - np.linalg.norm(found - target) / np.linalg.norm(start - target))


def contrast(picture: Pixels) -> float:
    """By how much light and dark differ from their mean, of 255 levels."""
    return float(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).std())


def model_ms(painting: Path, picture: Pixels, stroke_size: float) -> float:
    """Milliseconds of a core that a frame like the picture takes."""
    model = spec("adaptive").load(ModelSettings((Style(painting),), "cpu", 1))
    frame = scaled(picture[None], *at_stroke_size(picture.shape[1], picture.shape[0], stroke_size))
    model.score(frame)  # which compiles
    began = time.process_time()
    for _ in range(5):
        model.score(frame)
    return (time.process_time() - began) * 200


def styled(shot: Path, painting: Path, **options: Any) -> Pixels:
    """The picture as `scorer run` makes it."""
    out = shot.with_name("-".join(f"{key}{value}" for key, value in options.items()) + ".png")
    scorer.run(shot, style=painting, size=SIZE, out=out, work=shot.with_name("work"), workers=1, **options)
    return np.asarray(Image.open(out).convert("RGB"), np.uint8)


def strokes(clip: Path, painting: Path, folder: Path) -> Image.Image:
    """The sheet of stroke sizes and sizes of the painting; prints their table."""
    shot = folder / "shot.png"
    Image.fromarray(next(islice(frames_of(clip), FRAME, None))).save(shot)
    print("| | from crest to crest | contrast | close to the painting | the model takes |")
    print("|---|---|---|---|---|")
    rows: list[list[Cell]] = []
    for option, values in (("stroke_size", STROKES), ("style_size", STYLES)):
        rows.append([])
        for value in values:
            picture = styled(shot, painting, **{option: value})
            ms = model_ms(painting, picture, value if option == "stroke_size" else 1.0)
            label = f"--{option.replace('_', '-')} {value:g}"
            rows[-1].append(Cell(np.asarray(Image.fromarray(picture).resize(TILE, Image.Resampling.LANCZOS)), label))
            close = closeness(picture, painting)
            print(f"| `{label}` | {detail(picture):.1f} pixels | {contrast(picture):.0f} | {close:.0%} | {ms:.0f} ms |")
    return Image.fromarray(sheet(rows))


def film(clip: Path, painting: Path, folder: Path) -> list[Image.Image]:
    """Frames of the clip styled one by one, and beside it steadied."""
    halves = []
    for steady in ("off", "full"):
        result = scorer.run(
            clip, style=painting, size=SIZE, steady=steady, start=FILM[0], end=FILM[1], out=folder / f"{steady}.mp4",
            quality="high", work=folder / "work",
        )  # fmt: skip
        halves.append([Image.fromarray(frame).crop(PART) for frame in frames_of(result.path)])
    pictures = []
    for pair in zip(*halves, strict=True):
        width, height = pair[0].size
        picture = Image.new("RGB", (2 * width + 4, height), "white")
        for side, half in enumerate(pair):
            picture.paste(half, (side * (width + 4), 0))
        pictures.append(picture)
    return pictures


def main(clip: Path, painting: Path, out: Path) -> None:
    """Make all of it."""
    with tempfile.TemporaryDirectory() as name:
        strokes(clip, painting, Path(name)).save(out / "strokes.jpg", quality=82, progressive=True)
        first, *others = film(clip, painting, Path(name))
    first.save(out / "steady.webp", save_all=True, append_images=others, duration=40, loop=0, quality=50, method=6)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
