"""`gatys`: Gatys, Ecker, Bethge, 'Image Style Transfer Using Convolutional Neural Networks', CVPR 2016.

There is no trained network: each frame's pixels are changed until VGG19 sees the frame's content and the style's texture in them.
By far the slowest of the models, and the only one that needs no training for its quality.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from scorer.errors import ModelError, StyleError
from scorer.media.style_image import load_style_image
from scorer.models import Frames, Model, ModelSettings, ModelSpec, Style
from scorer.models.devices import gpus
from scorer.models.options import Options, describe_options, parse_options

if TYPE_CHECKING:
    from torch import Tensor, device

    from scorer.models.gatys_network import Vgg19


SHORTEST = 16  # pixels a side; four poolings leave one position of conv5_1


class GatysOptions(Options):
    """What `gatys` can be told."""

    iterations: int = Field(default=100, gt=0, description="steps of the descent for each frame")
    optimizer: Literal["lbfgs", "adam"] = Field(default="lbfgs", description="'lbfgs', as in the paper, or 'adam'")
    learning_rate: float = Field(default=0.02, gt=0, description="Adam's step, of pixels in 0..1; L-BFGS finds its own")
    content_weight: float = Field(default=1.0, ge=0, description="how strongly the frame's content is kept")
    style_weight: float = Field(default=1000.0, ge=0, description="how strongly the style is drawn")
    smoothness_weight: float = Field(default=0.0, ge=0, description="how strongly noise (total variation) is taken out")
    style_size: int = Field(
        default=512, ge=16, description="longer side of the style's image in pixels: smaller gives finer strokes"
    )


def load(settings: ModelSettings) -> Model:
    """Load VGG19 and measure the styles.

    Raises RequestError for bad options, ModelError where VGG19's weights can't be had, StyleError for an unusable style.
    """
    return Gatys(settings, parse_options(GatysOptions, settings.options, "gatys"))


class Gatys:
    """The model: each frame starts from the last result, so that the strokes stay where they are; the first from itself.

    Nothing in it is random. On the CPU the same frames give the same result, whatever the batch size.
    """

    def __init__(self, settings: ModelSettings, options: GatysOptions) -> None:
        import torch

        from scorer.models.gatys_network import load_vgg19
        from scorer.models.malloc import keep_memory
        from scorer.models.torch_runtime import resolve_device
        from scorer.models.vgg19_weights import vgg19_file

        self._options = options
        self._device: device = resolve_device(settings.device)
        if self._device.type == "cpu":
            keep_memory()
            if settings.threads is not None:
                torch.set_num_threads(settings.threads)
        self._network: Vgg19 = load_vgg19(vgg19_file()).to(self._device)
        total = sum(style.weight for style in settings.styles)
        self._styles = [(style.weight / total, self._measure(style)) for style in settings.styles]
        self._last: Tensor | None = None
        version = ".".join(torch.__version__.split("+")[0].split(".")[:2])
        self.device = self._device.type
        self.runtime = f"torch {version} {self.device} float32 {options.optimizer}"

    def score(self, frames: Frames) -> Frames:
        """Style the frames one after another; the size stays; 16 or more pixels a side."""
        import torch

        styled = np.empty_like(frames)
        # The caller may have switched gradients off: most models have no use for them.
        with torch.inference_mode(False), torch.enable_grad(), torch.backends.cudnn.flags(deterministic=True):
            for frame, result in zip(frames, styled, strict=True):
                self._last = self._score_one(frame)
                rows: NDArray[np.float32] = self._last[0].permute(1, 2, 0).cpu().numpy()  # (H, W, 3)
                result[:] = np.rint(rows * np.iinfo(frames.dtype).max)
        return styled

    def _score_one(self, frame: Frames) -> Tensor:
        from scorer.models.gatys_network import Target, descend, read_content

        options = self._options
        content = self._to_pixels(frame)
        start = content if self._last is None or self._last.shape != content.shape else self._last
        target = Target(
            content=read_content(self._network, content),
            styles=self._styles,
            content_weight=options.content_weight,
            style_weight=options.style_weight,
            smoothness_weight=options.smoothness_weight,
        )
        return descend(self._network, start, target, options.optimizer, options.iterations, options.learning_rate)

    def reset(self) -> None:
        """Start the next frame from itself."""
        self._last = None

    def _measure(self, style: Style) -> dict[int, Tensor]:
        from scorer.models.gatys_network import read_style

        path = Path(str(style.source))
        image = load_style_image(path, self._options.style_size)
        if min(image.shape[:2]) < SHORTEST:
            raise StyleError(f"The style image {path} is {image.shape[1]}x{image.shape[0]} pixels: give at least 16 a side.")
        return read_style(self._network, self._to_pixels(image))

    def _to_pixels(self, image: Frames) -> Tensor:
        """Turn (H, W, 3) into (1, 3, H, W) in 0..1."""
        import torch

        rows = image.astype(np.float32) / np.iinfo(image.dtype).max
        return torch.from_numpy(rows).permute(2, 0, 1)[None].contiguous().to(self._device)


def runs() -> str:
    """What it would compute on here, and what it fetches first. Raises ModelError."""
    if find_spec("torch") is None:
        raise ModelError("It runs on torch, which isn't installed: pip install '.[scorer]' in a checkout.")
    own = os.environ.get("SCORER_VGG19")
    if own and not Path(own).is_file():
        raise ModelError(f"There is no '{own}', which SCORER_VGG19 names: check the name.")
    return f"torch, {'a GPU' if gpus() else 'the processor'}" + (
        "" if own else "; VGG19's weights (0.55 GB) are downloaded at first"
    )


def check(settings: ModelSettings) -> None:
    """Raise RequestError for options that `load` would refuse."""
    parse_options(GatysOptions, settings.options, "gatys")


SPEC = ModelSpec(
    name="gatys",
    summary="any painting; no trained network, each frame is optimised: the slowest by far",
    style="image",
    load=load,
    check=check,
    runs=runs,
    max_styles=8,
    options=describe_options(GatysOptions),
    source="Gatys, Ecker, Bethge, CVPR 2016; VGG19 weights of torchvision (BSD-3-Clause), downloaded when first used",
    least_side=SHORTEST,
    batch_size=1,  # frames follow one another: each starts from the last
    downloads="VGG19's weights",
    tile_overlap=None,  # Gram matrices are of the whole frame, and a tile is none to start the next one from
)
