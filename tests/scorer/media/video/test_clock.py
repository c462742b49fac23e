"""Time stamps and rates as nobody's camera makes them: they come out as ffmpeg shows them, or are refused in a sentence."""

from __future__ import annotations

import struct
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from scorer.errors import InputError
from scorer.media.video import VideoIndex, probe
from tests.cases.look import look
from tests.scorer.hostile.media import Clip, Track, clip, mp4, stills, timed
from tests.scorer.media.video.samples import LIMITS, identity, stamps

MS = Fraction(1, 1000)
STEADY = [number * 40 for number in range(12)]
HOUR = 3_600_000
IRREGULAR = [0, 3000 * 1000, 7000 * 1000, 9000 * 1000]
DAYS = [0, 20 * HOUR, 41 * HOUR, 64 * HOUR]


def seconds(path: Path) -> list[float]:
    return [float(each) for each in stamps(path)]


def usable(path: Path) -> VideoIndex | None:
    """What is found in the video; None where it is refused, in a sentence."""
    try:
        return probe(path, LIMITS)
    except InputError:
        return None


def check_shown_alike(path: Path, folder: Path) -> None:
    """The result shows its frames when the source does, counted from the first; a transport stream's jumps aren't kept."""
    before, after = look(path).times if path.suffix == ".ts" else seconds(path), seconds(identity(path, folder))
    assert [each - after[0] for each in after] == pytest.approx([each - before[0] for each in before], abs=1e-3)


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "ts", "flv", "nut"])
@pytest.mark.parametrize("times", [[0, HOUR, 2 * HOUR, 3 * HOUR], IRREGULAR, [0, 40, 80, 120 + 13 * HOUR, 160 + 13 * HOUR]])
def test_slide_shows_and_jumps_of_hours_come_out_right(tmp_path: Path, suffix: str, times: list[int]) -> None:
    check_shown_alike(clip(tmp_path / f"in.{suffix}", Clip(stamps=times, time_base=MS, rate=Fraction(1))), tmp_path)


def test_pictures_of_hours_that_are_given_out_of_order_fit_into_the_result(tmp_path: Path) -> None:
    """12 are so many that x264 gives some far earlier than they are shown."""
    times = [number * 80_000 for number in range(12)]
    check_shown_alike(mp4(tmp_path / "in.mov", timed(stills("JPEG", 12), times, 1, last=80_000)), tmp_path)


@pytest.mark.parametrize("timescale", [1, 600, 90_000, 1_000_000])
def test_the_unit_may_be_too_fine_for_the_longest_frame(tmp_path: Path, timescale: int) -> None:
    times = [0, 3000 * timescale, 4200 * timescale]
    check_shown_alike(mp4(tmp_path / "in.mov", timed(stills("JPEG", 3), times, timescale)), tmp_path)


@pytest.mark.parametrize(
    ("suffix", "times", "said"),
    [
        ("mkv", DAYS, None),
        ("mkv", [0, 40, 80 + 30 * HOUR], "shows frame 1 for 30 hours, and a day is the most"),
        ("flv", [0, 40, 80 + 200 * HOUR], "shows frame 1 for 200 hours"),
        ("nut", [0, 40, 2**40], "shows frame 1 for 305,420 hours"),
        ("mkv", [number * 23 * HOUR for number in range(400)], "lasts 382 days, and 366 are the most"),
    ],
)
def test_what_lasts_too_long_is_refused(tmp_path: Path, suffix: str, times: list[int], said: str | None) -> None:
    path = clip(tmp_path / f"in.{suffix}", Clip(stamps=times, time_base=MS, rate=Fraction(1)))
    if said is None:
        check_shown_alike(path, tmp_path)
    else:
        with pytest.raises(InputError, match=said):
            probe(path, LIMITS)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "flv", "nut"])
@pytest.mark.parametrize("shift", [2**62, 2**61 - 10**6, 10**12, 1_700_000_000_000, 100 * HOUR, -5000, -(10**9), -(2**62)])
def test_a_clock_may_start_anywhere(tmp_path: Path, suffix: str, shift: int) -> None:
    path = tmp_path / f"in.{suffix}"
    try:
        clip(path, Clip(stamps=STEADY, time_base=MS, shift=shift))
    except ValueError:  # not even the library writes this
        path.write_bytes(b"")
    index = usable(path)
    if index is None:
        return
    after = seconds(identity(path, tmp_path))
    assert after[0] < 86_400
    assert after == sorted(after)
    assert len(after) == index.info.frames == len(stamps(path))


def test_a_clip_of_a_live_stream_starts_now(tmp_path: Path) -> None:
    path = clip(tmp_path / "in.mkv", Clip(stamps=STEADY, time_base=MS, shift=1_700_000_000_000))
    assert seconds(identity(path, tmp_path)) == pytest.approx([each / 1000 for each in STEADY], abs=1e-6)


@pytest.mark.parametrize(
    "scale_rate", [(0, 0), (1, 0), (0, 1), (2**32 - 1, 1), (1, 2**32 - 1), (1, 10**9), (1, 2**31), (7, 10**8)]
)
def test_rates_that_no_camera_has(tmp_path: Path, scale_rate: tuple[int, int]) -> None:
    """Of an AVI, whose header holds a scale and a rate."""
    path = clip(tmp_path / "in.avi", Clip(codec="mpeg4"))
    data = path.read_bytes()
    at = data.index(b"strh") + 8 + 20
    path.write_bytes(data[:at] + struct.pack("<II", *scale_rate) + data[at + 8 :])
    if index := usable(path):
        assert Fraction(1, 86_400) <= index.info.rate <= 100_000
        assert len(stamps(identity(path, tmp_path))) == index.info.frames == 12


STILLS = stills("JPEG", 12)


@pytest.mark.parametrize(
    ("track", "said"),
    [
        (replace(STILLS, timescale=2**31 - 1), "frames a second, and at most 100,000"),
        (replace(STILLS, timescale=2**32 - 1), None),
        (replace(STILLS, timescale=1), None),
        (timed(STILLS, [0] * 6, 25), None),
        (timed(STILLS, [0, 1, 1, 2, 3], 25), None),
        (timed(STILLS, [0, 1, 2], 25, last=2**32 - 1), None),
        (timed(STILLS, [0, 2**32 - 1, 2**33 - 2], 1000), None),
        (replace(STILLS, timescale=10**6, count=3, durations=[(1, 1), (1, 4 * 10**9), (1, 1)]), "can hold both"),
        (replace(STILLS, edits=[(2**31 - 1, -1), (480, 0)]), None),
        (replace(STILLS, edits=[(480, 2**31 - 1)]), "no frame"),
        (replace(STILLS, edits=[(40, number % 12) for number in range(500)]), None),
        (replace(STILLS, offsets=[(6, 2**31 - 1), (6, -(2**31))]), None),  # decoded in an order that nobody shows
    ],
)
def test_tables_of_absurd_times(tmp_path: Path, track: Track, said: str | None) -> None:
    path = mp4(tmp_path / "in.mov", track)
    if said is None:
        index = probe(path, LIMITS)
        shown = seconds(identity(path, tmp_path))
        assert len(shown) == index.info.frames
        assert len(set(shown)) == len(shown)
    else:
        with pytest.raises(InputError, match=said):
            probe(path, LIMITS)


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(10**6)])
def test_a_single_frame(tmp_path: Path, rate: Fraction) -> None:
    path = clip(tmp_path / "in.mkv", Clip(stamps=[0], time_base=MS, rate=rate))
    assert len(stamps(identity(path, tmp_path))) == 1
