"""How much each of several styles counts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scorer.errors import StyleError
from scorer.models import Style
from scorer.models.weights import Array


def shares(styles: Sequence[Style]) -> Array:
    """Scale the styles' weights so that they sum up to 1. Raises StyleError where they can't."""
    if not styles:
        raise StyleError("There is no style: give one.")
    weights = np.array([each.weight for each in styles], np.float64)
    if not np.isfinite(weights).all() or (weights < 0).any() or weights.sum() <= 0:
        listed = ", ".join(f"{each.weight:g}" for each in styles)
        raise StyleError(f"The styles' weights are {listed}: none may be below 0, and one must be above.")
    return np.asarray(weights / weights.sum(), np.float32)
