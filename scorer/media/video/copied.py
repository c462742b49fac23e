"""What goes into the result beside the pictures: sound, subtitles, covers and attached files, as they are where that can be."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from math import ceil
from typing import Any, Self

import av
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Disposition, Stream

from scorer.errors import InputError
from scorer.media.opened import Source
from scorer.media.video.clock import DAY, LONGEST
from scorer.media.video.delay import delayed
from scorer.media.video.jumps import Jumps
from scorer.media.video.sound import MOST_SAMPLES, Recoder
from scorer.media.video.source import only, open_source
from scorer.media.video.subtitles import Converter
from scorer.media.video.tags import copy_track_tags
from scorer.media.video.tracks import TEXT_CODECS, Track
from scorer.media.wanted import ResultContainer
from scorer.text import clean

MOST_ATTACHED = 2**26
"""Bytes of one cover picture, and of all attached files: they are held in memory."""
_MOST_TICKS = 2**31 - 1
"""How long a packet may last in an mp4."""
AGAIN = ("aac", "flac")
"""How tracks go into the result that are encoded again."""
_AFTER = 1
"""Seconds of sound behind a part that are decoded with it: decoders give what they have later."""
_BEHIND = 10
"""Seconds by which tracks may be apart in a file."""
_MIME = re.compile(r"[\w.+-]{1,60}/[\w.+-]{1,60}", re.ASCII)


@dataclass(frozen=True)
class _Ticks:
    """Times in one track's own unit, as whole numbers: a film has a million packets, and fractions take their time."""

    unit: Fraction | None
    """The result's."""
    shift: int
    """Where the result's clock starts."""
    longest: int
    """A packet's most in an mp4."""
    farthest: int
    """From the start."""
    step: int
    """The least between two packets."""
    day: int

    @classmethod
    def of(cls, origin: Fraction, time_base: Fraction, unit: Fraction | None) -> Self:
        """Those of a track whose stamps are in `time_base`, and in `unit` in the result."""
        result = unit or time_base
        longest, step = int(_MOST_TICKS * result / time_base), max(1, ceil(result / time_base))
        return cls(unit, round(origin / time_base), longest, int(LONGEST / time_base), step, int(DAY / time_base))


class Copies:
    """The tracks of `container` that go into `result`, on its clock, which starts `origin` seconds after the source's.

    Of a part, `length` seconds of them go there: sound, which is encoded again, to the sample.
    """

    def __init__(
        self, container: InputContainer, path: Source, result: OutputContainer, kind: ResultContainer, tracks: Sequence[Track],
        origin: Fraction, length: Fraction | None = None,
    ) -> None:  # fmt: skip
        self._container, self._path, self._origin, self._length = container, path, origin, length
        self._ends: dict[int, int] = {}
        self._starts: dict[int, int] = {}
        self._ticks: dict[int, _Ticks] = {}
        self._streams: dict[int, Stream] = {}
        self._makers: dict[int, Recoder | Converter] = {}
        self._covers: list[Packet[Stream]] = []
        self._over = set[int]()
        """Sound tracks that have come past the part."""
        # In an mkv, which counts milliseconds, pieces of sound that are shorter than one begin at the same.
        self._ascending = {each.stream for each in tracks if kind != "mkv" and each.how == "copy" and _is_sound(container, each)}
        most = MOST_SAMPLES // max(1, sum(track.how in AGAIN for track in tracks))
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
            copy = self._makers.setdefault(
                stream.index, Recoder(stream, result, codec, most, self._rest_of(stream), self._length)
            ).stream
        copy_track_tags(stream, copy)
        copy.disposition = stream.disposition
        return copy

    def _rest_of(self, stream: Any) -> Fraction:
        """Seconds by which packets that were put on the result's clock are late there: a track's own unit may be coarse."""
        unit = Fraction(stream.time_base or 1)
        return self._origin - round(self._origin / unit) * unit

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
        """All packets of the result's, on the clock that `jumps` fixes, ready to be written.

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
            if packet.size and packet.stream_index in self._streams and (self._length is None or self._is_within(packet)):
                yield from self.made(packet)
            if self._length is not None and self._is_over(packet):
                break
        yield from self.rest()

    def _is_within(self, packet: Packet[Any]) -> bool:
        """Whether some of it belongs to the part: sound that is decoded before it, too. Subtitles are cut to it."""
        start, end, unit = self._span(packet)
        length = self._length or 0
        if packet.stream_index in self._makers and packet.stream.type == "audio":
            return start < length + _AFTER
        if packet.pts is None or not (start >= 0 or end > 0) or start >= length:
            return False
        cut = max(start, Fraction(0)), min(max(end, start), Fraction(length))
        if packet.duration:
            packet.duration = round((cut[1] - cut[0]) / unit)
        packet.pts = packet.dts = round((self._origin + cut[0]) / unit)
        return True

    def _span(self, packet: Packet[Any]) -> tuple[Fraction, Fraction, Fraction]:
        """When the packet starts and ends on the result's clock, in seconds, and its own unit."""
        stamp = packet.pts if packet.pts is not None else packet.dts
        unit = Fraction(packet.time_base or 1)
        start = (stamp or 0) * unit - self._origin if stamp is not None else Fraction(0)
        return start, start + (packet.duration or 0) * unit, unit

    def _is_over(self, packet: Packet[Any]) -> bool:
        """Whether all sound has come past the part by so much that subtitles that lie among it have, too."""
        sound = {index for index in self._streams if self._container.streams[index].type == "audio"}
        if packet.size and packet.stream_index in sound and self._span(packet)[0] > (self._length or 0) + _BEHIND:
            self._over.add(packet.stream_index)
        return bool(sound) and self._over >= sound

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
        ticks = self._ticks_of(packet, copy)
        shift = ticks.shift
        gap = abs(stamp - self._ends.get(index, shift))
        if (copy.type == "audio" and gap > ticks.longest) or max(abs(stamp - shift), abs(shown - shift)) > ticks.farthest:
            hours = abs(float((shown - shift) * packet.time_base)) / 3600
            raise InputError(
                f"'{self._path}' has sound or subtitles {hours:,.0f} hours from its start, far from all others: "
                "their time stamps jump, export it again."
            )
        last = self._starts.get(index)
        step = ticks.step if index in self._ascending else 0
        if last is not None and stamp < last + min(step, 1):
            # By too little to be a jump; but no container takes what is decoded before the packet before it.
            stamp = last + step
            shown = max(stamp, shown)
        self._starts[index] = stamp
        self._ends[index] = stamp + min(max(packet.duration or 0, 0), ticks.day)
        packet.pts, packet.dts = shown - shift, stamp - shift
        return packet

    def _ticks_of(self, packet: Packet[Any], copy: Stream) -> _Ticks:
        """Made once a track, and once more when the result's unit is known: that is with its header."""
        unit = copy.time_base
        known = self._ticks.get(packet.stream_index)
        if known is None or known.unit != unit:
            known = self._ticks[packet.stream_index] = _Ticks.of(self._origin, packet.time_base, unit)
        return known


def _is_sound(container: InputContainer, track: Track) -> bool:
    return container.streams[track.stream].type == "audio"


def cover(path: Source, index: int) -> bytes:
    """The picture that stands for the whole. Raises ValueError for one that is too large, or not there."""
    with open_source(path) as container:
        stream = container.streams[index]
        only(container, stream)
        data = next((bytes(packet) for packet in container.demux(stream) if 0 < packet.size <= MOST_ATTACHED), None)
    if data is None:
        raise ValueError("no cover picture of a usual size")
    return data
