"""How a steady video's frames are moved, averaged and sharpened: by OpenCV, on the processor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from scorer.media import motion
from scorer.media.motion import Step, Trust
from scorer.models import Frames

Held = TypeVar("Held")


class Mixing(Protocol[Held]):
    """Its frames are held where it works, until they are given. All is rounded to whole levels at each step."""

    def held(self, frame: Frames) -> Held:
        """Take a frame (H, W, 3)."""

    def shape(self, held: Held) -> tuple[int, ...]:
        """Those of one shape can be averaged."""

    def moved(self, own: Held, other: Held, step: Step) -> Held:
        """`other`, a frame that the step leads to, moved to where `own` has things; `own` where that can't be trusted."""

    def mean(self, own: Held, sides: Sequence[Held]) -> Held:
        """Of three frames, two, or one."""

    def sharper(self, mean: Held, share: float, trusts: Sequence[Trust]) -> Frames:
        """(H, W, 3), sharpened by the share where at least half of `trusts` says that other frames are in it."""


class OpenCvMixing:
    """Holds (H, W, 4): of three channels cv2.remap takes twice as long."""

    def held(self, frame: Frames) -> Frames:
        """Take a frame (H, W, 3)."""
        return np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2RGBA), frame.dtype)

    def shape(self, held: Frames) -> tuple[int, ...]:
        """Those of one shape can be averaged."""
        return held.shape

    def moved(self, own: Frames, other: Frames, step: Step) -> Frames:
        """`other` where `own` has things."""
        return motion.moved(own, other, step)

    def mean(self, own: Frames, sides: Sequence[Frames]) -> Frames:
        """Of three frames, two, or one."""
        if not sides:
            return own
        if len(sides) == 1:
            return np.asarray(cv2.addWeighted(own, 0.5, sides[0], 0.5, 0))
        return np.asarray(cv2.addWeighted(cv2.addWeighted(sides[0], 0.5, sides[1], 0.5, 0), 2 / 3, own, 1 / 3, 0))

    def sharper(self, mean: Frames, share: float, trusts: Sequence[Trust]) -> Frames:
        """(H, W, 3), sharpened where it is trusted."""
        frame: NDArray[Any] = cv2.cvtColor(mean, cv2.COLOR_RGBA2RGB)
        if not trusts:
            return frame
        height, width = frame.shape[:2]
        sharp = cv2.addWeighted(frame, 1 + share, cv2.GaussianBlur(frame, (3, 3), 0), -share, 0)
        enlarged = cv2.resize(total(trusts), (width, height))
        _, own = cv2.threshold(enlarged, 128 * len(trusts) - 1, 255, cv2.THRESH_BINARY_INV)
        return np.asarray(cv2.copyTo(frame, own.astype(np.uint8), sharp))


def total(trusts: Sequence[Trust]) -> NDArray[np.uint16]:
    """The sum of (H, W) each."""
    found = trusts[0].astype(np.uint16)
    for trust in trusts[1:]:
        found += trust
    return found
