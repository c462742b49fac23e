"""Interlaced frames: two moments woven into one, line by line, which a model would take for a pattern of combs."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from scorer.media.pixels import Frames

LEAST_COMB = 12
"""Of 255: how far a line's pixel is from both its neighbours where the moments differ; less is noise, or a soft edge."""


def deinterlace(pixels: Frames) -> Frames:
    """(H, W, 3), uint8 or uint16: where something moved, the lower field's lines are made anew from those beside them.

    The rest stays as it is. Each frame is looked at by itself, so that the result is the same however a video is cut.
    """
    height = pixels.shape[0]
    if height < 3:
        return pixels
    depth = np.float32(257 if pixels.dtype == np.uint16 else 1)
    upper, lower = pixels[0:-1:2].astype(np.float32), pixels[1::2].astype(np.float32)  # (H/2, W, 3), each above the other
    upper = upper[: len(lower)]
    below = np.concatenate([pixels[2::2].astype(np.float32), upper[-1:]])[: len(lower)]  # the last line has one neighbour
    above_by, below_by = lower - upper, lower - below
    combed = ((above_by * below_by > 0) & (np.minimum(abs(above_by), abs(below_by)) > LEAST_COMB * depth)).any(axis=2)
    # A line that is only drawn is as far from its neighbours: combs have several, one below the other.
    beside = cv2.dilate(combed.astype(np.uint8), np.ones((1, 3), np.uint8))
    moved: NDArray[Any] = cv2.morphologyEx(beside, cv2.MORPH_OPEN, np.ones((3, 1), np.uint8))
    made = np.where(moved[..., None] > 0, (upper + below) / 2, lower)
    result: Frames = pixels.copy()
    result[1::2] = np.rint(made).astype(pixels.dtype)
    return result
