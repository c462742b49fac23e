"""A process for each file, locked in like the product's own: it says what children say that look at one file after the other."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings

from tests.fuzz.cases import FORMATS, IMAGES, Case, cases
from tests.fuzz.checks import Outcome
from tests.fuzz.pool import Looker, really


@pytest.mark.parametrize("format_", FORMATS)
def test_a_child_for_one_file_says_the_same(looker: Looker, tmp_path: Path, format_: str) -> None:
    @settings(max_examples=20, derandomize=True, database=None, deadline=None)
    @given(cases([format_]))
    def holds(case: Case) -> None:
        path = tmp_path / f"case{case.ending}"
        path.write_bytes(case.data())
        alone = really(path, "style" if format_ in IMAGES else "video")
        assert plain(alone) == plain(looker.probe(path, "style" if format_ in IMAGES else "video"))

    holds()


def plain(outcome: Outcome) -> Outcome:
    """Without the library's reason, which may be another one when memory is short."""
    return Outcome(end=outcome["end"], told=outcome["told"].partition(" (")[0])


@pytest.mark.parametrize("codec", ["h264", "raw", "png"])
def test_what_asks_for_too_much_is_refused_in_time(tmp_path: Path, codec: str) -> None:
    """A table of 80 million samples, in a file of some kilobytes: its index takes gigabytes."""
    path = tmp_path / "bomb.mp4"
    path.write_bytes(Case("mp4", codec, "", {"0.samples": 80_000_000, "0.stsz.constant": 1}).data())
    assert path.stat().st_size < 20_000
    assert really(path, "video")["end"] == "InputError"
