"""Masks: where a frame is styled, and where it stays as it was."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scorer.media import images
from scorer.media.pixels import Frames
from scorer.media.style_image import opened_image, upright

Mask = NDArray[np.uint8]
"""(H, W): 255 is styled, 0 isn't, in between it is mixed."""

_ALMOST = 5
"""Of 255: what is nearer to black or white counts as that, since coders of photographs and films are off by some."""
_ROWS = 64
"""Worked on at a time, for the floating-point copies to stay in the processor's cache."""


def load_mask(path: Path) -> Mask:
    """Read an image as a mask: turned as its EXIF says, over black where it is transparent.

    Raises InputError where `load_style_image` would raise StyleError.
    """
    with opened_image(path, "mask") as image:
        turned = upright(image)
        if turned.has_transparency_data:
            turned = turned.convert("RGBA")
            turned = Image.alpha_composite(Image.new("RGBA", turned.size, "black"), turned)
        deep = turned.mode.startswith("I")
        grey = np.asarray(turned, np.int64) // 257 if deep else np.asarray(turned.convert("L"))
    return _plain(np.asarray(grey.clip(0, 255), np.uint8))


def mask_of(pixels: Frames, alpha: Frames | None = None) -> Mask:
    """The mask that a frame (H, W, 3) of a video is, over black where its alpha (H, W) says that it is transparent."""
    grey = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY))
    if alpha is not None:
        grey = np.rint(grey * (alpha / np.float32(np.iinfo(alpha.dtype).max))).astype(grey.dtype)
    return _plain(np.asarray(grey // 257 if grey.dtype == np.uint16 else grey, np.uint8))


def _plain(grey: Mask) -> Mask:
    made = grey.copy()
    made[grey <= _ALMOST] = 0
    made[grey >= 255 - _ALMOST] = 255
    return made


def fitted(mask: Mask, width: int, height: int, feather: int) -> Mask:
    """The mask for frames of that size, stretched if need be, with edges softened over `feather` pixels on each side.

    Pixels that are farther from any edge than that are as they were.
    """
    if mask.shape != (height, width):
        smaller = width * height < mask.size
        scaled = cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
    else:
        scaled = mask
    if feather:
        side = 2 * feather + 1
        scaled = cv2.GaussianBlur(scaled, (side, side), feather / 2, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(scaled, np.uint8)


def masked(original: Frames, styled: Frames, mask: Mask) -> Frames:
    """Of `styled` (H, W, 3) where the mask of its size is 255, of the original where it is 0, mixed and rounded in between.

    An original of another size is scaled to that of `styled`.
    """
    height, width = styled.shape[:2]
    own = images.resize(original, width, height)
    made = np.empty_like(styled)
    for top in range(0, height, _ROWS):
        rows = slice(top, top + _ROWS)
        share = mask[rows, :, None].astype(np.float32) / np.float32(255)
        before = own[rows].astype(np.float32)
        made[rows] = np.rint(before + (styled[rows].astype(np.float32) - before) * share)
    return made
