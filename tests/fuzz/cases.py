"""A case: a file of one format, sane but for a few of its numbers. It is kept as a table, from which the file is made anew."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal, Self

from hypothesis import strategies as st

from tests.fuzz import avi, flv, jpeg, matroska, mp4, mpegts, ogg, png, webp
from tests.fuzz.fields import Fields


@dataclass(frozen=True)
class Format:
    """A format that a writer is there for."""

    write: Callable[[Fields, str, str], bytes]
    media: tuple[str, ...]
    """Codecs of its video, or kinds of its pictures."""
    sounds: tuple[str, ...]
    optional: dict[str, int]
    ending: str
    order: Literal["big", "little"] = "big"


VIDEOS = {
    "mp4": Format(mp4.write, (*mp4.VIDEO,), (*mp4.SOUND,), mp4.OPTIONAL, ".mp4"),
    "matroska": Format(matroska.write, (*matroska.VIDEO,), (*matroska.SOUND,), matroska.OPTIONAL, ".mkv"),
    "avi": Format(avi.write, (*avi.VIDEO,), (*avi.SOUND,), avi.OPTIONAL, ".avi", "little"),
    "ogg": Format(ogg.write, (*ogg.VIDEO,), (*ogg.SOUND,), ogg.OPTIONAL, ".ogv", "little"),
    "mpegts": Format(mpegts.write, (*mpegts.VIDEO,), (*mpegts.SOUND,), mpegts.OPTIONAL, ".ts"),
    "flv": Format(flv.write, (*flv.VIDEO,), (*flv.SOUND,), flv.OPTIONAL, ".flv"),
}
IMAGES = {
    "png": Format(png.write, (*png.PICTURES,), ("",), png.OPTIONAL, ".png"),
    "jpeg": Format(jpeg.write, (*jpeg.PICTURES,), ("",), jpeg.OPTIONAL, ".jpg"),
    "webp": Format(webp.write, (*webp.PICTURES,), ("",), webp.OPTIONAL, ".webp", "little"),
}
FORMATS = VIDEOS | IMAGES


@dataclass(frozen=True)
class Case:
    """What makes one file."""

    format: str
    media: str
    sound: str = ""
    twists: dict[str, int] = field(default_factory=dict)
    """Numbers of the file that aren't what they would be."""

    @property
    def ending(self) -> str:
        """Of the file's name."""
        return FORMATS[self.format].ending

    def data(self) -> bytes:
        """The file."""
        form = FORMATS[self.format]
        return form.write(Fields(self.twists, form.order), self.media, self.sound)

    def keep(self, folder: Path, name: str, found: str, seed: int) -> Path:
        """Write it down, with what came of it when it was found, and the seed that led there (0: none)."""
        path = folder / f"{name}.json"
        path.write_text(json.dumps(asdict(self) | {"found": found, "seed": seed}, indent=2) + "\n")
        return path

    @classmethod
    def read(cls, path: Path) -> Self:
        """The case that `keep` wrote."""
        content = json.loads(path.read_text())
        return cls(**{key: value for key, value in content.items() if key not in ("found", "seed")})


@cache
def numbers(format_: str, media: str, sound: str) -> dict[str, int]:
    """All numbers of such a file, and their bits: what its writer asks for when all that is optional is there."""
    form = FORMATS[format_]
    seen: dict[str, int] = {}
    for twists in ({}, form.optional):
        fields = Fields(twists, form.order)
        form.write(fields, media, sound)
        seen |= fields.seen
    return dict(sorted(seen.items()))


def cases(formats: Iterable[str]) -> st.SearchStrategy[Case]:
    """Files of these formats with up to six absurd numbers, more often fewer."""
    return st.one_of([_cases(each) for each in formats])


def _cases(format_: str) -> st.SearchStrategy[Case]:
    form = FORMATS[format_]

    @st.composite
    def made(draw: st.DrawFn) -> Case:
        media, sound = draw(st.sampled_from(form.media)), draw(st.sampled_from(form.sounds))
        bits = numbers(format_, media, sound)
        on = draw(st.lists(st.sampled_from(sorted(form.optional)), max_size=3, unique=True))
        names = draw(st.lists(st.sampled_from([*bits]), max_size=4, unique=True))
        twists = {name: form.optional[name] for name in on} | {name: draw(_absurd(bits[name])) for name in names}
        return Case(format_, media, sound, twists)

    return made()


@cache
def _absurd(bits: int) -> st.SearchStrategy[int]:
    """Numbers of so many bits at which things break: small ones, round ones, edges of other widths, negative ones."""
    most = (1 << bits) - 1
    edges = {0, 1, 2, 3, most, most - 1, most // 2, most // 2 + 1, most // 4}
    edges |= {(1 << power) + by for power in (8, 15, 16, 24, 31, 32, 62, 63) for by in (-1, 0, 1)}
    edges |= {10**power for power in range(1, 19)} | {80_000_000, most - 999, most - 10**6}
    usual = st.sampled_from(sorted(each for each in edges if 0 <= each <= most))
    return st.one_of(usual, st.integers(0, min(most, 300)), st.integers(0, most))
