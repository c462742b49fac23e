"""What goes into the result beside the pictures: sound, subtitles, covers and attached files, as they are where that can be."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import chain
from math import ceil
from typing import Any

import av
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Disposition, Stream

from scorer.errors import InputError
from scorer.opened import Source
from scorer.text import clean
from scorer.video.clock import DAY, LONGEST
from scorer.video.delay import MOST, delayed
from scorer.video.jumps import Jumps
from scorer.video.sound import MOST_SAMPLES, Recoder
from scorer.video.source import only, open_source
from scorer.video.subtitles import Converter, Telemetry
from scorer.video.tags import copy_tags, copy_track_tags
from scorer.video.tracks import FORMATS, TEXT_CODECS, Choice, Track, Tried
from scorer.wanted import ResultContainer

MOST_ATTACHED = 2**26
"""Bytes of one cover picture, and of all attached files: they are held in memory."""
_MADE_UP_BYTES = 16 * 2**20
"""What a container's reader may add to what is stored: headers that all of a track's packets share are stored once."""
_MOST_TICKS = 2**31 - 1
"""How long a packet may last in an mp4."""
_TRIED_PACKETS = 64
"""Of sound that is to be encoded again: whether it can be is seen by then."""
_MIME = re.compile(r"[\w.+-]{1,60}/[\w.+-]{1,60}", re.ASCII)

_CANT = (av.FFmpegError, ValueError, OverflowError)


class Copies:
    """The tracks of `container` that go into `result`, on its clock, which starts `origin` seconds after the source's."""

    def __init__(
        self, container: InputContainer, path: Source, result: OutputContainer, kind: ResultContainer, tracks: Sequence[Track],
        origin: Fraction,
    ) -> None:  # fmt: skip
        self._container, self._path, self._origin = container, path, origin
        self._ends: dict[int, int] = {}
        self._starts: dict[int, int] = {}
        self._streams: dict[int, Stream] = {}
        self._makers: dict[int, Recoder | Converter] = {}
        self._covers: list[Packet[Stream]] = []
        most = MOST_SAMPLES // max(1, sum(track.how in ("aac", "flac") for track in tracks))
        for track in tracks:
            stream: Any = container.streams[track.stream]
            if track.how == "file":
                name, form = clean(stream.name or "", 255), stream.mimetype or ""
                result.add_attachment(name or "file", form if _MIME.fullmatch(form) else "application/octet-stream", stream.data)
            elif track.how == "cover":
                self._add_cover(stream, result, kind)
            else:
                self._streams[stream.index] = self._add(stream, track, result, kind, most)

    def _add(self, stream: Any, track: Track, result: OutputContainer, kind: ResultContainer, most: int) -> Stream:
        copy: Stream
        if track.how == "copy":
            copy = self._copied(stream, track, result)
        elif track.how == "text":
            copy = self._makers.setdefault(stream.index, Converter(stream, result, TEXT_CODECS[kind])).stream
        else:
            codec: Any = track.how
            copy = self._makers.setdefault(stream.index, Recoder(stream, result, codec, most)).stream
        copy_track_tags(stream, copy)
        copy.disposition = stream.disposition
        return copy

    def _copied(self, stream: Any, track: Track, result: OutputContainer) -> Stream:
        if not track.delay:
            plain: Stream = result.add_stream_from_template(stream)
            return plain
        with delayed(stream, track.delay) as told:
            copy = result.add_stream_from_template(told.streams[0])
        copy.time_base = stream.time_base
        return copy

    def _add_cover(self, stream: Any, result: OutputContainer, kind: ResultContainer) -> None:
        """Raises ValueError for one that is too large, or not there."""
        data = cover(self._path, stream.index)
        if kind == "mkv":
            ending, form = ("png", "image/png") if stream.codec_context.name == "png" else ("jpg", "image/jpeg")
            result.add_attachment(f"cover.{ending}", form, data)
            return
        copy = result.add_stream_from_template(stream, opaque=True)
        copy.disposition = Disposition.attached_pic
        packet: Packet[Stream] = Packet(data)
        packet.pts = packet.dts = 0
        packet.time_base, packet.stream = Fraction(1, 90_000), copy
        self._covers.append(packet)

    @property
    def sources(self) -> tuple[Stream, ...]:
        """The source's streams whose packets are read."""
        return tuple(self._container.streams[index] for index in self._streams)

    def packets(self, jumps: Jumps | None, *, cut: bool) -> Iterator[Packet[Stream]]:
        """All packets of the result's, on the clock that `jumps` mends, ready to be written.

        Raises InputError where they can't be read, unless it is known that the source is `cut` off.
        """
        yield from self._covers
        read = {*self.sources, *(jumps.streams if jumps else ())}
        only(self._container, *read)
        packets = self._container.demux(*read) if self._streams else iter(())
        while True:
            try:
                packet = next(packets, None)
            except av.FFmpegError as error:
                if cut:
                    break
                why = error.strerror
                raise InputError(f"'{self._path}' is damaged in its sound ({why}): copy or export it again.") from error
            if packet is None:
                break
            if packet.size and jumps:
                jumps.take(packet)
            if packet.size and packet.stream_index in self._streams:
                yield from self.made(packet)
        yield from self.rest()

    def made(self, packet: Packet[Any]) -> Iterable[Packet[Any]]:
        """What becomes of one of the source's packets. Raises InputError where its time stamp jumps back, or far."""
        ready = self.ready(packet)
        if maker := self._makers.get(packet.stream_index):
            return maker.take(ready)
        ready.stream = self._streams[packet.stream_index]
        return [ready]

    def rest(self) -> Iterator[Packet[Any]]:
        """What comes after the source's last packet."""
        return chain.from_iterable(maker.end() for maker in self._makers.values())

    def ready(self, packet: Packet[Any]) -> Packet[Any]:
        """The packet on the result's clock. Raises InputError where it jumps back, or far."""
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
        last = self._starts.get(index)
        if last is not None and (stamp < last or (stamp == last and copy.type == "audio")):
            # By too little to be a jump; but no container takes what is decoded before the packet before it.
            stamp = last + (max(1, ceil(unit / packet.time_base)) if copy.type == "audio" else 0)
            shown = max(stamp, shown)
        self._starts[index] = stamp
        self._ends[index] = stamp + min(max(packet.duration or 0, 0), int(DAY / packet.time_base))
        packet.pts, packet.dts = shown - shift, stamp - shift
        return packet


def cover(path: Source, index: int) -> bytes:
    """The picture that stands for the whole. Raises ValueError for one that is too large, or not there."""
    with open_source(path) as container:
        stream = container.streams[index]
        only(container, stream)
        data = next((bytes(packet) for packet in container.demux(stream) if 0 < packet.size <= MOST_ATTACHED), None)
    if data is None:
        raise ValueError("no cover picture of a usual size")
    return data


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
        # Opus says it in its own header.
        self._is_told_of_delay = kind == "mkv" and track.how == "copy" and container.streams[track.stream].name != "opus"
        self._telemetry = Telemetry() if container.streams[track.stream].type == "subtitle" else None
        self._read = self._made = self.early = 0
        self.sources: tuple[Stream, ...] = ()
        self._result = av.open(_Nowhere(), "w", format=FORMATS[kind], metadata_errors="replace")
        try:
            self._copies = Copies(container, path, self._result, kind, (track,), origin)
            self.sources = self._copies.sources
            self._result.start_encoding()
        except _CANT:
            self.failed = True

    def take(self, packet: Packet[Any]) -> None:
        """Try one of its packets."""
        self._read += 1
        if self._telemetry:
            self._telemetry.take(packet)
        if self.how in ("aac", "flac") and self._read > _TRIED_PACKETS:
            self._copies.ready(packet)
        elif not self.failed:
            self._write(self._copies.made(packet))

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
        if self.how in ("aac", "flac") and self._read and not self._made:
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
