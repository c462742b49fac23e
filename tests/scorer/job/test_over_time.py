"""What a request says of times: parts of a video, styles and strengths that change; the same however it is cut into chunks."""

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


@pytest.mark.parametrize("steady", ["off", "light"])
def test_styles_and_strengths_change_from_time_to_time_the_same_however_it_is_cut(
    tmp_path: Path, make_clip: MakeClip, steady: str
) -> None:
    clip = make_clip(frames=20)
    keys = {
        "model": "painted", "styles": [{"source": 3, "at": 0.2}, {"source": 12, "at": "0:00.6"}], "steady": steady,
        "strengths": [{"strength": 0, "at": 0.1}, {"strength": 1, "at": 0.5}], "keep_colors": 0.5,
        "options": {"runtime": "openvino", "precision": "int8"},
    }  # fmt: skip
    found: list[list[tuple[float, Frames]]] = []
    for length, batch in ((100, 1), (7, 1), (6, 4)) if steady == "off" else ((100, 1), (6, 4)):
        stores = FolderStores.below(tmp_path / f"{length}-{batch}")
        plan = planned(stores, clip, chunk_frames=length, batch_size=batch, **keys)
        score_all(plan, stores)
        found.append(shown(stores, plan))
    for (_, one), *others in zip(*found, strict=True):
        assert all(np.array_equal(one, other) for _, other in others)
    (whole,) = (index := probe(clip, LIMITS)).ranges(20)
    before = [frame.pixels for frame in read_frames(clip, index.info, whole) if isinstance(frame, VideoFrame)]
    apart = [float(np.abs(one.astype(int) - other).mean()) for (_, one), other in zip(found[0], before, strict=True)]
    assert max(apart[:3]) < 1  # nothing is styled, and nothing averaged
    assert 1 < apart[3] < apart[6] < apart[9] < apart[12]  # stronger and stronger, up to half a second
    if steady == "off":  # a part has the styles of its times
        stores = FolderStores.below(tmp_path / "part")
        part = planned(stores, clip, start=0.4, end=0.6, **keys)
        score_all(part, stores)
        assert all(np.array_equal(one, other) for (_, one), (_, other) in zip(shown(stores, part), found[0][10:15], strict=True))


TIMED = [{"source": 3, "at": 0}, {"source": 4, "at": 2}]
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "images": ({"input": "shots/", "model": "painted", "styles": TIMED}, "have times in videos, not in 'shots/'"),
    "strengths of images": ({"input": "shots/", "strengths": [{"strength": 1, "at": 0}]}, "in videos, not in 'shots/'"),
    "some": ({"model": "painted", "styles": [{"source": 3}, TIMED[1]]}, "some of its styles have a time and some have none"),
    "model": ({"model": "gatys", "styles": [{"source": "a.png", "at": 0}, {"source": "b.png", "at": 2}]},
              "model 'gatys' can't change its style over time: leave the times out, or choose 'adaptive' or 'painted'"),
    "network": ({"model": "feedforward", "styles": [{"source": "a.pth", "at": 0}]}, "model 'feedforward' can't change its style"),
    "both": ({"strength": 0.5, "strengths": [{"strength": 1, "at": 0}]}, "it has a strength and strengths: write one of them"),
    "twice": ({"strengths": [{"strength": 1, "at": 0}, {"strength": 0, "at": 0}]}, "two of its strengths are at 0:00"),
    "time": ({"model": "painted", "styles": [{"source": 3, "at": "soon"}]}, 'at is "soon": write seconds, such as 90.5'),
    "too strong": ({"strengths": [{"strength": 2, "at": 0}]}, "strengths[0].strength is 2: write a number from 0"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cant_change_over_time_is_refused(case: str) -> None:
    changes, words = REFUSED[case]
    with pytest.raises(RequestError) as error:
        make_request({"name": "job", "input": "clip.mp4", "model": "invert", **changes})
    assert words in str(error.value)


def test_other_times_are_another_plan(stores: FolderStores, make_clip: MakeClip) -> None:
    clip, found = make_clip(frames=20), set()
    jobs: list[dict[str, Any]] = [
        {}, {"strengths": [{"strength": 0, "at": 0}, {"strength": 1, "at": 0.5}]},
        {"strengths": [{"strength": 0, "at": 0}, {"strength": 1, "at": 0.6}]}, {"model": "painted", "styles": TIMED},
        {"model": "painted", "styles": [TIMED[0], {"source": 4, "at": 3}]},
    ]  # fmt: skip
    for changes in jobs:
        found.add(planned(stores, clip, **changes).fingerprint)
    assert len(found) == 5
