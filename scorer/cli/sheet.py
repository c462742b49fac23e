"""A contact sheet: pictures in rows and columns, each with a line below it."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from scorer.client.placed import Placed
from scorer.client.placing import place
from scorer.errors import RequestError
from scorer.media import images
from scorer.models import Frames
from scorer.store import FolderStore
from scorer.text import clean

LABEL = 24
"""Pixels of the line below each picture."""
MOST_PIXELS = 2**27
"""Of a sheet, whose longer side JPEG and WebP limit, too."""
_LEAST_WIDTH = 220
"""Pixels of a column that a line of some words fits into."""


@dataclass(frozen=True)
class Cell:
    """One picture (H, W, 3) of 8 bits, and what is written below it."""

    picture: Frames
    label: str


def sheet(rows: Sequence[Sequence[Cell]], *, least_width: int = _LEAST_WIDTH) -> Frames:
    """The rows below each other, each picture at its place's left top. Raises RequestError where that is too large a picture."""
    cells = [cell for row in rows for cell in row]
    width = max(least_width, *(cell.picture.shape[1] for cell in cells))
    height = max(cell.picture.shape[0] for cell in cells)
    across, down = max(map(len, rows)) * width, len(rows) * (height + LABEL)
    check_size(across, down)
    image = Image.new("RGB", (across, down), "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(16)
    for row, line in enumerate(rows):
        for column, cell in enumerate(line):
            left, top = column * width, row * (height + LABEL)
            image.paste(Image.fromarray(cell.picture), (left, top))
            text = _fitting(cell.label, width - 6, draw, font)
            draw.text((left + width // 2, top + height + LABEL // 2), text, fill="black", font=font, anchor="mm")
    return np.asarray(image)


def check_size(width: int, height: int) -> None:
    """Raise RequestError where no sheet may be as large."""
    if width * height > MOST_PIXELS:
        raise RequestError(
            f"The sheet would have {width}x{height} pixels, more than the {MOST_PIXELS:,} that are drawn: ask for fewer "
            "pictures, or smaller ones."
        )


def _fitting(label: str, width: int, draw: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    text = clean(label, 200)
    if draw.textlength(text, font) <= width:
        return text
    while text and draw.textlength(f"{text}...", font) > width:
        text = text[:-1]
    return f"{text}..."


def on_sheet(pixels: Frames, longest: int, aspect: float = 1.0) -> Frames:
    """A frame of any depth as it is shown: of 8 bits, its pixels square, and no longer than that a side."""
    height, width = pixels.shape[:2]
    if aspect != 1:
        pixels = images.resize(pixels, max(1, round(width * aspect)), height)
    pixels = images.fit(pixels, min(longest, max(pixels.shape[:2])))
    return pixels if pixels.dtype == np.uint8 else (pixels >> 8).astype(np.uint8)


def put(made: Frames, out: Path, placed: Placed) -> None:
    """Write the sheet to `out`, whole or not at all. Raises OutputError."""
    with tempfile.TemporaryDirectory() as folder:
        store = FolderStore(Path(folder))
        store.put(f"sheet{out.suffix}", images.encode(made, images.Picture(made), out.name))
        place(store, f"sheet{out.suffix}", out, placed)
