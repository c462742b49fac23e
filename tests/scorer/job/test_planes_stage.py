"""Which frames stay in planes, how their batches go there and back, and what becomes of them where that fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from scorer.documents.records import FrameRecord
from scorer.errors import TaskError
from scorer.job.media import open_media
from scorer.job.model_stage import ModelStage, Scored
from scorer.job.parts import find_part
from scorer.job.planes_stage import PlanesStage
from scorer.job.samples import samples
from scorer.job.score import score_chunk
from scorer.media.pixels import Frames
from scorer.media.video.planes import CodedPlanes, DecodedPlanes
from scorer.models import ModelSettings
from scorer.models.torch_runtime import TorchModel
from tests.folders import FolderStores
from tests.scorer.job.planes_jobs import FRAMES, Negative, Sick, film, model, plan_of, scored_both_ways, tasks, use_planes
from tests.scorer.job.scoring import Idle, task_records
from tests.scorer.media.video.samples import ffmpeg


@pytest.fixture
def on_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Colours are converted where models compute, though that is a processor."""
    use_planes(monkeypatch, "cpu")


@pytest.mark.usefixtures("on_the_processor")
def test_the_model_sees_one_shape(stores: FolderStores) -> None:
    shapes = []

    class Seen(Negative):
        def forward(self, pixels: Tensor) -> Tensor:
            shapes.append(tuple(pixels.shape))
            return super().forward(pixels)

    film(stores.input.root / "film.mp4")
    plan = plan_of(stores)
    for chunk in plan.chunks:
        score_chunk(plan, chunk, stores, model(Seen()))
    assert shapes == [(3, 3, 48, 64)] * 5, "of 8 and 6 frames, in batches of 3"


WANTING: dict[str, tuple[dict[str, Any], str]] = {
    "stronger and stronger": ({"strengths": [{"at": 0, "strength": 0.1}, {"at": 1, "strength": 1}]}, "strength over time"),
    "its own colours": ({"keep_colors": 0.5}, "colors"),
    "smaller": ({"size": 32}, "size"),
    "steady": ({"steady": "light"}, "steady"),
    "larger strokes": ({"stroke_size": 2}, "stroke size"),
}


@pytest.mark.usefixtures("on_the_processor")
@pytest.mark.parametrize("kind", WANTING)
def test_what_wants_pixels_gets_them(kind: str, stores: FolderStores) -> None:
    asked, why = WANTING[kind]
    film(stores.input.root / "film.mp4")
    plan = plan_of(stores, **asked)
    score_chunk(plan, plan.chunks[0], stores, model())
    part = find_part(plan, plan.chunks[0], stores)
    assert part is not None
    assert part.runtime.endswith(f"eager, RGB ({why})")


@pytest.mark.usefixtures("on_the_processor")
def test_users_models_get_pixels(stores: FolderStores) -> None:
    class Own(TorchModel):
        def score(self, frames: Frames) -> Frames:
            assert isinstance(frames, np.ndarray)
            return super().score(frames)

    film(stores.input.root / "film.mp4")
    plan = plan_of(stores)
    part, _ = score_chunk(plan, plan.chunks[0], stores, Own(Negative(), ModelSettings(device="cpu", threads=1)))
    assert part.runtime.endswith(", RGB (model)")


@pytest.mark.usefixtures("on_the_processor")
def test_pictures_of_another_kind_get_pixels(stores: FolderStores) -> None:
    film(stores.input.root / "film.mkv", "-c:v", "ffv1", "-pix_fmt", "gbrp")
    plan = plan_of(stores, "film.mkv", codec="h264")
    part, _ = score_chunk(plan, plan.chunks[0], stores, model())
    assert part.failed == 0
    assert part.runtime.endswith(", RGB (pictures)")


@pytest.mark.parametrize(
    ("error", "note"),
    [
        (torch.OutOfMemoryError("CUDA out of memory."), "memory ran out"),
        (ValueError("it has no such layer."), "ValueError: it has no such layer"),
    ],
)
@pytest.mark.parametrize("call", [0, 1, 2])
def test_after_an_error_all_goes_on_with_pixels(
    error: Exception, note: str, call: int, stores: FolderStores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film(stores.input.root / "film.mp4")
    plan, other = scored_both_ways(stores, tmp_path, monkeypatch, second=model(Sick(error, call)))
    notes = [task.notes for task in tasks(plan, other)]
    assert notes == [[f"colours converted on the processor from frame {3 * call} on, since {note}"], []]
    frames = [record for record in task_records(plan, other) if isinstance(record, FrameRecord)]
    assert [record.frame for record in frames] == list(range(FRAMES))
    assert all(record.error is None for record in frames)


@pytest.mark.usefixtures("on_the_processor")
def test_a_frame_that_the_model_cannot_do_fails_as_ever(stores: FolderStores) -> None:
    film(stores.input.root / "film.mp4")
    plan = plan_of(stores)
    part, _ = score_chunk(plan, plan.chunks[0], stores, model(Sick(ValueError("no"), *range(1, 6))))
    assert part.failed == 3, "the second batch, its three frames one by one; the third is well again"
    assert part.scale == (1.0, 1.0)


@pytest.mark.usefixtures("on_the_processor")
def test_a_gpu_that_fails_ends_the_task(stores: FolderStores) -> None:
    film(stores.input.root / "film.mp4")
    plan = plan_of(stores)
    with pytest.raises(TaskError, match="The GPU failed"):
        score_chunk(plan, plan.chunks[0], stores, model(Sick(RuntimeError("CUDA error: an illegal memory access"), 1)))


@pytest.mark.usefixtures("on_the_processor")
def test_a_model_that_changes_sizes_gets_pixels(stores: FolderStores) -> None:
    film(stores.input.root / "film.mp4")
    plan = plan_of(stores, chunk_frames=FRAMES)
    part, _ = score_chunk(plan, plan.chunks[0], stores, model(nn.Upsample(scale_factor=2)))
    assert (part.width, part.height, part.failed) == (128, 96, 0)
    assert part.scale == (2.0, 2.0)
    (note,) = tasks(plan, stores)[0].notes
    assert note.endswith("from frame 0 on, since ValueError: the model makes frames of 128x96 of 64x48")


@pytest.mark.usefixtures("on_the_processor")
def test_frames_of_one_colour_become_what_is_known_of_them(stores: FolderStores) -> None:
    ffmpeg(
        "-v", "error", "-f", "lavfi", "-i", "color=c=0x405060:s=64x48:r=25", "-frames:v", FRAMES, stores.input.root / "film.mp4"
    )
    plan = plan_of(stores, quality="lossless")
    colors = np.array([[1.0, 0.5, 0.0]], np.float32)
    score_chunk(plan, plan.chunks[0], stores, model(flat=colors))
    pair = next(samples(plan, stores))
    assert np.abs(np.asarray(Image.open(BytesIO(pair.after)), int) - (255, 128, 0)).max() <= 3


@dataclass
class Recorded:
    """A way whose batches land when they are asked to; the one of this number doesn't."""

    said: list[str] = field(default_factory=list)
    bad: int | None = None
    begun: int = 0
    runs: str = "recorded"

    def begin(self, pictures: Sequence[DecodedPlanes], size: int) -> tuple[int, Sequence[DecodedPlanes]]:
        self.said.append(f"begin {self.begun}: {len(pictures)} of {size}")
        self.begun += 1
        return self.begun - 1, pictures

    def land(self, flight: tuple[int, Sequence[DecodedPlanes]]) -> list[CodedPlanes]:
        number, pictures = flight
        self.said.append(f"land {number}")
        if number == self.bad:
            raise RuntimeError("lost")
        made = []
        for picture in pictures:
            room = np.zeros(picture.nbytes, np.uint8)
            picture.pack(room)
            made.append(CodedPlanes(room, picture.form))
        return made

    def end(self) -> None:
        self.said.append("end")


def flown(stores: FolderStores, bad: int | None = None) -> tuple[list[Scored], list[str], ModelStage]:
    film(stores.input.root / "film.mp4")
    plan = plan_of(stores, chunk_frames=FRAMES)
    stage = ModelStage(Idle(), 3, None, 0, 10**9, 10**9)
    way = Recorded(bad=bad)
    with open_media(plan, plan.chunks[0], stores, planes=True) as media:
        found = list(PlanesStage(stage, lambda _: way).run(media.read()))
        for each in found:
            media.write(each.frame, each.planes or each.pixels)
    return found, way.said, stage


def test_three_batches_are_on_their_way(stores: FolderStores) -> None:
    found, said, _ = flown(stores)
    assert [scored.frame.number for scored in found] == list(range(FRAMES))
    assert [line.partition(":")[0] for line in said] == [
        "begin 0", "begin 1", "begin 2", "land 0", "begin 3", "land 1", "begin 4", "land 2", "land 3", "land 4",
    ]  # fmt: skip
    assert said[-4] == "begin 4: 2 of 3"


def test_what_is_lost_on_the_way_is_done_again(stores: FolderStores) -> None:
    found, said, stage = flown(stores, bad=1)
    assert [scored.frame.number for scored in found] == list(range(FRAMES))
    assert [scored.planes is not None for scored in found] == [True] * 3 + [False] * (FRAMES - 3)
    assert said[-2:] == ["land 1", "end"]
    assert stage.notes == ["colours converted on the processor from frame 3 on, since RuntimeError: lost"]
