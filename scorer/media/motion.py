"""Where things of one frame are in another, and how sure that is: what steadying a video goes by.

Flow: DIS (Kroeger et al. 2016, arXiv:1603.03590), found at some 320 pixels and used at half of that. Every function is one of its
arguments alone and gives the same on any number of threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from scorer.media.pixels import Frames

Flow = NDArray[np.float32]
"""(H, W, 2): how far right and down each pixel has gone, in pixels of its own size."""
Trust = NDArray[np.uint8]
"""(H, W): 0 where it is not known where a pixel has gone, 255 where it is."""

_SIDE = 320
"""Pixels of the longer side at which flow is found, or up to twice as many."""
_LEAST_SIDE = 12
"""Below, there is next to nothing to be followed."""
_SAFE_SIDE = 32
"""Below, DIS (OpenCV 5.0, its preset of four by four pixels and patches of eight) reads beyond its arrays."""
_COLOR_APART = 15.0
"""Levels of 256 by which colours may differ until trust has fallen to 1/e."""
_WAY_BACK, _WAY_BACK_SHARE = 16.0, 0.01
"""Squared pixels of the frame by which the way there and back may miss its start, and what is added for each that it went."""
_CUT = 0.1
"""Where less than this share of pixels is to be trusted, two frames show different scenes."""
_RELATIVE = cv2.INTER_LINEAR | cv2.WARP_RELATIVE_MAP
"""Flows say how far to look, not where."""


@dataclass(frozen=True)
class Look:
    """What is needed of one frame to follow it."""

    grey: NDArray[np.uint8]
    """At the size at which flow is found."""
    colors: NDArray[np.uint8]
    """(H, W, 4) at half of it, smoothed."""
    size: tuple[int, int]
    """Width and height of the frame."""


@dataclass(frozen=True)
class Step:
    """From one frame to another."""

    flow: Flow
    trust: Trust


def look(frame: Frames) -> Look | None:
    """What is needed of `frame` (H, W, 3), of 8 bits or 16; None where it is too small to find motion in."""
    height, width = frame.shape[:2]
    scale = max(1, max(height, width) // _SIDE)
    small = (width // scale, height // scale)
    if min(small) < _LEAST_SIDE:
        return None
    pixels = frame if frame.dtype == np.uint8 else (frame >> 8).astype(np.uint8)
    reduced = cv2.resize(pixels, small, interpolation=cv2.INTER_AREA)
    half = cv2.resize(reduced, (small[0] // 2, small[1] // 2), interpolation=cv2.INTER_AREA)
    colors = cv2.cvtColor(cv2.blur(half, (3, 3)), cv2.COLOR_RGB2RGBA)  # of three channels, remap takes twice as long
    return Look(_bytes(cv2.cvtColor(reduced, cv2.COLOR_RGB2GRAY)), _bytes(colors), (width, height))


def steps(one: Look, two: Look) -> tuple[Step, Step] | None:
    """From `one` to `two`, and back; None where the scene changes between them, or the size."""
    if one.size != two.size:
        return None
    there, back = _flow(one, two), _flow(two, one)
    first = Step(there, _trust(one, two, there, back))
    second = Step(back, _trust(two, one, back, there))
    is_cut = any(float(np.mean(step.trust >= 128)) < _CUT for step in (first, second))
    return None if is_cut else (first, second)


def chained(first: Step, second: Step) -> Step:
    """Both, one after the other."""
    trust = cv2.multiply(first.trust, _along(second.trust, first.flow), scale=1 / 255)
    return Step(_floats(cv2.add(first.flow, _along(second.flow, first.flow))), _bytes(trust))


def moved(own: Frames, other: Frames, step: Step) -> Frames:
    """`other` (H, W, 4), a frame that the step leads to, moved to where `own` has things; `own` where that can't be trusted."""
    height, width = own.shape[:2]
    rows, columns = step.trust.shape
    scale = np.array((width / columns, height / rows), np.float32)
    flow = _floats(cv2.resize(step.flow * scale, (width, height)))
    _, unknown = cv2.threshold(cv2.resize(step.trust, (width, height)), 127, 255, cv2.THRESH_BINARY_INV)
    return np.asarray(cv2.copyTo(own, _bytes(unknown), _along(other, flow)), own.dtype)


def _flow(one: Look, two: Look) -> Flow:
    """In pixels of the colours' size."""
    # One that was used before is no quicker, and no two threads may use it.
    finder = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    height, width = one.grey.shape
    below, right = max(0, _SAFE_SIDE - height), max(0, _SAFE_SIDE - width)
    first, second = (cv2.copyMakeBorder(each.grey, 0, below, 0, right, cv2.BORDER_REPLICATE) for each in (one, two))
    found = finder.calc(first, second, None)[:height, :width]  # type: ignore[call-overload]  # its types want a flow to begin with
    rows, columns = one.colors.shape[:2]
    to_half = np.array((columns / found.shape[1], rows / found.shape[0]), np.float32)
    return _floats(cv2.resize(found, (columns, rows), interpolation=cv2.INTER_AREA) * to_half)


def _trust(one: Look, two: Look, there: Flow, back: Flow) -> Trust:
    """How surely pixels of `one` are seen in `two`: their colours agree, and the way back leads to where they were."""
    red, green, blue, _ = cv2.split(cv2.absdiff(_along(two.colors, there, outside=0), one.colors))
    alike = cv2.LUT(cv2.max(cv2.max(red, green), blue), _alike())
    missed = cv2.add(_along(back, there, outside=1e3), there)
    area = one.size[0] * one.size[1] / (there.shape[0] * there.shape[1])  # pixels of the frame in one of these
    right, down = cv2.split(cv2.multiply(missed, missed))
    far_right, far_down = cv2.split(cv2.multiply(there, there))
    allowed = cv2.addWeighted(far_right, -_WAY_BACK_SHARE * area, far_down, -_WAY_BACK_SHARE * area, -_WAY_BACK)
    returns = cv2.exp(cv2.divide(cv2.add(right, down), allowed, scale=area))
    return _bytes(cv2.multiply(alike, returns, dtype=cv2.CV_8U))


def _along(image: NDArray[Any], flow: Flow, outside: float | None = None) -> NDArray[Any]:
    """What each pixel finds in `image` where the flow leads it; beyond its borders what stands there, or `outside`."""
    border = cv2.BORDER_REPLICATE if outside is None else cv2.BORDER_CONSTANT
    value = [outside or 0] * 4
    # Its types don't know that one map may be all.
    found: NDArray[Any] = cv2.remap(image, flow, None, _RELATIVE, borderMode=border, borderValue=value)  # type: ignore[call-overload]
    return found


@cache
def _alike() -> NDArray[np.uint8]:
    """Trust by the difference of colours."""
    return (255 * np.exp(-((np.arange(256) / _COLOR_APART) ** 2))).astype(np.uint8)


def _bytes(array: Any) -> NDArray[np.uint8]:
    return np.asarray(array, np.uint8)


def _floats(array: Any) -> Flow:
    return np.asarray(array, np.float32)
