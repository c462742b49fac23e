"""The network that is laid out for GPUs against the plain one of networks.py."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from scorer.models import ModelSettings
from scorer.models.feedforward_network import FrameStyler, TransformerNet, as_stylisation_weights
from scorer.models.networks import FixedStyle, StylisationNetwork
from scorer.models.phased_network import PhasedNetwork, load_network, reflected_phases, split
from scorer.models.weights import Weights, adaptive_weights, painted_weights

LEVEL = 1 / 255
NETWORKS: list[tuple[Callable[[], Weights], int]] = [(adaptive_weights, 100), (painted_weights, 26)]
LAYOUTS = [torch.contiguous_format, torch.channels_last]  # the latter is what GPUs get


def style(size: int, count: int = 1) -> Tensor:
    found = torch.rand((count, size), generator=torch.Generator().manual_seed(size))
    return found if size == 100 else found / found.sum(1, keepdim=True)


def picture(count: int, height: int, width: int) -> Tensor:
    """Soft and hard edges, (N, 3, H, W) in [0, 1]."""
    coarse = torch.rand((count, 3, height // 6 + 2, width // 6 + 2), generator=torch.Generator().manual_seed(3))
    found = functional.interpolate(coarse, size=(height, width), mode="bicubic").clamp(0, 1)
    found[..., height // 3 : height // 2, :] = (found[..., height // 3 : height // 2, :] * 4).round() / 4
    return found


def psnr(first: Tensor, second: Tensor) -> float:
    return float(-10 * torch.log10((first.float() - second.float()).square().mean()))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("height", "width"), [(8, 8), (9, 18), (50, 37), (64, 96)])
@pytest.mark.parametrize(("weights", "size"), NETWORKS)
def test_it_makes_what_the_plain_one_makes(
    weights: Callable[[], Weights], size: int, height: int, width: int, layout: torch.memory_format
) -> None:
    frames = picture(2, height, width)
    with torch.inference_mode():
        expected = FixedStyle(StylisationNetwork(weights()), style(size)[0])(frames)
        phased = PhasedNetwork(weights(), style(size)[0]).to(memory_format=layout)
        found = phased(frames.contiguous(memory_format=layout))
    assert found.shape == expected.shape
    assert float((found - expected).abs().max()) < 0.05 * LEVEL


def test_frames_may_have_a_style_each() -> None:
    frames, styles = picture(3, 24, 32), style(26, 3)
    with torch.inference_mode():
        expected = FixedStyle(StylisationNetwork(painted_weights()), styles)(frames)
        found = PhasedNetwork(painted_weights(), styles)(frames)
    assert float((found - expected).abs().max()) < 0.05 * LEVEL


def test_a_last_layer_without_a_norm_is_clamped() -> None:
    torch.manual_seed(5)
    network = TransformerNet().requires_grad_(requires_grad=False)
    frames = picture(1, 30, 44)
    with torch.inference_mode():
        expected = FrameStyler(network)(frames)
        found = PhasedNetwork(as_stylisation_weights(network), torch.ones(1))(frames)
    assert float(expected.std()) > 0
    assert float((found - expected).abs().max()) < 0.05 * LEVEL


@pytest.mark.parametrize("contrast", [1.0, 0.05, 0.01])
@pytest.mark.parametrize(("weights", "size"), NETWORKS)
def test_half_precision_is_as_close_as_the_plain_networks(weights: Callable[[], Weights], size: int, contrast: float) -> None:
    """Also of fades, in which norms make small differences large."""
    frames = 0.3 + contrast * (picture(1, 48, 64) - 0.3)
    plain, phased = FixedStyle(StylisationNetwork(weights()), style(size)[0]), PhasedNetwork(weights(), style(size)[0])
    with torch.inference_mode():
        exact = plain(frames)
        usual, found = plain.half()(frames.half()), phased.half()(frames.half())
    assert psnr(found, exact) > min(45.0, psnr(usual, exact) - 1.5)


def test_a_border_of_phases_is_that_of_their_pixels() -> None:
    pixels = picture(2, 16, 24)
    bordered = torch.zeros((2, 12, 12, 16))
    bordered[..., 2:-2, 2:-2] = split(pixels)
    assert (reflected_phases(bordered) == split(functional.pad(pixels, (4, 4, 4, 4), mode="reflect"))).all()


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_models_are_one_level_apart_at_most(kind: type[np.uint8] | type[np.uint16]) -> None:
    settings = ModelSettings(device="cpu", threads=1)
    frames: NDArray[np.uint8 | np.uint16] = (picture(2, 45, 60).permute(0, 2, 3, 1).numpy() * np.iinfo(kind).max).astype(kind)
    phased = load_network(painted_weights(), style(26)[0], settings, compiled=False)
    expected = FixedStyle(StylisationNetwork(painted_weights()), style(26)[0])
    with torch.inference_mode():
        exact = expected(torch.from_numpy(frames.astype(np.float32) / np.iinfo(kind).max).permute(0, 3, 1, 2))
    levels = np.rint(exact.permute(0, 2, 3, 1).numpy() * 255)
    found = np.rint(phased.score(frames).astype(np.float64) / np.iinfo(kind).max * 255)
    assert np.abs(found - levels).max() <= 1
    assert phased.runtime.endswith("cpu float32 eager")
