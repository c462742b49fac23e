"""Strangers' files are looked at in a sandboxed process: it finds what is there, and however it ends there is one sentence."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scorer.errors import InputError, MissingError, StyleError
from scorer.media.limits import Limits
from scorer.media.opened import OpenedFile, reader
from scorer.media.style_image import load_style_image
from scorer.media.video import probe
from scorer.sandbox import check_style, probe_video
from tests.scorer.media.video.samples import make

X264 = ("-c:v", "libx264", "-preset", "veryfast", "-g", "12")
LIMITS = Limits(probe_seconds=30)


@pytest.mark.usefixtures("started_anew")
@pytest.mark.parametrize("name", ["in.mp4", "in.mkv", "in.avi", "in.ts", "in.mpg"])
def test_it_finds_what_is_there(tmp_path: Path, name: str) -> None:
    path = make(tmp_path / name, *(("-c:v", "mpeg2video") if name == "in.mpg" else X264), rate="25")
    assert probe_video(path, LIMITS) == probe(path, LIMITS)


def test_what_it_refuses_is_told(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"no file '.*nowhere\.mp4'"):
        probe_video(tmp_path / "nowhere.mp4", LIMITS)
    (tmp_path / "text.mp4").write_text("This is not a video.")
    with pytest.raises(InputError, match=r"text\.mp4' is not a video"):
        probe_video(tmp_path / "text.mp4", LIMITS)
    path = make(tmp_path / "in.mp4", *X264)
    with pytest.raises(InputError, match="128x96 pixels, more than the 4,000 allowed"):
        probe_video(path, LIMITS.model_copy(update={"max_pixels": 4000}))


@pytest.mark.parametrize(("name", "codec"), [("in.avi", "asv1"), ("in.avi", "zmbv"), ("in.mkv", "snow"), ("in.mov", "cljr")])
def test_codecs_that_nobody_has_are_refused_by_name(tmp_path: Path, name: str, codec: str) -> None:
    path = make(tmp_path / name, "-c:v", codec, "-strict", "-2", rate="25", seconds=0.2)
    with pytest.raises(InputError, match=rf"has video in {codec}, which isn't among the codecs taken here: convert it to H\.264"):
        probe_video(path, LIMITS)


@pytest.mark.usefixtures("started_anew")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "MPO"])
def test_styles_that_are_taken(tmp_path: Path, kind: str) -> None:
    picture = Image.fromarray(np.zeros((40, 60, 3), np.uint8))
    path = tmp_path / "style"  # what it is decides, not its name
    picture.save(path, kind, **({"save_all": True, "append_images": [picture]} if kind == "MPO" else {}))
    check_style(path, LIMITS)
    assert load_style_image(path).shape == (40, 60, 3)


@pytest.mark.parametrize("kind", ["GIF", "BMP", "EPS", "PPM", "ICO", "TGA", "PCX", "JPEG2000", "PDF"])
def test_other_images_are_no_styles(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "style.png"
    Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(path, kind)
    with pytest.raises(StyleError, match=r"style\.png is no image that can be used: give a JPEG, PNG, WebP or TIFF file"):
        check_style(path, LIMITS)


@pytest.mark.parametrize("coding", ["jpeg", "group4"])
def test_other_data_in_a_tiff_file_are_no_style(tmp_path: Path, coding: str) -> None:
    path = tmp_path / "style.tif"
    Image.new("1" if coding == "group4" else "RGB", (40, 60)).save(path, compression=coding)
    with pytest.raises(StyleError, match=f"coded as .*{coding}"):
        check_style(path, LIMITS)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_style_that_is_cut_short_is_refused_before_any_work(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "style"
    Image.effect_noise((200, 200), 80).convert("RGB").save(path, kind)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(StyleError, match=r"style can't be read \(.*\): give an undamaged image"):
        check_style(path, LIMITS)


def test_readers_of_one_open_file_dont_move_each_other(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(range(256)) * 400)
    with (tmp_path / "file").open("rb") as file:
        opened = OpenedFile(file.fileno(), "name.mp4")
        with reader(opened) as first, reader(opened) as second, reader(tmp_path / "file") as plain:
            assert first.name == "name.mp4"
            for each in (first, second, plain):
                assert (each.seek(-7, os.SEEK_END), each.read()) == (102_393, bytes(range(249, 256)))
                assert (each.seek(1000), each.seek(24, os.SEEK_CUR), each.tell()) == (1000, 1024, 1024)
            assert first.read(20_000) == second.read(20_000) == plain.read(20_000)
            second.seek(0)
            assert first.read(3) == plain.read(3)
