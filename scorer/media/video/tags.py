"""What a result says of itself: chapters, and tags that tell of the work alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING

from av.container import InputContainer, OutputContainer
from av.stream import Stream

from scorer.errors import InputError
from scorer.media.opened import Source
from scorer.media.video.clock import LONGEST
from scorer.media.video.info import TIMECODE

if TYPE_CHECKING:  # the library has it in its stubs alone
    from av.container.core import Chapter

KEPT_TAGS = frozenset({
    "title", "artist", "album", "album_artist", "composer", "genre", "track", "disc", "date", "comment", "description",
    "synopsis", "show", "network", "season_number", "episode_id", "episode_sort", "copyright", "language",
})  # fmt: skip
"""Of the whole. No other is: cameras and programs write down where, when, by whom and with which device a video was made."""
KEPT_TRACK_TAGS = frozenset({"title", "language"})
KEPT_CHAPTER_TAGS = frozenset({"title"})

MOST_TRACKS = 100
"""That are copied: a Matroska file has 126 at most."""
MOST_CHAPTERS = 10_000
MOST_TAGS, MOST_TAG_BYTES = 1000, 4_000_000
"""Of all kinds but chapters' titles, in the whole file: each time it is opened, reading them takes the cube of their number."""


def check_tags(container: InputContainer, path: Source) -> None:
    """Raise InputError for more tags, chapters or tracks than any film has."""
    chapters, tracks = container.chapters(), container.streams
    if len(chapters) > MOST_CHAPTERS:
        raise InputError(f"'{path}' has {len(chapters):,} chapters, and {MOST_CHAPTERS:,} are the most: remove some.")
    tags = [container.metadata, *(track.metadata for track in tracks), *(chapter["metadata"] for chapter in chapters)]
    count = sum(map(len, tags)) - sum("title" in chapter["metadata"] for chapter in chapters)
    size = sum(len(key) + len(value) for each in tags for key, value in each.items())
    if count > MOST_TAGS or size > MOST_TAG_BYTES:
        raise InputError(
            f"'{path}' has {count:,} tags of {size / 1e6:.1f} MB, "
            f"and {MOST_TAGS:,} of {MOST_TAG_BYTES / 1e6:.0f} MB are the most: remove them."
        )
    if len(tracks.audio) + len(tracks.subtitles) > MOST_TRACKS:
        count = len(tracks.audio) + len(tracks.subtitles)
        raise InputError(f"'{path}' has {count} tracks of sound and subtitles, and {MOST_TRACKS} are the most: remove some.")


COUNTED_RATES = (24, 25, 30, 48, 50, 60, 100, 120)
"""Frames a second, rounded, that time codes count."""


def timecode(container: InputContainer, video: Stream) -> str | None:
    """Of the first frame, where one is told."""
    tags = (video.metadata, container.metadata, *(stream.metadata for stream in container.streams))
    told = (value for each in tags for key, value in each.items() if key.lower() == "timecode")
    return next((value for value in told if re.fullmatch(TIMECODE, value, re.ASCII)), None)


def is_counted(code: str, rate: Fraction) -> bool:
    """Whether such a time code counts frames of this rate; numbers are dropped at multiples of 30000/1001 alone."""
    return round(rate) in COUNTED_RATES and (code[8] == ":" or round(rate) % 30 == 0)


def advanced(code: str, rate: Fraction, frames: int) -> str:
    """The time code of the frame that comes `frames` later; after 23:59 comes 0:00.

    Where numbers are dropped, each minute but the tenths lacks its first 2 of 30 (ST 12-1), and as many more of more.
    """
    count, drops = round(rate), 0 if code[8] == ":" else round(rate) // 15
    hours, minutes, seconds, number = (int(part) for part in (code[:2], code[3:5], code[6:8], code[9:]))
    passed = 60 * hours + minutes
    real = (60 * passed + seconds) * count + number - drops * (passed - passed // 10) + frames
    ten = 600 * count - 9 * drops
    tens, left = divmod(real % (144 * ten), ten)
    if left >= 60 * count:  # the first of ten minutes lacks none
        left += drops * (1 + (left - 60 * count) // (60 * count - drops))
    whole, number = divmod(left, count)
    minutes, seconds = divmod(whole, 60)
    hours, minutes = divmod(10 * tens + minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{code[8]}{number:0{len(code) - 9}d}"


def copy_track_tags(stream: Stream, copy: Stream) -> None:
    """Give the result's track the language and the title of the source's; mp4 calls this its name."""
    if name := stream.metadata.get("name"):
        copy.metadata["title"] = name
    copy.metadata.update(_kept(stream.metadata, KEPT_TRACK_TAGS))


def copy_tags(container: InputContainer, result: OutputContainer, origin: Fraction, length: Fraction | None = None) -> None:
    """Give the result the source's chapters, and the tags that are kept; `length` is that of a part in seconds."""
    result.metadata.update(_kept(container.metadata, KEPT_TAGS))
    result.set_chapters([
        chapter for number, each in enumerate(container.chapters(), 1) for chapter in _chapter(number, each, origin, length)
    ])  # fmt: skip


def _chapter(number: int, chapter: Chapter, origin: Fraction, length: Fraction | None) -> Iterator[Chapter]:
    """The chapter on the result's clock; nothing of one that is nowhere in it."""
    unit = chapter["time_base"]
    if not unit:
        return
    start, end = (chapter[side] - round(origin / unit) for side in ("start", "end"))
    if length is not None:
        start, end = max(start, 0), min(end, round(length / unit))
        if start >= end:
            return
    if 0 <= start * unit <= end * unit <= LONGEST:
        yield {
            "id": number, "start": start, "end": end, "time_base": unit, "metadata": _kept(chapter["metadata"], KEPT_CHAPTER_TAGS)
        }  # fmt: skip


def _kept(tags: Mapping[str, str], names: frozenset[str]) -> dict[str, str]:
    return {key: value for key, value in tags.items() if key.lower() in names}
