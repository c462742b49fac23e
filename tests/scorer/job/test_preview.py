"""Frames that are shown before a run are the run's own, wherever they are, and what all of it takes is reckoned soundly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from scorer.documents.plan import Chunk, Plan
from scorer.documents.records import FrameRecord
from scorer.documents.request import make_request
from scorer.job.dispatch import dispatch
from scorer.job.forecast import Machine, Measured, beside, forecast, measure
from scorer.job.preview import Previewer, Remembering, Spent, spread
from scorer.job.score import score_chunk
from scorer.media.video import reader
from scorer.models import Frames
from tests.conftest import MakeClip, write_images
from tests.folders import FolderStores
from tests.scorer.job.scoring import Idle
from tests.scorer.job.test_steady import Flickering, pan, planned, write


def run_frames(plan: Plan, stores: FolderStores, model: Any) -> dict[int, Frames]:
    """What a run makes of each frame."""
    made: dict[int, Frames] = {}

    def keep(record: FrameRecord, _: Frames | None, after: Frames | None) -> None:
        assert after is not None
        made[record.frame] = after

    for chunk in plan.chunks:
        score_chunk(plan, chunk, stores, model, on_pixels=keep)
    return made


CHANGES: list[dict[str, Any]] = [
    {},
    {"steady": "full"},
    {"steady": "light", "strength": 0.4, "size": 96},
    {"steady": "full", "start": 0.2, "mask": "half.png"},
]


@pytest.mark.parametrize("changes", CHANGES)
def test_a_frame_is_that_of_the_run(stores: FolderStores, changes: dict[str, Any]) -> None:
    write(stores, [pan(number) for number in range(23)])
    half = np.zeros((96, 128), np.uint8)
    half[:, 64:] = 255
    cv2.imwrite(str(stores.input.root / "half.png"), half)
    plan = planned(stores, chunk_frames=5, **changes)
    expected = run_frames(plan, stores, Flickering())
    with Previewer.opened(stores.input) as previewer:
        for chunk in plan.chunks:
            shown, spent = previewer.frame(plan, chunk, Flickering())
            assert shown.frame == chunk.first
            assert shown.seconds == pytest.approx(chunk.first / 25 + changes.get("start", 0))
            assert shown.after is not None
            assert np.array_equal(shown.after, expected[chunk.first])
            assert spent.frames == len(spent.sizes) == 1
        several, spent = previewer.frames(plan, plan.chunks[2], Flickering(), 3)
        assert [each.frame for each in several] == [10, 11, 12]
        assert all(np.array_equal(each.after, expected[each.frame]) for each in several if each.after is not None)
        assert (spent.frames, len(spent.sizes)) == (3, 3)


class Counting(Flickering):
    """Depends on the frames before it, and counts its calls."""

    def __init__(self) -> None:
        self.calls = 0
        self.reset()

    def score(self, frames: Frames) -> Frames:
        self.calls += 1
        self.seen += len(frames)
        return super().score(frames) // (1 + self.seen)

    def reset(self) -> None:
        self.seen = 0


def test_nothing_is_computed_twice_but_what_depends_on_other_frames(stores: FolderStores) -> None:
    write(stores, [pan(number) for number in range(8)])
    plan, model = planned(stores, chunk_frames=4), Counting()
    remembering = Remembering(model)
    with Previewer.opened(stores.input) as previewer:
        first, _ = previewer.frames(plan, plan.chunks[1], remembering, 2)
        assert model.calls == 2
        weaker = plan.model_copy(update={"request": plan.request.model_copy(update={"strength": 0.5})})
        again, _ = previewer.frames(weaker, plan.chunks[1], remembering, 2)
        assert model.calls == 2
        alone, _ = previewer.frames(plan, plan.chunks[1], Counting(), 2)
    for one, other, expected in zip(first, again, alone, strict=True):
        assert one.after is not None
        assert other.after is not None
        assert np.array_equal(one.after, expected.after if expected.after is not None else 0)
        assert not np.array_equal(one.after, other.after)


def test_only_what_leads_to_a_frame_is_decoded(
    stores: FolderStores, make_clip: MakeClip, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_clip(frames=240, size="32x32")  # a key frame in twelve
    plan = dispatch("job", make_request({"name": "job", "input": "clip.mp4", "model": "invert"}), stores)
    decoded: list[object] = []
    tried = reader._tried

    def counted(decoder: Any, packet: Any) -> Any:
        decoded.append(packet)
        return tried(decoder, packet)

    monkeypatch.setattr(reader, "_tried", counted)
    with Previewer.opened(stores.input) as previewer:
        for chunk in spread(plan.chunks, 3):
            previewer.frame(plan, chunk, Idle())
    assert len(decoded) < 3 * 30


def test_chunks_are_spread_over_the_whole(stores: FolderStores) -> None:
    write_images(stores.input.root / "shots", [f"{number}.png" for number in range(10)])
    plan = dispatch("job", make_request({"name": "job", "input": "shots/", "model": "invert", "chunk_frames": 1}), stores)
    assert [chunk.first for chunk in spread(plan.chunks, 1)] == [5]
    assert [chunk.first for chunk in spread(plan.chunks, 3)] == [1, 5, 8]
    assert [chunk.first for chunk in spread(plan.chunks, 24)] == list(range(10))


def test_bytes_of_a_whole_are_about_those_of_its_result(stores: FolderStores, make_clip: MakeClip) -> None:
    make_clip(frames=100)
    plan = dispatch("job", make_request({"name": "job", "input": "clip.mp4", "model": "invert"}), stores)
    actual = 0
    for chunk in plan.chunks:
        part, _ = score_chunk(plan, chunk, stores, Flickering())
        actual += part.written.size
    with Previewer.opened(stores.input) as previewer:
        measured = measure(previewer, plan, plan.chunks, Flickering(), 0.01)
    found = forecast(measured, plan, len(plan.chunks), Machine(2, 2), on_gpus=False)
    assert 0.8 < found.bytes / actual < 1.2
    assert found.seconds > 0


def test_a_slow_model_is_measured_by_two_frames(stores: FolderStores, make_clip: MakeClip) -> None:
    make_clip(frames=30)
    plan = dispatch("job", make_request({"name": "job", "input": "clip.mp4", "model": "invert"}), stores)
    model = Counting()
    with Previewer.opened(stores.input) as previewer:
        measured = measure(previewer, plan, plan.chunks, model, 60.0)
    assert model.calls == 2
    assert sum(each.frames for each in measured.spent) == 2


def test_a_whole_is_reckoned_by_frames_cores_and_gpus(stores: FolderStores, make_clip: MakeClip) -> None:
    make_clip(frames=100)
    plan = dispatch("job", make_request({"name": "job", "input": "clip.mp4", "model": "invert"}), stores)
    spent = Spent(9, cpu=10.0, wall=3.0).without(Spent(1, cpu=2.0, wall=1.0))
    assert spent == Spent(8, cpu=8.0, wall=2.0)
    measured = Measured([spent], [(1000, 100, 300)])
    on_cores = forecast(measured, plan, 5, Machine(cores=4, processes=2), on_gpus=False)
    assert on_cores.seconds == 100 * 1.0 / 4
    assert on_cores.bytes == 5 * 1000 + 95 * 200
    assert forecast(measured, plan, 5, Machine(cores=100, processes=2), on_gpus=True).seconds == 100 * 0.25 / 2


def test_the_sound_is_counted_by_its_rate(stores: FolderStores, make_clip: MakeClip) -> None:
    clip = make_clip(frames=50)
    request = {"name": "job", "input": "clip.mp4", "model": "invert"}
    kept = dispatch("job", make_request(request), stores)
    assert 0.5 < beside(kept, clip) / (2 * 69_000 / 8) < 2
    assert beside(dispatch("job", make_request({**request, "sound": "drop"}), stores), clip) == 0
    assert beside(kept, Path("/nowhere.mp4")) == 0


def test_an_image_takes_what_one_took(stores: FolderStores) -> None:
    write_images(stores.input.root / "shots", ["a.png"])
    plan = dispatch("job", make_request({"name": "job", "input": "shots/a.png", "model": "invert"}), stores)
    with Previewer.opened(stores.input) as previewer:
        measured = measure(previewer, plan, plan.chunks, Flickering(), 0.1)
        _, spent = previewer.frame(plan, plan.chunks[0], Flickering())
    found = forecast(measured, plan, 1, Machine(2, 1), on_gpus=False)
    assert (found.bytes,) == spent.sizes
    assert measured.spent[0].frames == 1


def test_what_it_leaves_is_gone(stores: FolderStores, make_clip: MakeClip) -> None:
    make_clip(frames=10)
    plan = dispatch("job", make_request({"name": "job", "input": "clip.mp4", "model": "invert"}), stores)
    with Previewer.opened(stores.input) as previewer:
        chunk: Chunk = plan.chunks[0]
        previewer.frame(plan, chunk, Idle())
        place = Path(previewer.stores.work.where(""))
        assert place.exists()
    assert not place.exists()
