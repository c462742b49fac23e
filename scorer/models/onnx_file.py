"""An ONNX file that a stranger may have made: one network from a frame to a frame, of known operations, with all its weights.

Nothing of it runs here: it is read as a document, and refused in a sentence where it is anything else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from scorer.errors import ModelError, StyleError
from scorer.text import clean

if TYPE_CHECKING:
    import onnx

MAX_BYTES = 256 * 2**20
MOST_NODES = 5000
MOST_GROWTH = 1000
"""Values that one operation may make of one of a frame's: known networks make some dozens."""
MOST_OPERATIONS = 20_000_000
"""For one pixel, two for each multiplication with its addition: 65 times those of PyTorch's fast_neural_style example."""
OLDEST_OPSET = 7
"""Before it, broadcasting had other rules: https://github.com/onnx/onnx/blob/main/docs/Changelog.md"""

OPERATIONS = frozenset({
    "Abs", "Add", "AveragePool", "BatchNormalization", "Cast", "Ceil", "Clip", "Concat", "Constant", "ConstantOfShape", "Conv",
    "ConvTranspose", "DepthToSpace", "Div", "Dropout", "Elu", "Exp", "Floor", "Gather", "GlobalAveragePool", "Identity",
    "InstanceNormalization", "LeakyRelu", "MatMul", "Max", "MaxPool", "Min", "Mul", "Neg", "PRelu", "Pad", "Pow", "ReduceMean",
    "Relu", "Reshape", "Resize", "Shape", "Sigmoid", "Slice", "Softmax", "SpaceToDepth", "Sqrt", "Squeeze", "Sub", "Tanh",
    "Transpose", "Unsqueeze", "Upsample",
})  # fmt: skip
"""Of ONNX's own; what networks from images to images are made of. None has a graph inside, reads a file or is random."""


@dataclass(frozen=True)
class OnnxNetwork:
    """A network from one frame to one frame, of any size that its graph allows."""

    path: Path
    graph: onnx.ModelProto
    layout: Literal["NCHW", "NHWC"]
    half: bool
    """Whether its numbers have 16 bits."""
    size: tuple[int, int] | None
    """Height and width that it was saved for; None: any."""

    def frames_of(self, height: int, width: int) -> tuple[int, ...]:
        """The shape of the one frame that it takes."""
        return (1, 3, height, width) if self.layout == "NCHW" else (1, height, width, 3)

    def refused(self, why: str) -> StyleError:
        """What to raise where it can't be used."""
        return StyleError(f"The network {self.path} {why}.")

    def check_operations(self, made: int, pixels: int) -> None:
        """Raise StyleError where it computes so many operations for a frame as would take a job of a day for a minute of film."""
        if made > pixels * MOST_OPERATIONS:
            raise self.refused(f"computes {made // pixels:,} operations for a pixel, more than the {MOST_OPERATIONS:,} allowed")

    def check_values(self, made: int, given: int) -> None:
        """Raise StyleError where an operation makes more values of a frame of `given` ones than any known network does."""
        if made > given * MOST_GROWTH + MAX_BYTES // 4:  # its weights are values, too
            raise self.refused(f"makes {made:,} values of {given:,} in one place, which would fill the memory")


def read_onnx(path: Path) -> OnnxNetwork:
    """Read the file at `path`. Raises StyleError, naming it, ModelError where the package onnx is missing."""
    try:
        import onnx
    except ImportError:
        raise ModelError("ONNX networks can't be read without onnx: pip install '.[scorer]' in a checkout.") from None

    data, graph = _bytes(path), onnx.ModelProto()
    if not data:  # which would be a model of no opset
        raise StyleError(f"The network {path} is an empty file: copy it here again.")
    try:
        graph.ParseFromString(data)
        return _checked(path, graph)
    except _UnfitError as error:
        raise StyleError(f"The network {path} {error}.") from None
    # A file made to do harm, or a damaged one, ends its readers with nearly any exception: names may be no text, for one.
    except Exception as error:
        raise StyleError(f"The network {path} is no ONNX file, or is damaged: export it again.") from error


class _UnfitError(Exception):
    """Why a file can't be used, as the end of a sentence."""


def _bytes(path: Path) -> bytes:
    try:
        if (size := path.stat().st_size) > MAX_BYTES:
            raise StyleError(f"The network {path} has {size:,} bytes, more than the {MAX_BYTES:,} allowed: give a smaller one.")
        return path.read_bytes()
    except FileNotFoundError:
        raise StyleError(f"There is no network {path}: check its name.") from None
    except OSError as error:
        raise StyleError(f"The network {path} can't be read ({error.strerror}): give a file that can.") from error


def _checked(path: Path, model: onnx.ModelProto) -> OnnxNetwork:
    import onnx

    _check_operations(model)
    _check_weights(model)
    given = [each for each in model.graph.input if each.name not in {one.name for one in model.graph.initializer}]
    if len(given) != 1 or len(model.graph.output) != 1:
        raise _UnfitError(f"has {len(given)} inputs and {len(model.graph.output)} outputs, where a frame is to become a frame")
    for value, what in ((given[0], "takes"), (model.graph.output[0], "makes")):
        if value.type.tensor_type.elem_type not in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16):
            raise _UnfitError(f"{what} other numbers than floating-point ones of 32 or 16 bits")
    sides = [each.dim_value for each in given[0].type.tensor_type.shape.dim]
    if len(sides) != 4 or 3 not in (sides[1], sides[3]) or sides[0] > 1:
        shown = "x".join(str(each) if each > 0 else "?" for each in sides) or "nothing that is known"
        raise _UnfitError(f"takes {shown}, where one frame is 1x3xHxW or 1xHxWx3")
    layout: Literal["NCHW", "NHWC"] = "NCHW" if sides[1] == 3 else "NHWC"
    height, width = sides[2:] if layout == "NCHW" else sides[1:3]
    half = given[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT16
    _make_sizes_free(model, given[0], layout)
    try:
        onnx.checker.check_model(model)
    except Exception as error:  # the checker raises what its C++ throws
        raise _UnfitError(f"isn't valid ONNX ({clean(str(error).strip().splitlines()[0], 120)}): export it again") from error
    return OnnxNetwork(path, model, layout, half, (height, width) if height > 0 and width > 0 else None)


def _check_operations(model: onnx.ModelProto) -> None:
    if model.functions:
        raise _UnfitError("has functions of its own: export it with ONNX's operations alone")
    if len(model.graph.node) > MOST_NODES:
        raise _UnfitError(f"has {len(model.graph.node):,} operations, more than the {MOST_NODES:,} allowed")
    opset = next((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), 0)
    if opset < OLDEST_OPSET:
        raise _UnfitError(f"is of ONNX's opset {opset}: export it with {OLDEST_OPSET} or a newer one")
    for node in model.graph.node:
        if node.domain not in ("", "ai.onnx"):
            raise _UnfitError(
                f"has the operation '{clean(node.op_type, 60)}' of '{clean(node.domain, 60)}', which isn't ONNX's own"
            )
        if node.op_type not in OPERATIONS:
            raise _UnfitError(f"has the operation '{clean(node.op_type, 60)}', which no network from frame to frame needs here")


def _check_weights(model: onnx.ModelProto) -> None:
    import onnx

    if model.graph.sparse_initializer:
        raise _UnfitError("has sparse weights: export it with plain ones")
    for tensor in _tensors(model):
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
            raise _UnfitError("keeps weights in another file: save it as one (onnx.save(onnx.load(PATH), ONE_FILE))")


def _tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    yield from model.graph.initializer
    for node in model.graph.node:
        for attribute in node.attribute:
            yield from ([attribute.t] if attribute.HasField("t") else [])
            yield from attribute.tensors


def _make_sizes_free(model: onnx.ModelProto, given: onnx.ValueInfoProto, layout: str) -> None:
    """Take out the sizes that a graph was saved with, as far as they are only told: PyTorch writes those of its example."""
    dims = given.type.tensor_type.shape.dim
    dims[0].dim_value = 1
    for axis, name in zip((2, 3) if layout == "NCHW" else (1, 2), ("height", "width"), strict=True):
        dims[axis].dim_param = name
    del model.graph.value_info[:]
    made = model.graph.output[0].type.tensor_type.shape.dim
    sides = len(made)
    del made[:]
    for axis in range(sides):
        made.add(dim_param=f"made{axis}")
