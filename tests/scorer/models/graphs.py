"""Graph surgery: the float graph that an int8 one stands for, so that ONNX Runtime can be the independent witness."""

from __future__ import annotations

from pathlib import Path

import onnx


def at_any_size(graph: bytes) -> bytes:
    """The graph for images (1, H, W, 3) of other sizes: paddings are those of TensorFlow's 'SAME' at the size at hand."""
    model = onnx.load_from_string(graph)
    for axis in (1, 2):
        model.graph.input[0].type.tensor_type.shape.dim[axis].Clear()
    for node in model.graph.node:
        kept = [each for each in node.attribute if each.name not in ("pads", "auto_pad")]
        if node.op_type == "Conv":
            del node.attribute[:]
            node.attribute.extend([*kept, onnx.helper.make_attribute("auto_pad", "SAME_UPPER")])
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


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
