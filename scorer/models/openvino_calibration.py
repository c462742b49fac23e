"""What int8 needs to know of a network before it runs: the range of every convolution's input, measured on drawn images.

No photographs are shipped. Dead leaves (discs that hide each other, their radii distributed as 1/r^3) have the statistics of
natural images that matter here: edges at all scales, and long-tailed contrasts (Lee, Mumford, Huang 2001, IJCV 41).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from scorer.models import Frames

Array = NDArray[np.float32]

_SAMPLES = 50_000
_CLIPPED_AT = np.linspace(1.0, 0.28, 10)


@cache
def calibration_frames(count: int = 4, side: int = 192, seed: int = 7) -> NDArray[np.uint8]:
    """Draw (count, side, side, 3) images, the same in every process."""
    rng = np.random.default_rng(seed)
    return np.stack([_dead_leaves(rng, side) for _ in range(count)])


def best_range(values: Array) -> tuple[float, float]:
    """The lowest and highest value to keep apart in 8 bits, so that rounding and clipping together err least (mean square).

    Unsigned where no value is negative, otherwise symmetric.
    """
    low, high = float(values.min()), float(values.max())
    top = max(-low, high, 1e-6)
    levels = 127 if low < 0 else 255
    sample = np.abs(values.ravel()[:: max(1, values.size // _SAMPLES)])

    def error(share: float) -> float:
        step = share * top / levels
        rounded = np.minimum(np.rint(sample / step), levels) * step
        return float(np.square(sample - rounded).mean(dtype=np.float64))

    best = top * float(min(_CLIPPED_AT, key=error))
    return (-best if low < 0 else 0.0), best


def psnr(frames: Frames, reference: Frames) -> float:
    """Peak signal to noise ratio of 8-bit frames in decibels; infinite where the two are the same."""
    error = np.square(frames.astype(np.float64) - reference).mean()
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))


def _dead_leaves(rng: np.random.Generator, side: int) -> NDArray[np.uint8]:
    rows, columns = np.mgrid[:side, :side].astype(np.float32)
    grain = rng.normal(0, 1, (side, side, 1))
    image = np.broadcast_to(rng.uniform(0, 255, 3), (side, side, 3)).copy()
    for _ in range(220):
        radius = min(0.6 * side, 6 * rng.uniform(0.02, 1) ** -0.8)
        centre = rng.uniform(0, side, 2)
        colour = rng.uniform(0, 1, 3) * rng.uniform(30, 255)
        slope, roughness = rng.normal(0, 0.3 / max(radius, 8), 2), rng.choice([0, 3, 12])
        top, left = np.maximum(centre - radius, 0).astype(int)
        bottom, right = (centre + radius + 1).astype(int)
        box = np.s_[top:bottom, left:right]
        y, x = rows[box] - centre[0], columns[box] - centre[1]
        shade = 1 + slope[0] * y + slope[1] * x
        leaf = shade[..., None] * colour + roughness * grain[box]
        image[box] = np.where((y * y + x * x < radius * radius)[..., None], leaf, image[box])
    return np.clip(image, 0, 255).astype(np.uint8)
