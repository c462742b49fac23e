"""A JPEG of a thousand scans is a small file, and decoding goes over all of its pixels a thousand times."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from scorer.errors import InputError, StyleError
from scorer.media.images import decode
from scorer.media.limits import Limits
from scorer.media.scans import MOST_SCANS
from scorer.media.style_image import check_style_image, load_style_image
from scorer.media.video import probe
from tests.scorer.hostile.media import Track, mp4, picture_entry


def scanned(times: int) -> bytes:
    """A progressive JPEG of 64x48 whose last scan is there so often."""
    out = BytesIO()
    Image.new("RGB", (64, 48), (90, 20, 30)).save(out, "JPEG", progressive=True)
    head, scan, rest = out.getvalue().removesuffix(b"\xff\xd9").rpartition(b"\xff\xda")
    return head + (scan + rest) * times + b"\xff\xd9"


def film(path: Path, data: bytes) -> Path:
    return mp4(path, Track(b"vide", picture_entry(b"jpeg", 64, 48), data, size=len(data)))


def test_a_progressive_image_is_taken(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(scanned(1))
    check_style_image(tmp_path / "a.jpg")
    assert load_style_image(tmp_path / "a.jpg").shape == (48, 64, 3)
    assert decode(scanned(1), "a.jpg", 10_000).pixels.shape == (48, 64, 3)
    assert probe(film(tmp_path / "a.mov", scanned(1)), Limits()).info.frames == 1


def test_more_scans_than_any_image_has_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(scanned(MOST_SCANS))
    for load in (check_style_image, load_style_image):
        with pytest.raises(StyleError, match=r"a\.jpg can't be read \(it has 5\d\d scans, and 500 are the most\)"):
            load(tmp_path / "a.jpg")
    with pytest.raises(InputError, match=r"'a\.jpg' can't be decoded, since it has 5\d\d scans, and 500 are the most"):
        decode(scanned(MOST_SCANS), "a.jpg", 10_000)
    with pytest.raises(InputError, match=r"a\.mov' can't be decoded, since of frame 0 it has 5\d\d scans"):
        probe(film(tmp_path / "a.mov", scanned(MOST_SCANS)), Limits())
