"""A network between conversions of colour: what it makes of planes is what it makes of pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from scorer.media.limits import Limits
from scorer.media.video import PlanesFrame, probe, read_planes
from scorer.media.video.color import ToPicture, plane_of
from scorer.media.video.planes import form_of
from scorer.models import ModelSettings
from scorer.models.phased_network import load_network
from scorer.models.torch_planes import Conversion, steps_on_planes
from scorer.models.torch_runtime import TorchModel
from scorer.models.weights import painted_weights
from tests.scorer.media.video.samples import ffmpeg

CPU = ModelSettings(device="cpu", threads=2)


def conversion(width: int = 32) -> Conversion:
    form = form_of("yuv420p", width, 16, 1, full_range=False)
    assert form is not None
    return Conversion(form, form)


def test_a_film_is_painted_as_its_pixels_are(bunny: Path, tmp_path: Path) -> None:
    path = tmp_path / "small.mp4"
    ffmpeg("-v", "error", "-ss", "2", "-i", bunny, "-an", "-vf", "scale=160:96", "-frames:v", "2", path)
    index = probe(path, Limits())
    model = load_network(painted_weights(), torch.eye(26)[7], CPU, compiled=False)
    frames = [found.planes for found in read_planes(path, index.info, index.range(0, 2)) if isinstance(found, PlanesFrame)]
    assert len(frames) == 2
    source, target = frames[0].form, form_of("yuv420p", 160, 96, index.info.matrix, full_range=False)
    assert target is not None
    packed = np.zeros((2, source.nbytes), np.uint8)
    for row, planes in zip(packed, frames, strict=True):
        planes.pack(row)
    with torch.inference_mode():
        made = steps_on_planes(model, Conversion(source, target))(torch.from_numpy(packed)).numpy()
    to_picture = ToPicture(index.info, "yuv420p", full_range=False)
    for row, pixels in zip(made, model.score(np.stack([planes.pixels() for planes in frames])), strict=True):
        picture = to_picture(pixels)
        for number, plane in enumerate(target.split(row)):
            away = plane.astype(float) - plane_of(picture, number, deep=False)
            assert 10 * np.log10(255**2 / (away**2).mean()) > 45  # a network makes more of a level than it was


def test_steps_are_kept_from_chunk_to_chunk() -> None:
    model = TorchModel(nn.Identity(), CPU)
    steps = steps_on_planes(model, conversion())
    model.reset()
    assert steps_on_planes(model, conversion()) is steps
    assert steps_on_planes(model, conversion(16)) is not steps
    assert len(model.kept) == 1, "a graph holds memory of its own"


def test_they_become_a_graph_of_their_own(recorded: list[tuple[int, ...]]) -> None:
    graphed, eager = TorchModel(nn.Identity(), CPU, graphed=True), TorchModel(nn.Identity(), CPU)
    asked = conversion()
    packed = torch.from_numpy(np.random.default_rng(1).integers(16, 235, (2, asked.source.nbytes), np.uint8))
    with torch.inference_mode():
        for _ in range(2):  # chunks
            graphed.reset()
            steps = steps_on_planes(graphed, asked)
            steps.meet(packed.shape)
            torch.testing.assert_close(steps(packed), steps_on_planes(eager, asked)(packed), rtol=0, atol=0)
    assert recorded == [(2, asked.source.nbytes)]


@pytest.mark.cuda
def test_colours_on_cuda_are_those_of_the_processor() -> None:
    asked = conversion()
    packed = torch.from_numpy(np.random.default_rng(1).integers(16, 235, (2, asked.source.nbytes), np.uint8))
    on_gpu = TorchModel(nn.Identity(), ModelSettings(device="cuda"), half=False)
    with torch.inference_mode():
        found = steps_on_planes(on_gpu, asked)(packed.cuda()).cpu().int()
        expected = steps_on_planes(TorchModel(nn.Identity(), CPU), asked)(packed).int()
    assert (found - expected).abs().max() <= 1
