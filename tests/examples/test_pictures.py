"""The pictures and figures of the documents, of a clip of a few small frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from examples import pictures
from scorer.cli.sheet import LABEL
from tests.conftest import MakeClip


def test_detail_is_the_length_of_a_wave() -> None:
    for length in (6, 9, 14):
        wave = 128 + 60 * np.sin(2 * np.pi * np.arange(252) / length)
        picture = np.broadcast_to(wave[None, :, None], (90, 252, 3)).round().astype(np.uint8)
        assert pictures.detail(picture) == pytest.approx(length, rel=0.25)


def test_all_of_it_is_made(
    tmp_path: Path, make_clip: MakeClip, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {
        "FRAME": 1,
        "SIZE": 64,
        "STROKES": (2.0,),
        "STYLES": (),
        "FILM": ("0", "0.2"),
        "PART": (4, 4, 44, 40),
    }.items():
        monkeypatch.setattr(pictures, name, value)
    clip: Path = make_clip(frames=8, size="128x96")
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (90, 80, 3), np.uint8)).save(tmp_path / "painting.png")
    pictures.main(clip, tmp_path / "painting.png", tmp_path)
    _, _, row = capsys.readouterr().out.splitlines()
    assert row.startswith("| `--stroke-size 2` | ")
    assert Image.open(tmp_path / "strokes.jpg").size == (pictures.TILE[0], 2 * (pictures.TILE[1] + LABEL))
    with Image.open(tmp_path / "steady.webp") as film:
        assert film.size == (2 * 40 + 4, 36)
        shown = [np.asarray(frame.convert("RGB"), float) for frame in ImageSequence.Iterator(film)]
    assert len(shown) > 2
    changes = [np.abs(np.diff([each[:, part] for each in shown], axis=0)).mean() for part in (slice(0, 40), slice(44, 84))]
    assert changes[1] < changes[0], "the steadied half changes less"
