"""The CPU's fast path: `adaptive` and `painted` on OpenVINO, in float32 or int8, without torch.

int8: weights per output channel and the input of each convolution, static, from `openvino_calibration`; everything else
stays float32. The same frame gives the same bytes, whatever shares its batch, as long as the number of threads stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from scorer.models import Frames
from scorer.models.flat import fill_flat, flat_colors
from scorer.models.openvino_calibration import best_range, calibration_frames, psnr
from scorer.models.openvino_kept import Calibration, calibration
from scorer.models.over_time import Keys, OverTime
from scorer.models.weights import STYLE_SIZE, Array, Weights, adaptive_weights, layers, painted_weights, predictor_weights

if TYPE_CHECKING:
    from openvino import CompiledModel, Model, Node

    from scorer.models.openvino_networks import Ranges

Precision = Literal["auto", "int8", "float32"]

MINIMUM_PSNR = 30.0
"""Decibels against float32, on the calibration's images: below, `auto` leaves a style at float32.

The drawn images are harder than film: 35 dB and more on film is what passes (24 of the 26 painted styles, and `adaptive`)."""

_SIZES_KEPT = 4
"""Sizes of frames a model stays compiled for: a video has one, its tiles a few."""

_INT8_FLAGS = {"avx512_vnni", "avx_vnni", "amx_int8"}


def available() -> bool:
    """Whether openvino is installed; it isn't imported."""
    return find_spec("openvino") is not None


@cache
def int8_pays() -> bool:
    """Whether this CPU has instructions for int8 dot products. Without them int8 is no faster than float32."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    except OSError:  # not Linux: float32 is the safe choice
        return False
    return not _INT8_FLAGS.isdisjoint(flags)


def predict_styles(images: Sequence[NDArray[np.uint8]], threads: int | None = None, size: int = STYLE_SIZE) -> Array:
    """Read the styles (len(images), 100) off the middle squares of images (H, W, 3), scaled to `size`, for `load_adaptive`.

    Raises ModelError where the weights can't be had.
    """
    from openvino import opset13 as ops

    from scorer.models.openvino_networks import centre_square, predicted_style

    weights = predictor_weights()
    found = []
    for image in images:
        frames = ops.parameter([1, *image.shape], np.uint8)
        style = predicted_style(weights, centre_square(_planes(frames), size))
        found.append(_compile([style], [frames], threads)([np.ascontiguousarray(image[None])])[0][0])
    return np.stack(found)


def load_adaptive(style: Array, threads: int | None = None, precision: Precision = "auto") -> OpenVinoModel:
    """Load the network of Ghiasi et al. 2017 for one style (100,), which may be a mix of what `predict_styles` gives.

    Raises ModelError where the weights can't be had.
    """
    return OpenVinoModel(adaptive_weights(), style, threads, precision)


def load_painted(style: Array, threads: int | None = None, precision: Precision = "auto") -> OpenVinoModel:
    """Load the network of Dumoulin et al. 2017 for weights (26,) of its trained styles.

    Raises ModelError where the weights can't be had.
    """
    return OpenVinoModel(painted_weights(), style, threads, precision)


def load_feedforward(weights: Weights, threads: int | None = None, precision: Precision = "auto") -> OpenVinoModel:
    """Load a network of Johnson et al. 2016, named as in weights.py with the one style [1]."""
    return OpenVinoModel(weights, np.ones(1, np.float32), threads, precision)


def load_over_time(weights: Weights, keys: Keys, threads: int | None = None, precision: Precision = "auto") -> OverTime:
    """Load a network whose frames are each in the style of their time."""
    return OverTime(OpenVinoModel(weights, keys.between(), threads, precision, over_time=True), keys, weights, keys)


class OpenVinoModel:
    """A stylisation network in one style, compiled for each size of batch it meets."""

    device = "cpu"

    def __init__(
        self, weights: Weights, style: Array, threads: int | None, precision: Precision, *, over_time: bool = False
    ) -> None:  # fmt: skip
        """Take a style (S,), or one for each frame of a batch (N, S); `over_time` those (N, S) among which frames' will be.

        Calibrate where int8 is asked for, or where it pays and the style bears it.
        """
        import openvino

        self._weights = weights
        self._style = np.atleast_2d(np.asarray(style, np.float32))  # (1 or N, S)
        self._flat = flat_colors(weights, self._style)
        self._over_time = over_time
        self._threads = threads
        self._compiled: dict[tuple[Any, ...], CompiledModel] = {}
        self._ranges: Ranges | None = None
        self.psnr: float | None = None
        """Of int8 against float32 on the calibration's images, in decibels; None where int8 wasn't tried."""
        if precision == "int8" or (precision == "auto" and int8_pays()):
            found = self._calibrations()
            self.psnr = found.psnr
            self._ranges = None if precision == "auto" and found.psnr < MINIMUM_PSNR else found.ranges
        version = ".".join(openvino.__version__.split(".")[:2])
        self.runtime = f"openvino {version} cpu {'float32' if self._ranges is None else 'int8'}"

    def score(self, frames: Frames) -> Frames:
        """Stylise (N, H, W, 3); SHORTEST or more pixels a side. Raises MemoryError where the batch doesn't fit."""
        return fill_flat(frames, self._infer(frames), self._flat)

    def score_styled(self, frames: Frames, numbers: Array) -> Frames:
        """The same, each frame in a style of its own, (N, S), where it is known that styles change over time.

        Frames are scored one by one, as is usual here: a batch of another size may differ in the last bit.
        """
        parts = [slice(at, at + 1) for at in range(len(frames))]
        return np.concatenate([self._infer(frames[part], np.ascontiguousarray(numbers[part], np.float32)) for part in parts])

    def _infer(self, frames: Frames, *styles: Array) -> Frames:
        import openvino

        source = np.require(frames, requirements=["C", "W"])  # memory that is shared must be writable, though it is only read
        result = np.empty_like(source)
        try:
            request = self._for(source).create_infer_request()
            for number, given in enumerate((source, *styles)):
                request.set_input_tensor(number, openvino.Tensor(given, shared_memory=True))
            request.set_output_tensor(openvino.Tensor(result, shared_memory=True))
            request.infer()
        except RuntimeError as error:
            if "alloc" in str(error) or "memory" in str(error):
                raise MemoryError(str(error)) from error
            raise
        return result

    def reset(self) -> None:
        """Frames are independent: there is nothing to forget."""

    def _for(self, frames: Frames) -> CompiledModel:
        key = (*frames.shape, frames.dtype)
        if key not in self._compiled:
            while len(self._compiled) >= _SIZES_KEPT:
                del self._compiled[next(iter(self._compiled))]
            style = None if self._over_time else self._style
            outputs, parameters, _ = self._graph(frames.shape, frames.dtype, self._ranges, style)
            self._compiled[key] = _compile(outputs, parameters, self._threads)
        return self._compiled[key]

    def _graph(
        self, shape: tuple[int, ...], dtype: np.dtype[Any], ranges: Ranges | None, style: Array | None
    ) -> tuple[list[Node], list[Node], dict[str, Node]]:
        """The result's node; the frames' parameter, and without a style the styles'; what each convolution reads."""
        from openvino import opset13 as ops

        from scorer.models.openvino_networks import StylisationGraph, interleave, modulation, reflected

        count, height, width, _ = shape
        parameter = ops.parameter(list(shape), dtype.type)
        whole = reflected(parameter, 0, 0, -height % 4, -width % 4)
        numbers = ops.parameter([count, self._style.shape[1]], np.float32) if style is None else ops.constant(style)
        network = StylisationGraph(self._weights, modulation(self._weights, numbers), ranges)
        phases = network.build(_planes(reflected(whole, 4, 4, 4, 4)))
        top = ops.constant(np.float32(np.iinfo(dtype).max))
        half = ops.constant(np.float32(0.5))
        pixels = interleave(ops.convert(ops.add(ops.multiply(phases, top), half), dtype.type))
        if height % 4 or width % 4:
            start, stop, step, axes = ([0, 0], [height, width], [1, 1], [1, 2])
            pixels = ops.slice(pixels, *(ops.constant(np.array(each, np.int64)) for each in (start, stop, step, axes)))
        return [pixels], [parameter, *([numbers] if style is None else [])], network.observed

    def _calibrations(self) -> Calibration:
        """What int8 needs to know; of styles that change over time, whatever any of them needs."""
        if not self._over_time:
            return calibration(self._weights, self._style, lambda: self._calibrated(self._style))
        each = [calibration(self._weights, style, partial(self._calibrated, style)) for style in self._style[:, None]]
        ranges = {
            name: (min(one.ranges[name][0] for one in each), max(one.ranges[name][1] for one in each)) for name in each[0].ranges
        }
        return Calibration(ranges=ranges, psnr=min(one.psnr for one in each))

    def _calibrated(self, style: Array) -> Calibration:
        """Measure the ranges in the style, (1 or N, S), and the PSNR that int8 has with them."""
        frames = calibration_frames()
        outputs, parameter, observed = self._graph(frames.shape, frames.dtype, None, style)
        names = layers(self._weights)
        # one thread: float32 sums then don't depend on how many there are, and every worker finds the same ranges
        measured = _compile(outputs + [observed[name] for name in names], parameter, 1)([frames])
        ranges = {name: best_range(measured[1 + index]) for index, name in enumerate(names)}
        ranges[names[0]] = (0.0, 1.0)  # exactly the 256 values of 8-bit frames
        outputs, parameter, _ = self._graph(frames.shape, frames.dtype, ranges, style)
        return Calibration(ranges=ranges, psnr=psnr(_compile(outputs, parameter, 1)([frames])[0], measured[0]))


def _planes(frames: Node) -> Node:
    """Frames (N, H, W, 3) of whole numbers as (N, 3, H, W) in [0, 1]."""
    from openvino import opset13 as ops

    top = np.iinfo(frames.output(0).get_element_type().to_dtype()).max
    scaled = ops.multiply(ops.convert(frames, np.float32), ops.constant(np.float32(1 / top)))
    return ops.transpose(scaled, ops.constant(np.array([0, 3, 1, 2], np.int64)))


def _compile(outputs: list[Node], parameters: list[Node], threads: int | None) -> CompiledModel:
    import openvino

    return compile_model(openvino.Model(outputs, parameters), threads)


def compile_model(model: Model, threads: int | None) -> CompiledModel:
    """For the processor, the same whatever else runs on it."""
    settings: dict[str, Any] = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",  # else bfloat16 where the CPU has it
        "ENABLE_CPU_PINNING": False,  # several workers would pin themselves to the same cores
    }
    if threads is not None:
        settings["INFERENCE_NUM_THREADS"] = threads
    return core().compile_model(model, "CPU", settings)


@cache
def core() -> Any:
    """OpenVINO's, of which a process needs one."""
    import openvino

    return openvino.Core()
