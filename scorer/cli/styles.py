"""`scorer styles`: every trained style of the model `painted` on one labelled sheet, made on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from PIL import Image, ImageDraw

from scorer.cli.arguments import Overwrite, a_path, a_place
from scorer.cli.console import AsJson, Quiet, answer
from scorer.cli.local_job import request_here
from scorer.cli.options import ScoringOptions
from scorer.cli.sheet import Cell, on_sheet, put, sheet
from scorer.client.placed import Placed
from scorer.job.dispatch import make_plan
from scorer.job.preview import Previewer, spread
from scorer.media.image_names import format_for
from scorer.media.limits import Limits
from scorer.models import Frames
from scorer.models.painted import STYLES, in_every_style
from scorer.store import FolderStore

SIDE = 240
"""Pixels of the longer side of each picture."""
COLUMNS = 7


def styles(
    on: Annotated[
        Path | None,
        typer.Option(
            metavar="INPUT", parser=a_path, help="An image, or a video whose middle is taken; a drawn picture if not given."
        ),
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
    made = [Cell(picture, "original"), *(Cell(each, str(number)) for number, each in enumerate(in_every_style(picture)))]
    rows = [made[first : first + COLUMNS] for first in range(0, len(made), COLUMNS)]
    put(sheet(rows, least_width=1), out, placed)
    facts = {"result": str(out.absolute()), "styles": STYLES}
    line = f"{out} · {STYLES} styles; one of them: scorer run clip.mp4 --model painted --style 7"
    answer(facts, [line], str(out), quiet=quiet, as_json=as_json)


def _read(path: Path) -> Frames:
    """The image, or a frame from the middle of the video or folder. Raises ScorerError like `scorer preview`."""
    root, request = request_here(path, ScoringOptions(model="painted", style=["0"], size=SIDE), None)
    with Previewer.opened(FolderStore(root)) as previewer:
        plan = make_plan("styles", request, previewer.stores, "cpu", Limits(), lambda frames: max(1, frames // 2))
        return on_sheet(previewer.original(plan, *spread(plan.chunks, 1)), SIDE)


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
