"""Pictures in odd shapes, turned by what stands in them, and too much work: right as ffmpeg has it, or refused in a sentence."""

from __future__ import annotations

import struct
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from scorer.errors import InputError, OutputError
from scorer.media.limits import Limits
from scorer.media.video import PartWriter, VideoFrame, probe
from scorer.media.video.encoders import ENCODERS
from tests.scorer.hostile.media import Clip, box, clip, mp4, stills
from tests.scorer.media.video.samples import LIMITS, decode, identity, make, read_all, video_line

MOST_SIDE = ENCODERS["h264"].most_side


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("orientation", range(10))
def test_pictures_turned_by_their_exif_are_shown_as_ffmpeg_shows_them(tmp_path: Path, kind: str, orientation: int) -> None:
    path = mp4(tmp_path / "in.mov", stills(kind, 3, orientation=orientation))
    index = probe(path, LIMITS)
    width, height = index.info.width, index.info.height
    assert (width, height) == ((48, 64) if orientation in (5, 6, 7, 8) else (64, 48))
    frame = read_all(path, index, 100)[0]
    assert isinstance(frame, VideoFrame)
    expected = decode(path, "rgb24", width, height)[0].reshape(height, width, 3)
    assert abs(frame.pixels - expected).mean() < 3
    assert f"{width}x{height}" in video_line(identity(path, tmp_path))


@pytest.mark.parametrize("value", [0, 2**31 - 1, -(2**31), 1])
def test_a_display_matrix_of_absurd_numbers_turns_nothing_over(tmp_path: Path, value: int) -> None:
    path = mp4(tmp_path / "in.mov", replace(stills("JPEG", 3), matrix=(value,) * 9))
    assert probe(path, LIMITS).info.frames == 3


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi", "nut"])
@pytest.mark.parametrize(
    ("told", "expected"),
    [("2147483647/1", "1"), ("1/2147483647", "1"), ("12345679/12345678", "1"), ("0", "1"), ("4/3", "4/3"), ("64/45", "64/45")],
)
def test_the_shape_of_pixels_is_one_that_screens_have(tmp_path: Path, suffix: str, told: str, expected: str) -> None:
    path = clip(tmp_path / f"in.{suffix}", Clip(aspect=Fraction(told)))
    assert probe(path, LIMITS).info.sample_aspect == Fraction(expected)
    assert "SAR" not in video_line(identity(path, tmp_path)).replace(f"SAR {expected.replace('/', ':')}", "").replace(
        "SAR 1:1", ""
    )


def test_all_is_cropped_that_the_stream_says(tmp_path: Path) -> None:
    cropping = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-bsf:v", "h264_metadata=crop_left=8:crop_top=6")
    path = make(tmp_path / "in.mp4", *cropping, size="64x48", seconds=0.2)
    index = probe(path, LIMITS)
    assert (index.info.width, index.info.height) == (56, 42)
    frame = read_all(path, index, 100)[0]
    assert isinstance(frame, VideoFrame)
    assert abs(frame.pixels - decode(path, "rgb24", 56, 42)[0].reshape(42, 56, 3)).mean() < 8


@pytest.mark.parametrize("other", ["range=pc", "colorspace=bt709", "range=pc:colorspace=bt709"])
def test_recordings_that_are_joined_keep_their_own_colours(tmp_path: Path, other: str) -> None:
    for name, told in (("one", "range=tv:colorspace=smpte170m"), ("two", other)):
        own = ("-f", "lavfi", "-i", "color=0xE04020:s=64x48:r=25:d=0.4", "-map", "1", "-c:v", "libx264", "-qp", "1")
        make(tmp_path / f"{name}.ts", *own, "-vf", f"scale=out_{told.replace(':', ':out_').replace('space', '_matrix')},"
             f"format=yuv420p,setparams={told}")  # fmt: skip
    path = tmp_path / "in.ts"
    path.write_bytes(b"".join((tmp_path / f"{name}.ts").read_bytes() for name in ("one", "two")))
    frames = read_all(path, probe(path, LIMITS), 100)
    assert len(frames) == 20
    for frame in frames:
        assert isinstance(frame, VideoFrame)
        assert abs(frame.pixels.mean((0, 1)) - (0xE0, 0x40, 0x20)).max() < 6


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (3, 1), (1, 64), (MOST_SIDE, 2)])
def test_the_smallest_and_the_widest_frames_come_out(tmp_path: Path, size: tuple[int, int]) -> None:
    out = identity(mp4(tmp_path / "in.mov", stills("PNG", 2, *size)), tmp_path)
    assert f"{size[0]}x{size[1]}" in video_line(out)


def test_frames_wider_than_the_codec_takes_are_told_as_such(tmp_path: Path) -> None:
    path = mp4(tmp_path / "in.mov", stills("PNG", 2, MOST_SIDE + 2, 2))
    info = probe(path, LIMITS).info
    with (
        pytest.raises(OutputError, match=r"16386x2 pixels, since H\.264 takes 1 to 16,384 pixels a side"),
        PartWriter(tmp_path / "part", info, info.width, info.height),
    ):
        pass


@pytest.mark.parametrize("name", ["in.mp4", "in.mkv", "in.avi", "in.ogv", "in.ts", "in.flv", "in.m4v"])
def test_work_is_frames_times_pixels(tmp_path: Path, name: str) -> None:
    codec = {"ogv": "libtheora", "m4v": "mpeg4"}.get(name[3:], "libx264")
    path = make(tmp_path / name, "-c:v", codec, size="1280x720", seconds=1.2)  # 36 frames, 33 million pixels
    assert probe(path, Limits(max_gigapixels=1, max_counted_gigapixels=1)).info.frames == 36
    assert probe(path, Limits()).info.access != "frames"


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (Limits(max_gigapixels=0), "12 frames of 64x48 pixels, 0 gigapixels, more than the 0 allowed: scale it down"),
        (Limits(max_frames=11), "more than the 11 frames allowed"),
        (Limits(max_pixels=64 * 48 - 1), "64x48 pixels, more than the 3,071 allowed"),
        (Limits(max_packets=5), "more than the 5 packets"),
    ],
)
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "avi"])
def test_each_budget_is_told_in_a_sentence(tmp_path: Path, suffix: str, limits: Limits, said: str) -> None:
    path = clip(tmp_path / f"in.{suffix}", Clip(codec="mpeg4" if suffix == "avi" else "libx264"))
    with pytest.raises(InputError, match=said):
        probe(path, limits)


@pytest.mark.parametrize("suffix", ["avi", "ogv"])
def test_frames_that_must_be_counted_have_a_budget_of_their_own(tmp_path: Path, suffix: str) -> None:
    path = make(tmp_path / f"in.{suffix}", "-c:v", "libtheora" if suffix == "ogv" else "mpeg4")
    with pytest.raises(InputError, match=r"60 frames of 128x96 pixels.* only be counted by decoding \(AVI, Ogg, raw streams\)"):
        probe(path, Limits(max_counted_gigapixels=0))


def test_boxes_are_walked_within_the_budget(tmp_path: Path) -> None:
    path = mp4(tmp_path / "in.mov", stills("JPEG", 3))
    path.write_bytes(path.read_bytes() + box(b"free") * 1000)
    assert probe(path, Limits(max_packets=1003)).info.frames == 3
    with pytest.raises(InputError, match="more than the 1,002 boxes allowed"):
        probe(path, Limits(max_packets=1002))


def test_a_long_film_is_within_the_defaults() -> None:
    frames, pixels = 3 * 60 * 60 * 60, 4096 * 2160
    limits = Limits()
    assert frames <= limits.max_frames
    assert pixels <= limits.max_pixels
    assert frames * pixels <= limits.max_gigapixels * 10**9
    assert limits.max_batch_pixels >= 16 * 3840 * 2160
    sound = 8 * 48_000 // 1024 * 3 * 60 * 60  # eight tracks of AAC
    assert frames + sound <= limits.max_packets


def test_noise_in_the_tables_ends_in_a_sentence(tmp_path: Path) -> None:
    """Numbers that nobody has thought of; 300 of them."""
    good = mp4(tmp_path / "good.mov", replace(stills("JPEG", 3), edits=[(120, 0)], offsets=[(3, 0)])).read_bytes()
    tables = good.index(b"moov"), good.index(b"mdat")
    random = np.random.default_rng(7)
    values = [struct.pack(">I", each) for each in (0, 1, 2**32 - 1, 2**31 - 1, 2**31, 0x01020304)]
    for _ in range(300):
        data = bytearray(good)
        at = int(random.integers(*tables))
        data[at : at + 4] = values[int(random.integers(len(values)))]
        (tmp_path / "in.mov").write_bytes(data)
        try:
            index = probe(tmp_path / "in.mov", LIMITS)
        except InputError:
            continue
        assert len(read_all(tmp_path / "in.mov", index, 2)) == index.info.frames
