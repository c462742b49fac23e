"""What a file's headers say of its video, for people to read: input and output of a job, side by side."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Annotated

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.stream import VideoStream
from pydantic import BaseModel, ConfigDict, Field

from scorer.documents import Number, Words
from scorer.errors import ScorerError
from scorer.media.video.source import open_source, video_stream

Label = Annotated[Words, Field(max_length=200)]

MOST_TRACKS = 20
"""Of sound that are told."""
_CODECS = {
    "aac": "AAC", "av1": "AV1", "flac": "FLAC", "h264": "H.264", "hevc": "HEVC", "opus": "Opus", "prores": "ProRes", "vp8": "VP8",
    "vp9": "VP9",
}  # fmt: skip
_PRIMARIES = {1: "BT.709", 5: "BT.601 (625 lines)", 6: "BT.601 (525 lines)", 9: "BT.2020", 12: "Display P3"}
_TRANSFERS = {16: "PQ", 18: "HLG"}
_RANGES = {1: "limited range", 2: "full range"}


class Facts(BaseModel):
    """One video file."""

    model_config = ConfigDict(frozen=True)

    container: Label
    video: Label
    """Codec and profile."""
    size: Label
    """Of a coded picture, in pixels."""
    rate: Label
    """Frames a second, on average."""
    seconds: Number
    pixels: Label
    colour: Label
    sound: Annotated[tuple[Label, ...], Field(max_length=MOST_TRACKS)] = ()
    tracks: Annotated[int, Field(ge=0, le=10_000)] = 0
    """Of sound, in all."""
    subtitles: Annotated[int, Field(ge=0, le=10_000)] = 0
    """Tracks of them."""
    bytes: Annotated[int, Field(ge=0, le=10**15)]


def find_facts(path: Path) -> Facts | None:
    """What `path` says of itself; None where it can't be read."""
    try:
        with open_source(path) as container:
            return _facts(container, video_stream(container, path), path)
    except (ScorerError, av.FFmpegError, OSError, ValueError):  # a result stands without them
        return None


def _facts(container: InputContainer, video: VideoStream, path: Path) -> Facts:
    context = video.codec_context
    profile = f" ({context.profile})" if context.profile else ""
    sound = container.streams.audio
    return Facts(
        container=container.format.long_name,
        video=_codec(context.codec.canonical_name) + profile,
        size=f"{context.width} \u00d7 {context.height}",
        rate=_rate(video.average_rate),
        seconds=(container.duration or 0) / av.time_base,
        pixels=_pixels(video),
        colour=_colour(video),
        sound=tuple(map(_track, sound[:MOST_TRACKS])),
        tracks=len(sound),
        subtitles=len(container.streams.subtitles),
        bytes=path.stat().st_size,
    )


def _codec(name: str) -> str:
    return _CODECS.get(name, name)


def _rate(rate: Fraction | None) -> str:
    if not rate:
        return "unknown"
    exact = f" ({rate})" if rate.denominator != 1 else ""
    return f"{float(rate):.6g}{exact} frames/s"


def _pixels(video: VideoStream) -> str:
    form = video.codec_context.format
    return f"{form.name}, {form.components[0].bits} bits" if form is not None else "unknown"


def _colour(video: VideoStream) -> str:
    context = video.codec_context
    known = [_PRIMARIES.get(int(context.color_primaries)), _TRANSFERS.get(int(context.color_trc))]
    known.append(_RANGES.get(int(context.color_range)))
    return ", ".join(each for each in known if each) or "not tagged"


def _track(track: AudioStream) -> str:
    context = track.codec_context
    if context is None:
        return "unknown"
    layout = {1: "mono", 2: "stereo"}.get(context.channels, context.layout.name)
    said = [_codec(context.codec.canonical_name), f"{context.sample_rate / 1000:g} kHz", layout]
    language = track.metadata.get("language", "und")[:20]
    return ", ".join([*said, *([language] if language != "und" else [])])
