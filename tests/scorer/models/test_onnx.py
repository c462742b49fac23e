"""`feedforward` on ONNX files: networks that PyTorch exported, and small ones of each operation, against independent sources."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import parser
from PIL import Image

from scorer.errors import RequestError, StyleError
from scorer.models import Frames, Model, ModelSettings, Style
from scorer.models.feedforward import SPEC
from scorer.models.feedforward_network import TransformerNet
from scorer.models.onnx_file import OPERATIONS, read_onnx
from scorer.models.onnx_operations import COMPUTED
from scorer.models.onnx_torch import TorchRunner
from tests.scorer.cli.command_line import run
from tests.scorer.models.published_network import expected, published_state, some_frames

RUNTIMES = ("openvino", "torch")
LAST = "float[1, h, w, 3]"


def load(path: Path, runtime: str, **options: object) -> Model:
    settings = ModelSettings((Style(path),), "cpu", 1, options={"runtime": runtime, **options})
    return SPEC.load(settings)


def written(folder: Path, network: onnx.ModelProto | bytes, name: str = "net.onnx") -> Path:
    path = folder / name
    path.write_bytes(network if isinstance(network, bytes) else network.SerializeToString())
    return path


@cache
def exported(opset: int) -> bytes:
    """As PyTorch's fast_neural_style example exports it: for the size of one picture alone."""
    network = TransformerNet().eval()
    network.load_state_dict(published_state())
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it tells of what its newer exporter does better, which needs another package
        torch.onnx.export(network, (torch.zeros(1, 3, 64, 96),), f"{folder}/net.onnx", opset_version=opset, dynamo=False)
        return Path(folder, "net.onnx").read_bytes()


@pytest.mark.parametrize(("runtime", "opset"), [("openvino", 11), ("torch", 9), ("torch", 17)])
def test_what_pytorch_exports_is_the_same_network_at_any_size(tmp_path: Path, runtime: str, opset: int) -> None:
    model = load(written(tmp_path, exported(opset)), runtime, values="auto" if opset == 11 else "0..255")
    assert model.runtime.startswith(runtime)
    assert model.runtime.endswith("float32 of ONNX, values 0..255")
    frames = some_frames(66, 81).astype(np.uint16) * np.uint16(257)
    wanted = expected(published_state(), np.pad(frames, ((0, 0), (0, 2), (0, 3), (0, 0)), mode="reflect"))[:, :66, :81]
    np.testing.assert_allclose(model.score(frames) / 65535, wanted, atol=1e-4)


def test_a_frame_is_what_onnx_runtime_makes_of_it(tmp_path: Path) -> None:
    """However narrow it is."""
    frame = some_frames(64, 96)
    session = onnxruntime.InferenceSession(exported(11), providers=["CPUExecutionProvider"])
    given = {session.get_inputs()[0].name: frame.transpose(0, 3, 1, 2).astype(np.float32)}
    wanted = session.run(None, given)[0].transpose(0, 2, 3, 1).clip(0, 255)
    model = load(written(tmp_path, exported(11)), "openvino", values="0..255")
    np.testing.assert_allclose(model.score(frame), wanted, atol=0.55)
    assert model.score(frame[:, :8, :9]).shape == (1, 8, 9, 3)


# What a graph of some lines computes of a frame x, float[1, 3, h, w]. Frames have 64x72 pixels and more.
GRAPHS: dict[str, tuple[int, str]] = {
    "convolutions": (17, """
        a = Conv<pads = [1, 2, 1, 0], strides = [2, 2]>(x, w6) b = LeakyRelu(a)
        c = ConvTranspose<strides = [2, 2], pads = [0, 1, 1, 0], output_padding = [1, 1]>(b, u6)
        d = Conv<auto_pad = "SAME_LOWER">(c, w3, b3) e = Conv<pads = [2, 2, 2, 2], dilations = [2, 2]>(d, w3) y = Sigmoid(e)"""),
    "grouped": (17, """
        a = Conv<group = 3, auto_pad = "SAME_UPPER">(x, g3) b = Elu(a) c = PRelu(b, slope)
        d = Clip(c, low, high) e = Relu(x) f = Add(d, e) y = Tanh(f)"""),
    "norms": (17, """
        a = InstanceNormalization(x, b3, b3) b = BatchNormalization(a, b3, b3, b3, b3v) c = Abs(b) d = Sqrt(c) e = Exp(d)
        m = ReduceMean<axes = [2, 3]>(e) f = Sub(e, m) g = Div(f, high) y = Neg(g)"""),
    "borders": (17, """
        p = Constant<value_ints = [0, 0, 3, 2, 0, 0, 1, 4]>() q = Constant<value_ints = [0, 0, 1, 1, 0, 0, 1, 1]>()
        a = Pad<mode = "reflect">(x, p) b = Pad<mode = "edge">(a, q) c = Pad(b, q, low)
        s = Constant<value_ints = [4, 5]>() t = Constant<value_ints = [-3, -5]>() n = Constant<value_ints = [2, 3]>()
        d = Slice(c, s, t, n) y = Identity(d)"""),
    "sizes": (17, """
        h = Constant<value_floats = [1.0, 1.0, 2.0, 2.0]>() none = Constant<value = float[0] {}>()
        a = Resize<mode = "nearest", nearest_mode = "floor", coordinate_transformation_mode = "asymmetric">(x, none, h)
        b = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(a)
        c = Resize<mode = "linear", coordinate_transformation_mode = "half_pixel">(b, none, h)
        d = AveragePool<kernel_shape = [2, 2], strides = [2, 2]>(c) shape = Shape(x)
        y = Resize<mode = "cubic", coordinate_transformation_mode = "half_pixel">(d, none, none, shape)"""),
    "old sizes": (9, """
        h = Constant<value = float[4] {1.0, 1.0, 2.0, 2.0}>() a = Upsample<mode = "nearest">(x, h)
        b = Pad<mode = "reflect", pads = [0, 0, 1, 1, 0, 0, 1, 1]>(a) y = MaxPool<kernel_shape = [4, 4], strides = [2, 2]>(b)"""),
    "arithmetic of sizes": (11, """
        shape = Shape(x) two = Constant<value = int64[1] {2}>() three = Constant<value = int64[1] {3}>()
        zero = Constant<value = int64[1] {0}>() four = Constant<value = int64[1] {4}>() scale = Constant<value = float {2.0}>()
        head = Slice(shape, zero, two) tail = Slice(shape, two, four) f = Cast<to = 1>(tail) g = Mul(f, scale) k = Floor(g)
        l = Cast<to = 7>(k) all = Concat<axis = 0>(head, l) none = Constant<value = float[0] {}>()
        a = Resize<mode = "nearest", coordinate_transformation_mode = "asymmetric", nearest_mode = "floor">(x, none, none, all)
        c = Concat<axis = 1>(x, x, x, x) d = DepthToSpace<blocksize = 2>(c) e = Add(a, d) f2 = SpaceToDepth<blocksize = 2>(e)
        y = Conv(f2, w12)"""),
    "shapes": (13, """
        s = Constant<value_ints = [0, 3, -1]>() a = Reshape(x, s) n = Constant<value_ints = [0]>() b = Squeeze(a, n)
        c = Unsqueeze(b, n) shape = Shape(x) d = Reshape(c, shape) e = Transpose<perm = [0, 2, 3, 1]>(d) f = MatMul(e, mix)
        g = Softmax<axis = 3>(f) h = Transpose<perm = [0, 3, 1, 2]>(g) i = Max(h, x) j = Min(i, high) k = Pow(j, high)
        m = GlobalAveragePool(k) o = Mul(k, m) q = Ceil(o) r = Dropout(o) t = Floor(o) u = Sub(q, t) y = Add(u, r)"""),
}  # fmt: skip
RANDOM = np.random.default_rng(3)
WEIGHTS: dict[str, Any] = {
    "w6": RANDOM.normal(0, 0.2, (6, 3, 4, 3)), "u6": RANDOM.normal(0, 0.2, (6, 3, 3, 3)),
    "w3": RANDOM.normal(0, 0.2, (3, 3, 3, 3)),
    "b3": [0.5, 0.2, 0.9], "b3v": [0.4, 0.1, 2.0], "g3": RANDOM.normal(0, 0.3, (3, 1, 3, 3)),
    "slope": [[[0.3]], [[0.1]], [[-0.2]]],
    "more": np.zeros((64, 3, 9, 9)), "wide": np.zeros((64, 64, 9, 9)),
    "back": np.zeros((3, 64, 1, 1)), "low": -0.8, "high": 0.9,
    "w12": RANDOM.normal(0, 0.2, (3, 12, 1, 1)), "mix": RANDOM.normal(0, 1, (3, 3)),
}  # fmt: skip


def graph(text: str, opset: int = 17, given: str = "float[1, 3, h, w] x", made: str = "float[1, 3, p, q] y") -> onnx.ModelProto:
    model = parser.parse_model(f'<ir_version: 8, opset_import: ["" : {opset}]> net ({given}) => ({made}) {{ {text} }}')
    used = {name for node in model.graph.node for name in node.input}
    for name, value in WEIGHTS.items():
        if name in used:
            model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(value, np.float32), name))
    return model


@pytest.mark.parametrize("name", GRAPHS)
def test_each_operation_is_that_of_onnx_runtime(tmp_path: Path, name: str) -> None:
    opset, text = GRAPHS[name]
    network = graph(text, opset)
    frame = np.random.default_rng(5).uniform(0, 1, (1, 3, 64, 72)).astype(np.float32)
    session = onnxruntime.InferenceSession(network.SerializeToString(), providers=["CPUExecutionProvider"])
    wanted = session.run(None, {"x": frame})[0]
    runner = TorchRunner(read_onnx(written(tmp_path, network)), "cpu", 1)
    assert runner.shape(64, 72) == wanted.shape
    np.testing.assert_allclose(runner.run(frame), wanted, atol=2e-5)


def test_every_operation_that_is_taken_is_tried() -> None:
    tried = {node.op_type for opset, text in GRAPHS.values() for node in graph(text, opset).graph.node}
    assert set(COMPUTED) <= tried
    of_shapes = {"Cast", "Constant", "ConstantOfShape", "Gather", "Shape"}
    assert set(COMPUTED) | of_shapes == OPERATIONS


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize(
    ("text", "values", "wanted"),
    [
        ("a = Constant<value_float = 255.0>() y = Sub(a, x)", "0..255", lambda frame: 255 - frame),
        ("a = Constant<value_float = 1.0>() y = Sub(a, x)", "0..1", lambda frame: 255 - frame),
        ("y = Neg(x)", "-1..1", lambda frame: 255 - frame),
        ("a = Constant<value_float = 255.0>() y = Sub(a, x)", "auto 0..255", lambda frame: 255 - frame),
        ("n = InstanceNormalization(x, b3, b3) s = Constant<value_float = 90.0>() y = Mul(n, s)", "auto 0..255", None),
        ("a = Constant<value_float = 3.0>() b = Mul(x, a) y = Tanh(b)", "auto 0..1", None),
        ("m = Neg(x) y = Tanh(m)", "auto -1..1", None),
    ],
)  # fmt: skip
def test_values_are_said_or_found(
    tmp_path: Path, runtime: str, text: str, values: str, wanted: Callable[[Frames], Frames] | None
) -> None:
    path, (how, _, found) = written(tmp_path, graph(text)), values.partition(" ")
    model = load(path, runtime, values=how)
    assert model.runtime.endswith(f"values {found or how}")
    if wanted is not None:
        frames = some_frames(64, 70)
        assert np.array_equal(model.score(frames), wanted(frames))
        deep = frames.astype(np.uint16) * 257
        assert np.abs(model.score(deep).astype(int) - wanted(frames).astype(int) * 257).max() <= 1


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("kind", ["last", "half", "larger", "reflects"])
def test_forms_of_networks(tmp_path: Path, runtime: str, kind: str) -> None:
    """Channels that come last, 16 bits, frames made larger, borders of 40 pixels that narrow frames have to have, too."""
    frames = some_frames(20, 70)
    network, wanted = {
        "last": (graph("one = Constant<value_float = 1.0>() y = Sub(one, x)", given=f"{LAST} x", made=f"{LAST} y"), 255 - frames),
        "half": (graph("y = Mul(x, half)", given="float16[n, 3, h, w] x", made="float16[n, 3, h, w] y"), frames // 2),
        "larger": (graph("""none = Constant<value = float[0] {}>() s = Constant<value_floats = [1.0, 1.0, 2.0, 2.0]>()
                   y = Resize<coordinate_transformation_mode = "asymmetric", nearest_mode = "floor">(x, none, s)"""),
                   frames.repeat(2, 1).repeat(2, 2)),
        "reflects": (graph("""p = Constant<value_ints = [0, 0, 40, 40, 0, 0, 40, 40]>() a = Pad<mode = "reflect">(x, p)
                     s = Constant<value_ints = [40, 40]>() t = Constant<value_ints = [-40, -40]>()
                     n = Constant<value_ints = [2, 3]>() y = Slice(a, s, t, n)"""), frames),
    }[kind]  # fmt: skip
    if kind == "half":
        network.graph.initializer.append(onnx.numpy_helper.from_array(np.array(0.5, np.float16), "half"))
    made = load(written(tmp_path, network), runtime, values="0..1").score(frames)
    assert made.shape == wanted.shape
    assert np.abs(made.astype(int) - wanted.astype(int)).max() <= (1 if kind == "half" else 0)


def changed(network: onnx.ModelProto, change: Callable[[onnx.ModelProto], object]) -> onnx.ModelProto:
    change(network)
    return network


def outside(network: onnx.ModelProto) -> None:
    weight = network.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = onnx.TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="../../etc/passwd")


IDENTITY = "y = Identity(x)"
BAD: dict[str, tuple[Callable[[], onnx.ModelProto | bytes], str]] = {
    "nothing": (lambda: b"", "is an empty file: copy it here again"),
    "no ONNX": (lambda: b"\xff" * 100, "is no ONNX file, or is damaged"),
    "cut short": (lambda: exported(11)[:1_000_000], "is no ONNX file, or is damaged"),
    "old": (lambda: graph(IDENTITY, 6), "is of ONNX's opset 6: export it with 7 or a newer one"),
    "another's operation": (lambda: changed(graph(IDENTITY), lambda net: setattr(net.graph.node[0], "domain", "evil.example")),
                            "has the operation 'Identity' of 'evil.example', which isn't ONNX's own"),
    "a function": (lambda: changed(graph(IDENTITY), lambda net: net.functions.add(name="f", domain="own")),
                   "has functions of its own"),
    "a loop": (lambda: changed(graph(IDENTITY), lambda net: setattr(net.graph.node[0], "op_type", "Loop")),
               "has the operation 'Loop', which no network from frame to frame needs here"),
    "weights elsewhere": (lambda: changed(graph("y = Conv(x, w12)"), outside), "keeps weights in another file: save it as one"),
    "two inputs": (lambda: graph("y = Add(x, z)", given="float[1, 3, h, w] x, float[1, 3, h, w] z"),
                   "has 2 inputs and 1 outputs"),
    "grey": (lambda: graph(IDENTITY, given="float[1, 1, h, w] x"), "takes 1x1x?x?, where one frame is 1x3xHxW or 1xHxWx3"),
    "a batch": (lambda: graph(IDENTITY, given="float[8, 3, h, w] x"), "takes 8x3x?x?"),
    "bytes": (lambda: graph(IDENTITY, given="uint8[1, 3, h, w] x", made="uint8[1, 3, h, w] y"),
              "takes other numbers than floating"),
    "invalid": (lambda: graph("y = Identity(z)"), "isn't valid ONNX"),
    "grey result": (lambda: graph("y = ReduceMean<axes = [1]>(x)"), "makes 1x1x"),
    "a vector": (lambda: graph("y = GlobalAveragePool(x)"), "makes frames of no size that follows from their own"),
    "one size": (lambda: graph("""s = Constant<value_ints = [1, 3, 224, 224]>() y = Reshape(x, s)""",
                 given="float[1, 3, 224, 224] x"),
                 "works on frames of 224x224 pixels alone, which its graph holds: export it for any size"),
    "a bomb": (lambda: graph("""n = Constant<value = float[0] {}>() s = Constant<value_floats = [1.0, 1.0, 90000.0, 90000.0]>()
               a = Resize<mode = "nearest">(x, n, s) y = MaxPool<kernel_shape = [1, 1], strides = [90000, 90000]>(a)"""),
               "in one place, which would fill the memory"),
    "ages": (lambda: graph(" ".join(["a0 = Conv<pads = [4, 4, 4, 4]>(x, more)",
             *(f"a{number + 1} = Conv<pads = [4, 4, 4, 4]>(a{number}, wide)" for number in range(31)), "y = Conv(a31, back)"])),
             "computes 20,"),
    "infinite": (lambda: graph("z = Constant<value_float = 0.0>() y = Div(x, z)"), "makes numbers that aren't finite"),
}  # fmt: skip


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_used_is_refused_in_a_sentence(tmp_path: Path, name: str, runtime: str) -> None:
    make, said = BAD[name]
    path = written(tmp_path, make())
    with pytest.raises(StyleError) as caught:
        load(path, runtime).score(some_frames(64, 64))
    assert str(caught.value).startswith(f"The network {path} ")
    assert said in str(caught.value)
    assert str(caught.value).endswith(".")


def test_what_is_missing_or_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StyleError, match="There is no network"):
        read_onnx(tmp_path / "no.onnx")
    monkeypatch.setattr("scorer.models.onnx_file.MAX_BYTES", 1_000_000)
    with pytest.raises(StyleError, match="more than the 1,000,000 allowed"):
        read_onnx(written(tmp_path, exported(11)))


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_damage_anywhere_ends_in_a_sentence_or_another_network(tmp_path: Path, runtime: str) -> None:
    """Bytes of small networks that are changed, cut off or doubled: nothing but StyleError."""
    whole, random = [graph(text, opset).SerializeToString() for opset, text in GRAPHS.values()], np.random.default_rng(2)
    refused = 0
    for number in range(200):
        data = bytearray(whole[number % len(whole)])
        for _ in range(int(random.integers(1, 3))):
            at = int(random.integers(len(data)))
            data[at : at + 1] = random.bytes(int(random.choice([0, 1, 1, 1, 1, 2])))
        try:
            load(written(tmp_path, bytes(data)), runtime).score(some_frames(64, 72))
        except StyleError:
            refused += 1
    assert 100 < refused < 200


def test_a_job_takes_one_by_its_name(tmp_path: Path) -> None:
    written(tmp_path, graph("one = Constant<value_float = 1.0>() y = Sub(one, x)"))
    picture = some_frames(70, 66)[0]
    Image.fromarray(picture).save(tmp_path / "a.png")
    asked = ("run", "a.png", "--model", "feedforward", "--style", "net.onnx", "--option", "values=0..1", "--out", "b.png")
    run(*asked, folder=tmp_path)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "b.png")), 255 - picture)
    (tmp_path / "net.onnx").write_bytes(b"another")
    assert "is no ONNX file, or is damaged" in run(*asked, "--overwrite", folder=tmp_path, code=6).stderr


@pytest.mark.parametrize(("name", "options", "said"), [
    ("net.onnx", {"precision": "int8"}, "ONNX networks compute in float32"),
    ("net.onnx", {"compiled": True}, "ONNX networks compute in float32"),
    ("net.pth", {"values": "0..1"}, "'values' is 0..1: it is of ONNX networks"),
    ("net.onnx", {"values": "0..2"}, "'values' of the model 'feedforward' is '0..2'"),
])  # fmt: skip
def test_options_that_do_not_apply_are_refused_before_the_work(name: str, options: dict[str, Any], said: str) -> None:
    assert SPEC.check is not None
    with pytest.raises(RequestError, match=said):
        SPEC.check(ModelSettings((Style(Path(name)),), options=options))
