"""A torch model from planes to planes: its network between conversions of colour, all of it where the model computes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from scorer.media.video.plane_colors import to_levels, to_packed, turned
from scorer.media.video.planes import PlaneForm
from scorer.models.torch_runtime import OnPixels, Steps, TorchModel
from scorer.models.weights import Array


@dataclass(frozen=True)
class Conversion:
    """What comes and what goes."""

    source: PlaneForm
    target: PlaneForm
    """Upright."""
    rotation: int = 0
    """Degrees clockwise that make the source upright."""
    mirrored: bool = False
    """Whether it is then flipped left to right as well."""
    strength: float = 1.0
    """The model's share in what goes; the rest is the source's."""


class OnPlanes(nn.Module):
    """Like OnPixels, from packed planes (N, source.nbytes) to packed planes (N, target.nbytes), all of them uint8.

    In between are the same whole levels of R'G'B' that a model gets of pixels and gives.
    """

    flat: Tensor | None

    def __init__(self, pixels: OnPixels, conversion: Conversion, flat: Array | None, device: torch.device) -> None:
        """`flat` is what frames of one colour become, (1 or N, 3) in [0, 1], where that is known."""
        super().__init__()
        self._pixels, self._conversion = pixels, conversion
        self._white = 255.0 if conversion.source.bits == 8 else 65535.0
        levels = None if flat is None else torch.from_numpy(flat).mul(self._white).round().to(device)
        self.register_buffer("flat", levels, persistent=False)

    def forward(self, packed: Tensor) -> Tensor:
        """Raises ValueError where the module changes the size of frames."""
        asked = self._conversion
        levels = turned(to_levels(packed, asked.source), asked.rotation, mirrored=asked.mirrored)  # (N, 3, H, W)
        made = self._pixels.levels(levels, self._white)
        if made.shape != levels.shape:
            raise ValueError(f"the model makes frames of {made.shape[3]}x{made.shape[2]} of {levels.shape[3]}x{levels.shape[2]}")
        if self.flat is not None:
            is_flat = (levels == levels[..., :1, :1]).flatten(1).all(1)[:, None, None, None]
            made = torch.where(is_flat, self.flat[:, :, None, None], made)
        if asked.strength != 1:
            made = torch.lerp(levels, made, asked.strength).round()
        return to_packed(made, self._white, asked.target)


def steps_on_planes(model: TorchModel, conversion: Conversion) -> Steps:
    """The model's steps on planes, which are kept with it: for another conversion they are made anew."""
    steps = model.kept.get(conversion)
    if steps is None:
        model.kept.clear()
        steps = model.kept[conversion] = model.steps_of(OnPlanes(model.on_pixels, conversion, model.flat, model.place))
    return steps
