"""Styles that pass into one another: each frame in the style of its time, whatever shares its batch, on every runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from scorer.errors import StyleError
from scorer.models import Frames, Model, ModelOverTime, ModelSettings, Style, adaptive, painted
from scorer.models.openvino_calibration import psnr
from scorer.models.over_time import Keys, mixes

KEYS = (Style(3, at=1.0), Style(12, 0.25, at=3.0), Style(7, 0.75, at=3.0), Style(20, at=4.0))
RUNTIMES: list[dict[str, Any]] = [
    {"runtime": "torch", "compiled": False}, {"runtime": "openvino", "precision": "int8"},
    {"runtime": "openvino", "precision": "float32"},
]  # fmt: skip


def film(count: int, height: int = 48, width: int = 64) -> NDArray[np.uint8]:
    rows, columns = np.mgrid[:height, :width]
    waves = [
        [127 + 120 * np.sin((rows + 3 * shift) / (4 + each) + columns * each / 9) for each in range(3)] for shift in range(count)
    ]
    return np.asarray(np.array(waves).transpose(0, 2, 3, 1).round(), np.uint8)


def loaded(styles: tuple[Style, ...], options: dict[str, Any]) -> Model:
    return painted.load(ModelSettings(styles, "cpu", 2, options=options))


def test_keys_lie_on_the_line_between_their_neighbours() -> None:
    keys = Keys(np.array([1.0, 3.0, 4.0]), np.array([[0, 8], [4, 0], [4, 2]], np.float32))
    found = keys.at([0, 1, 1.5, 2, 3, 3.75, 4, 99])
    assert found.tolist() == [[0, 8], [0, 8], [1, 6], [2, 4], [4, 0], [4, 1.5], [4, 2], [4, 2]]
    assert found.dtype == np.float32
    assert np.array_equal(keys.at([1.5])[0], found[2])  # one alone, to the bit
    assert keys.between().tolist() == [[0, 8], [4, 0], [4, 2], [2, 4], [4, 1]]
    assert Keys(np.array([5.0]), np.array([[1]], np.float32)).at([0, 5, 9]).tolist() == [[1]] * 3


def test_styles_of_one_time_are_mixed_in_any_order() -> None:
    times, mix = mixes([KEYS[3], KEYS[1], KEYS[0], KEYS[2]])
    assert times.tolist() == [1, 3, 4]
    assert mix.tolist() == [[0, 0, 1, 0], [0, 0.25, 0, 0.75], [1, 0, 0, 0]]
    with pytest.raises(StyleError):
        mixes([Style(1, -1, at=0.0)])


@pytest.mark.parametrize("options", RUNTIMES, ids=lambda options: "-".join(map(str, options.values())))
def test_a_frame_is_as_in_the_style_of_its_time_whatever_shares_its_batch(options: dict[str, Any]) -> None:
    model = cast(ModelOverTime, loaded(KEYS, options))
    frames, seconds = film(4), [0.0, 2.0, 3.0, 9.0]
    together = model.score_at(frames.copy(), seconds)
    for number, second in enumerate(seconds):
        assert np.array_equal(model.score_at(frames[number : number + 1].copy(), [second])[0], together[number])
    turned = model.score_at(frames[::-1].copy(), seconds[::-1])
    assert np.array_equal(turned[::-1], together)
    for number, styles in ((1, (Style(3, 0.5), Style(12, 0.125), Style(7, 0.375))), (3, (Style(20),))):
        alone = loaded(styles, options).score(frames[number : number + 1].copy())[0]
        if options.get("precision") == "int8":  # ranges that suit all of its styles are wider than one style's own
            exact = loaded(styles, RUNTIMES[2]).score(frames[number : number + 1].copy())[0]
            assert psnr(together[number], exact) > min(psnr(alone, exact), 40) - 3
        else:
            assert psnr(together[number], alone) > 50
    assert model.runtime.split()[0] == options["runtime"]


def test_paintings_pass_into_one_another(tmp_path: Path) -> None:
    """Both runtimes and a mix that stands still say what halfway is."""
    rng = np.random.default_rng(1)
    a, b = tmp_path / "a.png", tmp_path / "b.png"
    for path in (a, b):
        Image.fromarray(rng.integers(0, 255, (64, 64, 3)).astype(np.uint8)).resize((256, 256)).save(path)

    def load(options: dict[str, Any], *styles: Style) -> Model:
        return adaptive.load(ModelSettings(styles, "cpu", 2, options=options))

    frames: Frames = film(2)
    halfway = load(RUNTIMES[2], Style(a), Style(b)).score(frames.copy())
    for options in (RUNTIMES[0], RUNTIMES[2]):
        made = cast(ModelOverTime, load(options, Style(b, at=10.0), Style(a, at=0.0))).score_at(frames.copy(), [5.0, 0.0])
        assert psnr(made[0], halfway[0]) > 45
        assert psnr(made[1], halfway[1]) < 40
