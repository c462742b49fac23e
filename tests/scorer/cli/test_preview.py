"""`scorer preview`: the run's own frames on a sheet, with what is written below, and the same sentences as the run's."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest
from PIL import Image

from scorer.cli.sheet import LABEL, Cell, on_sheet, sheet
from scorer.errors import RequestError
from scorer.models import Frames
from tests.conftest import MakeClip, write_clip, write_images
from tests.scorer.cli.command_line import typed
from tests.scorer.cli.test_run import BAD

Run = Callable[..., CompletedProcess[str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return partial(typed, monkeypatch=monkeypatch, capsys=capsys)


WIDTH = 220
"""Pixels of a column of small pictures."""


def pictures(path: Path, rows: int, columns: int, shape: tuple[int, int]) -> list[list[Frames]]:
    """Those of a sheet."""
    height, width = shape
    found = np.asarray(Image.open(path))
    assert found.shape == (rows * (height + LABEL), columns * max(WIDTH, width), 3)
    tops, lefts = (range(0, found.shape[0], height + LABEL), range(0, found.shape[1], max(WIDTH, width)))
    return [[found[top : top + height, left : left + width] for left in lefts] for top in tops]


def test_images_are_those_of_the_run_byte_for_byte(run: Run, tmp_path: Path) -> None:
    write_images(tmp_path / "shots", ["a.png", "b.png", "c.png"])
    write_images(tmp_path, ["night.png"])
    options = ["--style", "night.png", "--strength", "0.7", "--keep-colors", "0.5"]
    told = json.loads(run("preview", "shots", *options, "--json", folder=tmp_path).stdout)
    assert (told["frames"], told["columns"], told["failed"]) == ([0, 1, 2], ["night · strength 0.7"], [])
    run("run", "shots", *options, "--out", "done", folder=tmp_path)
    result = [path.stat().st_size for path in (tmp_path / "done").iterdir()]
    assert told["estimate"]["frames"] == 3
    assert told["estimate"]["bytes"] == pytest.approx(sum(result), abs=2)
    for name, (before, after) in zip("abc", pictures(tmp_path / "preview.png", 3, 2, (48, 64)), strict=True):
        assert np.array_equal(before, np.asarray(Image.open(tmp_path / f"shots/{name}.png")))
        assert np.array_equal(after, np.asarray(Image.open(tmp_path / f"done/{name}.png")))


def test_styles_stand_side_by_side_by_themselves_and_mixed_at_each_strength(
    run: Run, tmp_path: Path, make_clip: MakeClip
) -> None:
    clip = make_clip(frames=40)
    options = ["--model", "painted", "--style", "3@0.7", "--style", "9@0.3", "--strengths", "0, 1", "--frames", "2"]
    told = json.loads(run("preview", clip, *options, "--json", folder=tmp_path).stdout)
    assert told["columns"] == [f"{style} · strength {strength}" for style in ("3", "9", "3 + 9") for strength in (0, 1)]
    assert told["frames"] == [0, 20]
    for original, three, third, nine, ninth, none, mixed in pictures(tmp_path / "preview.png", 2, 7, (64, 96)):
        assert np.array_equal(original, three)
        assert np.array_equal(original, nine)
        assert np.array_equal(original, none)
        assert min(np.abs(third - each.astype(int)).mean() for each in (original, ninth, mixed)) > 1
        assert np.abs(mixed - third.astype(int)).mean() < np.abs(ninth - third.astype(int)).mean()


def test_a_frame_is_shown_in_the_style_of_its_time(run: Run, tmp_path: Path, make_clip: MakeClip) -> None:
    clip = make_clip(frames=40)
    options = ["--model", "painted", "--style", "3@0s", "--style", "9@0:00.8", "--frames", "2", "--start", "0.4"]
    told = json.loads(run("preview", clip, *options, "--strength", "1@0s", "--json", folder=tmp_path).stdout)
    assert told["columns"] == [f"{style} · strength by time" for style in ("3", "9", "3 + 9")]
    assert told["estimate"]["frames"] == 30
    (_, *first), (_, *second) = pictures(tmp_path / "preview.png", 2, 4, (64, 96))
    shares = []
    for three, nine, mixed in (first, second):
        away, apart = (float(np.abs(each - three.astype(int)).mean()) for each in (mixed, nine))
        shares.append(away / apart)
    assert 0.2 < shares[0] < 0.8  # halfway, and all the way
    assert shares[1] == pytest.approx(1, abs=0.02)


def test_it_says_that_the_rest_is_an_estimate(run: Run, tmp_path: Path, make_clip: MakeClip) -> None:
    clip = make_clip(frames=50)
    done = run("preview", clip, "--model", "invert", "--frames", "1", "--out", "look.jpg", folder=tmp_path)
    assert done.stdout.startswith("look.jpg · 1 picture · an estimate of the whole, by what these took: about ")
    assert done.stdout.endswith(", for 50 frames\n")
    assert done.stderr == ""
    told = json.loads(run("preview", clip, "--model", "invert", "--json", "--overwrite", folder=tmp_path).stdout)
    run("run", clip, "--model", "invert", "--out", "a.mp4", folder=tmp_path)
    assert 0.7 < told["estimate"]["bytes"] / (tmp_path / "a.mp4").stat().st_size < 1.3
    quiet = run("preview", clip, "--model", "invert", "--quiet", "--overwrite", folder=tmp_path)
    assert (quiet.stdout, quiet.stderr) == ("preview.png\n", "")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".scorer", "a.mp4", "input", "look.jpg", "preview.png"]


def test_frames_that_fail_are_told_and_if_all_do_that_is_an_error(run: Run, tmp_path: Path) -> None:
    write_images(tmp_path / "shots", ["a.png", "b.png", "c.png"])
    (tmp_path / "shots/b.png").write_bytes(b"nothing")
    threshold = ["--failure-threshold", "1"]
    done = run("preview", "shots", "--model", "invert", *threshold, folder=tmp_path)
    assert " · 1 failed (frame b.png: 'b.png' is none of the images" in done.stdout
    for name in "ac":
        (tmp_path / f"shots/{name}.png").write_bytes(b"nothing")
    ended = run("preview", "shots", "--model", "invert", *threshold, "--overwrite", folder=tmp_path, code=10)
    assert "All 3 pictures failed (frame a.png: " in ended.stderr


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the cases of `scorer run` name."""
    folder = tmp_path_factory.mktemp("bad")
    (folder / "input").mkdir()
    clip = write_clip(folder / "input/clip.mp4", 30)
    (folder / "text.mp4").write_text("this is no video\n" * 100)
    (folder / "truncated.mp4").write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    (folder / "empty").mkdir()
    return folder


@pytest.mark.parametrize("case", [name for name, (words, _, _) in BAD.items() if not {"--out", "--work"} & set(words)])
def test_bad_input_gets_the_sentence_of_the_run(run: Run, inputs: Path, case: str) -> None:
    (_, *arguments), code, words = BAD[case]
    said = run("preview", *arguments, folder=inputs, code=code).stderr
    assert words in said
    assert said == run("run", *arguments, folder=inputs, code=code).stderr
    assert not (inputs / "preview.png").exists()


OWN = {
    "strengths": (["--strengths", "0.5,2"], 2, "--strengths '0.5,2' can't be taken: 2 is out of range"),
    "no strengths": (["--strengths", ""], 2, "'' is no number"),
    "frames": (["--frames", "0"], 64, "0 is out of range"),
    "no image": (["--out", "sheet.mp4"], 2, "end its name with"),
    "the input": (["--out", "input/clip.png", "--overwrite"], 8, "is what the result is made of"),
    "too large": (["--cell", "8192", "--size", "6000", "--frames", "24"], 2, "ask for fewer pictures, or smaller ones"),
}


@pytest.mark.parametrize("case", OWN)
def test_what_is_its_own_is_refused_in_a_sentence(run: Run, inputs: Path, case: str) -> None:
    options, code, words = OWN[case]
    (inputs / "input/clip.png").write_bytes((inputs / "input/clip.mp4").read_bytes())
    source = "input/clip.png" if case == "the input" else "input/clip.mp4"
    assert words in run("preview", source, "--model", "invert", *options, folder=inputs, code=code).stderr


def test_a_sheet_takes_pictures_of_any_depth_size_and_shape() -> None:
    deep = np.full((40, 80, 3), 0x80FF, np.uint16)
    assert np.array_equal(on_sheet(deep, 100), np.full((40, 80, 3), 0x80, np.uint8))
    assert on_sheet(deep, 40).shape == (20, 40, 3)
    assert on_sheet(deep, 100, aspect=0.5).shape == (40, 40, 3)
    small, large = Cell(on_sheet(deep, 20), "a" * 300), Cell(on_sheet(deep, 80), "")
    made = sheet([[small, large], [large]])
    assert made.shape == (2 * (40 + LABEL), 2 * WIDTH, 3)
    assert (made[:40, WIDTH : WIDTH + 80] == 0x80).all()
    assert (made[10:40, :20] == 255).all()
    with pytest.raises(RequestError, match="ask for fewer pictures"):
        sheet([[large] * 1000] * 100)
