"""`feedforward`: Johnson, Alahi, Fei-Fei 2016 (arXiv:1603.08155), one trained network for each style.

The style is a checkpoint in the layout of PyTorch's fast_neural_style example; anyone can train one there for a painting.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from scorer.errors import ModelError
from scorer.models import Model, ModelSettings, ModelSpec
from scorer.models.options import describe_options, parse_options
from scorer.models.runtime import RuntimeOptions, choose_runtime, runs_on
from scorer.models.weights import SHORTEST


def load(settings: ModelSettings) -> Model:
    """Load the network of the one style.

    Raises StyleError where the file isn't such a checkpoint, RequestError for an option it doesn't
    have, ModelError where the runtime is missing.
    """
    options = parse_options(RuntimeOptions, settings.options, "feedforward")
    _demand_torch()
    runtime = choose_runtime(settings, options)

    from scorer.models.feedforward_network import FrameStyler, as_stylisation_weights, load_network
    from scorer.models.torch_runtime import TorchModel

    network = load_network(Path(str(settings.styles[0].source)))
    if runtime == "openvino":
        from scorer.models.openvino_runtime import load_feedforward

        return load_feedforward(as_stylisation_weights(network), settings.threads, options.precision)
    return TorchModel(FrameStyler(network), settings, compiled=options.compiled)


def _demand_torch() -> None:
    if find_spec("torch") is None:
        raise ModelError("Checkpoints are read by torch, which isn't installed: pip install '.[scorer]' in a checkout.")


def runs() -> str:
    """What it would compute on here. Raises ModelError."""
    _demand_torch()
    return runs_on()


def check(settings: ModelSettings) -> None:
    """Raise RequestError for options that `load` would refuse."""
    parse_options(RuntimeOptions, settings.options, "feedforward")


SPEC = ModelSpec(
    name="feedforward",
    summary="a network trained for one style, from its checkpoint file (.pth or .safetensors)",
    style="network",
    load=load,
    check=check,
    runs=runs,
    least_side=SHORTEST,
    options=describe_options(RuntimeOptions),
    source="Johnson, Alahi, Fei-Fei 2016, arXiv:1603.08155; the weights are the user's own file",
)
