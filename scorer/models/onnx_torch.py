"""Networks from ONNX files on torch, in float32.

What shapes are made of (sizes, their arithmetic, constants) is evaluated by ONNX's own reference implementation, on the
processor; what frames become is computed by torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator
from torch import Tensor

from scorer.boundary import words
from scorer.models import Device
from scorer.models.onnx_file import OnnxNetwork
from scorer.models.onnx_model import Array
from scorer.models.onnx_operations import COMPUTED, SHAPED, Host, UnknownError
from scorer.models.torch_runtime import resolve_device
from scorer.text import clean

Value = Host | Tensor

_MOST_OF_SHAPES = 2**20
"""Values of what shapes are made of, which has some dozens."""


class TorchRunner:
    """The graph, node by node."""

    def __init__(self, network: OnnxNetwork, device: Device, threads: int | None) -> None:
        """Raises ModelError where the device isn't there."""
        self._network, self._graph = network, network.graph.graph
        self._device = resolve_device(device)
        if self._device.type == "cpu" and threads is not None:
            torch.set_num_threads(threads)
        self._opset = next(each.version for each in network.graph.opset_import if each.domain in ("", "ai.onnx"))
        try:
            self._constants: dict[str, Value] = {each.name: _host(each) for each in self._graph.initializer}
        except Exception as error:  # ONNX's reader raises whatever a damaged tensor makes it stumble over
            raise network.refused(f"has weights that can't be read ({clean(words(error), 120)}): export it again") from error
        self._on_device: dict[tuple[str, torch.device], Tensor] = {}
        self._evaluators: dict[int, ReferenceEvaluator] = {}
        given = {each.name for each in self._graph.input} - set(self._constants)
        (self._input,), self._output = given, self._graph.output[0].name
        self.device = self._device.type
        self.name = f"torch {'.'.join(torch.__version__.split('+')[0].split('.')[:2])} {self.device} float32"

    def shape(self, height: int, width: int) -> tuple[int, ...]:
        return tuple(self._result(torch.empty(self._network.frames_of(height, width), device="meta")).shape)

    def run(self, frame: Array) -> Array:
        with torch.inference_mode():
            result: Array = self._result(torch.from_numpy(frame).to(self._device)).cpu().numpy()
        return result

    def _result(self, frame: Tensor) -> Tensor:
        values: dict[str, Value] = {**self._constants, self._input: frame}
        operations = 0
        for number, node in enumerate(self._graph.node):
            inputs = [values[name] if name else None for name in node.input]
            if node.op_type == "Shape" and isinstance(inputs[0], Tensor):
                made: Value = np.array(inputs[0].shape, np.int64)
            elif any(isinstance(each, Tensor) for each in inputs):
                made = self._computed(node, inputs, frame)
                operations += _operations(node, inputs, made)
                self._network.check_operations(operations, frame.numel() // 3)
            else:
                made = self._evaluated(number, node, inputs)
            values[node.output[0]] = made
        result = values[self._output]
        if not isinstance(result, Tensor):
            raise self._network.refused("makes the same of every frame")
        return result

    def _evaluated(self, number: int, node: onnx.NodeProto, inputs: Sequence[Value | None]) -> Host:
        """What shapes are made of."""
        given = [each for each in inputs if isinstance(each, np.ndarray)]
        size = float(np.prod(given[0].astype(float))) if node.op_type == "ConstantOfShape" else sum(each.size for each in given)
        if size > _MOST_OF_SHAPES or node.op_type in ("Pad", "Resize", "Upsample", "Conv", "ConvTranspose", "MatMul"):
            raise self._network.refused(f"has an operation ('{node.op_type}') whose size nobody knows")
        if number not in self._evaluators:
            names = [name for name in node.input if name]
            graph = onnx.helper.make_graph(
                [node], "one", [_untyped(name) for name in dict.fromkeys(names)], [_untyped(node.output[0])]
            )  # fmt: skip
            model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", self._opset)])
            self._evaluators[number] = ReferenceEvaluator(model)
        found = zip((name for name in node.input if name), given, strict=True)
        (made,) = self._evaluators[number].run(None, dict(found))
        return np.asarray(made)

    def _computed(self, node: onnx.NodeProto, inputs: Sequence[Value | None], frame: Tensor) -> Tensor:
        """What the frame becomes."""
        if node.op_type not in COMPUTED:
            raise self._network.refused(f"has '{node.op_type}' of what it makes of frames, which isn't known here")
        attributes = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
        operands = [self._operand(node, index, each, frame) for index, each in enumerate(inputs)]
        try:
            made = COMPUTED[node.op_type](attributes, *operands)
        except UnknownError as error:
            raise self._network.refused(f"has '{node.op_type}' {error}") from None
        self._network.check_values(made.numel(), frame.numel())
        return made

    def _operand(self, node: onnx.NodeProto, index: int, value: Value | None, frame: Tensor) -> Any:
        """Weights as tensors beside the frame; what shapes are made of as it is."""
        if not isinstance(value, np.ndarray) or (node.op_type in SHAPED and index):
            return value
        key = (node.input[index], frame.device)
        if key[0] not in self._constants:
            return torch.from_numpy(value.astype(np.float32)).to(frame.device)
        if key not in self._on_device:
            self._on_device[key] = torch.from_numpy(value.astype(np.float32)).to(frame.device)
        return self._on_device[key]


def _operations(node: onnx.NodeProto, inputs: Sequence[Value | None], made: Tensor) -> int:
    """Of a convolution or a product of matrices; others take next to none."""
    if node.op_type not in ("Conv", "ConvTranspose", "MatMul") or inputs[0] is None or inputs[1] is None:
        return 0
    if node.op_type == "MatMul":
        return 2 * made.numel() * inputs[0].shape[-1]
    return 2 * prod(inputs[0].shape if node.op_type == "ConvTranspose" else made.shape) * prod(inputs[1].shape[1:])


def _host(tensor: onnx.TensorProto) -> Host:
    array = np.asarray(numpy_helper.to_array(tensor))
    return array.astype(np.float32) if array.dtype == np.float16 else array


def _untyped(name: str) -> onnx.ValueInfoProto:
    return onnx.ValueInfoProto(name=name)
