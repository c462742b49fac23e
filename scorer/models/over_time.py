"""Styles that pass into one another over time, for models in which a style is some numbers: a mix of two lies between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from scorer.models import Frames, Style
from scorer.models.flat import fill_flat, flat_colors, is_flat
from scorer.models.style_weights import shares
from scorer.models.weights import Array, Weights


@dataclass(frozen=True)
class Keys:
    """Styles as numbers, and when frames have them."""

    seconds: NDArray[np.float64]
    """(K,), ascending."""
    numbers: Array
    """(K, S)."""

    def at(self, seconds: Sequence[float]) -> Array:
        """Those of each time, (N, S): on the line between the two keys around it, and beyond them the first's or the last's."""
        times = np.asarray(seconds, np.float64)
        behind = np.clip(np.searchsorted(self.seconds, times, "right"), 1, max(len(self.seconds) - 1, 1))
        before, behind = behind - 1, np.minimum(behind, len(self.seconds) - 1)
        length = np.maximum(self.seconds[behind] - self.seconds[before], 1e-9)
        share = np.clip((times - self.seconds[before]) / length, 0, 1)[:, None]
        return np.asarray(self.numbers[before] * (1 - share) + self.numbers[behind] * share, np.float32)

    def between(self) -> Array:
        """All of `numbers`, and what lies halfway between each two: what a model is to be ready for, (2K - 1, S)."""
        halfway = (self.numbers[1:] + self.numbers[:-1]) / 2
        return np.concatenate([self.numbers, halfway])


def mixes(styles: Sequence[Style]) -> tuple[NDArray[np.float64], Array]:
    """When styles are told to be, (K,), and each one's share then, (K, len(styles)): several of one time are mixed.

    Raises StyleError where weights can't be used.
    """
    times = sorted({style.at or 0.0 for style in styles}) or [0.0]  # of no style the shares are refused
    mix = np.zeros((len(times), len(styles)), np.float32)
    for row, time in zip(mix, times, strict=True):
        own = [number for number, style in enumerate(styles) if (style.at or 0.0) == time]
        row[own] = shares([styles[number] for number in own])
    return np.array(times, np.float64), mix


def are_timed(styles: Sequence[Style]) -> bool:
    """Whether they have times."""
    return any(style.at is not None for style in styles)


class StyledModel(Protocol):
    """A network that takes a style's numbers beside each frame."""

    device: str

    @property
    def runtime(self) -> str: ...

    def score_styled(self, frames: Frames, numbers: Array) -> Frames:
        """Frames (N, H, W, 3), the style of each (N, S)."""

    def reset(self) -> None: ...


class OverTime:
    """The Model protocol, and ModelOverTime's, around a network and its styles' times."""

    def __init__(self, model: StyledModel, keys: Keys, weights: Weights, styles: Keys) -> None:
        """Keys of the numbers that `model` takes; and its weights and the styles, to know what frames of one colour become."""
        self._model, self._keys, self._weights, self._styles = model, keys, weights, styles
        self.device = model.device

    @property
    def runtime(self) -> str:
        """The network's."""
        return self._model.runtime

    def score(self, frames: Frames) -> Frames:
        """In the first style."""
        return self.score_at(frames, [float(self._keys.seconds[0])] * len(frames))

    def score_at(self, frames: Frames, seconds: Sequence[float]) -> Frames:
        """Each in the style of its time."""
        made = self._model.score_styled(frames, self._keys.at(seconds))
        for number, frame in enumerate(frames):
            if is_flat(frame):
                color = flat_colors(self._weights, self._styles.at([seconds[number]]))
                made[number] = fill_flat(frame[None], made[number][None], color)[0]
        return made

    def reset(self) -> None:
        """The network's."""
        self._model.reset()
