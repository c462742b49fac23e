"""One chunk: decode, model and encode overlapped; what fails is tried smaller, stood in for, counted."""

from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from scorer import models
from scorer.documents.records import TaskRecord
from scorer.documents.request import make_request
from scorer.errors import FailureThresholdError, ModelError, OutOfMemoryError, TaskError
from scorer.job.dispatch import dispatch
from scorer.job.failures import find_failure, kept_failures
from scorer.job.parts import find_part
from scorer.job.score import batch_size, load_model, score_chunk
from scorer.models import Frames, Model
from tests.conftest import MakeClip, frame_hashes, write_images
from tests.folders import FolderStores
from tests.scorer.job.scoring import NAMES, Idle, plan_folder, score_all, task_records


def result(stores: FolderStores, name: str) -> Frames:
    image = cv2.imread(str(stores.output.root / "job/result" / name))
    assert image is not None
    return image.astype(np.uint8)


@pytest.mark.parametrize("batch_size", [1, 3, 16])
@pytest.mark.parametrize("chunk_frames", [1, 4, 100])
def test_every_frame_comes_out_once(stores: FolderStores, batch_size: int, chunk_frames: int) -> None:
    plan = plan_folder(stores, batch_size=batch_size, chunk_frames=chunk_frames)
    records = score_all(plan, stores)
    assert [record.frame for record in records] == list(range(10))
    assert all(record.error is None and record.model_ms >= 0 and record.decode_ms > 0 < record.encode_ms for record in records)
    for name in NAMES:
        source = cv2.imread(str(stores.input.root / "shots" / name))
        assert source is not None
        assert np.array_equal(result(stores, name), 255 - source)


def test_mixed_sizes_share_no_batch(stores: FolderStores) -> None:
    write_images(stores.input.root / "shots", ["frame3.png", "frame4.png"], shape=(30, 50))
    names = [name for name in NAMES if name not in ("frame3.png", "frame4.png")]
    records = score_all(plan_folder(stores, names, batch_size=4), stores)
    assert len(records) == 10
    assert all(record.error is None for record in records)
    assert result(stores, "frame3.png").shape == (30, 50, 3)
    assert result(stores, "frame5.png").shape == (48, 64, 3)


class InPlace(Idle):
    """Writes over the frames that it gets; fails on those that it was told to, halfway."""

    def __init__(self, fails_on: int | None = None) -> None:
        super().__init__()
        self._fails_on, self._calls = fails_on, 0

    def score(self, frames: Frames) -> Frames:
        self._calls += 1
        np.subtract(np.iinfo(frames.dtype).max, frames, out=frames)
        if self._calls == self._fails_on:
            raise ValueError("halfway")
        return frames


@pytest.mark.parametrize("name", ["photo.jpg", "drawing.png", "photo.webp"])
def test_a_model_may_write_to_its_frames(stores: FolderStores, name: str) -> None:
    plan = plan_folder(stores, [name], failure_threshold=0)
    score_chunk(plan, plan.chunks[0], stores, InPlace())
    source = cv2.imread(str(stores.input.root / "shots" / name))
    assert source is not None
    assert np.abs(result(stores, name).astype(int) - (255 - source)).mean() < 12


def test_what_stands_in_is_the_original_whatever_the_model_wrote(stores: FolderStores) -> None:
    plan = plan_folder(stores, ["one.png"])
    score_chunk(plan, plan.chunks[0], stores, InPlace(fails_on=1))
    source = cv2.imread(str(stores.input.root / "shots/one.png"))
    assert source is not None
    assert np.array_equal(result(stores, "one.png"), source)


def test_a_video_chunk(stores: FolderStores, make_clip: MakeClip) -> None:
    clip = make_clip(frames=30)
    request = make_request({"name": "job", "input": clip.name, "model": "invert", "chunk_frames": 12})
    plan = dispatch("job", request, stores)
    assert [chunk.frames for chunk in plan.chunks] == [12, 12, 6]
    records = score_all(plan, stores)
    assert [record.frame for record in records] == list(range(30))
    for chunk in plan.chunks:
        part = find_part(plan, chunk, stores)
        assert part is not None
        assert len(frame_hashes(stores.work.root / part.written.path(plan))) == chunk.frames


def test_a_corrupt_frame_among_good_ones(stores: FolderStores) -> None:
    write_images(stores.input.root / "shots", NAMES)
    damaged = (stores.input.root / "shots/frame4.png").read_bytes()[:200]
    (stores.input.root / "shots/frame4.png").write_bytes(damaged)
    request = make_request({"name": "job", "input": "shots/", "model": "invert", "failure_threshold": 0.1})
    plan = dispatch("job", request, stores)
    records = score_all(plan, stores)
    assert [record.frame for record in records if record.error] == [4]
    assert "frame4.png" in str(records[4].error)
    assert (stores.output.root / "job/result/frame4.png").read_bytes() == damaged


def test_too_many_failures_end_the_task_and_leave_records(stores: FolderStores) -> None:
    write_images(stores.input.root / "shots", NAMES)
    for name in NAMES[3:6]:
        (stores.input.root / "shots" / name).write_bytes(b"nothing")
    request = make_request({"name": "job", "input": "shots/", "model": "invert", "failure_threshold": 0.2})
    plan = dispatch("job", request, stores)
    with pytest.raises(FailureThresholdError, match=r"3 frames failed and at most 2 may .*frame5\.png"):
        score_all(plan, stores)
    assert find_part(plan, plan.chunks[0], stores) is None
    assert len(task_records(plan, stores)) >= 5


def test_the_original_stands_in_for_a_frame_that_the_model_fails_on(stores: FolderStores) -> None:
    names = NAMES[:6]
    write_images(stores.input.root / "shots", names)
    poison = np.full((48, 64, 3), 90, np.uint8)
    cv2.imwrite(str(stores.input.root / "shots/frame0.png"), poison)
    options = {"poison": 90, "scale": 2}
    how = {"model": "invert", "options": options, "batch_size": 4, "failure_threshold": 0.5}
    request = make_request({"name": "job", "input": "shots/", **how})
    records = score_all(dispatch("job", request, stores), stores)
    assert [(record.frame, record.error) for record in records if record.error] == [(0, "ValueError: this frame is poison")]
    # At the size that the model gives the others, though none of them had come before it.
    assert np.array_equal(result(stores, "frame0.png"), np.full((96, 128, 3), 90, np.uint8))


def test_out_of_memory_makes_batches_smaller(stores: FolderStores) -> None:
    plan = plan_folder(stores, batch_size=8, options={"most_pixels": 2 * 48 * 64})
    records = score_all(plan, stores)
    assert not any(record.error for record in records)
    task = task_records(plan, stores)[-1]
    assert isinstance(task, TaskRecord)
    assert [note.partition(" from frame")[0] for note in task.notes] == [
        "memory ran out: batches of 4", "memory ran out: batches of 2",
    ]  # fmt: skip


def test_out_of_memory_then_goes_to_tiles(stores: FolderStores) -> None:
    plan = plan_folder(stores, batch_size=2, options={"most_pixels": 48 * 64 // 4})
    records = score_all(plan, stores)
    assert not any(record.error for record in records)
    source = cv2.imread(str(stores.input.root / "shots/frame7.png"))
    assert source is not None
    assert np.array_equal(result(stores, "frame7.png"), 255 - source)
    task = task_records(plan, stores)[-1]
    assert isinstance(task, TaskRecord)
    assert [note.partition(" from frame")[0] for note in task.notes] == [
        "memory ran out: batches of 1", "memory ran out: 3x3 tiles",
    ]  # fmt: skip


def test_a_frame_too_large_for_memory_ends_the_task(stores: FolderStores) -> None:
    plan = plan_folder(stores, options={"most_pixels": 4})
    with pytest.raises(OutOfMemoryError, match="choose a smaller size"):
        score_all(plan, stores)


def test_a_gpu_that_fails_ends_the_task_and_is_no_fault_of_the_frames(stores: FolderStores) -> None:
    plan = plan_folder(stores, batch_size=4)
    chunk = plan.chunks[0]
    calls = 0

    def sick() -> None:  # from the second batch on, as a CUDA error stays until its process ends
        nonlocal calls
        calls += 1
        if calls > 1:
            raise RuntimeError("CUDA error: unspecified launch failure\nCompile with `TORCH_USE_CUDA_DSA`.")

    class Sick(Idle):
        def score(self, frames: Frames) -> Frames:
            sick()
            return frames

    wanted = (
        r"^The GPU failed \(RuntimeError: CUDA error: unspecified launch failure Compile .*\): another try may get another one"
    )
    with pytest.raises(TaskError, match=wanted), kept_failures(plan, chunk.key, stores):
        score_chunk(plan, chunk, stores, Sick())
    assert find_part(plan, chunk, stores) is None
    failure = find_failure(plan, chunk.key, stores)
    assert failure is not None
    assert not failure.for_good
    with kept_failures(plan, chunk.key, stores):
        part, made = score_chunk(plan, chunk, stores, Idle())
    assert (made, part.failed) == (True, 0)


@pytest.mark.parametrize(("device", "frames"), [("cuda", 8), ("mps", 1), ("cpu", 1)])
def test_a_model_on_a_gpu_gets_more_frames_at_once_and_a_request_says_otherwise(
    device: str, frames: int, stores: FolderStores
) -> None:
    plan = plan_folder(stores)
    assert batch_size(plan, device) == frames
    own = plan.model_copy(update={"request": plan.request.model_copy(update={"batch_size": 3})})
    assert batch_size(own, device) == 3


def test_the_model_always_gets_full_batches(stores: FolderStores) -> None:
    """A model whose shapes change compiles anew; the last batch of a chunk is filled up."""
    seen: list[int] = []

    class Counting:
        runtime, device = "counting", "cpu"

        def score(self, frames: Frames) -> Frames:
            seen.append(len(frames))
            return frames

        def reset(self) -> None:
            pass

    plan = plan_folder(stores, batch_size=4)
    score_chunk(plan, plan.chunks[0], stores, Counting())
    assert seen == [4, 4, 4]


def test_a_runtime_that_lacks_is_installed_from_the_checkout(stores: FolderStores, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has a name on PyPI decides what it installs: this package isn't published there."""
    plan = plan_folder(stores)

    def load(*_: object) -> Model:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr(models, "spec", lambda _: SimpleNamespace(load=load))
    with pytest.raises(ModelError, match=r"needs the package 'torch'.*pip install '\.\[scorer\]' in a checkout"):
        load_model(plan, stores)
