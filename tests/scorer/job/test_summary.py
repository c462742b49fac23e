"""What a real job's report says of it: against what ffmpeg says, and against what was asked for."""

from __future__ import annotations

import re
import shlex
from dataclasses import fields, replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from scorer.cli.options import ScoringOptions
from scorer.cli.options import options as parse_options
from scorer.documents.request import Request, make_request
from scorer.job.report import MOST_STYLE_BYTES
from scorer.job.reproduce import OPTIONS
from scorer.job.reproduce import command as command_of
from scorer.job.samples import MOST_BYTES, MOST_FAILED_BYTES, SAMPLES, find_failed
from scorer.media.notes import MOST as NOTES
from scorer.report import Sample, render
from tests.conftest import MakeClip, ffmpeg, write_images
from tests.folders import FolderStores
from tests.scorer.cli.command_line import run, status
from tests.scorer.job.scoring import plan_folder, score_all
from tests.scorer.report.samples import REPORT, frame


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []

    def handle_data(self, data: str) -> None:
        if self.cdata_elem is None and data.strip():  # nothing of a script or a style
            self.words.append(data.strip())


def report(folder: Path) -> str:
    (path,) = (folder / ".scorer/output").glob("*/report.html")
    return path.read_text(encoding="utf-8")


def text(html: str) -> str:
    parser = _Text()
    parser.feed(html)
    return "\n".join(parser.words)


def command(html: str) -> list[str]:
    """The words of the command that the report gives."""
    said = next(line for line in text(html).splitlines() if line.startswith("scorer run"))
    return shlex.split(said)


def test_facts_of_input_and_output_are_those_of_ffmpeg(tmp_path: Path, make_clip: MakeClip) -> None:
    clip = make_clip(frames=12, rate="30000/1001")
    ten = tmp_path / "ten bits.mkv"
    ffmpeg(
        "-i", clip, "-map", "0:v", "-map", "0:v", "-map", "0:a", "-c:v", "ffv1", "-pix_fmt", "yuv422p10le", "-c:a", "pcm_s16le",
        "-color_primaries", "bt709", "-metadata:s:a:0", "language=deu", ten,
    )  # fmt: skip
    run("run", ten.name, "--model", "invert", folder=tmp_path)
    said = text(report(tmp_path))
    result = next(tmp_path.glob("ten bits-*"))
    streams = ffmpeg("-i", result, "-f", "null", "-")
    coded = re.search(r"Video: (\w+).*?, (yuv\w+)", streams)
    assert coded
    for words in (
        f"pixels\nyuv422p10le, 10 bits\n{coded[2]}, ",
        f"video\nffv1\n{ {'h264': 'H.264', 'hevc': 'HEVC'}[coded[1]] } (",
        "size\n96 \u00d7 64\n96 \u00d7 64",
        "frames\n12\n12",
        "rate\n29.97 (30000/1001) frames/s\n29.97 (30000/1001) frames/s",
        "sound\npcm_s16le, 44.1 kHz, mono, deu\n",
        "Left out or changed\nthe second video track is left out",
    ):
        assert words in said, said
    size = result.stat().st_size
    assert f"{ten.stat().st_size / 1e3:,.1f} kB\n{size / 1e3:,.1f} kB" in said


def test_its_command_asks_for_the_same_job(tmp_path: Path) -> None:
    write_images(tmp_path / "it's here", ["a.png", "b.png"])
    asked = ["it's here", "--model", "invert", "--size", "32", "--failure-threshold", "0.5", "--option", "sleep_ms=1"]
    run("run", *asked, "--out", "out", folder=tmp_path)
    html = report(tmp_path)
    assert "sleep_ms\n1" in text(html)
    assert "failure threshold\n0.5" in text(html)
    assert "chunk frames" not in text(html)
    again = run(*command(html)[1:], "--out", "again", folder=tmp_path)
    assert "all done before" in again.stdout
    assert len(list((tmp_path / ".scorer/output").iterdir())) == 1


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"strict": True, "container": "mkv"}, "--container mkv --strict"),
        (
            {"options": {"needs": "7", "scale": 2}, "strength": 0.25, "keep_colors": 1, "stroke_size": 2},
            "--strength 0.25 --keep-colors 1.0 --stroke-size 2.0 --option 'needs=\"7\"' --option scale=2",
        ),
        ({"input": "videos/-rf.mp4"}, ""),
        (
            {"strengths": [{"strength": 1 / 3, "at": 1.0000625}, {"strength": 1, "at": "0:10.5"}], "start": 0.1234567},
            "--strength 0.3333333333333333@1.0000625s --strength 1@0:10.5 --start 0.1234567",
        ),
    ],
)
def test_a_command_says_what_the_request_asks(asked: dict[str, object], said: str) -> None:
    request = make_request({"name": "job", "input": "videos/film.mp4", "model": "invert", **asked})
    source = "./-rf.mp4" if "input" in asked else "film.mp4"
    words = shlex.split(command_of(request, "auto"))
    assert words[:3] == ["scorer", "run", source]
    assert sorted(words[3:]) == sorted(["--model", "invert", *shlex.split(said)])
    options = [word.removeprefix("--option ") for word in said.split("--option ")[1:]]
    assert parse_options([shlex.split(option)[0] for option in options]) == request.options


def test_it_tells_nothing_of_the_machine_that_its_reader_need_not_know(tmp_path: Path, make_clip: MakeClip) -> None:
    clip = make_clip(frames=3)
    work = tmp_path / "elsewhere"
    work.mkdir()
    run("run", clip, "--model", "invert", folder=work)
    html = report(work)
    assert command(html)[2] == clip.name
    assert str(tmp_path) not in html
    job = str(status(work)["job"])
    assert (work / f".scorer/output/{job}/original.mp4").read_bytes() == clip.read_bytes()
    for link in re.findall(r'href="(\.\./[^"]+)"', html):
        assert (work / f".scorer/output/{job}" / link).is_dir()


def test_pictures_of_failed_frames_are_kept_but_few(stores: FolderStores) -> None:
    plan = plan_folder(stores, options={"poison": 127}, chunk_frames=6)
    score_all(plan, stores)
    kept = [number for number in range(10) if find_failed(plan, stores, number) is not None]
    assert kept == [0, 1, 2, 3, 6, 7, 8, 9]


def test_a_failed_frame_is_shown_as_it_came(tmp_path: Path) -> None:
    write_images(tmp_path / "shots", ["a.png", "b.png"])
    (tmp_path / "shots/c.png").write_bytes(b"no picture")
    asked = ["run", "shots", "--model", "invert", "--option", "poison=127", "--failure-threshold", "1"]
    run(*asked, folder=tmp_path)
    html = report(tmp_path)
    assert html.count("as it came") == 2  # the third could not be decoded
    assert "3 frames of 3 failed" in text(html)


def test_any_report_is_small() -> None:
    """All that a job can have, each at its largest."""
    most = 10_000
    report = replace(
        REPORT, frames=most, notes=["n" * 300] * NOTES, error="e" * 10_000, command="c" * 10_000,
        samples=[Sample(number, "l" * 300, b"b" * MOST_BYTES, b"a" * MOST_BYTES) for number in range(SAMPLES)],
        styles=[("s" * 300, b"s" * MOST_STYLE_BYTES)] * 32, settings={f"{number}" * 100: "v" * 1000 for number in range(60)},
        facts=[("f" * 200, "f" * 2000, "f" * 2000)] * 12,
    )  # fmt: skip
    failures = (frame(number, error="e" * 10_000, name="n" * 250) for number in range(most))
    html = render(report, failures, lambda _: b"f" * MOST_FAILED_BYTES)
    assert 4e6 < len(html) < 8e6


def test_a_fields_option_is_known_to_whoever_writes_the_command() -> None:
    known = {field.name for field in fields(ScoringOptions)} & set(Request.model_fields)
    assert known - {"mask"} == OPTIONS  # a mask is a file, as the styles are
