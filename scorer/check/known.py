"""A drawn frame, and what a trained style makes of it: whoever computes it must come to the same picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scorer import models
from scorer.models import ModelSettings, Style

MODEL, STYLE, SIDE = "painted", 7, 96
BLOCKS = 4
"""The answer is the mean colour of so many blocks a side."""

# Red, green and blue of each block, row by row: computed in float32, by OpenVINO and by torch alike.
ANSWER = (
    8, 4, 10, 14, 8, 15, 38, 19, 19, 83, 39, 30,
    25, 45, 87, 32, 49, 82, 99, 64, 52, 142, 86, 35,
    25, 69, 151, 30, 57, 116, 134, 60, 33, 222, 174, 28,
    20, 51, 114, 38, 44, 76, 176, 95, 29, 239, 198, 18,
)  # fmt: skip
TOLERANCE = 8.0
"""Levels of 255 that a block may differ by: int8 differs by 2, and another style, no style or noise by far more."""


def drawn() -> NDArray[np.uint8]:
    """The frame: (SIDE, SIDE, 3), RGB; red grows to the right, green downwards, blue is a chequered board."""
    ramp = np.linspace(0, 255, SIDE).astype(np.uint8)
    place = np.arange(SIDE) // 12
    frame = np.zeros((SIDE, SIDE, 3), np.uint8)
    frame[..., 0], frame[..., 1] = ramp[None, :], ramp[:, None]
    frame[..., 2] = np.where((place[:, None] + place[None, :]) % 2, 200, 50)
    return frame


def styled() -> tuple[tuple[float, ...], str]:
    """What the style makes of it here, block by block, and what computed it. Raises ModelError and what runtimes raise."""
    settings = ModelSettings(styles=(Style(STYLE),))
    model = models.spec(MODEL).load(settings)
    result = model.score(drawn()[None])[0]
    size = SIDE // BLOCKS
    means = result.reshape(BLOCKS, size, BLOCKS, size, 3).astype(np.float64).mean((1, 3))
    return tuple(round(float(mean), 1) for mean in means.reshape(-1)), model.runtime


def difference(answer: tuple[float, ...]) -> float:
    """Levels by which the worst block of `answer` differs from what is known; 255 where it has another number of blocks."""
    if len(answer) != len(ANSWER):
        return 255.0
    return max(abs(one - other) for one, other in zip(answer, ANSWER, strict=True))
