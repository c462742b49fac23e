"""Frames that stay in planes: the device of the test is a processor, which does what a GPU does in the same order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from scorer.documents.plan import Plan
from scorer.documents.records import FrameRecord, TaskRecord
from scorer.documents.request import make_request
from scorer.errors import TaskError
from scorer.job import planes_way
from scorer.job.dispatch import dispatch
from scorer.job.media import open_media
from scorer.job.merge import merge
from scorer.job.model_stage import ModelStage, Scored
from scorer.job.parts import find_part
from scorer.job.planes_stage import PlanesStage
from scorer.job.samples import samples
from scorer.job.score import score_chunk
from scorer.media.pixels import Frames
from scorer.media.video import PartWriter
from scorer.media.video.color import plane_of
from scorer.media.video.planes import CodedPlanes, DecodedPlanes
from scorer.models import Model, ModelSettings
from scorer.models.torch_runtime import TorchModel
from tests.folders import FolderStores
from tests.scorer.job.scoring import Idle, task_records
from tests.scorer.media.video.samples import ffmpeg, stamps

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


@pytest.fixture
def on_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Colours are converted where models compute, though that is a processor."""
    monkeypatch.setattr(planes_way, "DEVICES", frozenset({"cpu"}))


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


STRENGTHS = {"H.264, 4:2:2": 0.0, "VP9": 0.3, "10 bits": 0.75}
"""Of films that aren't scored at full strength."""

FILMS = {
    "H.264": ("film.mp4", ("-pix_fmt", "yuv420p")),
    "H.264, 4:2:2": ("film.mp4", ("-pix_fmt", "yuv422p", "-c:v", "libx264")),
    "H.264, 4:4:4 of full range": ("film.mp4", ("-pix_fmt", "yuv444p", "-c:v", "libx264", "-color_range", "pc")),
    "VP9": ("film.webm", ("-c:v", "libvpx-vp9", "-cpu-used", "8")),
    "10 bits": ("film.mkv", ("-c:v", "ffv1", "-pix_fmt", "yuv420p10le")),
}


@pytest.mark.parametrize("kind", FILMS)
def test_a_job_makes_what_it_makes_of_pixels(
    kind: str, stores: FolderStores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, arguments = FILMS[kind]
    film(stores.input.root / name, *arguments)
    asked = {"strength": STRENGTHS.get(kind, 1.0)}
    plan = plan_of(stores, name, **asked)
    usual = scored(plan, stores, model(), monkeypatch)
    assert all("planes" not in task.runtime and "RGB" not in task.runtime for task in tasks(plan, stores))
    monkeypatch.setattr(planes_way, "DEVICES", frozenset({"cpu"}))
    other = replace(FolderStores.below(tmp_path / "other"), input=stores.input)
    found = scored(plan_of(other, name, **asked), other, model(), monkeypatch)
    assert [pts for pts, _ in found] == [pts for pts, _ in usual]
    assert len(found) == FRAMES
    for (_, planes), (_, expected) in zip(found, usual, strict=True):
        for one, another in zip(planes, expected, strict=True):
            assert np.abs(one - another).max() <= 1
    assert all(task.runtime.endswith("eager, planes eager") and not task.notes for task in tasks(plan, other))
    for each in (stores, other):
        merge(plan, each)
    assert stamps(other.output.root / "job" / plan.result) == stamps(stores.output.root / "job" / plan.result)


def damaged(path: Path) -> None:
    film(path, "-c:v", "libvpx-vp9", "-cpu-used", "8", "-g", "4")
    with av.open(str(path)) as container:
        packets = [(packet.pos or 0, packet.size) for packet in container.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    for position, size in packets[4:6]:
        data[position : position + size] = np.random.default_rng(1).bytes(size)
    path.write_bytes(data)


def turned(path: Path) -> None:
    lying = path.with_name(f"lying-{path.name}")
    film(lying)
    ffmpeg("-v", "error", "-display_rotation", "90", "-i", lying, "-c", "copy", path)


def interlaced(path: Path) -> None:
    film(path, "-vf", "interlace=scan=tff", "-flags", "+ilme+ildct", "-c:v", "libx264", "-pix_fmt", "yuv420p")


def of_two_kinds(path: Path) -> None:
    """The second half says another matrix and range, as recordings that are joined do."""
    halves = [path.with_name(f"{number}.ts") for number in range(2)]
    colors = (("bt709", "tv"), ("smpte170m", "pc"))
    for half, (matrix, range_) in zip(halves, colors, strict=True):
        film(half, "-c:v", "libx264", "-pix_fmt", "yuv420p", "-colorspace", matrix, "-color_range", range_)
    path.write_bytes(b"".join(half.read_bytes() for half in halves))


ODD: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "damaged": ("film.mp4", damaged, "planes eager"),
    "turned": ("film.mp4", turned, "planes eager"),
    "interlaced": ("film.mp4", interlaced, "RGB (pictures)"),
    "of two kinds": ("film.ts", of_two_kinds, "planes eager"),
}


@pytest.mark.parametrize("kind", ODD)
def test_odd_films_become_what_they_become_of_pixels(
    kind: str, stores: FolderStores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, write, runtime = ODD[kind]
    write(stores.input.root / name)
    plan = plan_of(stores, name)
    usual = scored(plan, stores, model(), monkeypatch)
    monkeypatch.setattr(planes_way, "DEVICES", frozenset({"cpu"}))
    other = replace(FolderStores.below(tmp_path / "other"), input=stores.input)
    found = scored(plan_of(other, name), other, model(), monkeypatch)
    assert [pts for pts, _ in found] == [pts for pts, _ in usual]
    assert len(found) == plan.frames
    for (_, planes), (_, expected) in zip(found, usual, strict=True):
        assert all(np.abs(one - another).max() <= 1 for one, another in zip(planes, expected, strict=True))
    assert all(task.runtime.endswith(f", {runtime}") and not task.notes for task in tasks(plan, other))
    failed, expected_failed = (
        {record.frame: record.error for record in task_records(plan, each) if isinstance(record, FrameRecord) and record.error}
        for each in (other, stores)
    )
    assert failed == expected_failed
    assert bool(failed) == (kind == "damaged")


def test_samples_are_kept_as_of_pixels(stores: FolderStores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film(stores.input.root / "film.mp4")
    plan = plan_of(stores)
    scored(plan, stores, model(), monkeypatch)
    monkeypatch.setattr(planes_way, "DEVICES", frozenset({"cpu"}))
    other = replace(FolderStores.below(tmp_path / "other"), input=stores.input)
    scored(plan_of(other), other, model(), monkeypatch)
    found, usual = list(samples(plan, other)), list(samples(plan, stores))
    assert [pair.frame for pair in found] == [pair.frame for pair in usual]
    assert all(pair.before == before.before for pair, before in zip(found, usual, strict=True))
    for pair, expected in zip(found, usual, strict=True):
        # Of a picture in planes chroma is halved, which that of pixels would be by the next step.
        one, another = (np.asarray(Image.open(BytesIO(each.after)).convert("L"), int) for each in (pair, expected))
        assert np.abs(one - another).mean() < 3


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
    plan = plan_of(stores)
    usual = scored(plan, stores, model(), monkeypatch)
    monkeypatch.setattr(planes_way, "DEVICES", frozenset({"cpu"}))
    other = replace(FolderStores.below(tmp_path / "other"), input=stores.input)
    found = scored(plan_of(other), other, model(Sick(error, call)), monkeypatch)
    assert [pts for pts, _ in found] == [pts for pts, _ in usual]
    assert all(
        np.abs(one - same).max() <= 1 for (_, a), (_, b) in zip(found, usual, strict=True) for one, same in zip(a, b, strict=True)
    )
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


@pytest.mark.cuda
@pytest.mark.parametrize("kind", ["H.264", "10 bits"])
def test_a_gpu_makes_what_it_makes_of_pixels(
    kind: str, stores: FolderStores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, arguments = FILMS[kind]
    film(stores.input.root / name, *arguments, size="640x360")
    on_gpu = TorchModel(Negative(), ModelSettings(device="cuda"), half=False, graphed=True)
    found = scored(plan := plan_of(stores, name), stores, on_gpu, monkeypatch)
    assert all(task.runtime.endswith("graph, planes graph") and not task.notes for task in tasks(plan, stores))
    monkeypatch.setattr(planes_way, "DEVICES", frozenset())
    other = replace(FolderStores.below(tmp_path / "other"), input=stores.input)
    usual = scored(plan_of(other, name), other, on_gpu, monkeypatch)
    assert [pts for pts, _ in found] == [pts for pts, _ in usual]
    for (_, planes), (_, expected) in zip(found, usual, strict=True):
        assert all(np.abs(one - another).max() <= 1 for one, another in zip(planes, expected, strict=True))
