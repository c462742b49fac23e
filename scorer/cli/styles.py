"""`scorer styles`: every trained style of the model `painted` on one labelled sheet, made on this machine."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from PIL import Image, ImageDraw, ImageFont

from scorer.cli.arguments import Overwrite, a_path, a_place, check_input
from scorer.cli.console import AsJson, Quiet, answer
from scorer.client.placed import Placed
from scorer.client.placing import place
from scorer.errors import RequestError
from scorer.media import images
from scorer.media.image_names import format_for
from scorer.media.limits import Limits
from scorer.models import Frames
from scorer.models.painted import STYLES, in_every_style
from scorer.store import FolderStore

SIDE = 240
"""Pixels of the longer side of each picture."""
COLUMNS = 7
LABEL = 24
"""Pixels of the line below each."""


def styles(
    on: Annotated[
        Path | None,
        typer.Option(metavar="IMAGE", parser=a_path, help="What they are shown on; a drawn picture if not given."),
    ] = None,
    out: Annotated[Path, typer.Option(metavar="PATH", parser=a_place, help="The sheet, an image.")] = Path("styles.png"),
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Show the trained styles of the model `painted`, by their numbers, on one picture each."""
    format_for("sheet.png", out.name)  # refuses a name that is none of an image's
    placed = Placed(Path(".scorer"), "styles", overwrite=overwrite, inputs=[on] if on else [])
    placed.check(out)
    picture = drawn() if on is None else _read(on)
    made = sheet(picture, in_every_style(picture))
    with tempfile.TemporaryDirectory() as folder:
        store = FolderStore(Path(folder))
        store.put(f"sheet{out.suffix}", images.encode(made, images.Picture(made), out.name))
        place(store, f"sheet{out.suffix}", out, placed)
    facts = {"result": str(out.absolute()), "styles": STYLES}
    line = f"{out} · {STYLES} styles; one of them: scorer run clip.mp4 --model painted --style 7"
    answer(facts, [line], str(out), quiet=quiet, as_json=as_json)


def _read(path: Path) -> Frames:
    check_input(path)
    if path.is_dir():
        raise RequestError(f"'{path}' is a folder: name one image in it.")
    entry = FolderStore(Path("/")).head(path.absolute().resolve().as_posix().lstrip("/"))
    data = FolderStore(Path("/")).get(entry.path, entry.etag, Limits().max_image_mb * 10**6)
    pixels = images.fit(images.decode(data, str(path), Limits().max_pixels).pixels, SIDE)
    return pixels if pixels.dtype == np.uint8 else (pixels >> 8).astype(np.uint8)


def drawn() -> Frames:
    """A landscape with soft and hard edges, light and dark, (160, 240, 3): what styles differ on."""
    height, width = 2 * SIDE // 3, SIDE
    sky = np.linspace((90, 150, 220), (250, 220, 190), height)[:, None].repeat(width, axis=1)
    image = Image.fromarray(sky.astype(np.uint8))
    draw = ImageDraw.Draw(image)
    draw.ellipse((165, 18, 205, 58), fill=(255, 240, 170))
    across = np.arange(width)
    for base, swing, length, colour in ((95, 16, 37, (90, 120, 150)), (118, 12, 23, (60, 110, 70)), (140, 5, 15, (40, 80, 40))):
        ridge = base + swing * np.sin(across / length + base)
        draw.polygon([(0, height), *zip(across.tolist(), ridge.tolist(), strict=True), (width, height)], fill=colour)
    draw.rectangle((40, 92, 86, 128), fill=(205, 170, 130))
    draw.polygon([(34, 92), (63, 68), (92, 92)], fill=(150, 50, 45))
    draw.rectangle((56, 106, 70, 128), fill=(70, 45, 30))
    draw.rectangle((76, 100, 82, 108), fill=(250, 230, 120))
    return np.asarray(image)


def sheet(picture: Frames, styled: Frames) -> Frames:
    """The picture (H, W, 3) and its styled ones (N, H, W, 3) with their numbers below, in rows."""
    height, width = picture.shape[:2]
    rows = -(-(len(styled) + 1) // COLUMNS)
    image = Image.new("RGB", (COLUMNS * width, rows * (height + LABEL)), "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(16)
    for number, each in enumerate([picture, *styled], -1):
        row, column = divmod(number + 1, COLUMNS)
        left, top = column * width, row * (height + LABEL)
        image.paste(Image.fromarray(each), (left, top))
        label = "original" if number < 0 else str(number)
        draw.text((left + width // 2, top + height + LABEL // 2), label, fill="black", font=font, anchor="mm")
    return np.asarray(image)
