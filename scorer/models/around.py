"""What every model gets around it: frames that are too narrow for it are padded, and its result is blended with the original."""

from __future__ import annotations

import cv2
import numpy as np

from scorer.media.images import resize
from scorer.models import Frames

_ROWS = 64
"""Blended at a time, for the floating-point copies to stay in the processor's cache."""


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
