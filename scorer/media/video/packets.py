"""A video opened within limits, its packets on one clock, and what they decode to."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from scorer.errors import InputError
from scorer.media.limits import Limits
from scorer.media.opened import Source
from scorer.media.video.jumps import Jumps
from scorer.media.video.source import only, open_source, prepare, video_stream

THREADS = 2
"""Of decoding: each one holds frames of its own, and memory is bounded here."""


@contextmanager
def opened(path: Source, limits: Limits) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The video alone, ready to be demuxed from its start and decoded."""
    with open_source(path, limits.max_pixels) as container:
        stream = video_stream(container, path)
        width, height = stream.codec_context.width, stream.codec_context.height
        check_pixels(width, height, path, limits)
        prepare(container, stream, THREADS)
        yield container, stream


def check_pixels(width: int, height: int, path: Source, limits: Limits) -> None:
    """Raise InputError where a picture is larger than allowed."""
    if width * height > limits.max_pixels:
        raise InputError(
            f"'{path}' has {width}x{height} pixels, more than the {limits.max_pixels:,} allowed: scale it down first."
        )


def check_frames(count: int, path: Source, limits: Limits) -> None:
    """Raise InputError where there are more frames than allowed."""
    if count > limits.max_frames:
        raise InputError(f"'{path}' has more than the {limits.max_frames:,} frames allowed: cut it into shorter videos first.")


COUNTED = " where frames can only be counted by decoding (AVI, Ogg, raw streams): convert it to mp4 or mkv, or cut it shorter."


def check_work(count: int, stream: VideoStream, path: Source, most: int, why: str) -> None:
    """Raise InputError where `count` frames of the stream have more than `most` times 10^9 pixels together."""
    width, height = stream.codec_context.width, stream.codec_context.height
    if count * width * height > most * 10**9:
        gigapixels = count * width * height / 1e9
        raise InputError(
            f"'{path}' has {count:,} frames of {width}x{height} pixels, {gigapixels:,.0f} gigapixels, "
            f"more than the {most:,} allowed{why}"
        )


def all_packets(
    container: InputContainer, path: Source, limits: Limits, *streams: Stream, cut: Callable[[], None] = lambda: None
) -> Iterator[Packet[Any]]:
    """The streams' packets, empty ones too, as many as are allowed, and as far as they can be read; `cut` is told of no more."""
    only(container, *streams)
    try:
        for count, packet in enumerate(container.demux(*streams)):
            if count > limits.max_packets:
                raise InputError(
                    f"'{path}' has more than the {limits.max_packets:,} packets of video, sound and subtitles allowed: "
                    "cut it into shorter videos first."
                )
            yield packet
    except av.FFmpegError as error:
        if error.errno == errno.ENOMEM:
            raise
        cut()


def on_one_clock(
    container: InputContainer, path: Source, limits: Limits, jumps: Jumps, *more: Stream, cut: Callable[[], None] = lambda: None
) -> Iterator[Packet[Any]]:
    """The packets of the streams that `jumps` needs, and of `more`, on one clock; not the empty one that comes at the end."""
    for packet in all_packets(container, path, limits, *{*jumps.streams, *more}, cut=cut):
        if packet.size:
            jumps.take(packet)
            yield packet


def packets_of(container: InputContainer, stream: VideoStream, path: Source, limits: Limits) -> Iterator[Packet[VideoStream]]:
    """The stream's packets on one clock."""
    for packet in on_one_clock(container, path, limits, Jumps(container, stream)):
        if packet.stream_index == stream.index:
            yield packet


def decode(stream: VideoStream, packet: Packet[VideoStream] | None) -> tuple[list[av.VideoFrame], bool]:
    """The pictures that are ready, and whether something was damaged."""
    try:
        return stream.decode(packet), False
    except av.FFmpegError:
        return [], True
