"""Frames of one colour, on every runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from scorer.models import Frames, ModelSettings, Style, spec
from scorer.models.feedforward_network import FrameStyler, TransformerNet, as_stylisation_weights
from scorer.models.flat import fill_flat, flat_colors, is_flat
from scorer.models.networks import FixedStyle, StylisationNetwork
from scorer.models.weights import painted_weights

COLORS = [(0, 0, 0), (16, 16, 16), (255, 255, 255), (30, 90, 140)]
RUNTIMES = [{"runtime": "torch"}, {"runtime": "openvino", "precision": "float32"}, {"runtime": "openvino", "precision": "int8"}]


def flat(color: tuple[int, int, int], kind: type[np.uint8] | type[np.uint16] = np.uint8) -> Frames:
    found: Frames = np.empty((24, 40, 3), kind)
    found[:] = np.array(color) * (np.iinfo(kind).max // 255)
    return found


@pytest.mark.parametrize("options", RUNTIMES, ids=["torch", "float32", "int8"])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_black_stays_one_colour_beside_other_frames(options: dict[str, Any], kind: type[np.uint8] | type[np.uint16]) -> None:
    """Films fade to it; and that colour is the one that the plain network makes."""
    settings = ModelSettings((Style(Path("7")),), device="cpu", threads=1, options=options)
    other: Frames = np.random.default_rng(2).integers(0, np.iinfo(kind).max, (24, 40, 3), kind)
    given = np.stack([*[flat(each, kind) for each in COLORS], other])
    made = spec("painted").load(settings).score(given)
    plain = FixedStyle(StylisationNetwork(painted_weights()), torch.eye(26)[7])
    with torch.inference_mode():
        expected = plain(torch.tensor(COLORS).reshape(-1, 3, 1, 1).expand(-1, 3, 16, 16) / 255)[..., 0, 0].numpy()
    for each, color in zip(made, expected, strict=False):
        assert np.ptp(each, axis=(0, 1)).max() == 0
        assert np.abs(each[0, 0] / np.iinfo(kind).max - color).max() <= 1 / 255
    assert np.ptp(made[-1].astype(int), axis=(0, 1)).min() > 0


def test_where_the_last_layer_has_no_norm_it_is_known_too() -> None:
    torch.manual_seed(5)
    network = TransformerNet().requires_grad_(requires_grad=False)
    with torch.inference_mode():
        exact = FrameStyler(network)(torch.full((1, 3, 16, 16), 0.4))[0, :, 5, 5].numpy()
    found = flat_colors(as_stylisation_weights(network), np.ones(1, np.float32))
    assert found.shape == (1, 3)
    assert np.abs(found[0] - exact).max() < 1e-4


def test_one_pixel_more_is_a_picture() -> None:
    letterbox = flat((0, 0, 0))
    letterbox[11, 20] = 1
    assert not is_flat(letterbox)
    assert is_flat(flat((9, 8, 7)))
    made = fill_flat(
        np.stack([letterbox, flat((9, 8, 7))]), np.full((2, 48, 80, 3), 77, np.uint8), np.full((1, 3), 0.5, np.float32)
    )
    assert (made[0] == 77).all()
    assert (made[1] == 128).all()
