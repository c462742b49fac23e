"""A network as checkpoints for `feedforward` are published: seeded weights, and its steps written once more over their keys."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from scorer.models import Frames, ModelSettings, Style
from scorer.models.feedforward import SPEC

State = dict[str, Tensor]


def published_state(seed: int = 0) -> State:
    """Seeded weights with the keys, and in the order, of the published checkpoints."""
    random = torch.Generator().manual_seed(seed)
    state: State = {}

    def convolution(name: str, filters: int, channels: int, kernel: int) -> None:
        scale = (2 / (channels * kernel * kernel)) ** 0.5
        state[f"{name}.conv2d.weight"] = torch.randn(filters, channels, kernel, kernel, generator=random) * scale
        state[f"{name}.conv2d.bias"] = torch.randn(filters, generator=random) * 0.1

    def norm(name: str, channels: int) -> None:
        state[f"{name}.weight"] = 1 + 0.2 * torch.randn(channels, generator=random)
        state[f"{name}.bias"] = 0.2 * torch.randn(channels, generator=random)

    for number, (filters, channels, kernel) in enumerate([(32, 3, 9), (64, 32, 3), (128, 64, 3)], 1):
        convolution(f"conv{number}", filters, channels, kernel)
        norm(f"in{number}", filters)
    for block in range(1, 6):
        for half in (1, 2):
            convolution(f"res{block}.conv{half}", 128, 128, 3)
            norm(f"res{block}.in{half}", 128)
    for number, (filters, channels, kernel) in enumerate([(64, 128, 3), (32, 64, 3), (3, 32, 9)], 1):
        convolution(f"deconv{number}", filters, channels, kernel)
        if number < 3:
            norm(f"in{number + 3}", filters)
    # the last layer gives colours: bring it to the middle of 0..255, so that not everything is clipped
    state["deconv3.conv2d.weight"] *= 20
    state["deconv3.conv2d.bias"] += 128
    return state


def reference(state: State, frames: Tensor) -> Tensor:
    """RGB (N, 3, H, W) in 0..255, H and W multiples of 4, to the same: written from the paper and the published layout alone."""

    def convolution(x: Tensor, name: str, stride: int = 1) -> Tensor:
        weight = state[f"{name}.conv2d.weight"]
        pad = weight.shape[-1] // 2
        return functional.conv2d(functional.pad(x, (pad,) * 4, "reflect"), weight, state[f"{name}.conv2d.bias"], stride)

    def norm(x: Tensor, name: str) -> Tensor:
        mean, variance = x.mean((2, 3), keepdim=True), x.var((2, 3), keepdim=True, correction=0)
        return (x - mean) / (variance + 1e-5).sqrt() * state[f"{name}.weight"][:, None, None] + state[f"{name}.bias"][
            :, None, None
        ]

    def twice(x: Tensor) -> Tensor:
        return x.repeat_interleave(2, 2).repeat_interleave(2, 3)

    x = frames
    for number, stride in enumerate((1, 2, 2), 1):
        x = norm(convolution(x, f"conv{number}", stride), f"in{number}").clamp(min=0)
    for block in range(1, 6):
        inner = norm(convolution(x, f"res{block}.conv1"), f"res{block}.in1").clamp(min=0)
        x = x + norm(convolution(inner, f"res{block}.conv2"), f"res{block}.in2")
    for number in (1, 2):
        x = norm(convolution(twice(x), f"deconv{number}"), f"in{number + 3}").clamp(min=0)
    return convolution(x, "deconv3")


def save(state: State, path: Path) -> Path:
    if path.suffix.lower() == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state, path)
    return path


def some_frames(height: int, width: int, count: int = 1) -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def score(path: Path, frames: Frames) -> Frames:
    settings = ModelSettings(styles=(Style(path),), device="cpu", options={"runtime": "torch"})
    return SPEC.load(settings).score(frames)


def expected(state: State, frames: Frames) -> NDArray[np.float64]:
    """The reference's answer in 0..1, not yet rounded, for frames whose sides are multiples of 4."""
    full = np.iinfo(frames.dtype).max
    pixels = torch.from_numpy(frames.astype(np.float32)).permute(0, 3, 1, 2) / full * 255
    with torch.no_grad():
        styled = reference(state, pixels).clamp(0, 255) / 255
    return styled.permute(0, 2, 3, 1).double().numpy()
