"""What a request says of times: a part of a video is scored as a video of its own, however it is cut into chunks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scorer.documents.plan import Plan
from scorer.documents.records import FrameRecord
from scorer.documents.request import make_request
from scorer.errors import RequestError
from scorer.job.dispatch import dispatch
from scorer.job.merge import merge
from scorer.job.parts import find_parts
from scorer.media.video import VideoFrame, probe, read_frames
from scorer.models import Frames
from tests.conftest import MakeClip, ffmpeg
from tests.folders import FolderStores
from tests.scorer.job.scoring import score_all
from tests.scorer.media.video.samples import LIMITS


def planned(stores: FolderStores, clip: Path, **changes: Any) -> Plan:
    stores.input.put(clip.name, clip.read_bytes())
    content = {"name": "job", "input": clip.name, "model": "invert", "quality": "lossless", **changes}
    return dispatch("job", make_request(content), stores)


def shown(stores: FolderStores, plan: Plan) -> list[tuple[float, Frames]]:
    """When each frame of the merged result is shown, and its pixels."""
    merge(plan, stores)
    path = stores.output.root / "job" / plan.result
    info, (whole,) = (index := probe(path, LIMITS)).info, index.ranges(index.info.frames)
    frames = [frame for frame in read_frames(path, info, whole) if isinstance(frame, VideoFrame)]
    return [(info.shown_at(frame.pts), frame.pixels) for frame in frames]


@pytest.mark.parametrize("suffix", ["mp4", "avi"])
def test_a_part_is_what_the_whole_has_there_however_it_is_cut(tmp_path: Path, make_clip: MakeClip, suffix: str) -> None:
    clip = make_clip(frames=50)
    if suffix == "avi":  # whose frames are counted
        ffmpeg("-i", clip, "-c:v", "mpeg4", "-bf", "2", "-q:v", "2", "-an", tmp_path / "clip.avi")
        clip = tmp_path / "clip.avi"
    whole = FolderStores.below(tmp_path / "whole")
    plan = planned(whole, clip)
    score_all(plan, whole)
    frames = shown(whole, plan)
    at, until = frames[20][0], frames[33][0]
    found: list[list[tuple[float, Frames]]] = []
    for length in (5, 100):
        stores = FolderStores.below(tmp_path / f"part{length}")
        part = planned(stores, clip, chunk_frames=length, start=round(at, 3), end=f"0:00:{until:06.3f}")
        records = score_all(part, stores)
        assert [record.frame for record in records if isinstance(record, FrameRecord)] == list(range(13))
        assert all(find_parts(part, stores))  # which another run of the job takes as they are
        found.append(shown(stores, part))
    for part_frames in found:
        assert [time for time, _ in part_frames] == pytest.approx([time - at for time, _ in frames[20:33]], abs=2e-3)
        assert all(np.array_equal(one, other) for (_, one), (_, other) in zip(part_frames, frames[20:33], strict=True))


def test_another_part_is_another_plan(stores: FolderStores, make_clip: MakeClip) -> None:
    clip = make_clip(frames=50)
    plans = [planned(stores, clip, **times) for times in ({}, {"start": 0.5}, {"end": 1.5}, {"start": 0.5, "end": 1.5})]
    assert len({plan.fingerprint for plan in plans}) == 4
    assert planned(stores, clip, start=0).frames == plans[0].frames


@pytest.mark.parametrize(("times", "words"), [({"start": 9}, "start is 0:09"), ({"end": 9.5}, "end is 0:09.5")])
def test_times_outside_the_video_are_refused(
    stores: FolderStores, make_clip: MakeClip, times: dict[str, Any], words: str
) -> None:
    with pytest.raises(RequestError, match=words):
        planned(stores, make_clip(frames=50), **times)
