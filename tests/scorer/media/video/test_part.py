"""A part of a video: the frames and the sound between two times, as ffmpeg shows them in the whole."""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from scorer.errors import RequestError
from scorer.media.video import MissingFrame, VideoFrame, VideoIndex, probe, reader
from scorer.media.video.part import part_of
from scorer.media.video.tags import advanced
from scorer.media.wanted import ResultContainer, Wanted
from tests.ffmpeg import run_ffmpeg
from tests.scorer.media.video.samples import LIMITS, describe, ffmpeg, make, read_all, stamps, written

RATE = 48_000
SOUND = ("-f", "lavfi", "-i", f"aevalsrc=0.4*sin(2*PI*(200+150*t)*t):s={RATE}:d=4", "-map", "0", "-map", "1", "-ac", "1")
"""A tone that rises all the time: each moment sounds like no other."""
H264 = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-g", "50", "-bf", "3")
VARYING = ("-vf", "setpts='(floor(N/3)*4+mod(N,3))/(25*TB)'", "-fps_mode", "vfr", "-enc_time_base", "1:1000")


def part(path: Path, start: float | None, end: float | None, container: ResultContainer | None = None) -> VideoIndex:
    return part_of(probe(path, LIMITS, Wanted(container=container, cut_sound=True)), start, end, "clip")


def pictures(path: Path, numbers: range) -> list[NDArray[np.uint8]]:
    """Frames of the whole as ffmpeg decodes them."""
    chosen = f"select='between(n\\,{numbers.start}\\,{numbers.stop - 1})'"
    raw = ffmpeg("-v", "error", "-i", path, "-map", "0:v:0", "-vf", chosen, "-fps_mode", "passthrough", "-f", "rawvideo",
                 "-pix_fmt", "rgb24", "-")  # fmt: skip
    return list(np.frombuffer(raw, np.uint8).reshape(len(numbers), -1))


def place(found: VideoFrame | MissingFrame, whole: list[NDArray[np.uint8]]) -> int:
    """Which of the pictures the frame is most like: something is new in each."""
    assert isinstance(found, VideoFrame)
    return int(np.argmin([np.abs(found.pixels.ravel().astype(int) - each).mean() for each in whole]))


def samples(path: Path) -> NDArray[np.int16]:
    """What is heard from the clock's start on, with silence before the first sample."""
    raw = ffmpeg("-v", "error", "-copyts", "-i", path, "-map", "0:a:0", "-af",
                 f"aresample={RATE}:async=1:first_pts=0:min_hard_comp=0.001", "-ac", "1", "-f", "s16le", "-")  # fmt: skip
    return np.frombuffer(raw, np.int16)


KINDS = {
    "bframes.mp4": (*H264, "-c:a", "aac"),
    "film.mkv": (*H264, "-c:a", "libmp3lame"),
    "web.webm": ("-c:v", "libvpx-vp9", "-g", "40", "-c:a", "libopus"),
    "raw.mov": (*H264, "-c:a", "pcm_s16le"),
    "old.avi": ("-c:v", "mpeg4", "-g", "40", "-c:a", "libmp3lame"),
    "varying.mp4": (*VARYING, *H264, "-c:a", "aac"),
    "late.mp4": (*H264, "-c:a", "aac"),
    "broadcast.ts": (*H264, "-c:a", "ac3"),
    "stream.flv": (*H264, "-c:a", "aac"),
}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for name, arguments in KINDS.items():
        path = folder / name
        if name == "late.mp4":  # the picture begins later than the sound, by an edit list
            ffmpeg(
                "-v", "error", "-itsoffset", "0.4", "-f", "lavfi", "-i", "testsrc2=s=128x96:r=25:d=3.5", *SOUND, *arguments, path
            )
        else:
            make(path, *SOUND, *arguments, rate="25", seconds=4)
    return folder


@pytest.mark.parametrize(("name", "container"), [*((name, "mp4") for name in KINDS), ("bframes.mp4", "mkv")])
def test_frames_and_sound_are_those_between_the_two_times(
    clips: Path, tmp_path: Path, name: str, container: ResultContainer
) -> None:
    path = clips / name
    index = part(path, 1.15, 2.7, container)
    whole = [float(stamp) for stamp in stamps(path)]
    zero = float(re.findall(r"start: ([\d.]+)", describe(path))[0]) if name == "broadcast.ts" else 0.0
    begins, ends = (index.info.shown_at(pts) for pts in (index.info.start_pts, index.info.end_pts))
    if name == "varying.mp4":
        assert (begins, ends) == pytest.approx((1.15, 2.7), abs=1e-3)
    assert (begins, ends) == pytest.approx((1.15, 2.7), abs=0.021)
    first = max(number for number, stamp in enumerate(whole) if stamp - zero <= begins + 2e-3)
    assert index.info.skipped == first
    out = written(path, tmp_path, index, 13)
    shown = [float(stamp) for stamp in stamps(out)]
    expected = [max(stamp - zero - begins, 0) for stamp in whole[first : first + index.info.frames]]
    assert shown == pytest.approx(expected, abs=2e-3)
    assert whole[first + index.info.frames] - zero == pytest.approx(ends, abs=2e-3) or not index.info.constant
    around = pictures(path, range(first - 1, first + index.info.frames + 1))
    frames = read_all(path, index, 13)
    assert [place(frame, around[number : number + 3]) for number, frame in enumerate(frames)] == [1] * index.info.frames
    heard, all_of_it = samples(out), samples(path)[round(zero * RATE) :]
    padding = 1023 if container == "mkv" else 0  # of a coder's last frame, which an mkv doesn't tell
    assert 0 <= len(heard) - round((ends - begins) * RATE) <= padding
    heard = heard[: len(heard) - padding]
    at = round(begins * RATE)
    errors = {
        lag: float(np.abs(heard[4800:-4800].astype(int) - all_of_it[at + lag + 4800 : at + lag + len(heard) - 4800]).mean())
        for lag in range(-49, 50)
    }
    best = min(errors, key=lambda lag: errors[lag])
    assert abs(best) <= 48  # a millisecond: some containers count no less
    assert errors[best] < 400  # of 13,000


@pytest.mark.parametrize("rotation", [0, 90])
def test_only_the_part_is_decoded_and_turned_as_the_whole_is(
    tmp_path: Path, rotation: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(tmp_path / "plain.mp4", *H264, rate="25", seconds=6)
    turned = tmp_path / "turned.mp4"
    ffmpeg("-v", "error", "-display_rotation", rotation, "-i", path, "-c", "copy", turned)
    decoded = 0
    decode = reader._decode

    def counting(*arguments: object) -> object:
        nonlocal decoded
        decoded += 1
        return decode(*arguments)  # type: ignore[arg-type]  # as it was called

    monkeypatch.setattr(reader, "_decode", counting)
    index = part(turned, 4.2, 4.6)
    frames = read_all(turned, index, 4)
    assert [frame.pts for frame in frames] == list(index.pts)
    assert len(frames) == 10
    assert decoded < 3 * (10 + 60)  # of 150, each chunk from its key frame on
    assert (index.info.width, index.info.height) == ((96, 128) if rotation else (128, 96))
    out = written(turned, tmp_path, index)
    assert f"{index.info.width}x{index.info.height}" in describe(out)


def test_parts_that_follow_on_each_other_have_every_frame_once(tmp_path: Path) -> None:
    path = make(tmp_path / "ntsc.mkv", *H264, seconds=4)
    whole = probe(path, LIMITS)
    times = [None, 0.7, 1.001, 2.5, 3.0, None]
    parts = [part_of(whole, start, end, "clip") for start, end in pairwise(times)]
    assert [pts for each in parts for pts in each.pts] == list(whole.pts)
    assert parts[2].info.skipped == 30  # 1.001 s is the thirtieth frame's, rounded to 1001 milliseconds in the file


def test_a_slide_that_is_shown_for_long_is_shown_for_what_is_asked_of_it(tmp_path: Path) -> None:
    path = make(tmp_path / "slides.mp4", "-vf", "setpts='N*N*0.8/TB'", "-fps_mode", "vfr", *H264, rate="25", seconds=0.2)
    index = part(path, 4.0, 8.5)  # frames begin at 0, 0.8, 3.2, 7.2 and 12.8 s
    assert (index.info.frames, index.info.skipped, index.info.seconds) == (2, 2, 4.5)
    out = written(path, tmp_path, index)
    assert [float(each) for each in stamps(out)] == pytest.approx([0, 3.2], abs=1e-3)
    assert "Duration: 00:00:04.50" in describe(out)
    only = part(path, 4, 5)
    assert (only.info.frames, only.info.seconds) == (1, 1)
    assert "Duration: 00:00:01.00" in describe(written(path, tmp_path, only))


def test_subtitles_and_chapters_go_with_the_part(tmp_path: Path) -> None:
    said, chapters = tmp_path / "said.srt", tmp_path / "chapters.txt"
    said.write_text("".join(f"{n}\n00:00:0{n},000 --> 00:00:0{n},900\nsaid {n}\n\n" for n in range(6)))
    chapters.write_text(";FFMETADATA1\n" + "".join(
        f"[CHAPTER]\nTIMEBASE=1/1000\nSTART={n * 2000}\nEND={n * 2000 + 2000}\ntitle=chapter {n}\n" for n in range(3)
    ))  # fmt: skip
    path = make(tmp_path / "in.mkv", "-i", said, "-i", chapters, "-map", "0", "-map", "1", "-map_metadata", "2", *H264, rate="25",
                seconds=6)  # fmt: skip
    out = written(path, tmp_path, part(path, 2.52, 4.52))
    text = ffmpeg("-v", "error", "-i", out, "-map", "0:s", "-f", "srt", "-").decode()
    assert [line for line in text.splitlines() if "said" in line or "-->" in line] == [
        "00:00:00,000 --> 00:00:00,380", "said 2", "00:00:00,480 --> 00:00:01,380", "said 3",
        "00:00:01,480 --> 00:00:02,000", "said 4",
    ]  # fmt: skip
    lines = [line.split(":", 2)[2].strip() for line in describe(out).splitlines() if "Chapter #" in line]
    assert lines == ["start 0.000000, end 1.480000", "start 1.480000, end 2.000000"]


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        (2.1, None, ["start is 0:02.1", "lasts 0:02"]), (0, 2.1, ["end is 0:02.1", "lasts 0:02"]), (2.0, None, ["no frame"]),
        (100000, None, ["start is 27:46:40"]), (1.0, 1.001, ["shows no frame from 0:01 to 0:01.001"]),
    ],
)  # fmt: skip
def test_what_it_doesnt_show_is_refused(tmp_path: Path, start: float, end: float | None, words: list[str]) -> None:
    path = make(tmp_path / "in.mp4", *H264, rate="25", seconds=2)
    with pytest.raises(RequestError) as error:
        part(path, start, end)
    assert all(word in str(error.value) for word in words)
    assert part(path, 0, 2.04).info.frames == 50  # an end that somebody has rounded up


@pytest.mark.parametrize(
    ("code", "rate", "frames", "later"),
    [
        ("10:00:00:00", Fraction(25), 26, "10:00:01:01"), ("23:59:59:24", Fraction(25), 1, "00:00:00:00"),
        ("00:00:59;29", Fraction(30000, 1001), 1, "00:01:00;02"), ("00:09:59;29", Fraction(30000, 1001), 1, "00:10:00;00"),
        ("00:00:00;00", Fraction(30000, 1001), 107892, "01:00:00;00"), ("00:00:59;59", Fraction(60000, 1001), 1, "00:01:00;04"),
        ("00:01:59:29", Fraction(30000, 1001), 1, "00:02:00:00"), ("23:59:59;29", Fraction(30000, 1001), 1, "00:00:00;00"),
    ],
)  # fmt: skip
def test_time_codes_go_on(code: str, rate: Fraction, frames: int, later: str) -> None:
    assert advanced(code, rate, frames) == later


def test_a_part_has_the_time_code_of_its_first_frame(tmp_path: Path) -> None:
    path = make(tmp_path / "in.mov", *H264, "-timecode", "10:00:58;15", seconds=4)
    said = run_ffmpeg("-i", written(path, tmp_path, part(path, 2.002, 3.003))).stderr.decode()
    assert "10:01:00;17" in said  # 60 frames later, two numbers of which are dropped
