"""The networks of `adaptive` and `painted` in torch, for frames of any size; pure tensor code.

Dumoulin et al. 2017 (arXiv:1610.07629, table 1): contract by 4, residual blocks, expand by 4; every instance norm is scaled
and shifted by the style. Ghiasi et al. 2017 (arXiv:1705.06830): a MobileNetV2 (Sandler et al. 2018, arXiv:1801.04381, table 2)
reads the style off an image.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from scorer.models.weights import INSTANCE_NORM_EPSILON, Weights, layers


class StylisationNetwork(nn.Module):
    """Frames in, stylised frames out; the style comes as the modulation of all instance norms."""

    def __init__(self, weights: Weights) -> None:
        """Take weights named as `adaptive_weights` and `painted_weights` name them."""
        super().__init__()
        names = layers(weights)
        strides = {"contract.1": 2, "contract.2": 2}
        self.convolutions = nn.ModuleDict(
            {_key(name): _convolution(weights, name, strides.get(name, 1), "reflect") for name in names}
        )
        self.residual_blocks = sum(name.startswith("residual") for name in names) // 2
        normed = [name for name in names if f"{name}.gamma.weight" in weights]
        self.normed = [_key(name) for name in normed]
        self.widths = [len(weights[f"{name}.weight"]) for name in normed]

        def joined(kind: str) -> nn.Parameter:
            parts = [weights[f"{name}.{part}.{kind}"] for part in ("gamma", "beta") for name in normed]
            return _constant(torch.cat([torch.from_numpy(each) for each in parts]))

        self.dense_weight = joined("weight")  # (2C, S), C = sum of the normed layers' channels
        self.dense_bias = joined("bias")  # (2C,)

    def modulation(self, style: Tensor) -> Tensor:
        """Every gamma, then every beta, (N, 2C), of styles (N, S)."""
        return functional.linear(style, self.dense_weight, self.dense_bias)

    def forward(self, frames: Tensor, modulation: Tensor) -> Tensor:
        """Stylise (N, 3, H, W) in [0, 1]; `modulation` is (N, 2C), or (1, 2C) for one style."""
        height, width = frames.shape[-2:]
        gammas, betas = (torch.split(each, self.widths, dim=1) for each in modulation.chunk(2, dim=1))
        norms = {name: (gammas[i], betas[i]) for i, name in enumerate(self.normed)}

        def layer(name: str, x: Tensor) -> Tensor:
            x = self.convolutions[name](x)
            return styled_norm(x, *norms[name]) if name in norms else x

        x = pad_for_contraction(frames)  # (N, 3, H', W')
        x = functional.relu(layer("contract_0", x))  # (N, C0, H', W')
        x = functional.relu(layer("contract_1", x))  # (N, C1, H'/2, W'/2)
        x = functional.relu(layer("contract_2", x))  # (N, C2, H'/4, W'/4)
        for block in range(self.residual_blocks):
            x = x + layer(f"residual_{block}_1", functional.relu(layer(f"residual_{block}_0", x)))
        x = functional.relu(layer("expand_0", _double(x)))  # (N, C3, H'/2, W'/2)
        x = functional.relu(layer("expand_1", _double(x)))  # (N, C4, H', W')
        return torch.sigmoid(layer("expand_2", x).float())[..., :height, :width]  # (N, 3, H, W)


class StylePredictor(nn.Module):
    """MobileNetV2 that turns an image into the 100 numbers of its style."""

    def __init__(self, weights: Weights) -> None:
        """Take weights named as `predictor_weights` names them."""
        super().__init__()
        self.stem = _convolution(weights, "stem", stride=2)
        self.blocks = nn.ModuleList(_Bottleneck(weights, f"block.{number}", stride) for number, stride in enumerate(_STRIDES))
        self.head = _convolution(weights, "head")
        self.style = _convolution(weights, "style")

    def forward(self, images: Tensor) -> Tensor:
        """Map (N, 3, H, W) in [0, 1] to styles (N, 100); it was trained on 256x256."""
        x = functional.relu6(self.stem(_pad_as_same(images)))  # (N, 32, H/2, W/2)
        for block in self.blocks:
            x = block(x)
        x = functional.relu6(self.head(x))  # (N, 1280, H/32, W/32)
        return self.style(x.mean((2, 3), keepdim=True)).flatten(1)  # type: ignore[no-any-return]  # torch modules return Any


_STRIDES = (1, 2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1)


class _Bottleneck(nn.Module):
    """Expand, filter each channel, project; the input is added where the shape stays."""

    def __init__(self, weights: Weights, name: str, stride: int) -> None:
        super().__init__()
        self.expand = _convolution(weights, f"{name}.expand") if f"{name}.expand.weight" in weights else None
        self.depthwise = _convolution(weights, f"{name}.depthwise", stride)
        self.project = _convolution(weights, f"{name}.project")

    def forward(self, x: Tensor) -> Tensor:
        inner = x if self.expand is None else functional.relu6(self.expand(x))
        strided = self.depthwise.stride[0] > 1
        inner = functional.relu6(self.depthwise(_pad_as_same(inner) if strided else inner))
        result: Tensor = self.project(inner)
        return x + result if result.shape == x.shape else result


class FixedStyle(nn.Module):
    """A stylisation network with one style for all frames."""

    def __init__(self, network: StylisationNetwork, style: Tensor) -> None:
        """Take a style (S,), or one for each frame of a batch (N, S)."""
        super().__init__()
        self.network = network
        self.modulation = _constant(network.modulation(style.reshape(-1, style.shape[-1])))

    def forward(self, frames: Tensor) -> Tensor:
        """Map (N, 3, H, W) in [0, 1] to the same."""
        return self.network(frames, self.modulation)  # type: ignore[no-any-return]  # torch modules return Any


def styled_norm(x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
    """Normalise each channel of each frame (N, C, H, W), then scale and shift it by (N, C), or by (1, C) for all frames.

    The statistics are float32 whatever `x` is. A group norm of C groups is an instance norm, and several times as fast on
    a CPU as the function of that name.
    """
    channels, wide = x.shape[1], x.float()
    if len(gamma) == 1:
        result = functional.group_norm(wide, channels, gamma[0].float(), beta[0].float(), INSTANCE_NORM_EPSILON)
    else:
        normed = functional.group_norm(wide, channels, eps=INSTANCE_NORM_EPSILON)
        result = torch.addcmul(beta.float()[..., None, None], normed, gamma.float()[..., None, None])
    return result.to(x.dtype)


def pad_for_contraction(x: Tensor) -> Tensor:
    """Make (N, C, H, W) larger at the right and below, by reflection, until both sides are multiples of 4."""
    height, width = x.shape[-2:]
    below, right = -height % 4, -width % 4
    return functional.pad(x, (0, right, 0, below), mode="reflect") if below or right else x


def _double(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")


def _pad_as_same(x: Tensor) -> Tensor:
    """What TensorFlow's 'SAME' means for a 3x3 convolution of stride 2: odd sides are padded on both ends, even ones at the last.

    https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2
    """
    height, width = x.shape[-2:]
    return functional.pad(x, (width % 2, 1, height % 2, 1))


def _convolution(weights: Weights, name: str, stride: int = 1, mode: Literal["zeros", "reflect"] = "zeros") -> nn.Conv2d:
    weight = torch.from_numpy(weights[f"{name}.weight"])  # (C_out, C_in / groups, K, K)
    bias = weights.get(f"{name}.bias")
    out, per_group, size, _ = weight.shape
    groups = out if name.endswith("depthwise") else 1
    padding = 0 if mode == "zeros" and stride == 2 else size // 2  # zeros: see _pad_as_same
    with torch.device("meta"):  # no random numbers for what is replaced at once
        layer = nn.Conv2d(per_group * groups, out, size, stride, padding, 1, groups, bias is not None, mode)
    layer.weight = _constant(weight)
    layer.bias = None if bias is None else _constant(torch.from_numpy(bias))
    return layer


def _constant(tensor: Tensor) -> nn.Parameter:
    return nn.Parameter(tensor.detach().clone(), requires_grad=False)


def _key(name: str) -> str:
    """Modules' names can't have dots."""
    return name.replace(".", "_")
