"""A network from an ONNX file as a model, whatever computes it."""

from __future__ import annotations

from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from scorer.boundary import words
from scorer.errors import ScorerError, StyleError
from scorer.models import Frames
from scorer.models.onnx_file import OnnxNetwork
from scorer.models.openvino_calibration import calibration_frames
from scorer.text import clean

Array = NDArray[np.float32]
Values = Literal["auto", "0..255", "0..1", "-1..1"]

RANGES: dict[str, tuple[float, float]] = {"0..255": (0.0, 255.0), "0..1": (0.0, 1.0), "-1..1": (-1.0, 1.0)}
"""What black and white are to a network."""

LEAST_SIDE = 64
"""Pixels a side that a network gets at least: many reflect dozens of pixels at the borders."""
_STEPS = (1, 2, 4, 8, 16, 32)


class Runner(Protocol):
    """What computes a network."""

    name: str
    """For records: 'openvino 2026.4 cpu float32', ..."""
    device: str

    def shape(self, height: int, width: int) -> tuple[int, ...]:
        """Of what it makes of a frame, found without computing it; raises nearly anything where it can't make anything of it."""

    def run(self, frame: Array) -> Array:
        """Map a frame, in the network's layout and values."""


class OnnxModel:
    """The Model protocol around a network of one frame at a time."""

    def __init__(self, network: OnnxNetwork, runner: Runner, values: Values) -> None:
        """Find out which sizes and values it takes. Raises StyleError where it takes none."""
        self._network, self._runner = network, runner
        self._step, self._scale = _fitting(network, runner)
        found = _values_of(self._tried())
        self._values = found if values == "auto" else values
        self.runtime = f"{runner.name} of ONNX, values {self._values}"
        self.device = runner.device

    def score(self, frames: Frames) -> Frames:
        """Map (N, H, W, 3) to (N, H', W', 3). A frame is reflected at the right and below until the network takes its size."""
        return np.stack([self._score_one(frame) for frame in frames])

    def reset(self) -> None:
        """Frames are independent: there is nothing to forget."""

    def _score_one(self, frame: Frames) -> Frames:
        height, width = frame.shape[:2]
        below, right = (max(side, LEAST_SIDE) - side for side in (height, width))
        below, right = (more + -(side + more) % self._step for side, more in ((height, below), (width, right)))
        mode: Literal["reflect", "symmetric"] = "reflect" if below < height and right < width else "symmetric"
        whole = np.pad(frame, ((0, below), (0, right), (0, 0)), mode) if below or right else frame
        (black, white), most = RANGES[self._values], np.float32(np.iinfo(frame.dtype).max)
        pixels = whole.astype(np.float32) * (np.float32(white - black) / most) + np.float32(black)
        made = self._run(pixels)[: round(height * self._scale), : round(width * self._scale)]
        levels = (made - np.float32(black)) * (most / np.float32(white - black))
        result: Frames = np.rint(levels.clip(0, most)).astype(frame.dtype)
        return result

    def _run(self, pixels: Array) -> Array:
        """(H, W, 3) to (H', W', 3), in the network's values."""
        if self._network.layout == "NHWC":
            made: Array = self._runner.run(np.ascontiguousarray(pixels[None]))[0]
            return made
        planes: Array = self._runner.run(np.ascontiguousarray(pixels.transpose(2, 0, 1)[None]))[0]
        return np.moveaxis(planes, 0, 2)

    def _tried(self) -> Array:
        """What the network makes of a drawn picture in 0..1. Raises StyleError where that isn't a picture."""
        side = -(-2 * LEAST_SIDE // self._step) * self._step
        try:
            made = self._run(calibration_frames(1, side)[0].astype(np.float32) / 255)
        except (ScorerError, MemoryError):
            raise
        except Exception as error:  # of a graph made to do harm, or a damaged one, nearly any
            raise self._network.refused(f"can't be computed ({clean(words(error), 120)}): export it again") from error
        if not np.isfinite(made).all():
            raise self._network.refused("makes numbers that aren't finite of a drawn picture: it is damaged")
        return made


def _values_of(made: Array) -> Values:
    """What the values of a network are that makes this of a picture in 0..1, which each kind can take.

    Networks for 0..255 make such values anyway: since they normalise what they are given, or by what they add to it.
    """
    low, high = np.percentile(made, (1, 99))
    if high - low > 4 or high > 4:
        return "0..255"
    return "-1..1" if low < -0.1 else "0..1"


def _fitting(network: OnnxNetwork, runner: Runner) -> tuple[int, float]:
    """Of what a frame's sides have to be multiples, and by how much the network makes them larger. Raises StyleError."""
    why: Exception | None = None
    for step in _STEPS:
        first = -(-LEAST_SIDE // step) | 1  # odd multiples: no smaller step would do for the network by chance
        sizes = [(first * step, (first + 2) * step), ((first + 4) * step, first * step)]
        try:
            made = [_sides(network, runner.shape(*size)) for size in sizes]
        except StyleError:
            raise
        except Exception as error:  # whatever a runtime says of sizes that don't fit
            why = error
            continue
        scales = {new / old for size, sides in zip(sizes, made, strict=True) for new, old in zip(sides, size, strict=True)}
        if len(scales) == 1:
            return step, scales.pop()
    if network.size:
        height, width = network.size
        raise network.refused(
            f"works on frames of {width}x{height} pixels alone, which its graph holds: export it for any size (dynamic_axes, "
            "or dynamic_shapes, in torch.onnx.export)"
        ) from why
    raise network.refused("makes frames of no size that follows from their own: it is none from frame to frame") from why


def _sides(network: OnnxNetwork, shape: tuple[int, ...]) -> tuple[int, int]:
    """Height and width. Raises StyleError where it is no frame."""
    channels = 1 if network.layout == "NCHW" else 3
    if len(shape) != 4 or shape[0] != 1 or shape[channels] != 3 or 0 in shape:
        raise network.refused(f"makes {'x'.join(map(str, shape)) or 'a number'} of a frame, and no frame")
    sides = [side for axis, side in enumerate(shape) if axis not in (0, channels)]
    return sides[0], sides[1]
