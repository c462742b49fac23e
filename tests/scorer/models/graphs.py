"""Graph surgery: the float graph that an int8 one stands for, so that ONNX Runtime can be the independent witness."""

from __future__ import annotations

from pathlib import Path

import onnx


def without_activation_quantisation(path: Path) -> bytes:
    """The graph of `path` with the activations' QuantizeLinear/DequantizeLinear pairs taken out; the weights' stay.

    Each such node becomes the identity: whoever read what it made reads what it read.
    """
    model = onnx.load(path)
    constants = {each.name for each in model.graph.initializer}
    renamed: dict[str, str] = {}
    kept: list[onnx.NodeProto] = []
    for node in model.graph.node:  # ONNX keeps nodes in topological order
        inputs = [renamed.get(name, name) for name in node.input]
        del node.input[:]
        node.input.extend(inputs)
        is_identity = node.op_type == "QuantizeLinear" or (node.op_type == "DequantizeLinear" and inputs[0] not in constants)
        if is_identity:
            renamed[node.output[0]] = inputs[0]
        else:
            kept.append(node)
    for output in model.graph.output:
        kept.append(onnx.helper.make_node("Identity", [renamed.get(output.name, output.name)], [f"{output.name}:float"]))
        output.name = f"{output.name}:float"
    del model.graph.node[:]
    model.graph.node.extend(kept)
    del model.graph.value_info[:]
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
