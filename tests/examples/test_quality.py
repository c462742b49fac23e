"""The table of codecs and qualities, on a clip of a few tiny frames."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from examples import quality
from tests.conftest import MakeClip


def test_each_step_is_larger_and_better_than_the_one_before(
    make_clip: MakeClip, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(quality, "FRAMES", 4)
    monkeypatch.setattr(quality, "SIZES", ((128, 96),))
    clip: Path = make_clip(frames=6, size="128x96")
    quality.main(clip)
    head, _, *lines = capsys.readouterr().out.splitlines()
    assert "adaptive 128x96" in head
    assert len(lines) == 12
    rows = [[float(each) for each in re.findall(r"([\d.]+) (?:Mbit/s|dB)", line)] for line in lines]
    for small, good, high in zip(rows[::3], rows[1::3], rows[2::3], strict=True):
        assert all(a <= b <= c for a, b, c in zip(small, good, high, strict=True))
        assert small[1] < high[1]
