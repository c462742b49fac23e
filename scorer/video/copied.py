"""What goes into the result beside the pictures, as it is: sound, subtitles, chapters, and tags that tell of the work alone."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

import av
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Disposition, Stream

from scorer.errors import InputError
from scorer.opened import Source
from scorer.video.clock import DAY, LONGEST

if TYPE_CHECKING:  # the library has it in its stubs alone
    from av.container.core import Chapter

ResultContainer = Literal["mp4", "mkv"]

FORMATS: dict[ResultContainer, str] = {"mp4": "mp4", "mkv": "matroska"}
"""Their names in the library."""

MP4_AUDIO = {"aac", "mp3", "mp2", "ac3", "eac3", "opus", "flac", "alac", "dts"}
"""What players expect in an mp4 file."""

_SUBTITLES = {
    "mp4": {"mov_text"},
    "mkv": {"subrip", "ass", "ssa", "webvtt", "hdmv_pgs_subtitle", "dvd_subtitle", "dvb_subtitle"},
}

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
_MADE_UP_BYTES = 16 * 2**20
"""What a container's reader may add to what is stored: headers that all of a track's packets share are stored once."""
_MOST_TICKS = 2**31 - 1
"""How long a packet may last in an mp4."""


def sound_codecs(container: InputContainer, path: Source) -> tuple[str, ...]:
    """The sound tracks' codecs. Raises InputError for one that is unknown."""
    if any(stream.codec_context is None for stream in container.streams.audio):
        raise InputError(f"'{path}' has a sound track of an unknown format: remove it, or convert it to AAC.")
    return tuple(stream.codec_context.codec.canonical_name for stream in container.streams.audio)


def result_container(container: InputContainer, path: Source) -> ResultContainer:
    """What can hold every sound track as it is. Raises InputError where nothing can."""
    if set(sound_codecs(container, path)) <= MP4_AUDIO:
        return "mp4"
    with av.open(io.BytesIO(), "w", format="matroska") as trial:
        for track in container.streams.audio:
            try:
                trial.add_stream_from_template(track)
            except ValueError as error:
                codec = track.codec_context.name
                raise InputError(
                    f"The sound of '{path}' is {codec}, which can be copied neither into an mp4 nor into an mkv: "
                    "convert it to FLAC or AAC first."
                ) from error
    return "mkv"


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


def left_out(container: InputContainer) -> tuple[str, ...]:
    """Notes of what the result won't have of a file."""
    others = len([stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]) - 1
    return (f"{others} more video track{'s are' if others > 1 else ' is'} left out",) if others else ()


class Copies:
    """The tracks of `container` that are copied into `result`, on its clock, which starts `origin` seconds after the source's."""

    def __init__(
        self, container: InputContainer, path: Source, result: OutputContainer, kind: ResultContainer, origin: Fraction
    ) -> None:
        self._container, self._path, self._origin = container, path, origin
        self._ends: dict[int, int] = {}
        self._starts: dict[int, int] = {}
        subtitles = (
            stream
            for stream in container.streams.subtitles
            if stream.codec_context and stream.codec_context.codec.canonical_name in _SUBTITLES[kind]
        )
        self._streams: dict[int, Stream] = {}
        for stream in (*container.streams.audio, *subtitles):
            copy = result.add_stream_from_template(stream)
            copy_track_tags(stream, copy)
            copy.disposition = stream.disposition
            self._streams[stream.index] = copy

    @property
    def sources(self) -> tuple[Stream, ...]:
        """The source's streams that are copied."""
        return tuple(self._container.streams[index] for index in self._streams)

    def packets(self) -> Iterator[Packet[Stream]]:
        """All their packets that aren't empty, ready to be written. Raises InputError."""
        packets = self._container.demux(*self.sources) if self._streams else iter(())
        while True:
            try:
                packet = next(packets, None)
            except av.FFmpegError as error:
                why = error.strerror
                raise InputError(f"'{self._path}' is damaged in its sound ({why}): copy or export it again.") from error
            if packet is None:
                return
            if packet.size:
                yield self.ready(packet)

    def ready(self, packet: Packet[Any]) -> Packet[Any]:
        """The packet on the result's clock, for the result's stream. Raises InputError where it jumps back, or far."""
        index = packet.stream_index
        copy = self._streams[index]
        stamp = packet.dts if packet.dts is not None else packet.pts if packet.pts is not None else self._ends.get(index, 0)
        shown = packet.pts if packet.pts is not None else stamp
        shift = round(self._origin / packet.time_base)
        unit = copy.time_base or packet.time_base
        gap = abs(stamp - self._ends.get(index, shift)) * packet.time_base / unit
        if (copy.type == "audio" and gap > _MOST_TICKS) or max(
            abs(stamp - shift), abs(shown - shift)
        ) * packet.time_base > LONGEST:
            hours = abs(float((shown - shift) * packet.time_base)) / 3600
            raise InputError(
                f"'{self._path}' has sound or subtitles {hours:,.0f} hours from its start, far from all others: "
                "their time stamps jump, export it again."
            )
        if stamp < self._starts.get(index, stamp):
            raise InputError(
                f"'{self._path}' has sound or subtitles whose time stamps jump back to {float(stamp * packet.time_base):,.1f} s, "
                "as where recordings were joined: export it again."
            )
        self._starts[index] = stamp
        self._ends[index] = stamp + min(max(packet.duration or 0, 0), int(DAY / packet.time_base))
        packet.pts, packet.dts = shown - shift, stamp - shift
        packet.stream = copy
        return packet


def copy_track_tags(stream: Stream, copy: Stream) -> None:
    """Give the result's track the language and the title of the source's; mp4 calls this its name."""
    if name := stream.metadata.get("name"):
        copy.metadata["title"] = name
    copy.metadata.update(_kept(stream.metadata, KEPT_TRACK_TAGS))


def copy_tags(container: InputContainer, result: OutputContainer, origin: Fraction) -> None:
    """Give the result the source's chapters, and the tags that are kept."""
    result.metadata.update(_kept(container.metadata, KEPT_TAGS))
    result.set_chapters([
        chapter for number, each in enumerate(container.chapters(), 1) for chapter in _chapter(number, each, origin)
    ])  # fmt: skip


def _chapter(number: int, chapter: Chapter, origin: Fraction) -> Iterator[Chapter]:
    """The chapter on the result's clock; nothing of one that is nowhere in it."""
    unit = chapter["time_base"]
    if not unit:
        return
    start, end = (chapter[side] - round(origin / unit) for side in ("start", "end"))
    if 0 <= start * unit <= end * unit <= LONGEST:
        yield {
            "id": number, "start": start, "end": end, "time_base": unit, "metadata": _kept(chapter["metadata"], KEPT_CHAPTER_TAGS)
        }  # fmt: skip


def _kept(tags: Mapping[str, str], names: frozenset[str]) -> dict[str, str]:
    return {key: value for key, value in tags.items() if key.lower() in names}


class Trial(Copies):
    """Copies that go nowhere: to see before the work whether the result can hold them, and how large they are."""

    def __init__(self, container: InputContainer, path: Source, kind: ResultContainer, origin: Fraction) -> None:
        """Raises InputError for tracks that the result can't hold."""
        self._kind, self._bytes, self._most_bytes = kind, 0, container.size + _MADE_UP_BYTES
        self._result = av.open(_Nowhere(), "w", format=FORMATS[kind], metadata_errors="replace")
        with self._told(path):
            super().__init__(container, path, self._result, kind, origin)
            copy_tags(container, self._result, origin)
            if self.sources:
                self._result.start_encoding()

    def take(self, packet: Packet[Any]) -> None:
        """Write the packet. Raises InputError where the tracks have more bytes than the file, or can't be copied."""
        self._bytes += packet.size
        if self._bytes > self._most_bytes:
            raise InputError(
                f"'{self._path}' has more than {self._bytes / 1e6:,.0f} MB of sound and subtitles in a file of "
                f"{self._container.size / 1e6:,.1f} MB: its tables name the same bytes again and again; export it again."
            )
        if packet.size:
            with self._told(self._path):
                self._result.mux_one(self.ready(packet))

    def end(self) -> None:
        """Write what comes last. Raises InputError."""
        with self._told(self._path):
            self._result.close()

    @contextmanager
    def _told(self, path: Source) -> Iterator[None]:
        try:
            yield
        except (av.FFmpegError, ValueError, OverflowError) as error:
            why = error.strerror if isinstance(error, av.FFmpegError) else error
            raise InputError(
                f"The sound of '{path}' can't be copied into an {self._kind} ({why}): convert it to AAC or FLAC first."
            ) from error


class _Nowhere(io.RawIOBase):
    """A file that forgets what is written to it."""

    def __init__(self) -> None:
        self._at = self._size = 0

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._at += len(data)
        self._size = max(self._size, self._at)
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at
