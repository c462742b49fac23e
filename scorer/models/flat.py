"""Frames of one colour, as films fade to: what a stylisation network makes of them is one colour too, and known beforehand.

An instance norm leaves nothing of a frame that is alike everywhere but its shift. Computed, the noise of rounding is left, which
each norm makes some 300 times as large: in half precision or int8 black frames get a pattern as strong as a picture's.
"""

from __future__ import annotations

import numpy as np

from scorer.models import Frames
from scorer.models.weights import Array, Weights

_LOOKED_AT = 16
"""Rows that say of nearly all frames that they are not flat."""


def flat_colors(weights: Weights, styles: Array) -> Array:
    """R, G and B in [0, 1], (1 or N, 3), that networks named as in weights.py make of any colour in styles (S,) or (N, S)."""

    def shift(name: str) -> Array:
        found: Array = np.atleast_2d(styles) @ weights[f"{name}.beta.weight"].T + weights[f"{name}.beta.bias"]
        return found

    if "expand.2.beta.weight" in weights:
        return np.asarray(1 / (1 + np.exp(-shift("expand.2"))), np.float32)
    before = np.maximum(shift("expand.1"), 0)
    found = before @ weights["expand.2.weight"].sum((2, 3)).T + weights["expand.2.bias"]
    return np.asarray(found.clip(0, 1), np.float32)


def fill_flat(frames: Frames, made: Frames, colors: Array) -> Frames:
    """What was `made` of `frames`, both (N, H, W, 3), with the right colour, of (1 or N, 3), where a frame has but one."""
    flat = [number for number, frame in enumerate(frames) if is_flat(frame)]
    if flat:
        levels = np.rint(colors * np.float32(np.iinfo(made.dtype).max)).astype(made.dtype)
        made[flat] = np.broadcast_to(levels, (len(frames), 3))[flat, None, None]
    return made


def is_flat(frame: Frames) -> bool:
    """Whether all pixels of (H, W, 3) are alike."""
    some = frame[:: max(1, len(frame) // _LOOKED_AT)]
    return bool((some == frame[0, 0]).all() and (frame == frame[0, 0]).all())
