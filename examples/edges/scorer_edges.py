"""A user's own models: `edges`, white lines on black, and `double`, twice the size.

The pattern to copy: a class that scores, a ModelSpec that says how it is loaded, and an entry point in pyproject.toml.
"""

from __future__ import annotations

import cv2
import numpy as np
from pydantic import Field

from scorer.models import Frames, Model, ModelSettings, ModelSpec
from scorer.models.options import Options, describe_options, parse_options


class EdgesOptions(Options):
    """What the user may set: checked when the model is loaded, listed by `scorer models`."""

    threshold: float = Field(
        default=0.25, ge=0, le=1, description="slope from which on there is an edge, of the steepest possible"
    )


class Edges:
    """White where the brightness changes by more than the threshold, black elsewhere."""

    runtime, device = f"opencv {cv2.__version__} cpu", "cpu"

    def __init__(self, settings: ModelSettings) -> None:
        self._threshold = parse_options(EdgesOptions, settings.options, "edges").threshold

    def score(self, frames: Frames) -> Frames:
        """Map (N, H, W, 3) to the same shape and dtype."""
        full = np.iinfo(frames.dtype).max
        edges = np.empty_like(frames)
        for frame, edge in zip(frames, edges, strict=True):
            grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32) / full
            # Sobel's weights add up to 4 on either side of the pixel
            slope = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)) / 4
            edge[:] = np.where(slope >= self._threshold, full, 0)[..., None]
        return edges

    def reset(self) -> None:
        """Forget nothing: each frame stands for itself."""


class Double:
    """Twice as wide and twice as high: a model may change the size of the frames, in the same way for each."""

    runtime, device = f"opencv {cv2.__version__} cpu", "cpu"

    def score(self, frames: Frames) -> Frames:
        """Map (N, H, W, 3) to (N, 2H, 2W, 3) of the same dtype."""
        count, height, width = frames.shape[:3]
        larger: Frames = np.empty((count, 2 * height, 2 * width, 3), frames.dtype)
        for frame, result in zip(frames, larger, strict=True):
            cv2.resize(frame, (2 * width, 2 * height), dst=result, interpolation=cv2.INTER_LANCZOS4)
        return larger

    def reset(self) -> None:
        """Forget nothing: each frame stands for itself."""


def load_double(settings: ModelSettings) -> Model:
    """Load `double`, which has no options."""
    parse_options(Options, settings.options, "double")
    return Double()


EDGES = ModelSpec(
    "edges",
    "white lines where brightness changes",
    "none",
    Edges,
    options=describe_options(EdgesOptions),
    source="Sobel's filter",
)
DOUBLE = ModelSpec("double", "twice the size, by Lanczos's filter", "none", load_double)
