"""Which of a video's tracks go into the result beside its pictures, how, and in which container: as many as can, as they are."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import av
from av.container import InputContainer
from av.stream import AttachmentStream, Disposition, Stream
from pydantic import BaseModel, ConfigDict, Field

from scorer.media.video.codecs import SOUND
from scorer.media.video.delay import MOST
from scorer.media.wanted import ResultContainer, Wanted

FORMATS: dict[ResultContainer, str] = {"mp4": "mp4", "mkv": "matroska", "mov": "mov"}
"""Their names in the library."""

How = Literal["copy", "aac", "flac", "text", "cover", "file"]
"""Packet for packet; encoded again as AAC or FLAC; as the container's own text subtitles; as a cover or an attached file."""

_MP4_SOUND = {"aac", "mp3", "mp2", "ac3", "eac3", "opus", "flac", "alac", "dts"}
"""What players expect in an mp4 file."""

_SUBTITLES: dict[ResultContainer, set[str]] = {
    "mp4": {"mov_text"},
    "mov": {"mov_text"},
    "mkv": {"subrip", "ass", "ssa", "webvtt", "hdmv_pgs_subtitle", "dvd_subtitle", "dvb_subtitle"},
}
_TEXT = {"mov_text", "subrip", "ass", "ssa", "webvtt"}
TEXT_CODECS: dict[ResultContainer, str] = {"mp4": "mov_text", "mov": "mov_text", "mkv": "srt"}
"""What text subtitles become that a container doesn't hold as they are."""

_LOSSLESS = {"flac", "alac", "truehd", "mlp", "wavpack", "tta", "wmalossless", "s302m"}
_COVERS = {"mjpeg", "png"}
_NAMES = {"aac": "AAC", "flac": "FLAC"}
_ORDINALS = ("first", "second", "third", "fourth")

_TOLD_TOGETHER = ("data track", "attached file")
"""Phones write five tracks of data, and films have forty fonts."""
_MOST_NOTES = 20


class Track(BaseModel):
    """One of the source's tracks that goes into the result."""

    model_config = ConfigDict(frozen=True)

    stream: int = Field(ge=0, lt=10_000)
    """Its number in the file."""
    how: How
    delay: int = Field(default=0, ge=0, le=MOST)
    """Nanoseconds that it begins before the clock, where the container has no times below 0."""


@dataclass
class Tried:
    """What trying to write the tracks has shown."""

    failed: set[tuple[int, ResultContainer, How]] = field(default_factory=set)
    reasons: dict[int, str] = field(default_factory=dict)
    """Why a track can't be kept in any way, by its stream's number."""
    delays: dict[int, int] = field(default_factory=dict)
    """Nanoseconds by which a track begins too early, by its stream's number."""

    @property
    def count(self) -> int:
        """How much that is."""
        return len(self.failed) + len(self.reasons)


@dataclass
class Choice:
    """The result's container, and what goes into it."""

    container: ResultContainer
    tracks: list[Track] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    changes: int = 0
    """How many tracks aren't kept as they are."""


def sound_codecs(container: InputContainer) -> tuple[str, ...]:
    """Of the sound tracks, as far as they are known."""
    return tuple(codec for stream in container.streams.audio if (codec := codec_name(stream)))


def choose(container: InputContainer, video: Stream, asked: Wanted, tried: Tried) -> Choice:
    """What can hold all tracks as they are; an mp4 (of ProRes a mov) where that makes no difference, or as asked for."""
    usual: ResultContainer = "mov" if asked.codec == "prores" else "mp4"
    kinds: tuple[ResultContainer, ...] = (asked.container,) if asked.container else (usual, "mkv")
    return min((_choice(kind, container, video, asked, tried) for kind in kinds), key=lambda choice: choice.changes)


def _choice(kind: ResultContainer, container: InputContainer, video: Stream, asked: Wanted, tried: Tried) -> Choice:
    choice = Choice(kind)
    counts, lost = defaultdict[str, int](int), defaultdict[str, int](int)
    kinds = [_kind(stream) for stream in container.streams if stream is not video]
    for stream in container.streams:
        if stream is video or (stream.type == "audio" and asked.sound == "drop"):
            continue
        what = _kind(stream)
        counts[what] += 1
        reason = tried.reasons.get(stream.index)
        ways = () if reason else _ways(stream, kind, asked)
        how = next((each for each in ways if (stream.index, kind, each) not in tried.failed), None)
        name = _name(stream, what, counts[what], kinds.count(what))
        if how is not None:
            choice.tracks.append(Track(stream=stream.index, how=how))
        if how in (None, "aac", "flac") or (how == "text" and kind != "mkv"):
            choice.changes += 1
        if how is None and what in _TOLD_TOGETHER:
            lost[what] += not _is_told_elsewhere(stream, is_chapters=bool(container.chapters()))
        else:
            choice.notes += _notes(stream, name, how, kind, reason)
    choice.notes += [f"{_count(number, what)} left out" for what, number in lost.items() if number]
    if len(choice.notes) > _MOST_NOTES:
        more = len(choice.notes) - _MOST_NOTES
        choice.notes[_MOST_NOTES:] = [f"{more} more tracks are changed or left out"]
    return choice


def _kind(stream: Stream) -> str:
    if is_cover(stream):
        return "cover picture"
    names = {"audio": "sound track", "subtitle": "subtitle track", "video": "video track", "attachment": "attached file"}
    return names.get(stream.type, "data track")


def is_cover(stream: Stream) -> bool:
    """Whether it is a picture that stands for the whole, not a video."""
    return stream.type == "video" and bool(stream.disposition & Disposition.attached_pic)


def codec_name(stream: Stream) -> str | None:
    """The library's canonical name of its codec, if it is known."""
    return stream.codec_context.codec.canonical_name if stream.codec_context else None


def _ways(stream: Stream, kind: ResultContainer, asked: Wanted) -> Iterable[How]:
    """How the track may go into such a container, the best first."""
    if isinstance(stream, AttachmentStream):
        return ["file"] if kind == "mkv" else []
    codec = codec_name(stream)
    if codec is None:
        return []
    if is_cover(stream):
        return ["cover"] if codec in _COVERS and kind != "mov" else []
    if stream.type == "audio":
        return (how for how in _sound_ways(stream, codec, kind) if not (asked.cut_sound and how == "copy"))
    if stream.type == "subtitle":
        return ["copy"] if codec in _SUBTITLES[kind] else ["text"] if codec in _TEXT else []
    return []


def _sound_ways(stream: Stream, codec: str, kind: ResultContainer) -> Iterator[How]:
    if codec in _MP4_SOUND if kind == "mp4" else _holds(kind, stream):
        yield "copy"
    if stream.codec_context.codec.name in SOUND:
        yield "flac" if kind != "mov" and (codec in _LOSSLESS or codec.startswith("pcm_")) else "aac"


def _holds(kind: ResultContainer, stream: Stream) -> bool:
    with av.open(io.BytesIO(), "w", format=FORMATS[kind]) as trial:
        try:
            trial.add_stream_from_template(stream)
        except ValueError:
            return False
    return True


def _name(stream: Stream, what: str, number: int, count: int) -> str:
    codec = codec_name(stream)
    if what == "video track":
        return f"the {_ORDINALS[number]} video track" if number < len(_ORDINALS) else f"video track {number + 1}"
    told = f" ({codec})" if codec else ""
    if count > 1:
        return f"{what} {number}{told}"
    return ("the sound" if what == "sound track" else f"the {what}") + told


def _count(number: int, what: str) -> str:
    return f"{number} {what}s are" if number > 1 else f"a {what} is" if what[0] not in "aeiou" else f"an {what} is"


def _notes(stream: Stream, name: str, how: How | None, kind: ResultContainer, reason: str | None) -> Iterator[str]:
    if how in ("aac", "flac"):
        yield f"{name} is re-encoded to {_NAMES[how]}"
    elif how == "text":
        loses = " and loses its styling" if kind != "mkv" and codec_name(stream) in ("ass", "ssa") else ""
        yield f"{name} becomes {TEXT_CODECS[kind]}{loses}"
    elif how is None:
        why = f", since {reason}" if reason else _why_not(stream, kind)
        yield f"{name} is left out{why}"


def _is_told_elsewhere(stream: Stream, *, is_chapters: bool) -> bool:
    """Whether what it says is kept in another form: chapters that QuickTime has in a track, the time code of the first frame."""
    if stream.type == "data":
        return "timecode" in stream.metadata or (is_chapters and stream.name == "bin_data")
    return bool(stream.disposition & Disposition.timed_thumbnails)


def _why_not(stream: Stream, kind: ResultContainer) -> str:
    if stream.type in ("audio", "subtitle") and codec_name(stream) is None:
        return ", since its format is unknown"
    if stream.type == "audio":
        return ", since it can be neither copied nor encoded again"
    if stream.type == "subtitle" and kind != "mkv":
        return f", since {'a mov' if kind == 'mov' else 'an mp4'} can't hold it"
    return ""
