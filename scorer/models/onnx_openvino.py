"""Networks from ONNX files on OpenVINO, in float32."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np

from scorer.models.onnx_file import OnnxNetwork
from scorer.models.onnx_model import Array
from scorer.models.openvino_runtime import compile_model, core

if TYPE_CHECKING:
    from openvino import CompiledModel, Model, Node

_SIZES_KEPT = 4
_SUMS = ("Convolution", "GroupConvolution", "ConvolutionBackpropData", "GroupConvolutionBackpropData", "MatMul")


class OpenVinoRunner:
    """Compiled for each size of frame it meets."""

    device = "cpu"

    def __init__(self, network: OnnxNetwork, threads: int | None) -> None:
        """Raises StyleError where OpenVINO can't read it."""
        import openvino

        self._network, self._threads = network, threads
        self._compiled: dict[tuple[int, ...], CompiledModel] = {}
        try:
            self._model: Model = core().read_model(network.graph.SerializeToString(), b"")
        except Exception as error:  # of a damaged file, nearly any
            raise network.refused(f"can't be read by OpenVINO ({_reason(error)}): try the option runtime=torch") from error
        self.name = f"openvino {'.'.join(openvino.__version__.split('.')[:2])} cpu float32"

    def shape(self, height: int, width: int) -> tuple[int, ...]:
        return tuple(self._of_size(self._network.frames_of(height, width)).output(0).get_shape())

    def run(self, frame: Array) -> Array:
        if frame.shape not in self._compiled:
            while len(self._compiled) >= _SIZES_KEPT:
                del self._compiled[next(iter(self._compiled))]
            self._compiled[frame.shape] = compile_model(self._of_size(frame.shape), self._threads)
        given = frame.astype(np.float16) if self._network.half else frame
        try:
            return np.asarray(self._compiled[frame.shape]([given])[0], np.float32)
        except RuntimeError as error:
            if "alloc" in str(error) or "memory" in str(error):
                raise MemoryError(str(error)) from error
            raise

    def _of_size(self, shape: tuple[int, ...]) -> Model:
        """The graph for frames of that shape. Raises StyleError where it would take memory beyond all measure."""
        model = self._model.clone()
        model.reshape(list(shape))
        operations = 0
        for node in model.get_ops():
            operations += _operations(node)
            for output in node.outputs():
                if output.get_partial_shape().is_dynamic:
                    raise self._network.refused(f"has an operation ({node.get_friendly_name()}) whose size nobody knows")
                self._network.check_values(prod(output.get_shape()), prod(shape))
        self._network.check_operations(operations, prod(shape) // 3)
        return model


def _operations(node: Node) -> int:
    """Of a convolution or a product of matrices, where they aren't unknown; others take next to none."""
    if node.get_type_name() not in _SUMS or any(each.get_partial_shape().is_dynamic for each in node.inputs()):
        return 0
    first, second, made = ([int(side) for side in shape] for shape in (
        node.get_input_shape(0), node.get_input_shape(1), node.get_output_shape(0)
    ))  # fmt: skip
    if node.get_type_name() == "MatMul":
        return 2 * prod(made) * first[-1]
    transposed, grouped = "Backprop" in node.get_type_name(), "Group" in node.get_type_name()
    return 2 * prod(first if transposed else made) * prod(second[2 if grouped else 1 :])


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:120]
