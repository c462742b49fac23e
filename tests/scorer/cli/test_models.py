"""What can run here, and how styles look."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from scorer import models
from scorer.cli.models import runs_on
from scorer.cli.sheet import LABEL
from scorer.cli.styles import COLUMNS, drawn
from scorer.errors import ModelError
from scorer.models import feedforward, gatys, runtime
from scorer.models.painted import STYLES, in_every_style, load
from tests.conftest import ffmpeg, write_clip
from tests.scorer.cli.command_line import run


def test_it_says_what_runs_here(tmp_path: Path) -> None:
    said = run("models", folder=tmp_path, environment={"COLUMNS": "300"}).stdout
    assert said.count("yes, on openvino, the processor") == 3
    assert "yes, on torch, the processor; VGG19's weights (0.55 GB) are downloaded at first" in said
    assert "`scorer styles` shows them" in said
    found = {each["name"]: each for each in json.loads(run("models", "--json", folder=tmp_path).stdout)["models"]}
    assert found["painted"]["runs"] is True
    assert found["adaptive"]["options"]["runtime"].endswith("(default: auto)")
    assert found["invert"]["on"] is None


def test_what_can_not_run_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (runtime, feedforward, gatys):
        monkeypatch.setattr(module, "find_spec", lambda _: None)
    assert runs_on(models.spec("painted")) == ("openvino, the processor", "")
    on, why = runs_on(models.spec("feedforward"))
    assert on == "openvino, the processor, ONNX networks alone: checkpoints need pip install '.[scorer]'"
    monkeypatch.setattr(runtime, "available", lambda: False)
    for name in ("adaptive", "painted", "feedforward", "gatys"):
        on, why = runs_on(models.spec(name))
        assert not on
        assert "pip install" in why
    monkeypatch.setenv("SCORER_VGG19", "/nowhere/vgg19.pth")
    monkeypatch.undo()


def test_a_package_that_can_not_be_loaded_hides_no_other(tmp_path: Path) -> None:
    info = tmp_path / "site/broken-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[scorer.models]\nbroken = nowhere_at_all:SPEC\n")
    environment = {"COLUMNS": "300", "PYTHONPATH": f"{Path(__file__).parents[3]}:{tmp_path / 'site'}"}
    said = run("models", folder=tmp_path, environment=environment).stdout
    assert "broken: can't be loaded" in said
    assert "no: Model 'broken' (nowhere_at_all:SPEC) can't be loaded: " in said
    assert "painted: " in said


def test_every_style_at_once_is_each_style_alone() -> None:
    picture = np.ascontiguousarray(drawn()[::4, ::4])
    together = in_every_style(picture)
    assert together.shape == (STYLES, *picture.shape)
    for number in (0, 7, 25):
        options = {"runtime": "openvino", "precision": "float32"}
        alone = load(models.ModelSettings((models.Style(number),), "cpu", options=options)).score(picture[None])[0]
        assert np.abs(alone.astype(int) - together[number]).max() <= 1


def test_every_style_at_once_on_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = np.ascontiguousarray(drawn()[::8, ::8])
    expected = in_every_style(picture).astype(int)
    monkeypatch.setattr(runtime, "available", lambda: False)
    assert np.abs(in_every_style(picture) - expected).max() <= 1


def test_the_sheet_shows_them_on_ones_own_picture(tmp_path: Path) -> None:
    deep = np.full((40, 120, 3), 40000, np.uint16)
    cv2.imwrite(str(tmp_path / "own.png"), deep)
    said = run("styles", "--on", "own.png", "--out", "sheet.jpg", folder=tmp_path).stdout
    assert said.startswith("sheet.jpg · 26 styles; ")
    sheet = Image.open(tmp_path / "sheet.jpg")
    assert sheet.size == (COLUMNS * 240, 4 * (80 + LABEL))
    assert np.abs(np.asarray(sheet)[:80, :240].astype(int) - 156).max() < 12
    (tmp_path / "mine.png").write_text("mine")
    assert "is there already" in run("styles", "--out", "mine.png", folder=tmp_path, code=8).stderr
    assert "end its name with" in run("styles", "--out", "sheet.pdf", folder=tmp_path, code=2).stderr
    assert "There is no 'no.png'" in run("styles", "--on", "no.png", folder=tmp_path, code=4).stderr


def test_the_sheet_shows_them_on_the_middle_of_a_video(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.mp4", 50, "240x160")
    told = json.loads(run("styles", "--on", "clip.mp4", "--json", folder=tmp_path).stdout)
    assert told == {"result": str(tmp_path / "styles.png"), "styles": STYLES}
    ffmpeg("-i", tmp_path / "clip.mp4", tmp_path / "%d.png")  # from 1 on
    sheet = np.asarray(Image.open(tmp_path / "styles.png"))
    differs = [np.abs(sheet[:160, :240] - np.asarray(Image.open(tmp_path / f"{n}.png")).astype(int)).mean() for n in range(1, 51)]
    assert np.argmin(differs) == 25
    assert sheet.shape == (4 * (160 + LABEL), COLUMNS * 240, 3)
    (tmp_path / "text.png").write_text("text")
    assert "none of the images" in run("styles", "--on", "text.png", "--overwrite", folder=tmp_path, code=3).stderr


def test_a_missing_checkpoint_of_vgg19_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCORER_VGG19", "/nowhere/vgg19.pth")
    with pytest.raises(ModelError, match=r"There is no '/nowhere/vgg19\.pth', which SCORER_VGG19 names"):
        gatys.runs()
