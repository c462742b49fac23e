"""The networks of `adaptive` and `painted` as OpenVINO graphs, for one size of frame each; no torch.

Dumoulin et al. 2017 (arXiv:1610.07629, table 1) and Ghiasi et al. 2017 (arXiv:1705.06830), the same as in networks.py.

Layers to 3 or 8 channels work on phases (phases.py): CPUs compute convolutions in blocks of 16, and the last layer takes a third
of the time.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from openvino import Node
from openvino import opset13 as ops

from scorer.models.phases import NARROW, PHASES, doubled_to_phases, from_phases, to_phases
from scorer.models.weights import INSTANCE_NORM_EPSILON, Array, Weights, layers

Ranges = Mapping[str, tuple[float, float]]
"""Lowest and highest input of each convolution that int8 keeps apart; beyond them values are clipped."""

Modulation = Mapping[str, tuple[Node, Node]]
"""Gamma and beta of each layer that has an instance norm, (N or 1, C) each."""


class StylisationGraph:
    """Builds one stylisation network around its weights; with ranges its convolutions compute in int8."""

    def __init__(self, weights: Weights, modulation: Modulation, ranges: Ranges | None = None) -> None:
        """Take weights named as in weights.py; `ranges` must have every layer's name."""
        self._weights = weights
        self._modulation = modulation
        self._ranges = ranges
        self._blocks = sum(name.startswith("residual") for name in layers(weights)) // 2
        self.observed: dict[str, Node] = {}
        """What each convolution reads, after `build`: for calibration."""

    def build(self, frames: Node) -> Node:
        """Stylise (N, 3, H + 8, W + 8) in [0, 1], reflected by 4 on all sides; H and W are multiples of 4.

        Gives the phases (N, 12, H/2, W/2) of the result in [0, 1].
        """
        x = self._contract(frames)  # (N, C, H/4, W/4)
        for block in range(self._blocks):
            inner = ops.relu(self._same(f"residual.{block}.0", x))
            x = ops.add(x, self._same(f"residual.{block}.1", inner))
        x = ops.relu(self._same("expand.0", x, double=True))  # (N, C, H/2, W/2)
        x = self._double_to_phases("expand.1", x)  # (N, C, H, W)
        phases = self._convolve("expand.2", _pad(x, 4, 4), to_phases(self._weights["expand.2.weight"]), stride=2)
        if "expand.2" in self._modulation:
            return ops.sigmoid(self._norm_phases("expand.2", phases))
        bias = _per_channel(np.tile(self._weights["expand.2.bias"], PHASES))
        return ops.clamp(ops.add(phases, bias), 0.0, 1.0)

    def _contract(self, frames: Node) -> Node:
        first, second = self._weights["contract.0.weight"], self._weights["contract.1.weight"]
        if "contract.0.bias" in self._weights and len(first) < NARROW:
            phases = self._convolve("contract.0", frames, to_phases(first), stride=2)
            phases = ops.relu(ops.add(phases, _per_channel(np.tile(self._weights["contract.0.bias"], PHASES))))
            # of the row and column before the first, only the odd phases are read: reflected, they are the first's own
            x = self._convolve("contract.1", phases, from_phases(second), before=1, after=0, mode="edge")
        else:
            x = ops.relu(self._norm("contract.0", self._convolve("contract.0", frames, first)))
            x = self._convolve("contract.1", x, second, before=1, after=1, stride=2)
        x = ops.relu(self._norm("contract.1", x))
        return ops.relu(self._same("contract.2", x, stride=2))

    def _same(self, name: str, x: Node, stride: int = 1, double: bool = False) -> Node:
        """A 3x3 convolution that reflects at the borders, and its norm; `double` enlarges its input first."""
        return self._norm(name, self._convolve(name, x, self._weights[f"{name}.weight"], 1, 1, "reflect", stride, double))

    def _double_to_phases(self, name: str, x: Node) -> Node:
        # an image doubled by repetition and then reflected by 1 is its edge repeated before doubling
        phases = self._convolve(name, x, doubled_to_phases(self._weights[f"{name}.weight"]), 1, 1, "edge")
        x = ops.relu(self._norm_phases(name, phases))
        # quantised before it is rearranged: a quarter of the bytes to move
        return _planes(interleave(self._quantised("expand.2", x)))

    def _convolve(
        self, name: str, x: Node, kernel: Array, before: int = 0, after: int = 0, mode: str = "reflect",
        stride: int = 1, double: bool = False,
    ) -> Node:  # fmt: skip
        if name != "expand.2":
            x = self._quantised(name, x)
        if double:
            height, width = _shape(x)[2:]
            sizes = _integers(2 * height, 2 * width)
            x = ops.interpolate(x, sizes, "nearest", "sizes", [0, 0], [0, 0], "asymmetric", "floor", axes=_integers(2, 3))
        x = _pad(x, before, after, mode)
        weight = _constant(kernel)
        if self._ranges is not None:  # symmetric, per output channel
            top = np.maximum(np.abs(kernel).max(axis=(1, 2, 3), keepdims=True), 1e-9)
            weight = ops.fake_quantize(weight, _constant(-top), _constant(top), _constant(-top), _constant(top), 255)
        return ops.convolution(x, weight, [stride, stride], [0, 0], [0, 0], [1, 1])

    def _quantised(self, name: str, x: Node) -> Node:
        self.observed[name] = x
        if self._ranges is None:
            return x
        low, high = self._ranges[name]
        bottom = 0.0 if low >= 0 else -max(-low, high) * 128 / 127  # unsigned, or symmetric and signed
        top = high if low >= 0 else max(-low, high)
        return ops.fake_quantize(x, *(_constant(np.float32(each)) for each in (bottom, top, bottom, top)), 256)

    def _norm(self, name: str, x: Node) -> Node:
        """Instance norm, scaled and shifted by the style; where there is none, the bias."""
        if name not in self._modulation:
            return ops.add(x, _per_channel(self._weights[f"{name}.bias"]))
        gamma, beta = (_unsqueezed(each) for each in self._modulation[name])
        normed = ops.mvn(x, _integers(2, 3), True, INSTANCE_NORM_EPSILON, "inside_sqrt")
        return ops.add(ops.multiply(normed, gamma), beta)

    def _norm_phases(self, name: str, x: Node) -> Node:
        """The same of (N, 4C, H, W), where the four phases of a channel share one mean and one variance."""
        count, wide, height, width = _shape(x)

        def mean_of_phases(each: Node) -> Node:  # (N, 4C, 1, 1) to (N, C)
            return ops.reduce_mean(ops.reshape(each, _integers(count, PHASES, wide // PHASES), False), _integers(1), False)

        def for_phases(each: Node) -> Node:  # (N, C) to (N, 4C, 1, 1)
            return _unsqueezed(ops.concat([each] * PHASES, 1))

        gamma, beta = self._modulation[name]
        mean = mean_of_phases(ops.reduce_mean(x, _integers(2, 3), True))
        length = ops.reduce_l2(x, _integers(2, 3), True)
        square = mean_of_phases(ops.multiply(ops.multiply(length, length), _constant(np.float32(1 / (height * width)))))
        variance = ops.relu(ops.subtract(square, ops.multiply(mean, mean)))
        scale = ops.divide(gamma, ops.sqrt(ops.add(variance, _constant(np.float32(INSTANCE_NORM_EPSILON)))))
        shift = ops.subtract(beta, ops.multiply(mean, scale))
        return ops.add(ops.multiply(x, for_phases(scale)), for_phases(shift))


def modulation(weights: Weights, style: Node) -> dict[str, tuple[Node, Node]]:
    """Gamma and beta, (N, C) each, of every layer that has an instance norm, from styles (N, S)."""

    def dense(name: str) -> Node:
        product = ops.matmul(style, _constant(weights[f"{name}.weight"]), False, True)
        return ops.add(product, _constant(weights[f"{name}.bias"][None]))

    return {
        name: (dense(f"{name}.gamma"), dense(f"{name}.beta")) for name in layers(weights) if f"{name}.gamma.weight" in weights
    }


def predicted_style(weights: Weights, images: Node) -> Node:
    """The styles (N, 100) of images (N, 3, H, W) in [0, 1]: MobileNetV2, weights named as `predictor_weights` names them."""

    def layer(name: str, x: Node, stride: int = 1) -> Node:
        kernel, bias = weights[f"{name}.weight"], _per_channel(weights[f"{name}.bias"])
        size = kernel.shape[-1]
        # TensorFlow's 'SAME': a stride of 2 pads even sides at the end alone
        before = [side % 2 if stride == 2 else size // 2 for side in _shape(x)[2:]]
        borders = [stride, stride], before, [size // 2, size // 2], [1, 1]
        if name.endswith("depthwise"):
            return ops.add(ops.group_convolution(x, _constant(kernel[:, None]), *borders), bias)
        return ops.add(ops.convolution(x, _constant(kernel), *borders), bias)

    def relu6(x: Node) -> Node:
        return ops.clamp(x, 0.0, 6.0)

    x = relu6(layer("stem", images, 2))
    for block, stride in enumerate((1, 2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1)):
        inner = relu6(layer(f"block.{block}.expand", x)) if f"block.{block}.expand.weight" in weights else x
        inner = layer(f"block.{block}.project", relu6(layer(f"block.{block}.depthwise", inner, stride)))
        x = ops.add(x, inner) if _shape(inner) == _shape(x) else inner
    x = ops.reduce_mean(relu6(layer("head", x)), _integers(2, 3), True)
    return ops.squeeze(layer("style", x), _integers(2, 3))


def centre_square(frames: Node, side: int) -> Node:
    """Crop the middle square of (N, 3, H, W) and resize it to (N, 3, side, side), smoothed where it shrinks."""
    height, width = _shape(frames)[2:]
    edge = min(height, width)
    top, left = (height - edge) // 2, (width - edge) // 2
    square = ops.slice(frames, _integers(top, left), _integers(top + edge, left + edge), _integers(1, 1), _integers(2, 3))
    sizes = _integers(side, side)
    small = ops.interpolate(square, sizes, "bicubic_pillow", "sizes", [0, 0], [0, 0], cube_coeff=-0.5, axes=_integers(2, 3))
    return ops.clamp(small, 0.0, 1.0)


def reflected(frames: Node, top: int, left: int, bottom: int, right: int) -> Node:
    """Make (N, H, W, 3) larger by reflection; by their edge where they are too short to be reflected in."""
    height, width = _shape(frames)[1:3]
    if not any((top, left, bottom, right)):
        return frames
    mode = "reflect" if max(top, bottom) < height and max(left, right) < width else "edge"
    return ops.pad(frames, _integers(0, top, left, 0), _integers(0, bottom, right, 0), mode)


def interleave(phases: Node) -> Node:
    """The pixels (N, 2H, 2W, C) of their phases (N, 4C, H, W)."""
    count, wide, height, width = _shape(phases)
    channels = wide // PHASES
    x = ops.reshape(ops.transpose(phases, _integers(0, 2, 3, 1)), _integers(count, height, width, 2, 2 * channels), False)
    x = ops.transpose(x, _integers(0, 1, 3, 2, 4))  # (N, H, 2, W, 2C)
    return ops.reshape(x, _integers(count, 2 * height, 2 * width, channels), False)


def _planes(pixels: Node) -> Node:
    return ops.transpose(pixels, _integers(0, 3, 1, 2))


def _pad(x: Node, before: int, after: int, mode: str = "reflect") -> Node:
    if not before and not after:
        return x
    return ops.pad(x, _integers(0, 0, before, before), _integers(0, 0, after, after), mode)


def _unsqueezed(x: Node) -> Node:
    return ops.unsqueeze(x, _integers(2, 3))


def _per_channel(values: Array) -> Node:
    return _constant(values.reshape(1, -1, 1, 1))


def _constant(values: Array | np.float32) -> Node:
    return ops.constant(np.asarray(values, np.float32))


def _integers(*values: int) -> Node:
    return ops.constant(np.array(values, np.int64))


def _shape(x: Node) -> tuple[int, ...]:
    return tuple(x.output(0).get_shape())
