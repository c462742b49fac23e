"""ONNX's operations on what frames become, each as torch computes it: https://onnx.ai/onnx/operators says what they mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

Host = NDArray[Any]
"""What shapes are made of."""


class UnknownError(Exception):
    """What of an operation isn't known here, as the end of a sentence."""


Attributes = dict[str, Any]
SHAPED = frozenset({"Clip", "Pad", "ReduceMean", "Reshape", "Resize", "Slice", "Squeeze", "Unsqueeze", "Upsample"})
"""Operations whose further inputs are numbers, and no tensors."""


def _pads(a: Attributes, x: Tensor, kernel: Sequence[int]) -> tuple[int, int, int, int]:
    """Left, right, top, bottom."""
    auto = a.get("auto_pad", b"NOTSET")
    if auto in (b"SAME_UPPER", b"SAME_LOWER"):
        strides, dilations = a.get("strides", [1, 1]), a.get("dilations", [1, 1])
        both = []
        for side, size, stride, dilation in zip(x.shape[2:], kernel, strides, dilations, strict=True):
            more = max(0, (-(-side // stride) - 1) * stride + (size - 1) * dilation + 1 - side)
            both.append((more // 2, more - more // 2)[:: 1 if auto == b"SAME_UPPER" else -1])
        return (*both[1], *both[0])
    top, left, bottom, right = a.get("pads", [0, 0, 0, 0])
    return left, right, top, bottom


def _conv(a: Attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    padded = functional.pad(x, _pads(a, x, weight.shape[2:]))
    return functional.conv2d(padded, weight, bias, a.get("strides", 1), 0, a.get("dilations", 1), a.get("group", 1))


def _conv_transpose(a: Attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    if a.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID") or "output_shape" in a:
        raise UnknownError("with a padding of its own choice, which torch doesn't have: export it with 'pads'")
    top, left, bottom, right = a.get("pads", [0, 0, 0, 0])
    more = a.get("output_padding", [0, 0])
    whole = functional.conv_transpose2d(x, weight, bias, a.get("strides", 1), 0, more, a.get("group", 1), a.get("dilations", 1))
    return whole[:, :, top : whole.shape[2] - bottom, left : whole.shape[3] - right]


def _pool(pooled: Callable[..., Tensor], outside: float) -> Callable[..., Tensor]:
    def pool(a: Attributes, x: Tensor) -> Tensor:
        pads = _pads(a, x, a["kernel_shape"])
        if a.get("ceil_mode") or (pooled is functional.avg_pool2d and any(pads) and not a.get("count_include_pad")):
            raise UnknownError("with ceil_mode or with a border that doesn't count, which isn't known here")
        return pooled(functional.pad(x, pads, value=outside), a["kernel_shape"], a.get("strides", 1))

    return pool


def _batch_norm(a: Attributes, x: Tensor, scale: Tensor, shift: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    return functional.batch_norm(x, mean, variance, scale, shift, eps=a.get("epsilon", 1e-5))


def _instance_norm(a: Attributes, x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    # A group norm of as many groups as channels is the same, and several times as fast on a processor.
    return functional.group_norm(x, x.shape[1], scale, shift, a.get("epsilon", 1e-5))


_BORDERS: dict[str, Literal["edge", "reflect"]] = {"edge": "edge", "reflect": "reflect"}


def _pad(a: Attributes, x: Tensor, pads: Host | None = None, value: Host | None = None, axes: Host | None = None) -> Tensor:
    widths = [int(each) for each in (a["pads"] if pads is None else pads)]
    chosen = range(x.dim()) if axes is None else [int(each) % x.dim() for each in axes]
    mode = a.get("mode", b"constant").decode()
    filling = a.get("value", 0.0) if value is None or not value.size else float(value.reshape(-1)[0])
    for axis, before, after in zip(chosen, widths[: len(chosen)], widths[len(chosen) :], strict=True):
        if mode == "constant":
            x = functional.pad(x, [0, 0] * (x.dim() - 1 - axis) + [before, after], value=filling)
        elif before or after:
            if mode == "reflect" and max(before, after) >= x.shape[axis]:
                raise ValueError(f"a border of {max(before, after)} of {x.shape[axis]} pixels can't be reflected")
            places = np.pad(np.arange(x.shape[axis]), (before, after), _BORDERS[mode])
            x = x.index_select(axis, torch.from_numpy(places).to(x.device))
    return x


def _resize(a: Attributes, x: Tensor, *more: Host | None) -> Tensor:
    """Of opset 10 (scales) and 11 on (a region of interest that isn't used, scales, sizes)."""
    scales, sizes = (
        (more[0], None) if len(more) == 1 else (more[1] if len(more) > 1 else None, more[2] if len(more) > 2 else None)
    )
    if sizes is not None and sizes.size:
        target = [int(each) for each in sizes]
    else:
        target = [
            int(np.floor(side * float(scale))) for side, scale in zip(x.shape, scales if scales is not None else [], strict=True)
        ]
    old = a.get("coordinate_transformation_mode", b"half_pixel" if len(more) > 1 else b"asymmetric")
    if target[:2] != list(x.shape[:2]) or a.get("antialias") or a.get("axes"):
        raise UnknownError("of other axes than height and width, or with antialias, which isn't known here")
    return _resized(x, target[2:], a.get("mode", b"nearest").decode(), old.decode(), a)


def _upsample(a: Attributes, x: Tensor, scales: Host | None = None) -> Tensor:
    return _resize({"mode": a.get("mode", b"nearest")}, x, np.array(a["scales"]) if scales is None else scales)


def _resized(x: Tensor, target: list[int], mode: str, coordinates: str, a: Attributes) -> Tensor:
    whole = all(new % side == 0 for new, side in zip(target, x.shape[2:], strict=True))
    if mode == "nearest" and (whole or (coordinates == "asymmetric" and a.get("nearest_mode") in (b"floor", None))):
        if a.get("nearest_mode", b"round_prefer_floor") == b"ceil" or coordinates == "align_corners":
            raise UnknownError("that takes the nearest pixel above, which isn't known here")
        return functional.interpolate(x, target, mode="nearest")
    if mode in ("linear", "cubic") and coordinates in ("half_pixel", "pytorch_half_pixel", "align_corners"):
        if mode == "cubic" and (a.get("cubic_coeff_a", -0.75) != -0.75 or a.get("exclude_outside")):
            raise UnknownError("with cubic coefficients of its own, which isn't known here")
        how = {"linear": "bilinear", "cubic": "bicubic"}[mode]
        return functional.interpolate(x, target, mode=how, align_corners=coordinates == "align_corners")
    raise UnknownError(f"by '{mode}' with coordinates '{coordinates}', which isn't known here: export it with half_pixel")


def _slice(a: Attributes, x: Tensor, *more: Host | None) -> Tensor:
    starts, ends, axes, steps = (*more, None, None, None, None)[:4]
    starts, ends = (np.array(a[name]) if each is None else each for name, each in (("starts", starts), ("ends", ends)))
    axes = np.array(a.get("axes", range(len(starts)))) if axes is None else axes
    for index, axis in enumerate(axes):
        step = 1 if steps is None else int(steps[index])
        places = np.arange(x.shape[int(axis)])[int(starts[index]) : _end(int(ends[index]), step) : step]
        x = x.index_select(int(axis), torch.from_numpy(places.copy()).to(x.device))
    return x


def _end(end: int, step: int) -> int | None:
    """As Python counts: going backward, what lies before the first is no place from behind."""
    return None if step < 0 and end < -(2**30) else end


def _reshape(a: Attributes, x: Tensor, shape: Host) -> Tensor:
    sides = [int(each) for each in shape]
    return x.reshape([x.shape[axis] if side == 0 and not a.get("allowzero") else side for axis, side in enumerate(sides)])


def _axes(a: Attributes, more: Sequence[Host | None], x: Tensor) -> list[int]:
    found = more[0] if more and more[0] is not None else a.get("axes", [])
    return [int(each) for each in found] or list(range(x.dim()))


def _mean(a: Attributes, x: Tensor, *more: Host | None) -> Tensor:
    return x.mean(_axes(a, more, x), keepdim=bool(a.get("keepdims", 1)))


def _squeeze(a: Attributes, x: Tensor, *more: Host | None) -> Tensor:
    return x.squeeze(tuple(_axes(a, more, x)))


def _unsqueeze(a: Attributes, x: Tensor, *more: Host | None) -> Tensor:
    axes = _axes(a, more, x)
    for axis in sorted(each % (x.dim() + len(axes)) for each in axes):
        x = x.unsqueeze(axis)
    return x


def _clip(a: Attributes, x: Tensor, low: Host | None = None, high: Host | None = None) -> Tensor:
    return x.clamp(
        a.get("min") if low is None else float(low.reshape(-1)[0]), a.get("max") if high is None else float(high.reshape(-1)[0])
    )


def _depth_to_space(a: Attributes, x: Tensor) -> Tensor:
    size, (count, wide, height, width) = a["blocksize"], x.shape
    if a.get("mode", b"DCR") == b"CRD":
        return functional.pixel_shuffle(x, size)
    planes = x.reshape(count, size, size, wide // size**2, height, width)
    return planes.permute(0, 3, 4, 1, 5, 2).reshape(count, wide // size**2, height * size, width * size)


def _space_to_depth(a: Attributes, x: Tensor) -> Tensor:
    size, (count, wide, height, width) = a["blocksize"], x.shape
    blocks = x.reshape(count, wide, height // size, size, width // size, size)
    return blocks.permute(0, 3, 5, 1, 2, 4).reshape(count, wide * size**2, height // size, width // size)


def _cast(a: Attributes, x: Tensor) -> Tensor:
    if a["to"] not in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE):
        raise UnknownError("of pixels to whole numbers, which isn't known here")
    return x


def _softmax(a: Attributes, x: Tensor) -> Tensor:
    if "axis" not in a:
        raise UnknownError("without an axis, which means another thing in each opset: export it with one")
    return x.softmax(a["axis"])


def _prelu(x: Tensor, slope: Tensor) -> Tensor:
    return x.clamp(min=0) + slope * x.clamp(max=0)


def _plain(computed: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Of an operation without attributes that matter."""
    return lambda _, *operands: computed(*operands)


def _over_all(computed: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    def over_all(_: Attributes, first: Tensor, *others: Tensor) -> Tensor:
        for other in others:
            first = computed(first, other)
        return first

    return over_all


COMPUTED: dict[str, Callable[..., Tensor]] = {
    "Conv": _conv, "ConvTranspose": _conv_transpose, "InstanceNormalization": _instance_norm, "BatchNormalization": _batch_norm,
    "MaxPool": _pool(functional.max_pool2d, -torch.inf), "AveragePool": _pool(functional.avg_pool2d, 0.0),
    "GlobalAveragePool": _plain(lambda x: x.mean((2, 3), keepdim=True)), "MatMul": _plain(torch.matmul),
    "Relu": _plain(torch.relu), "Sigmoid": _plain(torch.sigmoid), "Tanh": _plain(torch.tanh),
    "LeakyRelu": lambda a, x: functional.leaky_relu(x, a.get("alpha", 0.01)),
    "Elu": lambda a, x: functional.elu(x, a.get("alpha", 1.0)), "PRelu": _plain(_prelu),
    "Clip": _clip, "Softmax": _softmax, "Abs": _plain(torch.abs), "Neg": _plain(torch.neg), "Sqrt": _plain(torch.sqrt),
    "Exp": _plain(torch.exp), "Floor": _plain(torch.floor), "Ceil": _plain(torch.ceil), "Identity": _plain(lambda x: x),
    "Dropout": _plain(lambda x, *_: x), "Cast": _cast, "Add": _plain(torch.add), "Sub": _plain(torch.sub),
    "Mul": _plain(torch.mul), "Div": _plain(torch.div), "Pow": _plain(torch.pow), "Max": _over_all(torch.maximum),
    "Min": _over_all(torch.minimum), "ReduceMean": _mean, "Concat": lambda a, *each: torch.cat(each, a["axis"]), "Pad": _pad,
    "Resize": _resize, "Upsample": _upsample, "Slice": _slice, "Reshape": _reshape, "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze, "Transpose": lambda a, x: x.permute(a.get("perm", list(range(x.dim()))[::-1])),
    "DepthToSpace": _depth_to_space, "SpaceToDepth": _space_to_depth,
}  # fmt: skip
"""Each with its attributes and operands; batches are of one frame."""
