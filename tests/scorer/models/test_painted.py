from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray

from scorer.errors import StyleError
from scorer.models import Model, ModelSettings, Style
from scorer.models.networks import FixedStyle, StylisationNetwork
from scorer.models.painted import SPEC, load, mixed
from scorer.models.weights import PAINTED, painted_weights, weights_file


@pytest.fixture(scope="module")
def network() -> StylisationNetwork:
    return StylisationNetwork(painted_weights())


@pytest.fixture(scope="module")
def session() -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(str(weights_file(PAINTED)))


def picture(height: int, width: int) -> NDArray[np.uint8]:
    rows, columns = np.mgrid[:height, :width]
    waves = [127 + 120 * np.sin(rows / (5 + each) + columns * (each - 1) / 9) for each in range(3)]
    noise = np.random.default_rng(2).normal(0, 8, (height, width, 3))
    return np.asarray((np.stack(waves, axis=-1) + noise).clip(0, 255), np.uint8)


@pytest.mark.parametrize("styles", [{0: 1}, {7: 1}, {25: 1}, {3: 0.25, 12: 0.75}])
@pytest.mark.parametrize(("height", "width"), [(64, 100), (252, 384), (360, 640)])
def test_agrees_with_onnx_runtime(
    network: StylisationNetwork, session: onnxruntime.InferenceSession, height: int, width: int, styles: dict[int, float]
) -> None:
    style = mixed([Style(number, weight) for number, weight in styles.items()])
    image = np.ascontiguousarray(picture(height, width).transpose(2, 0, 1)[None] / np.float32(255))
    expected = session.run(None, {"image": image, "style_weights": style})[0]
    with torch.inference_mode():
        found = FixedStyle(network, torch.from_numpy(style))(torch.from_numpy(image)).numpy()
    assert np.abs(found - expected).max() < 1e-3


def test_odd_sizes_are_reflected_to_a_multiple_of_four(session: onnxruntime.InferenceSession) -> None:
    frame = picture(61, 83)
    wider = np.pad(frame, ((0, 3), (0, 1), (0, 0)), mode="reflect")
    image = np.ascontiguousarray(wider.transpose(2, 0, 1)[None] / np.float32(255))
    expected = session.run(None, {"image": image, "style_weights": mixed([Style(4)])})[0][0].transpose(1, 2, 0) * 255
    assert np.abs(_load(Style(4)).score(frame[None])[0] - expected[:61, :83]).max() < 0.51


def _load(*styles: Style) -> Model:
    options = {"runtime": "torch", "compiled": False}
    return load(ModelSettings(styles=styles, device="cpu", threads=2, options=options))


def test_weights_are_normalised_and_numbers_add_up() -> None:
    style = mixed([Style(3, 1), Style(12, 2), Style(Path("3"), 1)])
    assert style.sum() == pytest.approx(1)
    assert style[3] == pytest.approx(0.5)
    assert style[12] == pytest.approx(0.5)


@pytest.mark.parametrize("number", [-1, 26, Path("cat.jpg"), Path("³"), Path("9" * 9)])
def test_a_number_that_is_not_there_is_refused(number: int | Path) -> None:
    with pytest.raises(StyleError, match=f"no style '{number}': give a number from 0 to 25"):
        _load(Style(number))


def test_a_frames_result_is_its_own() -> None:
    model = _load(Style(7))
    large = picture(200, 256)
    one, two, three = large[:96, :128], large[100:196, :128], large[100:196, 128:]
    first = model.score(np.stack([one, two]))
    np.testing.assert_array_equal(model.score(np.stack([one, two])), first)
    np.testing.assert_array_equal(model.score(np.stack([three, one]))[1], first[0])


def test_runtimes_agree() -> None:
    frame = picture(64, 96)[None]
    options = {"runtime": "openvino", "precision": "float32"}
    model = load(ModelSettings((Style(7),), "cpu", threads=2, options=options))
    assert np.abs(model.score(frame).astype(int) - _load(Style(7)).score(frame)).max() <= 1


def test_source_states_what_is_not_known_of_the_weights() -> None:
    assert "arXiv:1610.07629" in SPEC.source
    assert "as far as I can tell" in SPEC.source
