"""`feedforward`: Johnson, Alahi, Fei-Fei 2016 (arXiv:1603.08155), one trained network for each style.

The style is a checkpoint in the layout of PyTorch's fast_neural_style example; anyone can train one there for a painting.
"""

from __future__ import annotations

from pathlib import Path

from scorer.models import Model, ModelSettings, ModelSpec
from scorer.models.options import Options, parse_options


def load(settings: ModelSettings) -> Model:
    """Load the network of the one style.

    Raises StyleError where the file isn't such a checkpoint, RequestError for options: it has none.
    """
    parse_options(Options, settings.options, "feedforward")

    from scorer.models.feedforward_network import FrameStyler, load_network
    from scorer.models.torch_runtime import TorchModel

    network = load_network(Path(str(settings.styles[0].source)))
    return TorchModel(FrameStyler(network, settings.strength), settings)


SPEC = ModelSpec(
    name="feedforward",
    summary="a network trained for one style, from its checkpoint file (.pth or .safetensors)",
    style="network",
    load=load,
    source="Johnson, Alahi, Fei-Fei 2016, arXiv:1603.08155; the weights are the user's own file",
)
