"""Files that broke a promise once: `make fuzz` kept them, and they are looked at again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.cases import FORMATS, Case
from tests.fuzz.pool import Looker

FOUND = sorted(Path(__file__).with_name("cases").glob("*.json"))


@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.stem)
def test_what_was_found_once_is_mended(looker: Looker, path: Path) -> None:
    looker.checked(Case.read(path))


@pytest.mark.parametrize("format_", FORMATS)
def test_a_file_without_twists_is_taken_whole(looker: Looker, format_: str) -> None:
    form = FORMATS[format_]
    for media in form.media:
        for sound in form.sounds:
            outcome = looker.checked(Case(format_, media, sound))
            assert outcome["end"] == "taken", (media, sound, outcome)
            assert outcome["told"] in ("joined", "a style"), (media, sound, outcome)
