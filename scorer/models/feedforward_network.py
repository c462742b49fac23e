"""The network of Johnson et al. 2016 (arXiv:1603.08155), named and shaped as in the published PyTorch checkpoints.

Those came with PyTorch's fast_neural_style example: instance norm in place of the paper's batch norm, and nearest-neighbour
upsampling with a convolution in place of transposed convolutions; no tanh at the end.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from scorer.errors import StyleError
from scorer.models.checkpoint import check_weights, read_weights, without_prefix
from scorer.models.weights import Weights

MAX_BYTES = 64 * 2**20  # the network has 1.68 million weights: 6.7 MB in float32


class TransformerNet(nn.Module):
    """RGB (N, 3, H, W) in 0..255 to the same, unclamped; H and W are multiples of 4 and at least SHORTEST."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.in1 = Convolution(3, 32, 9), _norm(32)
        self.conv2, self.in2 = Convolution(32, 64, 3, stride=2), _norm(64)
        self.conv3, self.in3 = Convolution(64, 128, 3, stride=2), _norm(128)
        self.res1, self.res2, self.res3, self.res4, self.res5 = (Residual(128) for _ in range(5))
        self.deconv1, self.in4 = Convolution(128, 64, 3, upsample=True), _norm(64)
        self.deconv2, self.in5 = Convolution(64, 32, 3, upsample=True), _norm(32)
        self.deconv3 = Convolution(32, 3, 9)

    def forward(self, frames: Tensor) -> Tensor:
        """Style the frames."""
        x = torch.relu(self.in1(self.conv1(frames)))  # (N, 32, H, W)
        x = torch.relu(self.in2(self.conv2(x)))  # (N, 64, H/2, W/2)
        x = torch.relu(self.in3(self.conv3(x)))  # (N, 128, H/4, W/4)
        for block in (self.res1, self.res2, self.res3, self.res4, self.res5):
            x = block(x)
        x = torch.relu(self.in4(self.deconv1(x)))  # (N, 64, H/2, W/2)
        x = torch.relu(self.in5(self.deconv2(x)))  # (N, 32, H, W)
        styled: Tensor = self.deconv3(x)  # (N, 3, H, W)
        return styled


class Convolution(nn.Module):
    """A convolution that reflects the border, after doubling the size where it upsamples."""

    def __init__(self, channels: int, filters: int, kernel: int, stride: int = 1, upsample: bool = False) -> None:
        super().__init__()
        self.pad = (kernel // 2,) * 4
        self.upsample = upsample
        self.conv2d = nn.Conv2d(channels, filters, kernel, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, filters, H', W')."""
        if self.upsample:
            x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
        result: Tensor = self.conv2d(functional.pad(x, self.pad, mode="reflect"))
        return result


class Residual(nn.Module):
    """Two convolutions beside the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.in1 = Convolution(channels, channels, 3), _norm(channels)
        self.conv2, self.in2 = Convolution(channels, channels, 3), _norm(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (N, C, H, W)."""
        result: Tensor = x + self.in2(self.conv2(torch.relu(self.in1(self.conv1(x)))))
        return result


class FrameStyler(nn.Module):
    """A TransformerNet for frames of SHORTEST or more pixels a side, RGB (N, 3, H, W) in 0..1 both ways."""

    def __init__(self, network: TransformerNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, frames: Tensor) -> Tensor:
        """Style the frames; the size stays."""
        height, width = frames.shape[-2:]
        right, below = -width % 4, -height % 4
        padded = frames
        if right or below:
            padded = functional.pad(frames, (0, right, 0, below), mode="reflect")
        return (self.network(padded * 255) / 255)[..., :height, :width].clamp(0, 1)  # type: ignore[no-any-return]  # torch modules return Any


def load_network(path: Path) -> TransformerNet:
    """Load a checkpoint, `.safetensors` or torch's format, ready to score.

    Raises StyleError, naming the file and the first key that doesn't fit, where it isn't this network's.
    """
    weights = {
        name: tensor
        for name, tensor in without_prefix(read_weights(path, MAX_BYTES, StyleError), "conv1.conv2d.weight").items()
        # checkpoints saved by torch 0.3 and before carry statistics that instance norm never used
        if not re.search(r"in\d+\.(running_(mean|var)|num_batches_tracked)$", name)
    }
    network = TransformerNet()
    check_weights(weights, {name: tuple(each.shape) for name, each in network.state_dict().items()}, path, StyleError)
    network.load_state_dict(weights)
    return network.eval().requires_grad_(False)


_COUNTERPARTS = {
    "conv1": ("contract.0", "in1"),
    "conv2": ("contract.1", "in2"),
    "conv3": ("contract.2", "in3"),
    **{f"res{n}.conv{half}": (f"residual.{n - 1}.{half - 1}", f"res{n}.in{half}") for n in range(1, 6) for half in (1, 2)},
    "deconv1": ("expand.0", "in4"),
    "deconv2": ("expand.1", "in5"),
}
"""Each convolution's name in weights.py, and its norm's here."""


def as_stylisation_weights(network: TransformerNet) -> Weights:
    """The network's arrays in the naming of weights.py, for one style [1] and frames in 0..1.

    The convolutions' biases are left out where a norm follows, which takes them away.
    """
    state = {name: tensor.float().numpy() for name, tensor in network.state_dict().items()}
    found: Weights = {}
    for ours, (name, norm) in _COUNTERPARTS.items():
        found[f"{name}.weight"] = state[f"{ours}.conv2d.weight"]
        for part, values in (("gamma", state[f"{norm}.weight"]), ("beta", state[f"{norm}.bias"])):
            found[f"{name}.{part}.weight"] = values[:, None]  # (C, 1)
            found[f"{name}.{part}.bias"] = np.zeros_like(values)
    found["contract.0.weight"] = found["contract.0.weight"] * 255
    for part in ("weight", "bias"):
        found[f"expand.2.{part}"] = state[f"deconv3.conv2d.{part}"] / 255
    return found


def _norm(channels: int) -> nn.InstanceNorm2d:
    return nn.InstanceNorm2d(channels, affine=True)
