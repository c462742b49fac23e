"""What is known about a video before its frames are decoded: enough to cut it into ranges, and to write it back as it was."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from scorer.media.video.display import Display
from scorer.media.video.matrices import Rare
from scorer.media.video.tracks import Track
from scorer.media.wanted import ResultContainer


def _fraction(value: Any) -> Any:
    """Read as a fraction what is written as one, and nothing that would become a number of a million digits (1e1000000)."""
    if isinstance(value, str) and not re.fullmatch(r"-?\d{1,40}(/0*[1-9]\d{0,39})?", value, re.ASCII):
        raise ValueError("it is no fraction such as 30000/1001")
    return Fraction(value) if isinstance(value, str | int) else value


Rational = Annotated[Fraction, BeforeValidator(_fraction), Field(gt=0), PlainSerializer(str, return_type=str)]
"""A fraction above 0 that JSON keeps exactly, as '30000/1001'."""
CodePoint = Annotated[int, Field(ge=0, le=255)]
CodecName = Annotated[str, Field(pattern="^[a-z0-9_]{1,40}$")]
TIMECODE = r"\d\d:[0-5]\d:[0-5]\d[:;.]\d\d\d?"
"""Hours, minutes, seconds and frames (SMPTE ST 12); ';' or '.' where numbers are dropped."""
Stamp = Annotated[int, Field(ge=-(2**63), lt=2**63)]

Access = Literal["packets", "frames", "sequential", "numbered"]
"""How frames are found: by their packets' time stamps (nearly every file), by the decoded frames' (field-coded pictures, hidden
packets), by those without seeking (old containers), or only by counting from the start (files without reliable time stamps)."""

MIN_TIMESCALE = 10_000
"""Ticks a second that the result has at least: a late start is rounded to one of them."""

REORDERED = 2
"""How many pictures x264 and x265 may give before one that is shown earlier (B-frames that others refer to)."""

AHEAD = 4
"""How many pictures earlier than it is shown they may give one: before the 3 B-frames of their presets, and one for rounding."""

MOST_TICKS = (2**31 - 1) // (REORDERED + AHEAD)
"""How long a frame may be shown, in ticks of the result: mp4 counts in 31 bits how much later than decoded it is shown."""


class VideoInfo(BaseModel):
    """One video stream, and what goes with it into the result. Time stamps (pts) are in `time_base`."""

    model_config = ConfigDict(frozen=True)

    width: int = Field(ge=1)
    height: int = Field(ge=1)
    """Of a frame as it is shown: upright, in pixels, before any resizing."""
    frames: int = Field(ge=1)
    rate: Rational
    """Frames a second; the mean where it varies."""
    constant: bool
    """Whether all frames are shown equally long."""
    time_base: Rational
    start_pts: Stamp
    last_pts: Stamp
    end_pts: Stamp
    """When the last frame ends."""
    origin: Stamp = 0
    """The pts where the result's clock starts: containers made for broadcast start anywhere."""
    skipped: int = Field(default=0, ge=0)
    """Of a part of a video: the source's frames before its first."""
    zero: Stamp | None = None
    """Of a part: the pts at which the whole's clock starts."""
    unit: Rational | None = None
    """The result's unit of time, where a varying rate's own is too fine for its longest frame, or too coarse."""
    bits: Literal[8, 10, 12]
    """Of a colour component."""
    chroma: Literal["420", "422", "444"]
    alpha: bool = False
    """Whether frames are partly transparent, or may be."""
    sample_aspect: Rational = Fraction(1)
    """Width of a pixel to its height, upright; 1 where unknown."""
    rotation: Literal[0, 90, 180, 270] = 0
    """Degrees clockwise that make a decoded frame upright."""
    mirrored: bool = False
    """Whether it is then flipped left to right as well."""
    full_range: bool
    matrix: CodePoint
    """The matrix between R'G'B' and Y'CbCr, the source's (or what players assume) and the result's."""
    coded_matrix: Rare | None = None
    """The source's, where it is one that its pixels are converted from."""
    primaries: CodePoint
    transfer: CodePoint
    """Code points of ITU-T H.273; 2 is unknown, and stays so."""
    timecode: Annotated[str, Field(pattern=f"^{TIMECODE}$")] | None = None
    """Of the first frame."""
    display: Display | None = None
    """What a screen is told of the pictures."""
    audio: tuple[CodecName, ...] = ()
    """The source's sound tracks' codecs."""
    container: ResultContainer
    """The result's."""
    tracks: Annotated[tuple[Track, ...], Field(max_length=1000)] = ()
    """The source's that go into it beside the video."""
    stream: int = Field(ge=0)
    """The video's stream in the file."""
    access: Access
    jumps: bool = False
    """Whether the source's clock jumps: `Jumps` fixes it, which takes reading from the start."""
    cut: bool = False
    """Whether the source's end is missing: what can be read of it is all."""

    @property
    def seconds(self) -> float:
        """How long it is shown."""
        return float((self.end_pts - self.start_pts) * self.time_base)

    @property
    def is_part(self) -> bool:
        """Whether the source shows more than this."""
        return self.zero is not None

    def shown_at(self, pts: int) -> float:
        """Seconds of the whole video's clock at which `pts` is."""
        return float((pts - (self.origin if self.zero is None else self.zero)) * self.time_base)

    @property
    def result_time_base(self) -> Fraction:
        """The result's unit of time: the source's own, but for a constant rate one that a frame's duration is a multiple of."""
        if not self.constant:
            return self.unit or Fraction(1, self.time_base.denominator)
        ticks = self.rate.numerator
        while ticks < MIN_TIMESCALE and 2 * ticks / self.rate <= MOST_TICKS:
            ticks *= 2
        return Fraction(1, ticks)

    def result_pts(self, pts: int) -> int:
        """`pts` in the result's unit of time.

        A constant rate is made exact: containers that count milliseconds show 30000/1001 as 33, 33 and 34. A part's first frame
        may have been shown before the part begins.
        """
        if not self.constant:
            return round((max(pts, self.start_pts) - self.origin) * self.time_base / self.result_time_base)
        unit = self.result_time_base
        start = round((self.start_pts - self.origin) * self.time_base / unit)
        number = round((pts - self.start_pts) * self.time_base * self.rate)
        return start + number * self.frame_ticks

    @property
    def frame_ticks(self) -> int:
        """A frame's duration in the result's unit of time; the mean where it varies."""
        return max(round(1 / (self.rate * self.result_time_base)), 1)


class FrameRange(BaseModel):
    """Consecutive frames, in the order they are shown."""

    model_config = ConfigDict(frozen=True)

    first: int
    """The number of its first frame, from 0."""
    frames: int
    start_pts: int
    end_pts: int | None
    """The next frame's start; None where there is none."""
    seek_pts: int
    """A frame that decoding can start at: the last key frame that is shown no later than the first frame."""
    pts: tuple[int, ...] | None = None
    """Every frame's, where the packets don't tell."""


@dataclass(frozen=True)
class VideoIndex:
    """A probed video, ready to be cut: 8 bytes a frame."""

    info: VideoInfo
    pts: array[int]
    """Every frame's, ascending."""
    key_pts: array[int] = field(default_factory=lambda: array("q"))
    """Every key frame's, ascending."""
    notes: tuple[str, ...] = ()
    """What of the file the result won't have, or will have otherwise."""
    after: int | None = None
    """Of a part: the pts of the frame behind its last, where there is one."""

    def ranges(self, chunk_frames: int) -> list[FrameRange]:
        """Cut it into ranges of `chunk_frames` frames; the last may be shorter. Raises ValueError below 1."""
        if chunk_frames < 1:
            raise ValueError(f"A chunk has at least one frame, not {chunk_frames}.")
        return [self.range(first, min(chunk_frames, len(self.pts) - first)) for first in range(0, len(self.pts), chunk_frames)]

    def around(self, own: FrameRange, more: int) -> FrameRange:
        """The range and `more` frames on each side of it, as far as there are some."""
        first = max(0, own.first - more)
        return self.range(first, min(len(self.pts), own.first + own.frames + more) - first)

    def range(self, first: int, frames: int) -> FrameRange:
        """So many frames from number `first` on."""
        start, after = self.pts[first], first + frames
        key = bisect_right(self.key_pts, start)
        return FrameRange(
            first=first,
            frames=frames,
            start_pts=start,
            end_pts=self.pts[after] if after < len(self.pts) else self.after,
            seek_pts=self.key_pts[key - 1] if key else self.pts[0],
            pts=None if self.info.access == "packets" else tuple(self.pts[first:after]),
        )
