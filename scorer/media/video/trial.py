"""Trying before the work what a result can hold beside its pictures, so that nothing is found out after all frames are scored."""

from __future__ import annotations

import io
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

from scorer.errors import InputError
from scorer.media.opened import Source
from scorer.media.video.clock import LONGEST
from scorer.media.video.copied import AGAIN, MOST_ATTACHED, Copies, cover
from scorer.media.video.delay import MOST
from scorer.media.video.sound import MOST_SECONDS
from scorer.media.video.subtitles import Telemetry
from scorer.media.video.tags import copy_tags
from scorer.media.video.tracks import FORMATS, Choice, Track, Tried
from scorer.media.wanted import ResultContainer

_MADE_UP_BYTES = 16 * 2**20
"""What a container's reader may add to what is stored: headers that all of a track's packets share are stored once."""
_TRIED_PACKETS = 64
"""Of sound that is to be encoded again: whether it can be is seen by then."""
_READ = ("copy", "text", *AGAIN)
"""How tracks go into the result whose packets are read."""

_CANT = (av.FFmpegError, ValueError, OverflowError)


class Trial:
    """Writing the tracks nowhere, each by itself: before the work it is seen which a result can hold, and how large they are."""

    def __init__(self, container: InputContainer, path: Source, choice: Choice, origin: Fraction, tried: Tried) -> None:
        """What is seen is added to `tried`. Raises InputError for chapters or tags that the result can't hold."""
        self._path, self._tried = path, tried
        self._file_bytes, self._bytes = container.size, 0
        _try_tags(container, path, choice.container, origin)
        self._tracks: dict[int, _TrackTrial] = {}
        attached = 0
        for track in choice.tracks:
            stream: Any = container.streams[track.stream]
            attached += len(stream.data) if track.how == "file" else 0
            if attached > MOST_ATTACHED:
                tried.reasons[track.stream] = "all attached files together are too large"
            elif track.how == "cover" and _tells_of_camera(path, track.stream):
                tried.reasons[track.stream] = "it tells of a camera"
            else:
                self._tracks[track.stream] = _TrackTrial(container, path, choice.container, track, origin)

    @property
    def sources(self) -> tuple[Stream, ...]:
        """The source's streams whose packets are read."""
        return tuple(stream for trial in self._tracks.values() for stream in trial.sources)

    def take(self, packet: Packet[Any]) -> None:
        """Try the packet. Raises InputError where the tracks have more bytes than the file, or time stamps that jump."""
        self._bytes += packet.size
        if self._bytes > self._file_bytes + _MADE_UP_BYTES:
            raise InputError(
                f"'{self._path}' has more than {self._bytes / 1e6:,.0f} MB of sound and subtitles in a file of "
                f"{self._file_bytes / 1e6:,.1f} MB: its tables name the same bytes again and again; export it again."
            )
        if packet.size:
            self._tracks[packet.stream_index].take(packet)

    def end(self) -> None:
        """Write what comes last, and tell what was seen."""
        for index, trial in self._tracks.items():
            trial.end()
            if reason := trial.reason:
                self._tried.reasons[index] = reason
            elif trial.failed:
                self._tried.failed.add((index, trial.kind, trial.how))
            elif 0 < trial.early <= MOST:
                self._tried.delays[index] = trial.early


class _TrackTrial:
    """One track's."""

    def __init__(self, container: InputContainer, path: Source, kind: ResultContainer, track: Track, origin: Fraction) -> None:
        self.kind, self.how, self.failed = kind, track.how, False
        # Opus says it in its own header, and what was Matroska before says it already, to the sample.
        told = container.streams[track.stream].name == "opus" or "matroska" in container.format.name
        self._is_told_of_delay = kind == "mkv" and track.how == "copy" and not told
        self._telemetry = Telemetry() if container.streams[track.stream].type == "subtitle" else None
        self._read = self._made = self.early = 0
        self._first, self._last = Fraction(2 * LONGEST), Fraction(-2 * LONGEST)
        self._stream: Any = container.streams[track.stream]
        self.sources: tuple[Stream, ...] = (self._stream,) if track.how in _READ else ()
        self._result = av.open(_Nowhere(), "w", format=FORMATS[kind], metadata_errors="replace")
        try:
            self._copies = Copies(container, path, self._result, kind, (track,), origin)
            self._result.start_encoding()
        except _CANT:
            self.failed = True

    def take(self, packet: Packet[Any]) -> None:
        """Try one of its packets."""
        self._read += 1
        if self._telemetry:
            self._telemetry.take(packet)
        if self.failed:
            return
        if self.how not in AGAIN:
            self._write(self._copies.made(packet))
        elif self._read > _TRIED_PACKETS:
            self._see(self._copies.ready(packet))
        else:
            made = self._copies.made(packet)
            self._see(packet)
            self._write(made)

    def _see(self, packet: Packet[Any]) -> None:
        """Keep when a packet that is ready is heard."""
        shown = (packet.pts or 0) * Fraction(packet.time_base)
        self._first, self._last = min(self._first, shown), max(self._last, shown)

    def _write(self, packets: Iterable[Packet[Any]]) -> None:
        try:
            for packet in packets:
                self._made += 1
                if self._is_told_of_delay and packet.pts is not None:
                    self.early = max(self.early, round(-packet.pts * packet.time_base * 10**9))
                self._result.mux_one(packet)
        except _CANT:
            self.failed = True

    def end(self) -> None:
        """Write what comes last."""
        if self.failed:
            return
        self._write(self._copies.rest())
        if self.how in AGAIN and self._read and not self._made:
            self.failed = True
        try:
            self._result.close()
        except _CANT:
            self.failed = True

    @property
    def reason(self) -> str | None:
        """Why the track can't be kept in any way."""
        if self.sources and not self._read:
            return "there is nothing in it"
        if self._telemetry and self._telemetry.found:
            return "it tells where a camera was"
        if self.how in AGAIN and self._last - self._first > MOST_SECONDS:
            return "it is too long to be encoded again"
        return None


def _try_tags(container: InputContainer, path: Source, kind: ResultContainer, origin: Fraction) -> None:
    try:
        with av.open(_Nowhere(), "w", format=FORMATS[kind], metadata_errors="replace") as result:
            result.add_stream("aac", rate=48_000)
            copy_tags(container, result, origin)
            result.start_encoding()
    except _CANT as error:
        why = error.strerror if isinstance(error, av.FFmpegError) else error
        raise InputError(f"The chapters or tags of '{path}' can't be written ({why}): export it again.") from error


def _tells_of_camera(path: Source, index: int) -> bool:
    """Whether the cover picture has EXIF data; one that can't be read is seen when it is tried."""
    try:
        data = cover(path, index)
    except ValueError:
        return False
    return b"Exif\0" in data or b"eXIf" in data or b"ns.adobe.com/xap" in data


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
