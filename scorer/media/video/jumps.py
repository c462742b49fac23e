"""One clock for files whose time stamps jump, as ffmpeg has it: recordings that were joined, a clock that was set or wrapped."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from scorer.media.video.source import has_durations_from_nowhere

_SECOND = 1_000_000
_BACK = _SECOND // 10
"""Decoding times that go back by more than this have jumped."""
_FORWARD = 10 * _SECOND
"""And those that go forward by more, in containers that are joined by putting one behind the other."""
_JOINABLE = {"mpegts", "mpeg", "ogg"}


class Jumps:
    """Gives packets the time stamps that they would have if the clock had never jumped.

    It must see every packet of `streams` in the file's order: what one of them tells holds for all, so that they stay in step.
    After ffmpeg's own handling (fftools/ffmpeg_demux.c, ts_discontinuity_process), which keeps gaps of up to 10 seconds.
    """

    def __init__(self, container: InputContainer, video: VideoStream) -> None:
        self.streams: tuple[Stream, ...] = (video, *(each for each in container.streams.audio if each.codec_context))
        self.found = False
        """Whether there was a jump."""
        self._indexes = {each.index for each in self.streams}
        self._joinable = not _JOINABLE.isdisjoint(container.format.name.split(","))
        self._offset = 0
        self._units: dict[int, Fraction] = {}
        self._latest: int | None = None
        self._ends: dict[int, tuple[int, int]] = {}
        """When a stream's last packet is decoded, and when that ends."""
        self._tells = not has_durations_from_nowhere(container)
        self._picture = int(_SECOND / video.average_rate) if video.average_rate else 0
        """Microseconds between the last two pictures."""

    def take(self, packet: Packet[Any]) -> None:
        """Fix the packet's time stamps."""
        self._shift(packet, self._offset)
        if packet.stream_index not in self._indexes:
            return
        decoded = None if packet.dts is None else self._micros(packet, packet.dts)
        if decoded is not None and (jump := self._jump(packet.stream_index, decoded)):
            self._shift(packet, -jump)
            self._offset -= jump
            self.found = True
            decoded = self._micros(packet, packet.dts or 0)
        self._remember(packet, decoded)

    def _jump(self, index: int, decoded: int) -> int:
        """Microseconds by which the clock jumped before a packet of the stream that is `decoded` then."""
        if index not in self._ends:
            late = decoded - self._latest if self._latest is not None and self._joinable else 0
            return late if abs(late) > _FORWARD else 0
        last, due = self._ends[index]
        late = decoded - due
        return late if decoded + _BACK < last or (self._joinable and abs(late) > _FORWARD) else 0

    def _remember(self, packet: Packet[Any], decoded: int | None) -> None:
        index = packet.stream_index
        if decoded is not None:
            self._latest = decoded
            if packet.stream.type == "video" and index in self._ends and decoded > self._ends[index][0]:
                self._picture = decoded - self._ends[index][0]
            self._ends[index] = decoded, decoded + self._length(packet)
        elif index in self._ends:
            _, due = self._ends[index]
            self._ends[index] = due, due + self._length(packet)

    def _length(self, packet: Packet[Any]) -> int:
        """How many microseconds it lasts; where that isn't told, a picture lasts as long as the one before it."""
        context = packet.stream.codec_context
        if packet.stream.type == "audio" and context.sample_rate:
            return int((context.frame_size or 0) * _SECOND // context.sample_rate)
        if packet.stream.type == "video" and not self._tells:
            return self._picture
        if not packet.duration and packet.stream.type == "video" and context.framerate:
            return int(_SECOND / context.framerate)
        return self._micros(packet, packet.duration or 0)

    def _micros(self, packet: Packet[Any], ticks: int) -> int:
        """In whole numbers, each stream's unit being asked for once: a film has a million packets, and fractions take time."""
        unit = self._units.get(packet.stream_index)
        if unit is None:
            unit = self._units[packet.stream_index] = packet.time_base
        return (2 * ticks * unit.numerator * _SECOND + unit.denominator) // (2 * unit.denominator)

    @staticmethod
    def _shift(packet: Packet[Any], micros: int) -> None:
        if not micros:
            return
        ticks = round(Fraction(micros, _SECOND) / packet.time_base)
        if packet.dts is not None:
            packet.dts += ticks
        if packet.pts is not None:
            packet.pts += ticks
