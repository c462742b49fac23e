"""Which of a folder's files are images, by their names alone, and what each one's result is called."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from PIL import features

from scorer.errors import RequestError
from scorer.file_names import bars_windows
from scorer.text import clean

_KINDS = {
    ".jpg": "JPEG", ".jpeg": "JPEG", ".jpe": "JPEG", ".jfif": "JPEG", ".png": "PNG", ".webp": "WEBP",
    ".tif": "TIFF", ".tiff": "TIFF", ".bmp": "BMP", ".gif": "GIF",
    **({".avif": "AVIF"} if features.check("avif") else {}),
}  # fmt: skip
SUFFIXES = frozenset(_KINDS)
"""What the name of an image that is scored ends with; compare in lower case."""
KINDS = frozenset(_KINDS.values())
"""Of images, as Pillow calls them."""

FORMATS = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP", "avif": "AVIF"}
"""What a request may have images come out as, and its kind."""
_KEPT = frozenset(FORMATS.values())
"""Kinds that a result can have; it is a PNG, which holds all of them, where the image was of another kind."""

# What systems leave in folders beside what begins with a dot: `.DS_Store`, `._photo.jpg`.
_DROPPINGS = ("thumbs.db", "ehthumbs.db", "desktop.ini")
_NAMED = 3
"""Names that one note says; the others are counted."""


def kind_of(name: str) -> str | None:
    """The kind of image that a name's ending promises, as Pillow calls it; None where it promises none that is scored."""
    return _KINDS.get(PurePosixPath(name).suffix.lower())


def is_photo(path: str) -> bool:
    """Whether an input is one image, by its name: a GIF is taken for a video."""
    return not path.endswith("/") and kind_of(path) not in (None, "GIF")


def format_for(name: str, out: str) -> str | None:
    """What the image `name` comes out as in a file called `out`; None for what it comes out as anyway. Raises RequestError."""
    wanted = kind_of(out)
    if wanted not in _KEPT:
        endings = ", ".join(f".{each}" for each in FORMATS)
        raise RequestError(f"The result can't be named '{out}': it is an image; end its name with one of {endings}.")
    return None if kind_of(result_name(name, None)) == wanted else next(each for each, kind in FORMATS.items() if kind == wanted)


def is_image(name: str) -> bool:
    """Whether a file of a folder is an image to score. Hidden files are none: macOS puts `._photo.jpg` beside photo.jpg."""
    return not name.startswith(".") and not name.endswith("/") and kind_of(name) is not None


def result_name(name: str, image_format: str | None) -> str:
    """What the result of the image `name` is called: the same, and behind it '.png', or the format, where its kind changes."""
    kind = kind_of(name)
    wanted = FORMATS[image_format] if image_format else kind if kind in _KEPT else "PNG"
    return name if kind == wanted else f"{name}.{image_format or 'png'}"


def passed_over(names: Iterable[str]) -> str:
    """A note on what a folder has beside its images, '' where it has nothing else; what systems leave there isn't told."""
    told = sorted(name for name in names if not name.startswith(".") and name.lower() not in _DROPPINGS)
    return f"passed over: {_some(told)}" if told else ""


def notes_on(names: Sequence[str], image_format: str | None, *, alone: bool = False) -> list[str]:
    """What the results of the images `names` won't have of them, and where they can't be told apart.

    One image `alone` has a result of its own name, which says the format.
    """
    kinds = {name: kind_of(name) for name in names}
    found = []
    renamed = [result_name(name, image_format) for name in names if result_name(name, image_format) != name]
    if renamed and not alone:
        found.append(f"in another format: {_some(renamed)}")
    if any(kind in ("GIF", "TIFF") for kind in kinds.values()):
        found.append("of a GIF or TIFF file the first picture is taken")
    if "AVIF" in kinds.values() or (image_format == "avif" and names):
        found.append("AVIF comes out with 8 bits")
    if image_format == "jpg" and any(kind != "JPEG" for kind in kinds.values()):
        found.append("JPEG holds 8 bits and no transparency")
    if barred := [name for name in names if bars_windows(name)]:
        found.append(f"Windows takes no files of these names: {_some(barred)}")
    same = defaultdict(list)
    for name in names:
        same[unicodedata.normalize("NFC", name).casefold()].append(name)
    if alike := [name for group in same.values() if len(group) > 1 for name in group]:
        found.append(f"one file each on Windows and macOS: {_some(alike)}")
    return found


def _some(names: Sequence[str]) -> str:
    shown = [clean(name, 60) for name in names[:_NAMED]]
    if len(names) > _NAMED:
        return f"{', '.join(shown)} and {len(names) - _NAMED} more"
    return " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))
