"""How pictures are coded: by which encoder, with which settings, in which pixel format.

The same frames give the same bytes: the number of threads is fixed, since they depend on it, and x264 goes without its
macroblock tree ('superfast' has none), which doesn't come out alike each time.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from scorer.media.coding import Codec, Coding, Quality
from scorer.media.video.info import REORDERED, VideoInfo

os.environ.setdefault("SVT_LOG", "0")  # it says what it does on stderr otherwise

THREADS = 2

_X265 = "log-level=none:info=0:open-gop=0:frame-threads=1:pools=2:lookahead-slices=0"


@dataclass(frozen=True)
class Encoder:
    """One codec's."""

    told: str
    """What people call the codec."""
    library: str
    """The library's name of it."""
    settings: Mapping[str, str]
    steps: Mapping[Quality, Mapping[str, str]]
    reordered: int
    """How many pictures it may give before one that is shown earlier."""
    least_side: int
    most_side: int
    """Pixels of a side that it takes."""

    @property
    def range_of_sides(self) -> str:
        """Which sides it takes, in words."""
        return f"{self.least_side:,} to {self.most_side:,} pixels a side"

    def takes(self, width: int, height: int) -> bool:
        """Whether it codes frames of this size."""
        return self.least_side <= min(width, height) and max(width, height) <= self.most_side


ENCODERS: dict[Codec, Encoder] = {
    "h264": Encoder(
        "H.264", "libx264", {"preset": "superfast"},
        {"small": {"crf": "31"}, "good": {"crf": "26"}, "high": {"crf": "18"}, "lossless": {"qp": "0"}},
        reordered=REORDERED, least_side=1, most_side=16_384,
    ),
    "hevc": Encoder(
        "HEVC", "libx265", {"preset": "ultrafast", "x265-params": _X265},
        {
            "small": {"crf": "31"}, "good": {"crf": "27"}, "high": {"crf": "19"},
            "lossless": {"x265-params": f"{_X265}:lossless=1"},
        },
        # Between 36 and 48 pixels wide x265 writes beyond its buffers, and the process dies of that, sooner or later.
        reordered=REORDERED, least_side=64, most_side=8192,
    ),
    "av1": Encoder(
        "AV1", "libsvtav1", {"preset": "10", "svtav1-params": "lp=2"},
        {"small": {"crf": "48"}, "good": {"crf": "39"}, "high": {"crf": "26"}},
        reordered=0, least_side=64, most_side=8192,
    ),
    "prores": Encoder(
        "ProRes", "prores_ks", {"vendor": "apl0"},
        {"small": {"profile": "lt"}, "good": {"profile": "standard"}, "high": {"profile": "hq"}},
        reordered=0, least_side=2, most_side=16_384,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Encoding:
    """How the pictures of one result are coded."""

    codec: Codec
    pixel_format: str
    full_range: bool
    options: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def encoder(self) -> Encoder:
        """Its codec's."""
        return ENCODERS[self.codec]

    @property
    def alpha(self) -> bool:
        """Whether the pictures may be transparent."""
        return self.pixel_format.startswith("yuva")

    @property
    def bits(self) -> int:
        """Of a colour component."""
        return 12 if "12le" in self.pixel_format else 10 if "10le" in self.pixel_format else 8


def encoding_of(info: VideoInfo, coding: Coding, width: int, height: int) -> Encoding:
    """How frames of this size are coded as `coding` wants it, with notes of what that changes."""
    codec = coding.codec or _usual(info, width, height)
    encoder = ENCODERS[codec]
    alpha = info.alpha and codec == "prores"
    chroma, bits = "444" if alpha else _chroma(info, codec, coding.quality, width, height), _bits(info, codec, coding.quality)
    options = {**encoder.settings, **encoder.steps[coding.quality]}
    if codec == "prores" and chroma == "444":
        options["profile"] = "4444"
    return Encoding(
        codec,
        f"yuv{'a' * alpha}{chroma}p" + (f"{bits}le" if bits > 8 else ""),
        # ProRes has no place to say that its range is full.
        info.full_range and codec != "prores",
        options,
        tuple(_notes(info, codec, chroma, bits)),
    )


def _usual(info: VideoInfo, width: int, height: int) -> Codec:
    return "hevc" if info.bits > 8 and ENCODERS["hevc"].takes(width, height) else "h264"


def _chroma(info: VideoInfo, codec: Codec, quality: Quality, width: int, height: int) -> str:
    """Half in both directions, as players expect it, unless all of it is to be kept or the size has no half.

    AV1 rounds halves up, the others can't; ProRes has no other than half across, and full.
    """
    if codec == "prores":
        return "444" if info.chroma == "444" or width % 2 else "422"
    if quality == "lossless" or (codec != "av1" and (width % 2 or height % 2)):
        return "444"
    return "420"


def _bits(info: VideoInfo, codec: Codec, quality: Quality) -> int:
    if codec == "prores":
        return 10
    return info.bits if codec == "hevc" and quality == "lossless" else min(info.bits, 10)


def _notes(info: VideoInfo, codec: Codec, chroma: str, bits: int) -> list[str]:
    notes = []
    told = ENCODERS[codec].told
    if _SAMPLES[chroma] < _SAMPLES[info.chroma]:
        notes.append(f"{_named(info.chroma)} became {_named(chroma)}, which more players show")
    elif codec in ("h264", "hevc") and chroma != "420" and _SAMPLES[chroma] > _SAMPLES[info.chroma]:
        notes.append(f"{_named(info.chroma)} became {_named(chroma)}, which few players show")
    if bits < info.bits:
        notes.append(f"{info.bits} bits a colour became {bits}")
    if info.alpha and codec != "prores":
        notes.append("transparency is left out")
    if codec == "h264" and bits > 8:
        notes.append(f"{told} has {bits} bits a colour, which few players show: codec 'hevc' suits them")
    return notes


_SAMPLES = {"420": 1, "422": 2, "444": 4}


def _named(chroma: str) -> str:
    return ":".join(chroma)
