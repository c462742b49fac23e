"""`feedforward`: Johnson, Alahi, Fei-Fei 2016 (arXiv:1603.08155), one trained network for each style.

The style is a checkpoint in the layout of PyTorch's fast_neural_style example, where anyone can train one for a painting; or any
network from a frame to a frame as an ONNX file.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from pydantic import Field

from scorer.errors import ModelError, RequestError
from scorer.models import Model, ModelSettings, ModelSpec
from scorer.models.onnx_model import Values
from scorer.models.options import describe_options, parse_options
from scorer.models.runtime import RuntimeOptions, choose_runtime, runs_on
from scorer.models.weights import SHORTEST


class FeedforwardOptions(RuntimeOptions):
    """What `feedforward` can be told."""

    values: Values = Field(
        "auto", description="of ONNX networks, what black and white are: 0..255, 0..1, -1..1, or auto: as what one makes shows"
    )


def load(settings: ModelSettings) -> Model:
    """Load the network of the one style.

    Raises StyleError where the file isn't such a network, RequestError for an option it doesn't
    have, ModelError where the runtime is missing.
    """
    options = _checked(settings)
    path = Path(str(settings.styles[0].source))
    if _is_onnx(path):
        return _onnx(path, settings, options)
    _demand_torch()
    runtime = choose_runtime(settings, options)

    import torch

    from scorer.models.feedforward_network import FrameStyler, as_stylisation_weights, load_network
    from scorer.models.phased_network import load_network as load_phased
    from scorer.models.torch_runtime import TorchModel

    network = load_network(path)
    if runtime == "openvino":
        from scorer.models.openvino_runtime import load_feedforward

        return load_feedforward(as_stylisation_weights(network), settings.threads, options.precision)
    if options.is_compiled:
        return TorchModel(FrameStyler(network), settings, compiled=True)
    return load_phased(as_stylisation_weights(network), torch.ones(1), settings, compiled=False)


def _is_onnx(path: Path) -> bool:
    return path.suffix.lower() == ".onnx"


def _onnx(path: Path, settings: ModelSettings, options: FeedforwardOptions) -> Model:
    from scorer.models.onnx_file import read_onnx
    from scorer.models.onnx_model import OnnxModel, Runner

    network, runtime = read_onnx(path), choose_runtime(settings, options)
    if runtime == "openvino":
        from scorer.models.onnx_openvino import OpenVinoRunner

        runner: Runner = OpenVinoRunner(network, settings.threads)
    else:
        from scorer.models.onnx_torch import TorchRunner

        runner = TorchRunner(network, settings.device, settings.threads)
    return OnnxModel(network, runner, options.values)


def _checked(settings: ModelSettings) -> FeedforwardOptions:
    options = parse_options(FeedforwardOptions, settings.options, "feedforward")
    onnx = any(_is_onnx(Path(str(each.source))) for each in settings.styles)
    if onnx and (options.precision == "int8" or options.is_compiled):
        raise RequestError("ONNX networks compute in float32, and aren't compiled: leave the options precision and compiled out.")
    if settings.styles and not onnx and options.values != "auto":
        raise RequestError(f"The option 'values' is {options.values}: it is of ONNX networks; checkpoints' values are known.")
    return options


def _demand_torch() -> None:
    if find_spec("torch") is None:
        raise ModelError("Checkpoints are read by torch, which isn't installed: pip install '.[scorer]' in a checkout.")


def runs() -> str:
    """What it would compute on here. Raises ModelError."""
    on = runs_on()
    return on if find_spec("torch") is not None else f"{on}, ONNX networks alone: checkpoints need pip install '.[scorer]'"


def check(settings: ModelSettings) -> None:
    """Raise RequestError for options that `load` would refuse."""
    _checked(settings)


SPEC = ModelSpec(
    name="feedforward",
    summary="a network trained for one style, from its file (.pth, .safetensors or .onnx)",
    style="network",
    load=load,
    check=check,
    runs=runs,
    least_side=SHORTEST,
    options=describe_options(FeedforwardOptions),
    source="Johnson, Alahi, Fei-Fei 2016, arXiv:1603.08155; the weights are the user's own file",
)
