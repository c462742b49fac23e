"""`feedforward` against the same network written once more (published_network.py)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from scorer.errors import RequestError
from scorer.models import Frames, ModelSettings, Style
from scorer.models.feedforward import SPEC
from scorer.models.feedforward_network import load_network
from tests.scorer.models.published_network import expected, published_state, reference, save, score, some_frames

pytestmark = pytest.mark.usefixtures("eager")


@pytest.mark.parametrize("name", ["net.pth", "net.safetensors", "NET.SAFETENSORS"])
def test_network_agrees_with_the_reference_in_floats(tmp_path: Path, name: str) -> None:
    state = published_state()
    network = load_network(save(state, tmp_path / name))
    frames = torch.from_numpy(some_frames(40, 56, 2).astype(np.float32)).permute(0, 3, 1, 2)
    with torch.no_grad():
        torch.testing.assert_close(network(frames), reference(state, frames), atol=0.02, rtol=0)  # of 255


EIGHT_BITS = some_frames(32, 48, 2)
SIXTEEN_BITS = EIGHT_BITS.astype(np.uint16) * np.uint16(257)


@pytest.mark.parametrize("frames", [EIGHT_BITS, SIXTEEN_BITS], ids=["8 bit", "16 bit"])
def test_model_agrees_with_the_reference(tmp_path: Path, frames: Frames) -> None:
    state = published_state()
    found = score(save(state, tmp_path / "net.pth"), frames)
    wanted = expected(state, frames)
    assert np.mean((wanted > 0) & (wanted < 1)) > 0.5, "the seeded network must not clip everything"
    assert found.dtype == frames.dtype
    full = np.iinfo(frames.dtype).max
    np.testing.assert_allclose(found / full, wanted, atol=0.51 / full + 1e-4)


def test_model_agrees_with_onnx_runtime(tmp_path: Path) -> None:
    import onnxruntime
    from onnx import NodeProto, TensorProto, helper, numpy_helper

    state = published_state(3)
    nodes: list[NodeProto] = []
    ready = "frames"

    def add(kind: str, inputs: list[str], **attributes: Any) -> str:
        name = f"{kind}{len(nodes)}"
        nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def convolution(x: str, name: str, stride: int = 1) -> str:
        pad = state[f"{name}.conv2d.weight"].shape[-1] // 2
        x = add("Pad", [x, f"pad{pad}"], mode="reflect")
        return add("Conv", [x, f"{name}.conv2d.weight", f"{name}.conv2d.bias"], strides=[stride, stride])

    def norm(x: str, name: str) -> str:
        return add("InstanceNormalization", [x, f"{name}.weight", f"{name}.bias"], epsilon=1e-5)

    for number, stride in enumerate((1, 2, 2), 1):
        ready = add("Relu", [norm(convolution(ready, f"conv{number}", stride), f"in{number}")])
    for block in range(1, 6):
        inner = add("Relu", [norm(convolution(ready, f"res{block}.conv1"), f"res{block}.in1")])
        ready = add("Add", [ready, norm(convolution(inner, f"res{block}.conv2"), f"res{block}.in2")])
    for number in (1, 2):
        larger = add(
            "Resize", [ready, "", "twice"], mode="nearest", nearest_mode="floor", coordinate_transformation_mode="asymmetric"
        )
        ready = add("Relu", [norm(convolution(larger, f"deconv{number}"), f"in{number + 3}")])
    ready = convolution(ready, "deconv3")
    constants = {name: tensor.numpy() for name, tensor in state.items()} | {"twice": np.array([1, 1, 2, 2], np.float32)}
    constants |= {f"pad{pad}": np.array([0, 0, pad, pad] * 2, np.int64) for pad in (1, 4)}
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("frames", TensorProto.FLOAT, [1, 3, 32, 40])],
        [helper.make_tensor_value_info(ready, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    frames = some_frames(32, 40)
    wanted = session.run(None, {"frames": frames.transpose(0, 3, 1, 2).astype(np.float32)})[0].clip(0, 255)
    found = score(save(state, tmp_path / "net.pth"), frames)
    np.testing.assert_allclose(found, wanted.transpose(0, 2, 3, 1), atol=0.55)


@pytest.mark.parametrize(("height", "width"), [(32, 48), (37, 50)])
def test_openvino_agrees_with_torch(tmp_path: Path, height: int, width: int) -> None:
    path = save(published_state(), tmp_path / "net.pth")
    frames = some_frames(height, width, 2).astype(np.uint16) * np.uint16(257)
    options = {"runtime": "openvino", "precision": "float32"}
    model = SPEC.load(ModelSettings(styles=(Style(path),), device="cpu", options=options))
    assert model.runtime.startswith("openvino")
    # in levels of 255; 16 bits round to 1/514 of one
    np.testing.assert_allclose(model.score(frames) / 257, score(path, frames) / 257, atol=1e-2)


def test_any_size_is_that_of_the_reflected_frame_cropped(tmp_path: Path) -> None:
    state = published_state()
    frames = some_frames(30, 37)
    wanted = expected(state, np.pad(frames, ((0, 0), (0, 2), (0, 3), (0, 0)), mode="reflect"))[:, :30, :37]
    np.testing.assert_allclose(score(save(state, tmp_path / "net.pth"), frames) / 255, wanted, atol=0.51 / 255 + 1e-4)


@pytest.mark.parametrize("size", [(8, 8), (9, 8)])
def test_the_smallest_frames_keep_their_size(tmp_path: Path, size: tuple[int, int]) -> None:
    frames = some_frames(*size)
    assert score(save(published_state(), tmp_path / "net.pth"), frames).shape == frames.shape


def test_options_are_refused() -> None:
    with pytest.raises(RequestError, match="no option 'sharpness'"):
        SPEC.load(ModelSettings(styles=(Style(Path("net.pth")),), options={"sharpness": 1}))
