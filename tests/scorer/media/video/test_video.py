"""The way of a video through the scorer: what comes out is timed, sized, coloured and heard as what went in."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from scorer.errors import TaskError
from scorer.media.video import FrameRange, PartWriter, VideoFrame, VideoInfo, join, probe, read_frames
from tests.scorer.media.video.samples import (
    LIMITS,
    audio_hashes,
    decode,
    describe,
    ffmpeg,
    identity,
    make,
    psnr,
    read_all,
    sound,
    stamps,
    video_line,
)

X264 = ("-c:v", "libx264", "-preset", "veryfast")


@pytest.mark.parametrize(
    ("name", "options", "access"),
    [
        ("closed.mp4", (*X264, "-g", "12"), "packets"),
        ("open.mkv", (*X264, "-x264-params", "open-gop=1:keyint=12"), "packets"),
        ("refresh.mkv", (*X264, "-x264-params", "intra-refresh=1:keyint=20"), "packets"),
        ("broadcast.ts", (*X264, "-g", "10"), "packets"),
        ("interlaced.ts", (*X264, "-flags", "+ildct+ilme", "-x264opts", "tff=1"), "packets"),
        ("ten.mp4", ("-c:v", "libx265", "-pix_fmt", "yuv420p10le", "-x265-params", "keyint=12:log-level=error"), "packets"),
        ("vp9.webm", ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-g", "12"), "packets"),
        ("part2.mp4", ("-c:v", "mpeg4", "-bf", "2", "-g", "12"), "packets"),
        ("hidden.webm", ("-c:v", "libvpx", "-auto-alt-ref", "1", "-lag-in-frames", "10"), "frames"),
        ("programme.mpg", ("-c:v", "mpeg2video", "-bf", "2"), "frames"),
        ("bare.h264", X264, "numbered"),
        ("old.avi", ("-c:v", "mpeg4", "-bf", "2", "-g", "12"), "sequential"),
        ("rgb.mkv", ("-c:v", "ffv1", "-pix_fmt", "gbrp"), "packets"),
    ],
)
def test_ranges_make_the_whole_whatever_the_container(tmp_path: Path, name: str, options: tuple[str, ...], access: str) -> None:
    path = make(tmp_path / name, *options, seconds=1.5)
    index = probe(path, LIMITS)
    assert (index.info.frames, index.info.access) == (len(stamps(path)), access)
    assert (index.info.rate, index.info.constant) == (Fraction(30000, 1001), True)
    whole = read_all(path, index, 10**6)
    for chunk_frames in (1, 7, 16) if access in ("packets", "frames") else (7, 16):
        again = read_all(path, index, chunk_frames)
        assert [frame.pts for frame in again] == [frame.pts for frame in whole] == list(index.pts)
        for one, other in zip(again, whole, strict=True):
            assert isinstance(one, VideoFrame)
            assert isinstance(other, VideoFrame)
            assert np.array_equal(one.pixels, other.pixels)


def test_the_real_clip_keeps_its_frames_its_length_and_its_surround_sound(tmp_path: Path, bunny: Path) -> None:
    path = bunny
    out = identity(path, tmp_path, chunk_frames=50)
    info = probe(out, LIMITS).info
    assert (info.frames, info.rate, info.width, info.height) == (132, Fraction(25), 1280, 720)
    assert audio_hashes(out) == audio_hashes(path)
    assert "5.1" in describe(out)
    assert psnr(decode(path, "yuv420p", 1280, 720), decode(out, "yuv420p", 1280, 720), 255) > 40
    assert out.read_bytes()[:200_000].find(b"moov") > 0  # playback starts before the download ends


@pytest.mark.parametrize("rate", ["30000/1001", "24", "24000/1001", "25", "60"])
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_constant_rate_stays_a_fraction(tmp_path: Path, rate: str, suffix: str) -> None:
    path = make(tmp_path / f"in.{suffix}", *X264, rate=rate, seconds=1)
    out = identity(path, tmp_path, chunk_frames=10)
    info = probe(out, LIMITS).info
    assert (info.rate, info.constant, info.frames) == (Fraction(rate), True, len(stamps(path)))
    step = float(1 / Fraction(rate))
    assert [float(each) for each in stamps(out)] == pytest.approx([n * step for n in range(info.frames)], abs=2e-6)


def test_a_variable_rate_keeps_every_time_stamp(tmp_path: Path) -> None:
    gaps = "setpts='(N+floor(N/5)*3+mod(N*7,4)/4)/(30*TB)'"
    path = make(tmp_path / "in.mp4", "-vf", gaps, "-fps_mode", "vfr", "-enc_time_base", "1/90000", *X264)
    assert not probe(path, LIMITS).info.constant
    out = identity(path, tmp_path, chunk_frames=9)
    assert stamps(out) == stamps(path)


@pytest.mark.parametrize("turn", ["90", "180", "270"])
@pytest.mark.parametrize("flip", [(), ("-display_hflip",)])
def test_rotation_is_applied_as_ffmpeg_applies_it(tmp_path: Path, turn: str, flip: tuple[str, ...]) -> None:
    plain = make(tmp_path / "plain.mp4", *X264, "-vf", "setsar=4/3", size="160x96", seconds=0.3)
    path = tmp_path / "turned.mp4"
    ffmpeg("-v", "error", "-display_rotation", turn, *flip, "-i", plain, "-c", "copy", path)
    index = probe(path, LIMITS)
    width, height = (96, 160) if turn in ("90", "270") else (160, 96)
    assert (index.info.width, index.info.height) == (width, height)
    assert index.info.sample_aspect == (Fraction(3, 4) if turn in ("90", "270") else Fraction(4, 3))
    frame = read_all(path, index, 100)[0]
    assert isinstance(frame, VideoFrame)
    expected = decode(path, "rgb24", width, height)[0].reshape(height, width, 3)
    assert abs(frame.pixels - expected).mean() < 6  # it places chroma otherwise; a wrong turn is off by more than 50
    luma = slice(width * height)
    shown = decode(identity(path, tmp_path), "yuv420p", width, height)[:, luma]
    assert psnr(shown, decode(path, "yuv420p", width, height)[:, luma], 255) > 38


@pytest.mark.parametrize("size", ["127x95", "128x95", "127x96", "2x2"])
def test_odd_sizes_keep_every_pixel(tmp_path: Path, size: str) -> None:
    path = make(tmp_path / "in.mkv", "-c:v", "ffv1", "-vf", f"scale={size.replace('x', ':')}", "-pix_fmt", "yuv420p", seconds=0.3)
    width, height = map(int, size.split("x"))
    out = identity(path, tmp_path)
    assert f" {size}" in video_line(out)
    assert psnr(decode(out, "rgb24", width, height), decode(path, "rgb24", width, height), 255) > 30


def test_the_shape_of_pixels_stays(tmp_path: Path) -> None:
    out = identity(make(tmp_path / "in.mp4", "-vf", "setsar=4/3", *X264, seconds=0.3), tmp_path)
    assert "SAR 4:3" in video_line(out)


COLOURS = {
    "bt601": ("smpte170m", "smpte170m", "smpte170m"),
    "bt709": ("bt709", "bt709", "bt709"),
    "bt2020": ("bt2020nc", "bt2020", "bt2020-10"),
}

PATCHES = [(0xC0, 0x30, 0x20), (0x20, 0x50, 0xE0), (0xF0, 0xF0, 0xF0)]


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv444p10le"])
@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("range_", ["tv", "pc"])
def test_flat_colours_and_their_tags_stay(tmp_path: Path, pixel_format: str, colour: str, range_: str) -> None:
    """Against zimg, an independent converter."""
    matrix, primaries, transfer = COLOURS[colour]
    path = tmp_path / "in.mkv"
    name = {"bt601": "170m", "bt709": "709", "bt2020": "2020_ncl"}[colour]
    convert = f"format=gbrp,zscale=rin=full:min=gbr:m={name}:r={'full' if range_ == 'pc' else 'limited'},format={pixel_format}"
    tags = f"setparams=colorspace={matrix}:color_primaries={primaries}:color_trc={transfer}:range={range_}"
    patches = [f"color=0x{red:02X}{green:02X}{blue:02X}:s=64x64:r=25:d=0.2[p{red}]" for red, green, blue in PATCHES]
    row = "".join(f"[p{red}]" for red, _, _ in PATCHES)
    ffmpeg(
        "-v",
        "error",
        "-f",
        "lavfi",
        "-i",
        ";".join([*patches, f"{row}hstack=3,{convert},{tags}"]),
        "-color_range",
        range_,
        "-c:v",
        "ffv1",
        path,
    )
    index = probe(path, LIMITS)
    frame = read_all(path, index, 100)[0]
    assert isinstance(frame, VideoFrame)
    scale = 257 if pixel_format.endswith("10le") else 1
    assert frame.pixels.dtype == (np.uint16 if scale == 257 else np.uint8)
    for number, colour_value in enumerate(PATCHES):
        patch = frame.pixels[16:48, number * 64 + 16 : number * 64 + 48].astype(float) / scale
        assert abs(patch - colour_value).max() <= 2
    out = identity(path, tmp_path)
    told = video_line(out)
    coded = "yuv420p10le" if scale == 257 else "yuv420p"
    shown = coded if range_ == "tv" or scale == 257 else "yuvj420p"
    names = matrix if matrix == primaries == transfer else f"{matrix}/{primaries}/{transfer}"
    assert f"{shown}({range_}, {names}" in told
    peak = 1023 if scale == 257 else 255
    difference = abs(decode(out, coded, 192, 64) - decode(path, coded, 192, 64))
    assert np.percentile(difference, 90) <= 2 * peak / 255


def test_colours_without_a_tag_are_taken_as_players_do(tmp_path: Path) -> None:
    small = probe(make(tmp_path / "small.mp4", *X264, seconds=0.1), LIMITS).info
    large = probe(make(tmp_path / "large.mp4", *X264, size="1280x720", seconds=0.1), LIMITS).info
    assert (small.matrix, large.matrix) == (6, 1)


SINE = ("-f", "lavfi", "-i")
ONE = (*SINE, "sine=d=2", "-map", "0", "-map", "1")
TWO = (*SINE, "sine=300:d=2", *SINE, "sine=500:d=2", "-map", "0", "-map", "1", "-map", "2", "-c:a", "aac")
LANGUAGES = ("-metadata:s:a:0", "language=deu", "-metadata:s:a:1", "language=fra")
NAMED = (*LANGUAGES, "-disposition:a:0", "0", "-disposition:a:1", "default")


@pytest.mark.parametrize(
    ("audio", "container"),
    [
        ((), "mp4"),
        ((*ONE, "-c:a", "aac"), "mp4"),
        ((*ONE, "-c:a", "pcm_s16le"), "mkv"),
        ((*ONE, "-af", "pan=5.1|c0=c0|c1=c0|c2=c0|c3=c0|c4=c0|c5=c0", "-c:a", "ac3"), "mp4"),
        ((*TWO, *NAMED), "mp4"),
    ],
)
def test_sound_tracks_are_copied_packet_for_packet(tmp_path: Path, audio: tuple[str, ...], container: str) -> None:
    path = make(tmp_path / "in.mkv", *audio, *X264, "-metadata", "title=A title")
    out = identity(path, tmp_path)
    assert out.suffix == f".{container}"
    text = describe(out)
    assert text.count("Audio:") == describe(path).count("Audio:")
    assert "A title" in text
    if audio:
        assert audio_hashes(out) == audio_hashes(path)
    if "language=deu" in audio:
        assert text.index("(deu)") < text.index("(fra)")
        assert "(default)" in text[text.index("(fra)") :].splitlines()[0]


@pytest.mark.parametrize("suffix", ["mkv", "ts", "mp4"])
def test_the_sound_stays_where_it_is(tmp_path: Path, suffix: str) -> None:
    path = make(tmp_path / f"in.{suffix}", "-itsoffset", "0.5", *SINE, "sine=d=1", "-map", "0", "-map", "1", "-c:a", "aac", *X264)
    out = identity(path, tmp_path)
    if suffix == "ts":  # whose packets have headers of their own: what is heard is compared
        assert sound(out) == sound(path)
    else:
        assert audio_hashes(out) == audio_hashes(path)

    def lag(file: Path) -> float:
        done = ffmpeg("-v", "error", "-copyts", "-i", file, "-map", "0:a", "-c", "copy", "-f", "framecrc", "-").decode()
        unit = next(Fraction(line.split()[2]) for line in done.splitlines() if line.startswith("#tb"))
        first = next(line for line in done.splitlines() if not line.startswith("#"))
        return float(int(first.split(",")[2]) * unit) - float(stamps(file)[0])

    assert lag(out) == pytest.approx(lag(path), abs=0.002)


def test_a_model_may_change_the_size(tmp_path: Path) -> None:
    path = make(tmp_path / "in.mp4", *X264, seconds=0.5)
    index = probe(path, LIMITS)
    (whole,) = index.ranges(1000)
    with PartWriter(tmp_path / "part", index.info, 256, 192) as writer:
        for frame in read_frames(path, index.info, whole):
            assert isinstance(frame, VideoFrame)
            writer.write(frame.pixels.repeat(2, 0).repeat(2, 1), frame.pts)
    join([tmp_path / "part"], path, index.info, tmp_path / "out.mp4")
    assert "256x192" in video_line(tmp_path / "out.mp4")


def test_the_same_frames_give_the_same_bytes(tmp_path: Path) -> None:
    path = make(tmp_path / "in.mp4", *X264)
    first = identity(path, tmp_path).read_bytes()
    assert identity(path, tmp_path).read_bytes() == first


def test_parts_that_are_not_the_whole_are_refused(tmp_path: Path) -> None:
    path = make(tmp_path / "in.mp4", *X264, seconds=1)
    identity(path, tmp_path, chunk_frames=10)
    info = probe(path, LIMITS).info
    parts = [tmp_path / f"part{number}.mp4" for number in range(3)]
    with pytest.raises(TaskError, match="20 frames, not 30"):
        join(parts[:2], path, info, tmp_path / "short.mp4")
    with pytest.raises(TaskError, match="in its place"):
        join([parts[0], parts[2], parts[1]], path, info, tmp_path / "mixed.mp4")
    assert not list(tmp_path.glob("*short*")) + list(tmp_path.glob("*mixed*")) + list(tmp_path.glob(".*"))


def test_info_and_ranges_survive_json(tmp_path: Path) -> None:
    index = probe(make(tmp_path / "in.mkv", *X264), LIMITS)
    assert VideoInfo.model_validate_json(index.info.model_dump_json()) == index.info
    assert '"rate":"30000/1001"' in index.info.model_dump_json()
    for each in index.ranges(7):
        assert FrameRange.model_validate_json(each.model_dump_json()) == each
