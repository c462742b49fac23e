"""How a steady video's frames are moved, averaged and sharpened where the model computes: by torch, within a level of OpenCV.

On a GPU's node this is what costs a processor most beside coding: 31 of its milliseconds a frame of 1280x720. Following motion
stays on the processor, at a size where it takes 4 or 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from scorer.job.steady_mixing import total
from scorer.media.motion import Step, Trust
from scorer.models import Frames


@dataclass(frozen=True)
class Planes:
    """A frame on the device."""

    levels: Tensor
    """(1, 3, H, W), whole numbers in float32."""
    kind: np.dtype[Any]


class TorchMixing:
    """Each result is one of its arguments alone: every cut of a video gives the same, on one kind of device."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def held(self, frame: Frames) -> Planes:
        """Take a frame (H, W, 3)."""
        pixels = torch.from_numpy(np.require(frame, requirements=["C", "W"])).to(self._device)
        return Planes(pixels.permute(2, 0, 1)[None].float().contiguous(), frame.dtype)

    def shape(self, held: Planes) -> tuple[int, ...]:
        """Those of one shape can be averaged."""
        return tuple(held.levels.shape)

    def moved(self, own: Planes, other: Planes, step: Step) -> Planes:
        """`other` where `own` has things."""
        height, width = own.levels.shape[2:]
        rows, columns = step.trust.shape
        flow = self._enlarged(step.flow * np.array((width / columns, height / rows), np.float32), height, width)
        across = torch.arange(width, device=self._device) + flow[:, 0]
        down = torch.arange(height, device=self._device)[:, None] + flow[:, 1]
        where = torch.stack([across * (2 / (width - 1)) - 1, down * (2 / (height - 1)) - 1], -1)  # (1, H, W, 2) in [-1, 1]
        found = functional.grid_sample(other.levels, where, padding_mode="border", align_corners=True).round()
        is_known = self._enlarged(step.trust, height, width) >= 127.5
        return Planes(torch.where(is_known, found, own.levels), own.kind)

    def mean(self, own: Planes, sides: Sequence[Planes]) -> Planes:
        """Of three frames, two, or one."""
        if not sides:
            return own
        if len(sides) == 1:
            return Planes((own.levels + sides[0].levels).mul_(0.5).round_(), own.kind)
        both = (sides[0].levels + sides[1].levels).mul_(0.5).round_()
        return Planes(both.mul_(2 / 3).add_(own.levels, alpha=1 / 3).round_(), own.kind)

    def sharper(self, mean: Planes, share: float, trusts: Sequence[Trust]) -> Frames:
        """(H, W, 3), sharpened where it is trusted."""
        levels = mean.levels
        if trusts:
            most = float(np.iinfo(mean.kind).max)
            sharp = (levels * (1 + share) - _blurred(levels) * share).round_().clamp_(0, most)
            is_trusted = self._enlarged(total(trusts), *levels.shape[2:]) >= 128 * len(trusts) - 0.5
            levels = torch.where(is_trusted, sharp, levels)
        kind = torch.uint8 if mean.kind == np.uint8 else torch.int32  # torch has no more than names for uint16 on some devices
        pixels = levels[0].permute(1, 2, 0).to(kind).contiguous().cpu().numpy()
        return np.asarray(pixels, mean.kind)

    def _enlarged(self, small: NDArray[Any], height: int, width: int) -> Tensor:
        """(H', W') or (H', W', C) as (1, 1 or C, height, width)."""
        values = torch.from_numpy(np.atleast_3d(small).astype(np.float32)).to(self._device)
        return functional.interpolate(values.permute(2, 0, 1)[None], size=(height, width), mode="bilinear", align_corners=False)


def _blurred(levels: Tensor) -> Tensor:
    """By 1, 2, 1 of 4 in both directions, to whole levels."""
    wide = functional.pad(levels, (1, 1, 1, 1), mode="reflect")
    rows = wide[:, :, :-2] + 2 * wide[:, :, 1:-1] + wide[:, :, 2:]
    return (rows[..., :-2] + 2 * rows[..., 1:-1] + rows[..., 2:]).div_(16).add_(0.5).floor_()
