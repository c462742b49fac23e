"""How much a video flickers: the warping error of Lai et al. 2018 (arXiv:1808.00449, eq. 8), lower is steadier.

The flow is Farnebäck's (2003), which is not the one that steadying goes by. Pixels that come into sight, and those at
the borders of what moves, don't count (Ruder et al. 2016, arXiv:1604.08610, section 3).
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from scorer.media.pixels import Frames

_SIDE = 640
"""Pixels of the longer side at which it is measured, at most."""
_LEAST_SIDE = 32


class Correspondence:
    """Which pixels of one frame are which of another, by their source."""

    def __init__(self, one: Frames, two: Frames) -> None:
        """Take two frames (H, W, 3) of the source of the same shape, which follow each other."""
        height, width = one.shape[:2]
        scale = max(1.0, max(height, width) / _SIDE)
        self._size = max(_LEAST_SIDE, round(width / scale)), max(_LEAST_SIDE, round(height / scale))
        grey = [np.rint(255 * cv2.cvtColor(self._small(each), cv2.COLOR_RGB2GRAY)).astype(np.uint8) for each in (one, two)]
        there, back = _flow(grey[0], grey[1]), _flow(grey[1], grey[0])
        rows, columns = np.indices(grey[0].shape, np.float32)
        self._map = np.dstack([columns, rows]) + there
        self._seen = _seen(there, self._moved(back)) & self._inside()

    def error(self, one: Frames, two: Frames) -> float:
        """Mean square difference of `one` and `two`, moved onto it, of values from 0 to 1, where both show the same."""
        apart = np.square(self._small(one) - self._moved(self._small(two))).sum(axis=2)
        return float(apart[self._seen].mean()) if self._seen.any() else 0.0

    def _small(self, frame: Frames) -> NDArray[np.float32]:
        values = frame.astype(np.float32) / np.iinfo(frame.dtype).max
        return np.asarray(cv2.resize(values, self._size, interpolation=cv2.INTER_AREA), np.float32)

    def _moved(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(cv2.remap(image, self._map[..., 0], self._map[..., 1], cv2.INTER_LINEAR), np.float32)

    def _inside(self) -> NDArray[np.bool_]:
        width, height = self._size
        columns, rows = self._map[..., 0], self._map[..., 1]
        return np.asarray((columns >= 0) & (columns <= width - 1) & (rows >= 0) & (rows <= height - 1))


def _flow(one: NDArray[np.uint8], two: NDArray[np.uint8]) -> NDArray[np.float32]:
    empty: Any = None
    found = cv2.calcOpticalFlowFarneback(one, two, empty, 0.5, 5, 15, 3, 7, 1.5, cv2.OPTFLOW_FARNEBACK_GAUSSIAN)
    return np.asarray(found, np.float32)


def _seen(there: NDArray[np.float32], back: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Where the way back leads to the start, and no border of something that moves is near."""
    far = np.square(there).sum(axis=2)
    returns = np.square(there + back).sum(axis=2) <= 0.01 * (far + np.square(back).sum(axis=2)) + 0.5
    slopes = [np.gradient(there[..., axis]) for axis in (0, 1)]
    steep = np.sum([np.square(each) for pair in slopes for each in pair], axis=0)
    return np.asarray(returns & (steep <= 0.01 * far + 0.002))
