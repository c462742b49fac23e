"""What tests of frames in planes share: films, models, and jobs whose planes are looked at before they are encoded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from torch import Tensor, nn

from scorer.documents.plan import Plan
from scorer.documents.records import TaskRecord
from scorer.documents.request import make_request
from scorer.job import planes_way
from scorer.job.dispatch import dispatch
from scorer.job.score import score_chunk
from scorer.media.pixels import Frames
from scorer.media.video import PartWriter
from scorer.media.video.color import plane_of
from scorer.media.video.planes import CodedPlanes
from scorer.models import Model, ModelSettings
from scorer.models.torch_runtime import TorchModel
from tests.folders import FolderStores
from tests.scorer.job.scoring import task_records
from tests.scorer.media.video.samples import ffmpeg

FRAMES = 14


class Negative(nn.Module):
    """White becomes black."""

    def forward(self, pixels: Tensor) -> Tensor:
        return 1 - pixels


class Sick(nn.Module):
    """Raises at its calls of these numbers, the first being 0."""

    def __init__(self, error: Exception, *calls: int) -> None:
        super().__init__()
        self._error, self._bad, self._calls = error, calls, 0

    def forward(self, pixels: Tensor) -> Tensor:
        self._calls += 1
        if self._calls - 1 in self._bad:
            raise self._error
        return 1 - pixels


def model(module: nn.Module | None = None, **more: Any) -> TorchModel:
    return TorchModel(module or Negative(), ModelSettings(device="cpu", threads=1), **more)


def use_planes(monkeypatch: pytest.MonkeyPatch, *devices: str) -> None:
    """Models on these devices have colours converted there, though it be a processor."""
    monkeypatch.setattr(planes_way, "DEVICES", frozenset(devices))


class Recorder(PartWriter):
    """Keeps the planes that are encoded, and when they are shown."""

    written: list[tuple[int, list[NDArray[Any]]]]

    def write(self, pixels: Frames | CodedPlanes, pts: int, alpha: Frames | None = None) -> None:
        picture = pixels.picture() if isinstance(pixels, CodedPlanes) else self._to_picture(pixels, alpha)
        deep = picture.format.components[0].bits > 8
        self.written.append((pts, [plane_of(picture, number, deep).astype(int) for number in range(3)]))
        super().write(pixels, pts, alpha)


def film(path: Path, *arguments: str, size: str = "64x48") -> None:
    ffmpeg("-v", "error", "-f", "lavfi", "-i", f"testsrc2=s={size}:r=25", *arguments, "-frames:v", FRAMES, path)


def plan_of(stores: FolderStores, name: str = "film.mp4", **more: Any) -> Plan:
    asked = {"batch_size": 3, "chunk_frames": 8, "failure_threshold": 1.0, **more}
    return dispatch("job", make_request({"name": "job", "input": name, "model": "invert", **asked}), stores)


def scored(
    plan: Plan, stores: FolderStores, each: Model, monkeypatch: pytest.MonkeyPatch
) -> list[tuple[int, list[NDArray[Any]]]]:
    Recorder.written = []
    monkeypatch.setattr("scorer.media.video.PartWriter", Recorder)
    for chunk in plan.chunks:
        score_chunk(plan, chunk, stores, each)
    return Recorder.written


def tasks(plan: Plan, stores: FolderStores) -> list[TaskRecord]:
    return [record for record in task_records(plan, stores) if isinstance(record, TaskRecord)]


def scored_both_ways(
    stores: FolderStores, folder: Path, monkeypatch: pytest.MonkeyPatch, name: str = "film.mp4", second: Model | None = None,
    device: str = "cpu", **asked: Any,
) -> tuple[Plan, FolderStores]:  # fmt: skip
    """Score a film from pixels into `stores`, and from planes into others, which are given: the same within a level."""
    plan = plan_of(stores, name, **asked)
    use_planes(monkeypatch)
    usual = scored(plan, stores, model(), monkeypatch)
    assert all("planes" not in task.runtime and "RGB" not in task.runtime for task in tasks(plan, stores))
    use_planes(monkeypatch, device)
    other = replace(FolderStores.below(folder / "other"), input=stores.input)
    found = scored(plan_of(other, name, **asked), other, second or model(), monkeypatch)
    assert [pts for pts, _ in found] == [pts for pts, _ in usual]
    assert len(found) == plan.frames
    for (_, planes), (_, expected) in zip(found, usual, strict=True):
        assert all(np.abs(one - another).max() <= 1 for one, another in zip(planes, expected, strict=True))
    return plan, other
