"""What a screen is told beside the pictures, and pictures of rare kinds: kept, converted to what they are tagged as, or told."""

from __future__ import annotations

import struct
from pathlib import Path

import av
import numpy as np
import pytest
from av.sidedata.sidedata import Type
from numpy.typing import NDArray

from scorer.media.coding import Codec, Coding
from scorer.media.video import VideoFrame, probe, read_frames
from scorer.media.video.describe import _side_data
from scorer.media.video.display import Display, Light, Mastering, Sphere
from scorer.media.video.matrices import CONSTANT, HLG, ICTCP, Rare, to_rgb
from scorer.media.wanted import ResultContainer, Wanted
from tests.scorer.hostile.media import box, full_box
from tests.scorer.media.video.samples import LIMITS, decode, describe, ffmpeg, identity, make, read_all, video_line

CONTAINERS: tuple[ResultContainer, ...] = ("mp4", "mkv")
HDR10 = (
    "log-level=error:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:hdr10=1:repeat-headers=1:max-cll=1000,400:"
    "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)"
)  # fmt: skip
SCREEN = Mastering(
    red=(34000, 16000), green=(13250, 34500), blue=(7500, 3000), white=(15635, 16450), darkest=1, brightest=10_000_000
)  # fmt: skip


def told(path: Path) -> list[str]:
    """What ffmpeg says of the video's side data."""
    return [line.strip() for line in describe(path).split("Side data:")[1].splitlines()[1:4]]


@pytest.mark.parametrize("container", CONTAINERS)
def test_hdr10_is_told_to_screens(tmp_path: Path, container: ResultContainer) -> None:
    path = make(tmp_path / "in.mp4", "-c:v", "libx265", "-pix_fmt", "yuv420p10le", "-x265-params", HDR10, seconds=0.5)
    assert probe(path, LIMITS).info.display == Display(mastering=SCREEN, light=Light(pixel=1000, frame=400))
    out = identity(path, tmp_path, asked=Wanted(container=container))
    said = told(out)
    assert any("r(0.6800,0.3200) g(0.2650,0.6900) b(0.1500 0.0600)" in line and "max_luminance=1000.0" in line for line in said)
    assert "Content light level metadata: MaxCLL=1000, MaxFALL=400" in said
    assert "bt2020nc/bt2020/smpte2084" in video_line(out)
    assert probe(out, LIMITS).info.display == probe(path, LIMITS).info.display


@pytest.mark.parametrize("codec", ["hevc", "av1", "prores"])
def test_hdr10_is_told_beside_every_codec(tmp_path: Path, codec: Codec) -> None:
    path = make(tmp_path / "in.mp4", "-c:v", "libx265", "-pix_fmt", "yuv420p10le", "-x265-params", HDR10, seconds=0.5)
    out = identity(path, tmp_path, asked=Wanted(codec=codec), coding=Coding(codec=codec))
    assert any("max_luminance=1000.0" in line for line in told(out))
    assert codec in video_line(out)


def spherical(path: Path, *boxes: bytes) -> Path:
    """A video with these boxes at the end of its sample entry, as the tool of YouTube's puts them."""
    plain = make(path.with_name("plain.mp4"), "-c:v", "libx264", "-pix_fmt", "yuv420p", size="64x48", seconds=0.5)
    data, more, at = plain.read_bytes(), b"".join(boxes), 0
    for kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1"):
        at = data.index(kind, at + 8) - 4
        size = struct.unpack_from(">I", data, at)[0]
        data = data[:at] + struct.pack(">I", size + len(more)) + data[at + 4 :]
    data = data[: at + size] + more + data[at + size :]
    path.write_bytes(data)  # the index lies behind the pictures: none of them moved
    return path


def sphere(*form: bytes) -> bytes:
    head = full_box(b"prhd", struct.pack(">3i", 0, 10 << 16, -5 << 16))
    return box(b"sv3d", full_box(b"svhd", b"\0"), box(b"proj", head, *form))


@pytest.mark.parametrize(
    ("boxes", "display"),
    [
        (
            (full_box(b"st3d", b"\1"), sphere(full_box(b"equi", bytes(16)))),
            Display(sphere=Sphere(projection="equirectangular", yaw=0, pitch=10 << 16, roll=-5 << 16), view="top and bottom"),
        ),
        (
            (sphere(full_box(b"cbmp", struct.pack(">2I", 0, 4))),),
            Display(sphere=Sphere(projection="cubemap", yaw=0, pitch=10 << 16, roll=-5 << 16, padding=4)),
        ),
        ((full_box(b"st3d", b"\2"),), Display(view="side by side")),
    ],
)  # fmt: skip
@pytest.mark.parametrize("container", CONTAINERS)
def test_360_degrees_and_two_views_are_told_to_screens(
    tmp_path: Path, container: ResultContainer, boxes: tuple[bytes, ...], display: Display
) -> None:
    path = spherical(tmp_path / "in.mp4", *boxes)
    index = probe(path, LIMITS)
    assert (index.info.display, index.notes) == (display, ())
    out = identity(path, tmp_path, asked=Wanted(container=container))
    if container == "mkv":
        assert probe(out, LIMITS).info.display == display
    else:
        assert all(each in out.read_bytes() for each in boxes if b"st3d" in each)
        assert (b"sv3d" in out.read_bytes()) == (display.sphere is not None)
    if display.sphere:
        assert f"Spherical Mapping: {display.sphere.projection}" in describe(out)


@pytest.mark.parametrize("container", CONTAINERS)
def test_the_time_code_of_the_first_frame_stays(tmp_path: Path, container: ResultContainer) -> None:
    path = make(tmp_path / "in.mov", "-c:v", "libx264", "-timecode", "10:00:00;02", seconds=0.5)
    assert probe(path, LIMITS).notes == ()
    lines = [line.lower() for line in describe(identity(path, tmp_path, asked=Wanted(container=container))).splitlines()]
    assert any("timecode" in line and "10:00:00;02" in line for line in lines)


def test_a_time_code_that_counts_no_such_frames_is_told(tmp_path: Path) -> None:
    path = make(tmp_path / "in.mkv", "-c:v", "libx264", "-metadata", "timecode=10:00:00:02", rate="12", seconds=0.5)
    assert probe(path, LIMITS).notes == ("the time code is left out",)
    assert "timecode" not in describe(identity(path, tmp_path)).lower()


def test_interlaced_frames_come_out_without_combs(tmp_path: Path) -> None:
    """Grey, since of colours there is half a line of each moment."""
    size, moving = {"size": "128x96", "rate": "50"}, "format=gray,scroll=h=0.02"
    woven = ("-vf", f"{moving},format=yuv420p,interlace=scan=tff:lowpass=off", "-flags", "+ilme+ildct")
    path = make(tmp_path / "in.mp4", *woven, "-c:v", "libx264", "-crf", "5", seconds=0.4, **size)
    index = probe(path, LIMITS)
    assert index.notes == ("the video is interlaced and comes out deinterlaced",)
    upper = make(tmp_path / "upper.mkv", "-vf", f"{moving},select='not(mod(n,2))'", "-c:v", "ffv1", seconds=0.4, **size)
    ours = np.array([frame.pixels for frame in read_all(path, index, 3) if isinstance(frame, VideoFrame)])
    one_moment, combed = (decode(each, "rgb24", 128, 96).reshape(-1, 96, 128, 3) for each in (upper, path))
    assert np.abs(ours - one_moment).mean() < 0.6 * np.abs(combed - one_moment).mean()
    assert "progressive" in video_line(identity(path, tmp_path))


def test_a_frame_is_deinterlaced_in_the_same_way_in_every_chunk(tmp_path: Path) -> None:
    path = make(tmp_path / "in.mpg", "-flags", "+ilme+ildct", "-c:v", "mpeg2video", "-q:v", "3", rate="25", seconds=0.4)
    index = probe(path, LIMITS)
    assert index.notes == ("the video is interlaced and comes out deinterlaced",)
    whole, pieces = read_all(path, index, 100), read_all(path, index, 3)
    for one, other in zip(whole, pieces, strict=True):
        assert isinstance(one, VideoFrame)
        assert isinstance(other, VideoFrame)
        assert (one.pixels == other.pixels).all()


@pytest.mark.parametrize(
    ("matrix", "said", "becomes"),
    [
        ("matrix=ycgco:transfer=709:primaries=709", "YCgCo to BT.709", "bt709"),
        ("matrix=ictcp:transfer=smpte2084:primaries=2020", "ICtCp to BT.2020", "bt2020nc"),
    ],
)
def test_colours_of_rare_kinds_are_what_their_tags_say(tmp_path: Path, matrix: str, said: str, becomes: str) -> None:
    """Made and read by zimg."""
    transfer = matrix.split(":")[1].split("=")[1]
    primaries = matrix.split(":")[2].split("=")[1]
    rgb = f"matrixin=gbr:transferin={transfer}:primariesin={primaries}:rangein=full:{matrix}:range=limited"
    path = make(
        tmp_path / "in.mkv", "-vf", f"format=gbrp16le,zscale={rgb},format=yuv444p10le", "-c:v", "ffv1",
        size="64x48", rate="5", seconds=0.4,
    )  # fmt: skip
    index = probe(path, LIMITS)
    assert index.notes == (f"colours are converted from {said}",)
    back = f"zscale={matrix.replace('=', 'in=')}:matrix=gbr:transfer={transfer}:primaries={primaries}:rangein=limited:range=full"
    truth = decode(path, "gbrp16le", 64, 48, "-vf", f"{back},format=gbrp16le").reshape(-1, 3, 48, 64)[:, [2, 0, 1]]
    for frame, wanted in zip(read_frames(path, index.info, index.ranges(100)[0]), truth, strict=True):
        assert isinstance(frame, VideoFrame)
        assert np.abs(frame.pixels - wanted.transpose(1, 2, 0)).mean() < 0.005 * 65535
    assert becomes in video_line(identity(path, tmp_path))


def coded(rgb: NDArray[np.float64], matrix: int) -> NDArray[np.float64]:
    """The other way, of (3, N), as ITU-R BT.2020 and BT.2100 write it."""
    if matrix == CONSTANT:
        light = np.where(rgb < 4.5 * 0.0181, rgb / 4.5, ((rgb + 0.0993) / 1.0993) ** (1 / 0.45))
        mean = 0.2627 * light[0] + 0.6780 * light[1] + 0.0593 * light[2]
        luma = np.where(mean < 0.0181, 4.5 * mean, 1.0993 * mean**0.45 - 0.0993)
        blue, red = rgb[2] - luma, rgb[0] - luma
        return np.stack([luma, blue / np.where(blue <= 0, 1.9404, 1.5816), red / np.where(red <= 0, 1.7184, 0.9936)])
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    light = np.where(rgb <= 0.5, rgb**2 / 3, (np.exp((rgb - c) / a) + b) / 12)
    cones = np.array([[1688, 2146, 262], [683, 2951, 462], [99, 309, 3688]]) @ light / 4096
    cones = np.where(cones <= 1 / 12, np.sqrt(3 * cones), a * np.log(np.maximum(12 * cones - b, 1e-9)) + c)
    return np.array([[2048, 2048, 0], [3625, -7465, 3840], [9500, -9212, -288]]) @ cones / 4096


@pytest.mark.parametrize(("matrix", "transfer"), [(CONSTANT, 14), (ICTCP, HLG)])
@pytest.mark.parametrize("full_range", [True, False])
def test_colours_that_zimg_does_otherwise_are_those_of_the_standards(matrix: Rare, transfer: int, *, full_range: bool) -> None:
    rgb = np.random.default_rng(7).uniform(0.05, 0.95, (3, 100))
    numbers = coded(rgb, matrix)
    if full_range:
        samples = np.stack([numbers[0] * 65535, *(numbers[1:] * 65535 + 32768)])
    else:
        samples = np.stack([(16 + 219 * numbers[0]) * 256, *((128 + 224 * numbers[1:]) * 256)])
    back = to_rgb(np.rint(samples).astype(np.uint16)[:, None], matrix, transfer, full_range=full_range)
    assert np.abs(back[:, 0] - rgb).max() < 0.01


def test_closed_captions_are_told(tmp_path: Path) -> None:
    """In the pictures' own data, as broadcasts have them (ATSC A/53)."""
    plain = make(tmp_path / "plain.h264", "-c:v", "libx264", "-x264-params", "aud=1", seconds=0.2)
    caption = b"\xb5\x00\x31GA94\x03\x41\xff\xfc\x94\x20\xff"
    message = b"\0\0\0\1\6\4" + bytes([len(caption)]) + caption + b"\x80"
    mark = b"\0\0\0\1\x09"
    units = plain.read_bytes().split(mark)
    path = tmp_path / "in.h264"
    path.write_bytes(units[0] + b"".join(mark + each[:1] + message + each[1:] for each in units[1:]))
    with av.open(str(path)) as container:
        picture = next(container.decode(container.streams.video[0]))
        assert Type.A53_CC in {each.type for each in _side_data(picture)}
    assert probe(path, LIMITS).notes == ("closed captions in the pictures are left out",)
    assert ffmpeg("-v", "error", "-i", identity(path, tmp_path), "-f", "null", "-") == b""
