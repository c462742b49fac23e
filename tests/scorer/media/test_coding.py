"""Codecs and qualities: each one whole, exact and playable in each container, the same bytes everywhere, and its changes told."""

from __future__ import annotations

import os
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from scorer.documents.plan import Plan
from scorer.documents.request import make_request
from scorer.errors import InputError, RequestError
from scorer.job.dispatch import dispatch
from scorer.media.coding import Codec, Coding, Quality
from scorer.media.video import PartWriter, encoding_of, probe
from scorer.media.wanted import Wanted
from tests.conftest import MakeClip
from tests.folders import FolderStores
from tests.scorer.cli.command_line import run
from tests.scorer.media.video.samples import HIGH, LIMITS, decode, describe, ffmpeg, identity, make, psnr, stamps, video_line

FFV1 = ("-c:v", "ffv1")
TAGS = {"h264": "avc1", "hevc": "hvc1", "av1": "av01"}
QUALITIES: tuple[Quality, ...] = ("small", "good", "high", "lossless")
CODECS: tuple[Codec, ...] = ("h264", "hevc", "av1", "prores")
STEPS = [*product(CODECS, QUALITIES[:3]), *product(CODECS[:2], QUALITIES[3:])]


def coded(path: Path, folder: Path, coding: Coding, container: str, chunk_frames: int = 1000) -> Path:
    """The whole way without a model, into a container of choice."""
    return identity(path, folder, chunk_frames, Wanted.model_validate({"container": container, "codec": coding.codec}), coding)


@pytest.mark.parametrize(("codec", "quality"), STEPS)
def test_parts_of_any_length_join_into_what_went_in(tmp_path: Path, codec: Codec, quality: Quality) -> None:
    path = make(tmp_path / "in.mkv", *FFV1, "-vf", "gblur=2", "-pix_fmt", "yuv420p", size="96x64", rate="25", seconds=0.4)
    least = {"small": 28, "good": 31, "high": 36, "lossless": 44}[quality]
    for container, chunk_frames in product(("mov" if codec == "prores" else "mp4", "mkv"), (1, 7, 1000)):
        out = coded(path, tmp_path, Coding(codec=codec, quality=quality), container, chunk_frames)
        assert [round(float(each), 2) for each in stamps(out)] == [number / 25 for number in range(10)]
        assert psnr(decode(out, "yuv420p", 96, 64), decode(path, "yuv420p", 96, 64), 255) > least
        assert f"Video: {codec} " in video_line(out) or f"Video: {codec}," in video_line(out)
        if container == "mp4":
            assert f"({TAGS[codec]} / " in video_line(out)


@pytest.mark.parametrize(("quality", "tag"), [("small", "apcs"), ("good", "apcn"), ("high", "apch")])
def test_prores_says_which_of_its_qualities_it_is(tmp_path: Path, quality: Quality, tag: str) -> None:
    path = make(tmp_path / "in.mkv", *FFV1, "-pix_fmt", "yuv420p", seconds=0.1)
    assert f"({tag} / " in video_line(coded(path, tmp_path, Coding(codec="prores", quality=quality), "mov"))
    full = make(tmp_path / "rgb.mkv", *FFV1, "-pix_fmt", "gbrp", seconds=0.1)
    assert "(ap4h / " in video_line(coded(full, tmp_path, Coding(codec="prores", quality=quality), "mov"))


FORMS: list[tuple[str, Codec | None, Quality, str, str]] = [
    ("yuv420p", None, "good", "h264", "yuv420p"),
    ("yuv420p10le", None, "good", "hevc", "yuv420p10le"),
    ("yuv420p10le", "h264", "good", "h264", "yuv420p10le"),
    ("yuv422p", None, "good", "h264", "yuv420p"),
    ("yuv444p", None, "high", "h264", "yuv420p"),
    ("gbrp", None, "good", "h264", "yuv420p"),
    ("gbrp", None, "lossless", "h264", "yuv444p"),
    ("yuv422p12le", None, "good", "hevc", "yuv420p10le"),
    ("yuv422p12le", "hevc", "lossless", "hevc", "yuv444p12le"),
    ("yuv444p12le", "av1", "good", "av1", "yuv420p10le"),
    ("yuv422p10le", "prores", "good", "prores", "yuv422p10le"),
    ("yuv444p", "prores", "good", "prores", "yuv444p10le"),
]


@pytest.mark.parametrize(("given", "asked", "quality", "codec", "form"), FORMS)
def test_players_get_the_form_they_show_and_a_note_says_what_that_changes(
    tmp_path: Path, given: str, asked: Codec | None, quality: Quality, codec: str, form: str
) -> None:
    path = make(tmp_path / "in.mkv", *FFV1, "-pix_fmt", given, size="96x64", seconds=0.1)
    info, coding = probe(path, LIMITS).info, Coding(codec=asked, quality=quality)
    encoding = encoding_of(info, coding, info.width, info.height)
    assert (encoding.codec, encoding.pixel_format) == (codec, form)
    line = video_line(coded(path, tmp_path, coding, "mov" if codec == "prores" else "mp4"))
    assert f"Video: {codec} " in line
    assert f" {form}(" in line or ("(4444)" in line and " yuv444p12le(" in line)  # which decoders make of it
    notes = ", ".join(encoding.notes)
    chroma = {"yuv420p": "420", "yuv422p": "422"}.get(given.removesuffix("10le").removesuffix("12le"), "444")
    assert (f"{':'.join(chroma)} became 4:2:0" in notes) == (chroma != "420" and "420" in form)
    assert ("12 bits a colour became 10" in notes) == ("12le" in given and "10le" in form)
    assert ("few players show" in notes) == ((codec, form) in (("h264", "yuv420p10le"), ("hevc", "yuv444p12le")))


@pytest.mark.parametrize(("codec", "form"), [("h264", "yuv444p"), ("hevc", "yuv444p"), ("av1", "yuv420p"), ("prores", "yuv4")])
@pytest.mark.parametrize("size", ["97x65", "96x65", "97x64"])
def test_odd_sizes_are_exact_in_each_codec(tmp_path: Path, codec: Codec, form: str, size: str) -> None:
    width, height = map(int, size.split("x"))
    scale = ("-vf", f"gblur=2,scale={width}:{height}")
    path = make(tmp_path / "in.mkv", *FFV1, *scale, "-pix_fmt", "yuv420p", size="96x64", seconds=0.1)
    coding = Coding(codec=codec, quality="high")
    out = coded(path, tmp_path, coding, "mov" if codec == "prores" else "mp4")
    assert f" {form}" in video_line(out)
    assert f", {size}" in video_line(out)
    assert psnr(decode(out, "rgb24", width, height), decode(path, "rgb24", width, height), 255) > 34
    notes = encoding_of(probe(path, LIMITS).info, coding, width, height).notes
    assert bool(notes) == (codec in ("h264", "hevc"))


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("range_", ["tv", "pc"])
def test_colours_look_the_same_in_each_codec(tmp_path: Path, codec: Codec, range_: str) -> None:
    tags = "setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709"
    path = make(
        tmp_path / "in.mkv", "-vf", f"gblur=2,scale=out_range={range_}:out_color_matrix=bt709,{tags}:range={range_},setsar=4/3",
        "-pix_fmt", "yuv420p", "-color_range", range_, *FFV1, size="96x64", seconds=0.1,
    )  # fmt: skip
    out = coded(path, tmp_path, Coding(codec=codec, quality="high"), "mov" if codec == "prores" else "mp4")
    line = video_line(out)
    assert f"({'tv' if codec == 'prores' else range_}, bt709" in line  # a mov of ProRes can't say that its range is full
    assert "SAR 4:3" in line
    assert psnr(decode(out, "rgb24", 96, 64), decode(path, "rgb24", 96, 64), 255) > 34


def test_a_varying_rate_keeps_its_stamps_in_each_codec(tmp_path: Path) -> None:
    gaps = ("-vf", "setpts='(N+floor(N/5)*3+mod(N*7,4)/4)/(30*TB)'", "-fps_mode", "vfr", "-enc_time_base", "1/90000")
    path = make(tmp_path / "in.mp4", *gaps, "-c:v", "libx264", "-pix_fmt", "yuv420p", size="96x64", seconds=0.5)
    expected = [float(each) for each in stamps(path)]
    for codec, container in (("hevc", "mp4"), ("av1", "mp4"), ("prores", "mov"), ("prores", "mkv")):
        out = coded(path, tmp_path, Coding.model_validate({"codec": codec}), container, 4)
        assert [float(each) for each in stamps(out)] == pytest.approx(expected, abs=0.001)


@pytest.mark.parametrize("codec", CODECS)
def test_what_screens_are_told_goes_into_each_codec(tmp_path: Path, codec: Codec) -> None:
    screen = "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1):max-cll=1000,400"
    hdr = f"log-level=error:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:hdr10=1:repeat-headers=1:{screen}"
    path = make(tmp_path / "in.mp4", "-c:v", "libx265", "-pix_fmt", "yuv420p10le", "-x265-params", hdr, size="96x64", seconds=0.1)
    out = coded(path, tmp_path, Coding(codec=codec), "mov" if codec == "prores" else "mp4")
    assert "bt2020nc/bt2020/smpte2084" in video_line(out)
    assert "MaxCLL=1000, MaxFALL=400" in describe(out)


@pytest.mark.parametrize(
    ("name", "coder", "form", "alpha"),
    [
        ("in.mov", "prores_ks", "yuva444p10le", True),
        ("in.webm", "libvpx-vp9", "yuva420p", True),
        ("in.mov", "qtrle", "argb", True),
        ("in.webm", "libvpx-vp9", "yuv420p", False),
        ("in.mov", "qtrle", "rgb24", False),
    ],
)
def test_transparency_that_is_left_out_is_told(tmp_path: Path, name: str, coder: str, form: str, alpha: bool) -> None:
    info = probe(make(tmp_path / name, "-c:v", coder, "-pix_fmt", form, size="96x64", seconds=0.1), LIMITS).info
    assert ("transparency is left out" in encoding_of(info, Coding(), 96, 64).notes) == alpha


@pytest.mark.parametrize("codec", CODECS)
def test_the_bytes_are_the_same_on_any_number_of_cores(tmp_path: Path, codec: Codec) -> None:
    path = make(tmp_path / "in.mkv", *FFV1, "-pix_fmt", "yuv420p", size="192x128", seconds=1)
    cores, container = os.sched_getaffinity(0), "mov" if codec == "prores" else "mp4"
    first = coded(path, tmp_path, Coding(codec=codec), container).read_bytes()
    try:
        for some in ({min(cores)}, cores, {max(cores)}):
            os.sched_setaffinity(0, some)
            assert coded(path, tmp_path, Coding(codec=codec), container).read_bytes() == first
    finally:
        os.sched_setaffinity(0, cores)


def test_the_usual_result_is_about_as_large_as_its_input(tmp_path: Path, bunny: Path) -> None:
    path = tmp_path / "in.mp4"
    ffmpeg("-v", "error", "-i", bunny, "-frames:v", 30, "-vf", "scale=320:-2", "-c:v", "libx264", "-an", path)
    sizes = [identity(path, tmp_path, 1000, coding=Coding(quality=each)).stat().st_size for each in QUALITIES]
    assert sizes[1] < 1.5 * path.stat().st_size
    assert sizes == sorted(sizes)
    out = identity(path, tmp_path, 1000, coding=Coding())
    assert psnr(decode(out, "yuv420p", 320, 180), decode(path, "yuv420p", 320, 180), 255) > 34


def planned(stores: FolderStores, **changes: object) -> Plan:
    request = make_request({"name": "job", "input": "clip.mp4", "model": "invert", "chunk_frames": 4, **changes})
    return dispatch("job", request, stores)


def test_another_codec_or_quality_makes_other_parts(stores: FolderStores, make_clip: MakeClip) -> None:
    make_clip(frames=8)
    asked: list[dict[str, object]] = [{}, {"codec": "hevc"}, {"codec": "av1"}, {"codec": "prores"}, {"quality": "high"}]
    plans = [planned(stores, **each) for each in asked]
    assert len({plan.fingerprint for plan in plans}) == len(asked)
    assert planned(stores).fingerprint == plans[0].fingerprint
    assert [plan.result for plan in plans] == ["result.mp4", "result.mp4", "result.mp4", "result.mov", "result.mp4"]


def test_sizes_that_a_codec_does_not_take_are_refused_at_dispatch(stores: FolderStores, make_clip: MakeClip) -> None:
    make_clip(frames=2, size="48x8")
    with pytest.raises(InputError, match=r"clip\.mp4' makes frames of 48x8 pixels, and AV1 takes 64 to 8,192 pixels a side"):
        planned(stores, codec="av1")
    with pytest.raises(InputError, match=r"HEVC takes 64 to 8,192 pixels a side: ask for another size or codec"):
        planned(stores, codec="hevc")
    assert planned(stores).result == "result.mp4"


def test_ten_bits_too_small_for_hevc_are_coded_all_the_same(tmp_path: Path) -> None:
    path = make(tmp_path / "in.mkv", *FFV1, "-vf", "scale=8:8", "-pix_fmt", "yuv420p10le", seconds=0.1)
    assert "Video: h264 (High 10)" in video_line(identity(path, tmp_path, coding=HIGH))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"codec": "vp9"}, ["codec", "vp9", 'write "h264", "hevc", "av1" or "prores"']),
        ({"quality": "best"}, ["quality", "best", 'write "small", "good", "high" or "lossless"']),
        ({"quality": 23}, ["quality", "23"]),
        ({"codec": "av1", "quality": "lossless"}, ["codec 'av1' has no quality 'lossless': ask for 'high'", "'hevc'"]),
        ({"codec": "prores", "quality": "lossless"}, ["codec 'prores' has no quality 'lossless'"]),
        ({"codec": "prores", "container": "mp4"}, ["codec 'prores' can't be put into a container 'mp4': ask for 'mov' or 'mkv'"]),
        ({"codec": "av1", "container": "mov"}, ["codec 'av1' can't be put into a container 'mov': ask for 'mp4' or 'mkv'"]),
        ({"input": "shots/", "codec": "hevc"}, ["codec and quality are of videos, not of 'shots/'", "shots/"]),
        ({"input": "shots/", "quality": "high"}, ["codec and quality are of videos, not of 'shots/'", "shots/"]),
        ({"input": "a.jpg", "container": "mkv"}, ["container, sound, strict", "a.jpg"]),
        ({"input": "shots/", "sound": "drop"}, ["container, sound, strict", "shots/"]),
        ({"input": "shots/", "strict": True}, ["container, sound, strict", "shots/"]),
    ],
)
def test_a_codec_or_quality_that_is_none_is_told(change: dict[str, object], words: list[str]) -> None:
    with pytest.raises(RequestError) as caught:
        make_request({"name": "job", "input": "clip.mp4", "model": "invert", **change})
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(("codec", "name"), [("av1", "out.mp4"), ("hevc", "out.mp4"), ("prores", "out.mov")])
def test_a_person_gets_the_codec_asked_for_and_hears_nothing_of_its_library(
    tmp_path: Path, make_clip: MakeClip, codec: str, name: str
) -> None:
    clip = make_clip(frames=6)
    done = run("run", clip, "--model", "invert", "--codec", codec, "--quality", "small", "--out", name, folder=tmp_path)
    assert f"Video: {codec} " in describe(tmp_path / name)
    assert "Svt" not in done.stderr
    assert "x265" not in done.stderr
    again = run("run", clip, "--model", "invert", "--codec", codec, "--quality", "small", "--out", name, folder=tmp_path)
    assert "all done before" in again.stdout


@pytest.mark.parametrize("codec", CODECS)
def test_coding_leaves_the_machine_to_others_too(tmp_path: Path, codec: Codec) -> None:
    path = make(tmp_path / "in.mkv", *FFV1, "-pix_fmt", "yuv420p", size="96x64", seconds=0.1)
    info = probe(path, LIMITS).info
    before = os.sched_getscheduler(0)
    with PartWriter(tmp_path / "out.mkv", info, 96, 64, Coding(codec=codec)) as writer:
        for number in range(4):
            writer.write(np.zeros((64, 96, 3), np.uint8), number)
        assert {os.sched_getscheduler(int(each.name)) for each in Path("/proc/self/task").iterdir()} == {before}
    assert os.sched_getscheduler(0) == before
