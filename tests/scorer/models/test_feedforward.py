"""`feedforward` against the same network written once more, as plain functions over the checkpoint's keys."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from scorer.errors import RequestError, StyleError
from scorer.models import Frames, ModelSettings, Style, torch_runtime
from scorer.models.checkpoint import read_weights
from scorer.models.feedforward import SPEC
from scorer.models.feedforward_network import load_network

State = dict[str, Tensor]


@pytest.fixture(autouse=True)
def _eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiling takes seconds for each size, and is tested with torch_runtime."""
    monkeypatch.setattr(torch_runtime, "_can_compile", lambda _device: False)


def published_state(seed: int = 0) -> State:
    """Seeded weights with the keys, and in the order, of the published checkpoints."""
    random = torch.Generator().manual_seed(seed)
    state: State = {}

    def convolution(name: str, filters: int, channels: int, kernel: int) -> None:
        scale = (2 / (channels * kernel * kernel)) ** 0.5
        state[f"{name}.conv2d.weight"] = torch.randn(filters, channels, kernel, kernel, generator=random) * scale
        state[f"{name}.conv2d.bias"] = torch.randn(filters, generator=random) * 0.1

    def norm(name: str, channels: int) -> None:
        state[f"{name}.weight"] = 1 + 0.2 * torch.randn(channels, generator=random)
        state[f"{name}.bias"] = 0.2 * torch.randn(channels, generator=random)

    for number, (filters, channels, kernel) in enumerate([(32, 3, 9), (64, 32, 3), (128, 64, 3)], 1):
        convolution(f"conv{number}", filters, channels, kernel)
        norm(f"in{number}", filters)
    for block in range(1, 6):
        for half in (1, 2):
            convolution(f"res{block}.conv{half}", 128, 128, 3)
            norm(f"res{block}.in{half}", 128)
    for number, (filters, channels, kernel) in enumerate([(64, 128, 3), (32, 64, 3), (3, 32, 9)], 1):
        convolution(f"deconv{number}", filters, channels, kernel)
        if number < 3:
            norm(f"in{number + 3}", filters)
    # the last layer gives colours: bring it to the middle of 0..255, so that not everything is clipped
    state["deconv3.conv2d.weight"] *= 20
    state["deconv3.conv2d.bias"] += 128
    return state


def reference(state: State, frames: Tensor) -> Tensor:
    """RGB (N, 3, H, W) in 0..255, H and W multiples of 4, to the same: written from the paper and the published layout alone."""

    def convolution(x: Tensor, name: str, stride: int = 1) -> Tensor:
        weight = state[f"{name}.conv2d.weight"]
        pad = weight.shape[-1] // 2
        return functional.conv2d(functional.pad(x, (pad,) * 4, "reflect"), weight, state[f"{name}.conv2d.bias"], stride)

    def norm(x: Tensor, name: str) -> Tensor:
        mean, variance = x.mean((2, 3), keepdim=True), x.var((2, 3), keepdim=True, correction=0)
        return (x - mean) / (variance + 1e-5).sqrt() * state[f"{name}.weight"][:, None, None] + state[f"{name}.bias"][
            :, None, None
        ]

    def twice(x: Tensor) -> Tensor:
        return x.repeat_interleave(2, 2).repeat_interleave(2, 3)

    x = frames
    for number, stride in enumerate((1, 2, 2), 1):
        x = norm(convolution(x, f"conv{number}", stride), f"in{number}").clamp(min=0)
    for block in range(1, 6):
        inner = norm(convolution(x, f"res{block}.conv1"), f"res{block}.in1").clamp(min=0)
        x = x + norm(convolution(inner, f"res{block}.conv2"), f"res{block}.in2")
    for number in (1, 2):
        x = norm(convolution(twice(x), f"deconv{number}"), f"in{number + 3}").clamp(min=0)
    return convolution(x, "deconv3")


def save(state: State, path: Path) -> Path:
    if path.suffix.lower() == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state, path)
    return path


def some_frames(height: int, width: int, count: int = 1) -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def score(path: Path, frames: Frames) -> Frames:
    settings = ModelSettings(styles=(Style(path),), device="cpu", options={"runtime": "torch"})
    return SPEC.load(settings).score(frames)


def expected(state: State, frames: Frames) -> NDArray[np.float64]:
    """The reference's answer in 0..1, not yet rounded, for frames whose sides are multiples of 4."""
    full = np.iinfo(frames.dtype).max
    pixels = torch.from_numpy(frames.astype(np.float32)).permute(0, 3, 1, 2) / full * 255
    with torch.no_grad():
        styled = reference(state, pixels).clamp(0, 255) / 255
    return styled.permute(0, 2, 3, 1).double().numpy()


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


def test_old_checkpoints_carry_statistics_that_are_dropped(tmp_path: Path) -> None:
    state = published_state()
    old = state | {f"{name}.running_{what}": torch.ones(32) for name in ("in1", "res2.in1") for what in ("mean", "var")}
    frames = some_frames(16, 16)
    np.testing.assert_array_equal(
        score(save(old, tmp_path / "old.pth"), frames), score(save(state, tmp_path / "new.pth"), frames)
    )


@pytest.mark.parametrize(("around", "before"), [
    ("", "module."), ("state_dict", ""), ("model_state_dict", "module."), ("model", "_orig_mod."), ("", "module._orig_mod."),
    ("ema_model", "transformer."), ("model.state_dict", "module."), ("state_dict", "model.net."),
])  # fmt: skip
def test_checkpoints_of_training_programs_are_taken(tmp_path: Path, around: str, before: str) -> None:
    """As DataParallel, torch.compile and a wrapper's attribute name what is in them, beside an optimizer's state, in any key."""
    state = published_state()
    old = state | {f"in1.{name}": torch.zeros(32) for name in ("running_mean", "running_var")}
    old["in1.num_batches_tracked"] = torch.tensor(3)
    named: dict[str, Any] = {f"{before}{name}": tensor for name, tensor in old.items()}
    path = tmp_path / "net.pth"
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(2))], lr=0.1).state_dict()
    for key in reversed(around.split(".") if around else []):
        named = {"optimizer": optimizer, "epoch": 3, "loss": torch.tensor(1.5), key: named}
    torch.save(named, path)
    found = load_network(path).state_dict()
    wanted = load_network(save(state, tmp_path / "plain.pth")).state_dict()
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_half_precision_checkpoints_are_taken(tmp_path: Path) -> None:
    half = {name: tensor.half() for name, tensor in published_state().items()}
    assert load_network(save(half, tmp_path / "half.safetensors")).conv1.conv2d.weight.dtype == torch.float32


class Malice:
    """Unpickled, it would make a file."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.trace),)


@pytest.mark.parametrize("form", ["zip", "legacy", "plain"])
def test_a_malicious_pickle_is_refused_and_not_run(tmp_path: Path, form: str) -> None:
    trace = tmp_path / "trace"
    path = tmp_path / "evil.pth"
    content = published_state() | {"conv1.conv2d.weight": Malice(trace)}
    if form == "plain":
        path.write_bytes(pickle.dumps(content["conv1.conv2d.weight"]))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(StyleError, match="without running code") as caught:
        load_network(path)
    assert str(path) in str(caught.value)
    assert not trace.exists()
    # the payload is real: without the protection it runs
    with contextlib.suppress(Exception):
        torch.load(path, weights_only=False)
    assert trace.exists()


def test_a_checkpoint_of_another_network_names_the_first_key(tmp_path: Path) -> None:
    state = published_state()
    missing = {name: tensor for name, tensor in state.items() if name != "deconv3.conv2d.bias"}
    cases: list[tuple[State, str]] = [
        (missing, "'deconv3.conv2d.bias' is missing"),
        ({"features.0.weight": torch.zeros(64, 3, 3, 3)}, "'features.0.weight' has no place"),
        (
            state | {"conv2.conv2d.weight": torch.zeros(64, 32, 5, 5)},
            r"'conv2.conv2d.weight' is \(64, 32, 5, 5\), not \(64, 32, 3, 3\)",
        ),
        (state | {"in3.bias": torch.full((128,), torch.nan)}, "'in3.bias' isn't made of finite numbers"),
        (state | {"in3.bias": torch.ones(128, dtype=torch.int64)}, "'in3.bias' isn't made of finite numbers"),
        (state | {"in3.bias": torch.ones(128).to_sparse()}, "'in3.bias' is sparse, quantized or without its values"),
        (state | {"in3.bias": torch.ones(128, device="meta")}, "'in3.bias' is sparse, quantized or without its values"),
    ]
    for number, (wrong, reason) in enumerate(cases):
        path = save(wrong, tmp_path / f"{number}.pth")
        with pytest.raises(StyleError, match=reason) as caught:
            score(path, some_frames(8, 8))
        assert str(path) in str(caught.value)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("content", [b"", b"not weights at all", b"PK\x03\x04 cut short", b"\xff" * 100])
def test_a_damaged_file_is_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"net{suffix}"
    path.write_bytes(content)
    with pytest.raises(StyleError, match=f"net{suffix}"):
        load_network(path)


@pytest.mark.parametrize("name", ["net.pth", "net.safetensors"])
def test_a_truncated_file_is_refused(tmp_path: Path, name: str) -> None:
    path = save(published_state(), tmp_path / name)
    path.write_bytes(path.read_bytes()[:1_000_000])
    with pytest.raises(StyleError, match="damaged"):
        load_network(path)


def test_what_is_missing_or_no_state_dict_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StyleError, match="There is no file of weights"):
        load_network(tmp_path / "no.pth")
    torch.save([1, 2, 3], tmp_path / "list.pth")
    with pytest.raises(StyleError, match="something else than a state dict"):
        load_network(tmp_path / "list.pth")
    torch.save({"epoch": 3}, tmp_path / "mapping.pth")
    with pytest.raises(StyleError, match="something else than a state dict"):
        load_network(tmp_path / "mapping.pth")


def test_a_file_is_not_read_past_its_limit(tmp_path: Path) -> None:
    path = save(published_state(), tmp_path / "net.pth")
    with pytest.raises(StyleError, match="more than the 1,000,000"):
        read_weights(path, 1_000_000, StyleError)


def test_a_zip_bomb_is_refused_by_its_unpacked_size(tmp_path: Path) -> None:
    plain = io.BytesIO()
    torch.save({"conv1.conv2d.weight": torch.zeros(20 * 2**20)}, plain)  # 80 MB of zeros
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as bomb:
        for entry in source.namelist():
            bomb.writestr(entry, source.read(entry))
    assert (tmp_path / "bomb.pth").stat().st_size < 2**20
    with pytest.raises(StyleError, match="more than the"):
        load_network(tmp_path / "bomb.pth")


def test_options_are_refused() -> None:
    with pytest.raises(RequestError, match="no option 'sharpness'"):
        SPEC.load(ModelSettings(styles=(Style(Path("net.pth")),), options={"sharpness": 1}))
