"""Steady video: the same bytes however it is cut, nothing from frames that failed or from other scenes, and less flicker."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import torch

from scorer.documents.plan import Plan
from scorer.documents.records import FrameRecord, TaskRecord
from scorer.documents.request import make_request
from scorer.errors import OutOfMemoryError, RequestError, TaskError
from scorer.job import score
from scorer.job.dispatch import dispatch
from scorer.job.media import Frame
from scorer.job.merge import merge
from scorer.job.model_stage import Scored
from scorer.job.score import score_chunk
from scorer.job.steady_mixing import Mixing
from scorer.job.steady_stage import SteadyStage
from scorer.job.steady_torch import TorchMixing
from scorer.models import Frames
from tests.conftest import MakeClip, ffmpeg
from tests.folders import FolderStores
from tests.scorer.job.scoring import Idle, task_records
from tests.scorer.media.test_motion import scene, view

CPU = TorchMixing(torch.device("cpu"))
FRAMES = 23
CUT = 14


class Flickering(Idle):
    """Adds noise that goes by a frame's content, as strokes do; fails on frames that are all of one value."""

    device = "cpu"

    def score(self, frames: Frames) -> Frames:
        return np.stack([self._one(frame) for frame in frames])

    def _one(self, frame: Frames) -> Frames:
        if frame.std() < 1:
            raise ValueError("this frame is empty")
        seed = int.from_bytes(hashlib.sha256(frame.tobytes()).digest()[:4])
        most = np.iinfo(frame.dtype).max
        noise = np.random.default_rng(seed).normal(0, 0.08 * most, frame.shape)
        return np.clip(frame + noise, 0, most).astype(frame.dtype)


class Larger(Flickering):
    """Makes frames of twice the size as well."""

    def score(self, frames: Frames) -> Frames:
        return super().score(frames).repeat(2, axis=1).repeat(2, axis=2)


class ByPlace(Flickering):
    """Makes something else of a frame by its place in the batch, as a GPU's kernels may in the last bit."""

    def score(self, frames: Frames) -> Frames:
        return super().score(frames) // 2 + np.arange(len(frames), dtype=frames.dtype)[:, None, None, None] * 16


def pan(number: int) -> Frames:
    """A frame of a camera that pans over one scene, and after CUT over another."""
    return view(scene(1 if number < CUT else 2, 160, 260), 2 + number, 4 + 2 * number, 96, 128)


@pytest.fixture
def clip(stores: FolderStores) -> Path:
    return write(stores, [pan(number) for number in range(FRAMES)])


def write(stores: FolderStores, frames: list[Frames], pixels: str = "yuv420p") -> Path:
    """A video of the frames (H, W, 3) of 8 bits."""
    raw = stores.input.root / "frames.raw"
    raw.write_bytes(b"".join(frame.tobytes() for frame in frames))
    height, width = frames[0].shape[:2]
    path = stores.input.root / "pan.mkv"
    ffmpeg(
        "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", "25", "-i", raw, "-pix_fmt", pixels, "-crf", "8",
        "-g", "9", "-y", path,
    )  # fmt: skip
    return path


def planned(stores: FolderStores, **changes: Any) -> Plan:
    request = {"name": "job", "input": "pan.mkv", "model": "invert", "quality": "lossless", "failure_threshold": 1, **changes}
    return dispatch("job", make_request(request), stores)


def made(plan: Plan, stores: FolderStores, model: Any = None) -> list[Frames]:
    """The result's frames."""
    for chunk in plan.chunks:
        score_chunk(plan, chunk, stores, model or Flickering())
    merge(plan, stores)
    with av.open(str(stores.output.root / "job" / plan.result)) as container:
        return [np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in container.decode(video=0)]


def digests(frames: list[Frames]) -> list[str]:
    return [hashlib.sha256(frame.tobytes()).hexdigest() for frame in frames]


@pytest.mark.parametrize("steady", ["light", "full"])
@pytest.mark.usefixtures("clip")
def test_the_same_bytes_however_it_is_cut(steady: str, stores: FolderStores) -> None:
    whole = digests(made(planned(stores, steady=steady, chunk_frames=100), stores))
    assert len(set(whole)) == FRAMES
    for length in (1, 5, 22):
        assert digests(made(planned(stores, steady=steady, chunk_frames=length), stores)) == whole, length


@pytest.mark.parametrize("stroke_size", [0.5, 3])
@pytest.mark.usefixtures("clip")
def test_strokes_of_any_size_are_the_same_however_it_is_cut(stroke_size: float, stores: FolderStores) -> None:
    whole = digests(made(planned(stores, stroke_size=stroke_size, chunk_frames=100, batch_size=3), stores))
    assert whole != digests(made(planned(stores, chunk_frames=100, batch_size=3), stores))
    for length in (4, 22):
        plan = planned(stores, stroke_size=stroke_size, chunk_frames=length, batch_size=3)
        assert digests(made(plan, stores)) == whole, length


@pytest.mark.usefixtures("clip")
def test_a_batch_begins_where_its_number_says(stores: FolderStores) -> None:
    whole = digests(made(planned(stores, steady="full", chunk_frames=100, batch_size=4), stores, ByPlace()))
    for length in (3, 7):
        plan = planned(stores, steady="full", chunk_frames=length, batch_size=4)
        assert digests(made(plan, stores, ByPlace())) == whole, length


@pytest.mark.parametrize("steady", ["light", "full"])
def test_a_larger_result_and_ten_bits_are_steadied_as_well(steady: str, stores: FolderStores) -> None:
    write(stores, [pan(number) for number in range(8)], "yuv420p10le")
    for model in (Flickering(), Larger()):
        whole = digests(made(planned(stores, steady=steady, chunk_frames=100), stores, model))
        assert digests(made(planned(stores, steady=steady, chunk_frames=3), stores, model)) == whole
        stores.work.delete("job/plan.json")


@pytest.mark.usefixtures("clip")
def test_records_are_of_the_chunks_own_frames(stores: FolderStores) -> None:
    plan = planned(stores, steady="full", chunk_frames=5)
    told: list[int] = []
    for chunk in plan.chunks:
        score_chunk(plan, chunk, stores, Flickering(), on_frames=told.append)
    records = task_records(plan, stores)
    frames = [record for record in records if isinstance(record, FrameRecord)]
    assert [record.frame for record in frames] == list(range(FRAMES))
    assert sum(told) == FRAMES
    assert all(record.steady_ms > 0 for record in frames)
    tasks = [record for record in records if isinstance(record, TaskRecord)]
    assert [task.frames for task in tasks] == [chunk.frames for chunk in plan.chunks]
    kept = {path.rsplit("-", 2)[-2:][0] for path in (entry.path for entry in stores.work.list("job")) if path.endswith(".jpg")}
    assert len(kept) <= 12


@pytest.mark.usefixtures("clip")
def test_flicker_is_less_and_said(stores: FolderStores) -> None:
    left = {}
    for steady in ("light", "full"):
        plan = planned(stores, steady=steady, chunk_frames=FRAMES)
        made(plan, stores)
        (task,) = (record for record in task_records(plan, stores) if isinstance(record, TaskRecord))
        assert task.flicker_pairs == 1
        left[steady] = task.flicker_after / task.flicker_before
        stores.logs.delete("job/000000.jsonl")
    assert left["full"] < 0.7 * left["light"]
    assert left["light"] < 0.7


@pytest.mark.usefixtures("clip")
def test_without_steadying_nothing_is_read_around_or_measured(stores: FolderStores) -> None:
    plan = planned(stores, chunk_frames=5)
    assert all(chunk.around is None for chunk in plan.chunks)
    made(plan, stores)
    records = task_records(plan, stores)
    assert all(record.flicker_pairs == 0 for record in records if isinstance(record, TaskRecord))
    assert all(record.steady_ms == 0 for record in records if isinstance(record, FrameRecord))


def stage(
    steady: Any, sources: list[Frames | None], styled: list[Frames | None], errors: dict[int, str],
    mixing: Mixing[Any] | None = None,
) -> list[Scored]:  # fmt: skip
    """What comes out of frames that the model made `styled` of."""
    steadier, given = SteadyStage(steady, mixing=mixing), []
    for number, (source, one) in enumerate(zip(sources, styled, strict=True)):
        given += steadier.push(Scored(Frame(number, None, source, None, 0.0), one, errors.get(number), 1.0))
    return given + steadier.rest()


def still(count: int, value: int) -> list[Frames | None]:
    return [np.full((96, 128, 3), value, np.uint8) for _ in range(count)]


@pytest.mark.parametrize("steady", ["light", "full"])
@pytest.mark.parametrize("failed", [0, 3, 7])
def test_nothing_goes_from_a_frame_that_failed_to_others_or_back(steady: str, failed: int) -> None:
    sources: list[Frames | None] = [pan(0)] * 8
    styled = still(8, 100)
    styled[failed] = np.full((96, 128, 3), 250, np.uint8)
    given = stage(steady, sources, styled, {failed: "it failed"})
    for number, each in enumerate(given):
        assert each.pixels is not None
        assert set(np.unique(each.pixels)) == {250 if number == failed else 100}
        assert each.error == ("it failed" if number == failed else None)


@pytest.mark.parametrize("steady", ["light", "full"])
def test_nothing_goes_over_a_cut_or_a_frame_that_is_missing(steady: str) -> None:
    sources: list[Frames | None] = [pan(number) for number in range(FRAMES)]
    styled = still(CUT, 50) + still(FRAMES - CUT, 200)
    assert [np.unique(each.pixels).tolist() for each in stage(steady, sources, styled, {}) if each.pixels is not None] == [
        [50 if number < CUT else 200] for number in range(FRAMES)
    ]
    sources[5], styled[5] = None, None
    given = stage(steady, sources, styled, {5: "damaged"})
    assert given[5].pixels is None
    assert [each.frame.number for each in given] == list(range(FRAMES))


def test_means_are_of_nine_and_of_three() -> None:
    """Of a picture that stands still, noise becomes less as means of independent values do, but for sharpening."""
    source = pan(0)
    rng = np.random.default_rng(0)
    noisy = [np.clip(rng.normal(128, 20, source.shape), 0, 255).astype(np.uint8) for _ in range(9)]
    for steady in ("light", "full"):
        middle = stage(steady, [source] * 9, list(noisy), {})[4].pixels
        assert middle is not None
        blurred = cv2.GaussianBlur(middle, (0, 0), 3)
        assert np.abs(blurred.astype(float) - 128).mean() < 3
        # Sharpened by a share of what a 3x3 Gauss kernel (4, 2, 1 of 16) takes: noise of 1 becomes that of the kernel's squares.
        share = 0.5 if steady == "light" else 0.9
        kernel = np.outer([1, 2, 1], [1, 2, 1]) / 16 * -share
        kernel[1, 1] += 1 + share
        expected = 20 * np.sqrt(np.square(kernel).sum() * _share(steady))
        assert middle.astype(float).std() == pytest.approx(expected, rel=0.05)


def _share(steady: str) -> float:
    """The sum of squares of the weights that frames have in the one in their middle."""
    three = np.ones(3) / 3
    wide = np.zeros(5)
    wide[::2] = 1 / 3
    return float(np.square(three if steady == "light" else np.convolve(three, wide)).sum())


@pytest.mark.parametrize("steady", ["light", "full"])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("larger", [1, 2])
def test_torch_steadies_as_opencv_does(steady: str, kind: type[np.uint8] | type[np.uint16], larger: int) -> None:
    """Within a level of 8 bits, but for pixels at the edge of what is trusted, which are taken by one and not by the other."""
    depth = np.iinfo(kind).max // 255
    sources: list[Frames] = [np.asarray(pan(number).astype(kind) * depth, kind) for number in range(CUT - 5, CUT + 3)]
    styled: list[Frames | None] = [Flickering().score(each[None])[0].repeat(larger, 0).repeat(larger, 1) for each in sources]
    ways = (stage(steady, list(sources), styled, {}, mixing) for mixing in (None, CPU))
    for usual, found, before in zip(*ways, styled, strict=True):
        assert usual.pixels is not None
        assert found.pixels is not None
        assert before is not None
        assert found.pixels.dtype == kind
        apart = np.abs(found.pixels.astype(float) - usual.pixels) / depth
        assert (apart > 1).mean() < 0.002
        assert np.abs(usual.pixels.astype(float) - before).mean() > 100 * apart.mean() * depth


@pytest.mark.parametrize("steady", ["light", "full"])
@pytest.mark.usefixtures("clip")
def test_torch_makes_the_same_bytes_however_it_is_cut(steady: str, stores: FolderStores, monkeypatch: pytest.MonkeyPatch) -> None:
    """As beside a model on a GPU, but on a processor."""
    usual = digests(made(planned(stores, steady=steady, chunk_frames=21), stores))
    monkeypatch.setattr(score, "mixing_on", lambda _: CPU)
    whole = digests(made(planned(stores, steady=steady, chunk_frames=100), stores))
    assert whole != usual
    assert digests(made(planned(stores, steady=steady, chunk_frames=5), stores)) == whole


@pytest.mark.parametrize(
    ("error", "raised", "told"),
    [
        (torch.OutOfMemoryError("CUDA out of memory."), OutOfMemoryError, "choose a smaller size or steady 'off'"),
        (RuntimeError("CUDA error: an illegal memory access"), TaskError, "^The GPU failed"),
        (RuntimeError("something else"), RuntimeError, "^something else$"),
    ],
)
def test_a_gpu_that_fails_at_steadying_is_told(
    error: Exception, raised: type[Exception], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(TorchMixing, "moved", fails)
    with pytest.raises(raised, match=told):
        stage("light", [pan(0)] * 4, still(4, 100), {}, CPU)


def test_frames_are_steadied_where_the_model_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert score.mixing_on("cpu") is None
    assert score.mixing_on("cuda") is None, "there is none here that torch can use"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    found = score.mixing_on("cuda")
    assert isinstance(found, TorchMixing)
    assert found._device.type == "cuda"


def test_images_are_no_video() -> None:
    request = {"name": "job", "input": "shots/", "model": "invert", "steady": "full"}
    with pytest.raises(RequestError, match="steady is of videos, not of 'shots/': leave it out"):
        make_request(request)
    with pytest.raises(RequestError, match='steady is "very": write "off", "light" or "full"'):
        make_request(request | {"input": "film.mp4", "steady": "very"})


def test_narrow_frames_come_through(stores: FolderStores, make_clip: MakeClip) -> None:
    make_clip("narrow.mp4", frames=6, size="400x16")
    plan = dispatch("job", make_request({"name": "job", "input": "narrow.mp4", "model": "invert", "steady": "full"}), stores)
    assert len(made(plan, stores)) == 6
