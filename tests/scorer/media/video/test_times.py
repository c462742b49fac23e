"""Every kind of video has the times, holds and offset to the sound that ffmpeg shows of it, whatever holds the result."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import pytest

from scorer.media.video import MissingFrame, PartWriter, VideoIndex, join, probe, read_frames
from scorer.media.wanted import ResultContainer, Wanted
from tests.cases import VIDEOS
from tests.cases.look import differences, look
from tests.scorer.media.video.samples import LIMITS

CHUNKS = (1, 7, 10**6)


def through(path: Path, folder: Path, index: VideoIndex, chunk_frames: int, container: str) -> tuple[Path, int]:
    """The result of the frames as they are, and how many were missing: those before stand in for them."""
    info = index.info.model_copy(update={"container": container})
    parts, missing = [], 0
    for number, range_ in enumerate(index.ranges(chunk_frames)):
        parts.append(folder / f"part{number}")
        pixels = None
        with PartWriter(parts[-1], info, info.width, info.height) as writer:
            frames = list(read_frames(path, info, range_))
            shown = [frame.pixels for frame in frames if not isinstance(frame, MissingFrame)]
            for frame in frames:
                missing += isinstance(frame, MissingFrame)
                pixels = pixels if isinstance(frame, MissingFrame) else frame.pixels
                writer.write(shown[0] if pixels is None else pixels, frame.pts)
    out = folder / f"out.{container}"
    join(parts, path, info, out)
    return out, missing


TIMES = [
    "constant.mp4", "fast.mp4", "open_gop.mp4", "phone.mov", "screen.mp4", "late_picture.mp4", "late_varying.mp4",
    "still.mp4", "trimmed.mp4", "ntsc.mkv", "broadcast.ts", "fragmented.mp4", "late_fragments.mp4", "wrap.ts", "live.mkv",
    "programme.mpg", "flash.flv", "theora.ogg", "vp8.webm", "slow.mp4", "late_varying.mkv", "late_sound.mp4", "slides.mp4",
    "slides.mkv", "slides.webm", "slides.avi", "slides.ts", "two_slides.mp4", "joined.ts", "joined_thrice.ts", "joined.vob",
    "gap.ts", "sound_jumps.ts", "twins.mkv", "old.avi", "from_old.mkv", "from_old.mp4", "packed.avi", "cut_live.mkv",
    "cut.flv", "film.vob", "sound_later.ts",
]  # fmt: skip


@pytest.mark.parametrize("name", TIMES)
def test_times_are_the_inputs(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    VIDEOS[name].make(path)
    before = look(path)
    kinds: tuple[ResultContainer, ...] = ("mkv",) if "vorbis" in str(before.streams) else ("mp4", "mkv")
    for container in kinds:
        index = probe(path, LIMITS, Wanted(container=container))
        for chunk_frames in CHUNKS if container == "mp4" else CHUNKS[1:2]:
            out, missing = through(path, tmp_path, index, chunk_frames, container)
            assert missing == 0
            assert differences(before, look(out), VIDEOS[name].rough) == []


def test_sound_that_begins_in_a_later_recording_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "sound_later.ts"
    VIDEOS[path.name].make(path)
    index = probe(path, LIMITS)
    assert index.notes == ()
    assert [track.how for track in index.info.tracks] == ["copy"]


def test_pictures_that_are_refused_on_the_way_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "grows.ts"
    VIDEOS[path.name].make(path)
    out, missing = through(path, tmp_path, probe(path, LIMITS), 7, "mp4")
    assert missing == 8
    assert differences(look(path), look(out)) == []


@pytest.mark.parametrize("name", ["late_varying.mp4", "late_picture.mp4", "slides.mp4", "two_slides.mp4", "gap.ts", "joined.ts"])
@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_other_decoders_show_the_same(tmp_path: Path, name: str, container: str) -> None:
    """The library by itself, and OpenCV, whose clock starts with the first frame."""
    path = tmp_path / name
    VIDEOS[name].make(path)
    out, _ = through(path, tmp_path, probe(path, LIMITS, Wanted(container="mkv" if container == "mkv" else "mp4")), 1, container)
    expected = look(path)
    with av.open(str(out)) as result:
        shown = [
            (float(frame.time or 0), float(frame.duration * Fraction(frame.time_base or 0))) for frame in result.decode(video=0)
        ]
    first = expected.frames[0][0]
    assert [time - shown[0][0] for time, _ in shown] == pytest.approx(expected.times, abs=2e-3)
    assert shown[0][0] == pytest.approx(first, abs=2e-3)
    assert shown[-1][1] == pytest.approx(expected.hold, abs=2e-3)
    assert opened_times(out) == pytest.approx(expected.times, abs=2e-3)


def opened_times(path: Path) -> list[float]:
    """Seconds from the first frame, by OpenCV."""
    capture, found = cv2.VideoCapture(str(path)), []
    while capture.read()[0]:
        found.append(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
    return [time - found[0] for time in found]
