"""The whole way, by the command line: a person's `scorer run`, with good and bad input."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.conftest import MakeClip, ffmpeg, frame_hashes, write_images
from tests.scorer.cli.command_line import run, status


def stream_hash(video: Path, stream: str, codec: str = "copy") -> str:
    lines = ffmpeg("-i", video, "-map", stream, "-c", codec, "-f", "streamhash", "-").splitlines()
    return next(line for line in lines if line.startswith("0,"))


def test_a_video_comes_back_with_its_sound(tmp_path: Path, make_clip: MakeClip) -> None:
    clip = make_clip(frames=40, rate="30000/1001")
    done = run("run", clip, "--model", "invert", "--out", "out.mp4", "--chunk-frames", "15", folder=tmp_path)
    assert done.stdout.startswith("out.mp4 · 40 frames")
    for stage in ("dispatch", "score", "merge", "report.html"):
        assert stage in done.stdout
    out = tmp_path / "out.mp4"
    assert [line.split(",")[:4] for line in frame_hashes(out)] == [line.split(",")[:4] for line in frame_hashes(clip)]
    assert stream_hash(out, "0:a") == stream_hash(clip, "0:a")
    assert status(tmp_path)["state"] == "done"
    assert status(tmp_path)["done"] == 40
    (report,) = (tmp_path / ".scorer/output").glob("*/report.html")
    assert str(report) in done.stdout
    assert "invert" in report.read_text()


def test_what_the_result_does_not_have_is_said(tmp_path: Path) -> None:
    pictures = "testsrc2=size=64x48:rate=10:duration=0.3"
    ffmpeg("-f", "lavfi", "-i", pictures, "-f", "lavfi", "-i", pictures, "-map", "0", "-map", "1", tmp_path / "two.mkv")
    done = run("run", "two.mkv", "--model", "invert", folder=tmp_path)
    assert done.stdout.endswith("not as it was: the second video track is left out\n")
    assert status(tmp_path)["notes"] == ["the second video track is left out"]


def test_no_name_is_obeyed_by_the_terminal(tmp_path: Path) -> None:
    write_images(tmp_path / "shots", ["a.png"])
    done = run("run", "shots", "--model", "invert", "--out", "a\x1b[2J\x1b]0;x\x07b\u202e", folder=tmp_path)
    assert done.stdout.startswith("ab\ufffd · 1 frame ·")
    assert "\x1b" not in done.stdout + done.stderr


@pytest.mark.parametrize(("chunk_frames", "workers"), [("1", "2"), ("7", "2"), ("100", "1")])
def test_the_pictures_are_the_same_for_any_chunks_and_workers(
    tmp_path: Path, bunny: Path, chunk_frames: str, workers: str
) -> None:
    """Invert's pictures against those of ffmpeg's own filter."""
    clip = tmp_path / "clip.mp4"
    ffmpeg("-i", bunny, "-frames:v", "20", "-vf", "scale=320:180", "-crf", "10", "-an", clip)
    how = ["--chunk-frames", chunk_frames, "--workers", workers, "--quality", "high"]
    run("run", clip, "--model", "invert", "--out", "out.mp4", *how, folder=tmp_path)
    compare = "[0:v]format=gbrp,negate[n];[1:v]format=gbrp[o];[n][o]psnr"
    said = ffmpeg("-i", clip, "-i", tmp_path / "out.mp4", "-lavfi", compare, "-f", "null", "-")
    assert float(said.rpartition("average:")[2].split()[0]) > 30
    assert len(frame_hashes(tmp_path / "out.mp4")) == 20


def test_a_folder_keeps_its_names(tmp_path: Path) -> None:
    names = ["a2.png", "a10.png", "a1.jpg", "Ä %.webp"]
    write_images(tmp_path / "shots", names)
    (tmp_path / "shots/notes.txt").write_text("not an image")
    run("run", "shots", "--model", "invert", "--out", "done", "--chunk-frames", "2", folder=tmp_path)
    assert sorted(path.name for path in (tmp_path / "done").iterdir()) == sorted(names)
    source, result = cv2.imread(str(tmp_path / "shots/a2.png")), cv2.imread(str(tmp_path / "done/a2.png"))
    assert source is not None
    assert result is not None
    assert np.array_equal(result, 255 - source)


BAD = {
    "text called mp4": (["run", "text.mp4", "--model", "invert"], 3, "text.mp4"),
    "truncated video": (["run", "truncated.mp4", "--model", "invert"], 3, "truncated.mp4"),
    "no such video": (["run", "nowhere.mp4", "--model", "invert"], 4, "nowhere.mp4"),
    "empty folder": (["run", "empty", "--model", "invert"], 3, "empty"),
    "missing style": (["run", "input/clip.mp4", "--style", "nowhere.png"], 4, "nowhere.png"),
    "no style": (["run", "input/clip.mp4"], 2, "needs an image"),
    "text as style": (["run", "input/clip.mp4", "--style", "text.mp4"], 6, "text.mp4"),
    "style out of range": (["run", "input/clip.mp4", "--model", "painted", "--style", "26"], 6, "26"),
    "no number": (["run", "input/clip.mp4", "--model", "painted", "--style", "x"], 2, "'x' is no number"),
    "unknown model": (["run", "input/clip.mp4", "--model", "x"], 7, "no model 'x'"),
    "unknown option": (["run", "input/clip.mp4", "--model", "invert", "--option", "x=1"], 2, "no option 'x'"),
    "weight": (
        ["run", "input/clip.mp4", "--style", "a@b.png@-1"],
        2,
        "The weight of style 'a@b.png' must be over 0 and at most 1000.",
    ),
    "strength": (["run", "input/clip.mp4", "--model", "invert", "--strength", "2"], 2, "strength is 2.0"),
    "colors": (
        ["run", "input/clip.mp4", "--model", "invert", "--keep-colors", "-0.1"],
        2,
        "keep_colors is -0.1: write a number from 0, the style's colours, to 1, the original's",
    ),
    "start": (["run", "input/clip.mp4", "--model", "invert", "--start", "1m"], 2, 'start is "1m": write seconds, such as 90.5'),
    "start after end": (
        ["run", "input/clip.mp4", "--model", "invert", "--start", "0:03", "--end", "2"],
        2,
        "0:03, isn't before its end, 0:02",
    ),
    "end beyond": (["run", "input/clip.mp4", "--model", "invert", "--end", "1:00:00"], 2, "end is 1:00:00, and '"),
    "part of images": (["run", "empty", "--model", "invert", "--start", "2"], 2, "start and end are of videos, not of '"),
    "device": (["run", "input/clip.mp4", "--model", "invert", "--device", "tpu"], 2, "tpu"),
    "ending": (["run", "input/clip.mp4", "--model", "invert", "--out", "a.avi"], 2, "call it 'a.mp4'"),
    "output in the way": (["run", "input/clip.mp4", "--model", "invert", "--out", "folder.mp4"], 8, "folder.mp4"),
    "output is input": (["run", "input/clip.mp4", "--model", "invert", "--out", "input/clip.mp4"], 8, "another name"),
    "unwritable output": (["run", "input/clip.mp4", "--model", "invert", "--out", "/proc/nothing/a.mp4"], 8, "/proc/nothing"),
    "unwritable work": (["run", "input/clip.mp4", "--model", "invert", "--work", "/proc/nothing"], 8, "/proc/nothing"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gets_one_plain_sentence(tmp_path: Path, make_clip: MakeClip, case: str) -> None:
    clip = make_clip()
    (tmp_path / "text.mp4").write_text("this is no video\n" * 100)
    (tmp_path / "truncated.mp4").write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    (tmp_path / "empty").mkdir()
    (tmp_path / "folder.mp4").mkdir()
    arguments, code, words = BAD[case]
    done = run(*arguments, folder=tmp_path, code=code)
    (sentence,) = done.stderr.strip().splitlines()  # and no bar that says nothing any more
    assert sentence.startswith("error: ")
    assert words in sentence


def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    import struct
    import zlib

    def block(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    bomb = b"\x89PNG\r\n\x1a\n" + block(b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0))
    bomb += block(b"IDAT", zlib.compress(b"\0" * 1000)) + block(b"IEND", b"")
    write_images(tmp_path / "shots", ["a.png", "b.png"])
    (tmp_path / "shots/bomb.png").write_bytes(bomb)
    done = run("run", "shots", "--model", "invert", folder=tmp_path, code=10)
    assert "bomb.png" in done.stderr
    run("run", "shots", "--model", "invert", "--failure-threshold", "0.5", "--out", "done", folder=tmp_path)
    assert (tmp_path / "done/bomb.png").read_bytes() == bomb


def test_a_failed_job_leaves_a_report_that_says_why(tmp_path: Path) -> None:
    write_images(tmp_path / "shots", ["a.png", "b.png", "c.png"])
    (tmp_path / "shots/b.png").write_bytes(b"nothing")
    done = run("run", "shots", "--model", "invert", folder=tmp_path, code=10)
    assert status(tmp_path)["state"] == "failed"
    assert status(tmp_path)["exit_code"] == 10
    assert sorted(path.name for path in tmp_path.iterdir()) == [".scorer", "shots"]
    assert str(status(tmp_path)["error"]) in done.stderr
    (report,) = (tmp_path / ".scorer/output").glob("*/report.html")
    assert "b.png" in report.read_text()


def test_help_shows_examples(tmp_path: Path) -> None:
    assert "scorer run clip.mp4 --style painting.jpg" in run("run", "--help", folder=tmp_path).stdout
    listing = run("models", folder=tmp_path, environment={"COLUMNS": "200"}).stdout
    for name in ("adaptive", "painted", "feedforward", "gatys", "invert"):
        assert f"{name}:" in listing


def test_a_model_whose_package_is_not_installed_says_so(tmp_path: Path, make_clip: MakeClip) -> None:
    done = run("run", make_clip(), "--model", "invert", "--option", "needs=nowhere", folder=tmp_path, code=7)
    assert "needs the package 'nowhere', which isn't installed" in done.stderr
    done = run("run", make_clip(), "--model", "invert", "--option", "needs=.", folder=tmp_path, code=7)
    assert "can't be loaded (TypeError" in done.stderr


def test_sound_that_mp4_cannot_hold_makes_a_matroska(tmp_path: Path, make_clip: MakeClip) -> None:
    clip = tmp_path / "loud.mkv"
    ffmpeg("-i", make_clip(), "-c:v", "copy", "-c:a", "wavpack", clip)
    run("run", clip, "--model", "invert", folder=tmp_path)
    (made,) = tmp_path.glob("loud-invert-*.mkv")
    assert stream_hash(made, "0:a") == stream_hash(clip, "0:a")


@pytest.mark.parametrize("ending", ["mkv", "mp4"])
def test_the_results_name_says_its_container(tmp_path: Path, make_clip: MakeClip, ending: str) -> None:
    clip = tmp_path / "loud.mov"
    ffmpeg("-i", make_clip(), "-c:v", "copy", "-c:a", "pcm_s16le", clip)
    done = run("run", clip, "--model", "invert", "--out", f"out.{ending}", folder=tmp_path)
    assert ("the sound (pcm_s16le) is re-encoded to FLAC" in done.stdout) == (ending == "mp4")
    assert stream_hash(tmp_path / f"out.{ending}", "0:a", "pcm_s16le") == stream_hash(clip, "0:a", "pcm_s16le")
    refused = run("run", clip, "--model", "invert", "--out", "out.mp4", "--container", "mkv", folder=tmp_path, code=2)
    assert "call it 'out.mkv'" in refused.stderr


def test_sound_that_nothing_can_hold_is_encoded_again_or_dropped(tmp_path: Path, make_clip: MakeClip) -> None:
    ffmpeg("-i", make_clip(), "-c:v", "copy", "-c:a", "adpcm_ms", tmp_path / "odd.mkv")
    done = run("run", "odd.mkv", "--model", "invert", folder=tmp_path)
    assert "the sound (adpcm_ms) is re-encoded to AAC" in done.stdout
    done = run("run", "odd.mkv", "--model", "invert", "--sound", "drop", "--out", "silent.mp4", folder=tmp_path)
    assert "not as it was" not in done.stdout
    assert 'write "keep" or "drop"' in run("run", "odd.mkv", "--model", "invert", "--sound", "no", folder=tmp_path, code=2).stderr


def test_the_result_is_named_after_a_style_with_an_at(tmp_path: Path, make_clip: MakeClip) -> None:
    write_images(tmp_path / "me@home", ["night.png"])
    run("run", make_clip(frames=2, size="32x32"), "--style", "me@home/night.png@1", folder=tmp_path)
    assert len(list(tmp_path.glob("clip-night-*.mp4"))) == 1


def test_the_version(tmp_path: Path) -> None:
    assert run("--version", folder=tmp_path).stdout == f"scorer {version('batch-scoring')}\n"
