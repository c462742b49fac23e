"""A style's image: any file that Pillow reads, as plain 8-bit RGB."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from scorer.errors import StyleError


def load_style_image(path: Path, max_side: int | None = None) -> NDArray[np.uint8]:
    """Read an image as (H, W, 3) RGB: turned as its EXIF says, alpha over white, grey and 16 bit made 8-bit RGB.

    `max_side` is in pixels: a larger image is made smaller, its aspect kept; a smaller one stays.
    Raises StyleError, naming the file, where it is missing, not an image, cut short, or too large to be decoded safely.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                rgb = _to_rgb(ImageOps.exif_transpose(image))
    except FileNotFoundError:
        raise StyleError(f"There is no style image {path}: check its name.") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        limit = (Image.MAX_IMAGE_PIXELS or 0) // 1_000_000
        raise StyleError(f"The style image {path} has more than {limit} million pixels: give a smaller one.") from None
    except UnidentifiedImageError:
        raise StyleError(f"The style {path} isn't an image: give a JPEG, PNG, WebP or TIFF file.") from None
    # Pillow's decoders raise SyntaxError, ValueError and EOFError on damaged files.
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise StyleError(f"The style image {path} can't be read ({reason}): give an undamaged image.") from error
    if max_side is not None and max(rgb.size) > max_side:
        scale = max_side / max(rgb.size)
        size = (max(1, round(rgb.width * scale)), max(1, round(rgb.height * scale)))
        rgb = rgb.resize(size, Image.Resampling.LANCZOS)
    return np.asarray(rgb, dtype=np.uint8)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "F":
        raise ValueError("floating-point pixels have no known range")
    if image.mode.startswith("I"):  # 16-bit grey; convert() would clip it at 255 instead of scaling
        grey = np.asarray(image).astype(np.int64).clip(0, 65535)
        image = Image.fromarray(((grey + 128) // 257).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")
