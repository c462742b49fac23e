"""What every model gets around it.

Frames are scaled to the size of its strokes, and padded where they are too narrow for it; its result gets the original's colours,
or some of it.
"""

from __future__ import annotations

from functools import reduce

import cv2
import numpy as np

from scorer.media.images import resize
from scorer.models import Frames

_ROWS = 64
"""Worked on at a time, for the floating-point copies to stay in the processor's cache."""
_LUMA = np.array([[0.2126, 0.7152, 0.0722]], np.float32)
"""Of red, green and blue: ITU-R BT.709, 3.2."""


def at_stroke_size(width: int, height: int, stroke_size: float) -> tuple[int, int]:
    """Width and height of the frame that the model works on, for its strokes to be that many times as large on one of these."""
    return max(1, round(width / stroke_size)), max(1, round(height / stroke_size))


def scaled(images: Frames, width: int, height: int) -> Frames:
    """Frames (N, H, W, 3) as (N, height, width, 3); as they are where that is their size."""
    if images.shape[1:3] == (height, width):
        return images
    return np.stack([resize(image, width, height) for image in images])


def padded(images: Frames, least: int) -> Frames:
    """Frames (N, H, W, 3) with at least `least` pixels a side: what lacks is mirrored at the right and below."""
    below, right = (max(0, least - side) for side in images.shape[1:3])
    return np.pad(images, ((0, 0), (0, below), (0, right), (0, 0)), "reflect") if below or right else images


def cropped(made: Frames, given: Frames, height: int, width: int) -> Frames:
    """Of what a model made of the padded frames `given`, the part that belongs to their first `height` rows, `width` columns."""
    if given.shape[1:3] == (height, width):
        return made
    rows = max(1, round(height * made.shape[1] / given.shape[1]))
    columns = max(1, round(width * made.shape[2] / given.shape[2]))
    return np.ascontiguousarray(made[:, :rows, :columns])


def blended(original: Frames, styled: Frames, strength: float) -> Frames:
    """Mix original · (1 - strength) + styled · strength of one frame (H, W, 3) each, in its own values, rounded.

    A frame that the model made larger or smaller is blended with the original of that size. 0 is that exactly, 1 is `styled`.
    """
    if strength == 1:
        return styled
    height, width = styled.shape[:2]
    own = resize(original, width, height)
    if strength == 0:
        return own
    mixed = np.empty_like(styled)
    for top in range(0, height, _ROWS):
        rows = np.s_[top : top + _ROWS]
        exact = cv2.addWeighted(own[rows], 1 - strength, styled[rows], strength, 0.0, dtype=cv2.CV_64F)
        mixed[rows] = np.rint(exact)
    return mixed


def recolored(original: Frames, styled: Frames, share: float) -> Frames:
    """Mix styled · (1 - share) + recoloured · share of one frame (H, W, 3), rounded: `styled` in the colours of `original`.

    Recoloured has the luma of `styled`, and by how much the original's red, green and blue differ from its own luma; where they
    would leave the range of values at that luma, they differ less, so that the luma stays. A frame that the model made larger or
    smaller gets the colours of the original of that size. Source: luminance-only transfer of Gatys et al. 2016, arXiv 1606.05897.
    """
    if share == 0:
        return styled
    height, width = styled.shape[:2]
    own, most = resize(original, width, height), np.float32(np.iinfo(styled.dtype).max)
    mixed = np.empty_like(styled)
    for top in range(0, height, _ROWS):
        rows = slice(top, top + _ROWS)
        new, old = styled[rows].astype(np.float32), own[rows].astype(np.float32)
        luma = cv2.transform(new, _LUMA)
        colors = cv2.split(old - cv2.transform(old, _LUMA)[..., None])  # plane by plane, which is three times as quick
        # A difference that could leave the range is larger than 0.001.
        above = (most - luma) / np.maximum(reduce(np.maximum, colors), np.float32(1e-3))
        below = luma / np.maximum(-reduce(np.minimum, colors), np.float32(1e-3))
        room = np.minimum(np.minimum(above, below), 1)
        for channel, color in enumerate(colors):
            plane = new[..., channel]
            mixed[rows, :, channel] = np.rint(np.clip(plane + np.float32(share) * (luma + room * color - plane), 0, most))
    return mixed
