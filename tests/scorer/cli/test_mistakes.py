"""What people type who don't know it yet, and what they are told: one sentence that quotes it and says what to type."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path

import pytest

from scorer.cli import main
from tests.conftest import ffmpeg, write_images

MISTAKES = {
    # INPUT
    "run https://example.com/film.mp4 --style night.png": (
        4,
        "no 'https://example.com/film.mp4': addresses aren't fetched; download",
    ),
    "run s3://bucket/film.mp4 --style night.png": (4, "no 's3://bucket/film.mp4': addresses aren't fetched; download it"),
    "run file:///film.mp4 --style night.png": (4, "no 'file:///film.mp4': write its plain path"),
    "run flim.mp4 --style night.png": (4, "no 'flim.mp4': it may be 'film.mp4'"),
    "run nowhere.mp4 --style night.png": (4, "no 'nowhere.mp4': look into '"),
    "run films/film.mp4 --style night.png": (4, "no 'films/film.mp4': there is no folder '"),
    "run *.mkv --style night.png": (4, "no '*.mkv': no file's name is like that in '"),
    "run film.mp4 other.mp4 --style night.png": (64, "'other.mp4' is too much: "),
    "run my film.mp4 --style night.png": (64, "'film.mp4' is too much: write a name with spaces in quotes"),
    "run '~/film.mp4' --style night.png": (4, "no '~/film.mp4': the shell leaves a '~' in quotes as it is; write '/"),
    r"run 'C:\Users\me\film.mp4' --style night.png": (4, "where Linux runs on Windows it is '/mnt/c/Users/me/film.mp4'"),
    "run '' --style night.png": (64, "it is empty: name a file, or '.' for this folder"),
    "run --style night.png": (64, "Missing argument 'INPUT'"),
    "run text.mp4 --style night.png": (3, "text.mp4' is not a video"),
    "run empty.mp4 --style night.png": (3, "empty.mp4' is empty: copy it here again"),
    "run byte.mp4 --style night.png": (3, "byte.mp4' is not a video in a container known here"),
    "report --work night.png": (4, "There is no job in 'night.png'"),
    "run -film.mp4 --style night.png": (64, "There is no option '-f'; write './-f...' for a file whose name begins so."),
    # --style
    "run film.mp4": (2, "model 'adaptive' needs an image as its style; name one with --style"),
    "run film.mp4 night.png": (64, "'night.png' is too much: write a name with spaces in quotes, a style behind --style"),
    "run film.mp4 --style": (64, "Option '--style' requires an argument"),
    "run film.mp4 --style ''": (2, "The style is empty: name an image"),
    "run film.mp4 --style https://example.com/night.jpg": (4, "addresses aren't fetched; download it, and name the file"),
    "run film.mp4 --style paintings": (6, "'paintings' is a folder: name an image in it; several --style are mixed"),
    "run film.mp4 --style 7": (4, "no '7', the style: numbers are the styles of --model painted"),
    "run film.mp4 --style net.pth": (6, "'net.pth' is a network's file, and model 'adaptive' takes images: choose --model feedf"),
    "run film.mp4 --style nihgt.png": (4, "no 'nihgt.png', the style: it may be 'night.png'"),
    "run film.mp4 --style empty.png": (6, "empty.png is an empty file: give a JPEG, PNG, WebP or TIFF file"),
    "run film.mp4 --style text.jpg": (6, "text.jpg is no image that can be used: give a JPEG, PNG, WebP or TIFF file"),
    "run film.mp4 --style night.png@0.2": (2, "'night.png@0.2' is the only one: for less of the style write '--strength 0.2'"),
    "run film.mp4 --style night.png@half --style night.png": (2, "style 'night.png@half' is no number: write it as STYLE@0.5"),
    "run film.mp4 --model painted --style night.png": (2, "'night.png' is no number of a trained style, which is what model"),
    "run film.mp4 --model painted --style 7.5": (2, "'7.5' is no number of a trained style"),
    "run film.mp4 --model painted --style 26": (6, "no style '26': give a number from 0 to 25"),
    "run film.mp4 --model feedforward --style night.png": (6, "'night.png' is an image, and model 'feedforward' takes a trained"),
    # Numbers
    "run film.mp4 --style night.png --strength 2": (2, "strength is 2.0: write a number from 0, the original, to 1"),
    "run film.mp4 --style night.png --strength 50%": (64, "'50%' is no number: write one, such as 0.5"),
    "run film.mp4 --style night.png --strength 0.3@10": (64, "'10' is no time: write 10s or 0:10, as in 0.3@10s"),
    "run film.mp4 --style night.png --strength 0.3 --strength 1@9s": (2, "not all have a time: write each as 0.5@10s"),
    "run film.mp4 --style night.png@0:10 --style night.png": (2, "some of its styles have a time and some have none"),
    "run film.mp4 --style night.png --mask nihgt.png": (4, "There is no 'nihgt.png', the mask: it may be 'night.png'."),
    "run film.mp4 --style night.png --mask .": (3, "The mask '.' is a folder: name an image or a video."),
    "run film.mp4 --style night.png --strength 0,3": (64, "'0,3' is no number: write one, such as 0.3"),
    "run film.mp4 --style night.png --size 720p": (
        64,
        "'720p' is no number: write how many pixels the longer side has, such as 1280",
    ),
    "run film.mp4 --style night.png --size 1920x1080": (
        64,
        "'1920x1080' is no number: write how many pixels the longer side has, such as 1920",
    ),
    "run film.mp4 --style night.png --size 4K": (
        64,
        "'4K' is no number: write how many pixels the longer side has, such as 3840",
    ),
    "run film.mp4 --style night.png --size 1,920": (64, "the longer side has, such as 1920"),
    "run film.mp4 --style night.png --size 5": (
        2,
        "size is 5: write the pixels of the longer side, a whole number from 16 to 8192",
    ),
    "run film.mp4 --style night.png --workers 0": (64, "0 is out of range: write a number from 1 to 256"),
    "run film.mp4 --style night.png --chunk-frames ten": (64, "'ten' is no whole number"),
    "run film.mp4 --style night.png --failure-threshold 5%": (64, "'5%' is no number: write one, such as 0.05"),
    # Names of models, options and commands
    "run film.mp4 --style night.png --model adaptiv": (7, "no model 'adaptiv': did you mean 'adaptive'?"),
    "run film.mp4 --style night.png --model Painted": (7, "no model 'Painted': did you mean 'painted'?"),
    "run film.mp4 --style night.png --option precison=int8": (2, "no option 'precison'; it has: "),
    "run film.mp4 --style night.png --option precision": (2, "Option 'precision' has no value: write it as NAME=VALUE"),
    "run film.mp4 --style night.png --option =int8": (2, "Option '=int8' has no name: write it as NAME=VALUE"),
    "run film.mp4 --style night.png --option precision=half": (2, "is 'half': it should be 'auto', 'int8' or 'float32'"),
    "run film.mp4 --stlye night.png": (64, "no option '--stlye': did you mean '--style'?"),
    "run film.mp4 --style night.png --device gpu": (2, "Device 'gpu' is not known: choose auto, cpu, cuda"),
    "runn film.mp4": (64, "No such command 'runn'. Did you mean 'run'?"),
    # --out
    "run film.mp4 --style night.png --out film.avi": (2, "can't be named 'film.avi': it is an .mp4"),
    "run film.mp4 --style night.png --out styled": (2, "'styled'"),
    "run film.mp4 --style night.png --out paintings": (8, "'paintings' is in the way: it is a folder"),
    "run film.mp4 --style night.png --out film.mp4": (8, "'film.mp4' is the input itself: give the result another name"),
    "run paintings --style night.png --out films.mp4": (
        2,
        "'films.mp4' is a video's name, and images come out as a folder: call",
    ),
    "run film.mp4 --style night.png --out '~/styled.mp4'": (64, "the shell leaves a '~' in quotes as it is; write '/"),
    "run paintings --style night.png --out ~nobody-here/styled": (64, "'~nobody-here/styled' is no place on this machine"),
    "run film.mp4 --style night.png --out https://example.com/styled.mp4": (64, "'https://example.com/styled.mp4' is no place"),
    r"run film.mp4 --style night.png --out 'C:\styled.mp4'": (64, r"'C:\styled.mp4' is no place on this machine: write a plain"),
    "run film.mp4 --style night.png --work s3://bucket": (64, "'s3://bucket' is no place on this machine: write a plain path"),
    f"run film.mp4 --style night.png --out {'n' * 252}.mp4": (8, ".mp4' can't be written: File name too long; choose another"),
    f"run film.mp4 --style night.png --out {'n' * 300}/styled.mp4": (8, "can't be written: File name too long; choose another"),
    # With a deployment
    "submit film.mp4 --style night.png": (2, "No deployment was named: give --stack"),
    "submit nowhere.mp4 --style night.png": (4, "no 'nowhere.mp4': look into '"),
    "fetch": (64, "Missing argument 'JOB'"),
    "status --deployment nonsense": (2, "deployment"),
    "share film.mp4 --sender acme --hours tomorrow": (64, "'tomorrow' is no number: write one from 0.1 to 168"),
}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a film, a painting, and what isn't either."""
    folder = tmp_path_factory.mktemp("desk")
    ffmpeg("-f", "lavfi", "-i", "testsrc=size=32x32:rate=5:duration=0.4", folder / "film.mp4")
    write_images(folder, ["night.png"])
    write_images(folder / "paintings", ["waves.png"])
    (folder / "empty.png").touch()
    (folder / "empty.mp4").touch()
    (folder / "byte.mp4").write_bytes(b"x")
    (folder / "net.pth").write_bytes(b"\x80\x02")
    for name in ("text.mp4", "text.jpg"):
        (folder / name).write_text("words\n" * 100)
    return folder


@pytest.mark.parametrize("typed", MISTAKES)
def test_a_mistake_is_told_with_what_to_type(
    typed: str, desk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, words = MISTAKES[typed]
    monkeypatch.chdir(desk)
    monkeypatch.setenv("SCORER_NODE_DIR", str(tmp_path))
    monkeypatch.delenv("SCORER_STACK", raising=False)
    monkeypatch.delenv("SCORER_DEPLOYMENT", raising=False)
    before = {path for path in desk.rglob("*") if ".scorer" not in path.parts}
    monkeypatch.setattr("sys.argv", ["scorer", *shlex.split(typed)])
    with pytest.raises(SystemExit) as ended:
        main.main()
    told = capsys.readouterr()
    assert words in told.err
    assert ended.value.code == code
    (sentence,) = told.err.splitlines()
    assert sentence.startswith("error: ")
    assert sentence.endswith((".", "?"))
    assert told.out == ""
    assert {path for path in desk.rglob("*") if ".scorer" not in path.parts} == before


@pytest.mark.parametrize("raw", [b"film\xff.mp4", b"\xfe/film.mp4"])
def test_bytes_in_a_name_that_are_no_text_are_told_with_the_name(
    raw: bytes, desk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    film = Path(os.fsdecode(raw))
    film.parent.mkdir(exist_ok=True)
    film.write_bytes((desk / "film.mp4").read_bytes())
    monkeypatch.setattr("sys.argv", ["scorer", "run", str(film), "--style", str(desk / "night.png")])
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert "\ufffd" in told
    assert "has bytes in it that are no text (UTF-8): rename that file or folder." in told


def test_a_program_gets_each_of_them_as_json(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(desk)
    monkeypatch.setattr("sys.argv", ["scorer", "run", "flim.mp4", "--style", "night.png", "--json"])
    with pytest.raises(SystemExit):
        main.main()
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["kind"] == "MissingError"
    assert "it may be 'film.mp4'" in error["message"]
