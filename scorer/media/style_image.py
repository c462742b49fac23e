"""A style's image: JPEG, PNG, WebP or plain TIFF, as 8-bit RGB."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from scorer.errors import InputError, ScorerError, StyleError
from scorer.media.opened import Source, reader
from scorer.media.scans import too_many_scans
from scorer.media.tiff import CODINGS

# A photograph of Pillow's 89 million pixels has about half of that as a JPEG.
MOST_BYTES = 64 * 2**20

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF")
"""Of Pillow's dozens; some of them run other programs. A JPEG may hold several pictures: the first is taken."""

_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_90,
}  # fmt: skip
"""What undoes each orientation of EXIF (CIPA DC-008)."""


What = Literal["style", "mask"]
"""What an image is for."""
REFUSALS: dict[What, type[ScorerError]] = {"style": StyleError, "mask": InputError}
"""What is raised where it can't be used: a mask is an input beside the input."""


def check_bytes(name: str, size: int, what: What = "style") -> None:
    """Raise StyleError, or of a mask InputError, where the image called `name` has more bytes than one needs."""
    if size > MOST_BYTES:
        raise REFUSALS[what](f"The {what} image {name} has {size / 2**20:.1f} MB: give one of {MOST_BYTES // 2**20} MB at most.")


def check_style_image(path: Source, what: What = "style") -> None:
    """Decode the image, and raise what `opened_image` does."""
    with opened_image(path, what) as image:
        image.load()


def load_style_image(path: Path, max_side: int | None = None) -> NDArray[np.uint8]:
    """Read an image as (H, W, 3) RGB: turned as its EXIF says, alpha over white, grey and 16 bit made 8-bit RGB.

    `max_side` is in pixels: a larger image is made smaller, its aspect kept; a smaller one stays.
    Raises StyleError, naming the file, where it is missing, not an image, cut short, or too large to be decoded safely.
    """
    with opened_image(path) as image:
        rgb = _to_rgb(upright(image))
    if max_side is not None and max(rgb.size) > max_side:
        scale = max_side / max(rgb.size)
        size = (max(1, round(rgb.width * scale)), max(1, round(rgb.height * scale)))
        rgb = rgb.resize(size, Image.Resampling.LANCZOS)
    return np.asarray(rgb, dtype=np.uint8)


@contextmanager
def opened_image(path: Source, what: What = "style") -> Iterator[Image.Image]:
    """The image, of which only the beginning is read yet; what is wrong with it, now or in the block, as one of REFUSALS."""
    try:
        with reader(path) as file, warnings.catch_warnings():
            size = file.seek(0, os.SEEK_END)
            if not size:
                raise REFUSALS[what](f"The {what} {path} is an empty file: give a JPEG, PNG, WebP or TIFF file.")
            check_bytes(str(path), size, what)
            file.seek(0)
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file, formats=FORMATS) as image:
                if image.format in ("JPEG", "MPO"):
                    _check_scans(file)
                if image.mode == "F":
                    raise ValueError("floating-point pixels have no known range")
                if image.format == "TIFF" and (coding := image.info.get("compression")) not in CODINGS:
                    raise ValueError(f"a TIFF file coded as {coding}")
                yield image
    except FileNotFoundError:
        raise REFUSALS[what](f"There is no {what} image {path}: check its name.") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        limit = (Image.MAX_IMAGE_PIXELS or 0) // 1_000_000
        raise REFUSALS[what](f"The {what} image {path} has more than {limit} million pixels: give a smaller one.") from None
    except UnidentifiedImageError:
        raise REFUSALS[what](f"The {what} {path} is no image that can be used: give a JPEG, PNG, WebP or TIFF file.") from None
    except (ScorerError, MemoryError):
        raise
    except Exception as error:  # Pillow's readers raise whatever a damaged file makes them stumble over
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise REFUSALS[what](f"The {what} image {path} can't be read ({reason}): give an undamaged image.") from error


def _check_scans(file: BinaryIO) -> None:
    """Look through the whole file, and leave it where it was read to."""
    at = file.tell()
    file.seek(0)
    if why := too_many_scans(file.read()):
        raise ValueError(why)
    file.seek(at)


def upright(image: Image.Image) -> Image.Image:
    """Turned as its EXIF says, of which nothing else is looked at: a camera's oddities are no reason to refuse its picture."""
    turn = _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    return image if turn is None else image.transpose(turn)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16-bit grey; convert() would clip it at 255 instead of scaling
        grey = np.asarray(image).astype(np.int64).clip(0, 65535)
        image = Image.fromarray(((grey + 128) // 257).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")
