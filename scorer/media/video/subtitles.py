"""Text subtitles in another container's form; and whether a track is no text at all, but what a camera measured."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, cast

import av
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.subtitles.codeccontext import SubtitleCodecContext
from av.subtitles.stream import SubtitleStream

_COORDINATE = r"[-+]?\d{1,3}\.\d{3,}"
_PLACE = re.compile(
    rf"\b(?:GPS|HOME|lat(?:itude)?|lo?ng?(?:itude|titude)?)\b\W{{0,4}}(?:[NSEW]\W{{0,2}})?{_COORDINATE}"
    rf"|{_COORDINATE}\W{{1,3}}(?:[NSEW]\W{{0,2}})?{_COORDINATE}",
    re.IGNORECASE,
)
"""Degrees behind a word that says so, or two of them."""
_LONGEST = 10_000
"""Characters of one subtitle that are looked at."""


class Telemetry:
    """Whether a text track reads as what a drone or a camera wrote down: where it was, frame by frame."""

    def __init__(self) -> None:
        self._count = self._places = 0

    def take(self, packet: Packet[Any]) -> None:
        """Look at one subtitle."""
        if packet.size > 2:  # mov_text has empty ones of that size
            self._count += 1
            self._places += bool(_PLACE.search(bytes(packet)[:_LONGEST].decode(errors="replace")))

    @property
    def found(self) -> bool:
        """In a film somebody may say a coordinate: a tenth of all subtitles have one in a log."""
        return self._places * 10 >= max(self._count, 1)


class Converter:
    """Writes one text track of the source for `result`, as subtitles of `codec`."""

    def __init__(self, source: SubtitleStream, result: OutputContainer, codec: str) -> None:
        self._context = source.codec_context
        self._context.open(strict=False)
        self.stream: Stream = result.add_stream(codec)
        self._coder = cast(SubtitleCodecContext, self.stream.codec_context)
        self._coder.subtitle_header = self._context.subtitle_header
        self.stream.time_base = source.time_base

    def take(self, packet: Packet[Any]) -> Iterator[Packet[Stream]]:
        """The packet in the other form; nothing where it has no text."""
        try:
            read = self._context.decode2(packet)
            data = bytes(self._coder.encode_subtitle(read)) if read is not None and read.rects else b""
        except (av.FFmpegError, ValueError):
            return
        if data:
            made: Packet[Stream] = Packet(data)
            made.pts, made.dts, made.duration, made.time_base = packet.pts, packet.dts, packet.duration, packet.time_base
            made.stream = self.stream
            yield made

    def end(self) -> Iterator[Packet[Stream]]:
        """Nothing is still to come."""
        return iter(())
