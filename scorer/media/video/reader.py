"""Reading a range of a video's frames, exactly, wherever it starts, and whatever is damaged in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import chain, dropwhile
from pathlib import Path
from typing import Any, Protocol, TypeVar

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from scorer.media.pixels import Frames
from scorer.media.video.alpha import decoder_of
from scorer.media.video.color import ToPixels
from scorer.media.video.info import FrameRange, VideoInfo
from scorer.media.video.jumps import Jumps
from scorer.media.video.planes import DecodedPlanes, ToPlanes
from scorer.media.video.source import numbered_stream, only, open_source, prepare

DAMAGED = "its data are damaged"

# Seconds before the range's key frame, for containers that seek past it and for decoders that need a run-up. Where a frame
# doesn't come out after the longest that a decoder may need, it is damaged.
_RUN_UPS = (0, 1, 10)
_LONGEST_RUN_UP = 10


@dataclass(frozen=True)
class VideoFrame:
    """A decoded frame."""

    pts: int
    pixels: Frames
    """(H, W, 3), R'G'B' full range, upright; uint8, or uint16 scaled to 0..65535 where the source has more than 8 bits."""
    alpha: Frames | None = None
    """(H, W), of the same dtype; 0 is transparent. None where it isn't wanted."""


@dataclass(frozen=True)
class PlanesFrame:
    """A decoded frame, as it was decoded."""

    pts: int
    planes: DecodedPlanes


@dataclass(frozen=True)
class MissingFrame:
    """A frame that is in the file but can't be decoded."""

    pts: int
    why: str


def read_frames(
    path: Path, info: VideoInfo, range_: FrameRange, size: tuple[int, int] | None = None, *, alpha: bool = False
) -> Iterator[VideoFrame | MissingFrame]:
    """The frames of `range_` in the order they are shown: always exactly `range_.frames` items, of ascending pts.

    They are scaled to `size`, width and height, if that is given; `alpha` says whether it is wanted.
    Raises MissingError or InputError where the file can't be opened any more; never for damaged frames.
    """
    return _read(path, info, range_, _Conversion(info, size or (info.width, info.height), alpha=alpha))


def read_planes(path: Path, info: VideoInfo, range_: FrameRange) -> Iterator[PlanesFrame | VideoFrame | MissingFrame]:
    """The same frames as they were decoded, for whoever converts their colours; those of an odd form are converted."""
    return _read(path, info, range_, _Held(info))


Kind_co = TypeVar("Kind_co", covariant=True)
Found = TypeVar("Found", bound="PlanesFrame | VideoFrame | MissingFrame")


class _Convert(Protocol[Kind_co]):
    """What becomes of decoded pictures."""

    @property
    def alpha(self) -> bool:
        """Whether it is wanted."""

    def __call__(self, picture: av.VideoFrame, pts: int) -> Kind_co: ...


def _read(path: Path, info: VideoInfo, range_: FrameRange, convert: _Convert[Found]) -> Iterator[Found | MissingFrame]:
    count, last = 0, None
    for frame in (_numbered if info.access == "numbered" else _matched)(path, info, range_, convert):
        if last is not None and frame.pts <= last:
            continue  # it came too late: its place is taken
        yield frame
        count, last = count + 1, frame.pts
        if count == range_.frames:
            return
    while count < range_.frames:  # even the packets of the last frames can't be found
        last = _shown(info, range_, count, last)
        yield MissingFrame(last, DAMAGED)
        count += 1


def _shown(info: VideoInfo, range_: FrameRange, number: int, last: int | None) -> int:
    """When frame `number` of the range is shown, of which nothing was found, after the one before it at `last`."""
    if range_.pts is not None:
        return range_.pts[number]
    if not info.constant:
        return range_.start_pts if last is None else last + 1
    duration = 1 / (info.rate * info.time_base)
    after = 0 if last is None else round((last - info.start_pts) / duration) + 1
    return info.start_pts + round(max(range_.first + number, after) * duration)


@contextmanager
def _opened(path: Path, info: VideoInfo, alpha: bool) -> Iterator[tuple[InputContainer, VideoStream, VideoCodecContext]]:
    with open_source(path) as container:
        stream = numbered_stream(container, info.stream)
        prepare(container, stream)
        yield container, stream, decoder_of(stream) if alpha else stream.codec_context


def _packets(container: InputContainer, stream: VideoStream, info: VideoInfo) -> Iterator[Packet[Any]]:
    """The stream's that aren't empty, on one clock."""
    jumps = Jumps(container, stream) if info.jumps else None
    streams = jumps.streams if jumps else (stream,)
    only(container, *streams)
    try:
        for packet in container.demux(*streams):
            if packet.size and jumps:
                jumps.take(packet)
            if packet.size and packet.stream_index == stream.index:
                yield packet
    except (av.FFmpegError, LookupError):  # the latter is PyAV's word for a stream that begins on the way
        return


def _tried(decoder: VideoCodecContext, packet: Packet[VideoStream] | None) -> tuple[list[av.VideoFrame], bool]:
    """The pictures that are ready, and whether something was damaged."""
    try:
        return decoder.decode(packet), False
    except av.FFmpegError:
        return [], True


def _decode(decoder: VideoCodecContext, packet: Packet[VideoStream] | None) -> list[av.VideoFrame]:
    return _tried(decoder, packet)[0]


def _numbered(path: Path, info: VideoInfo, range_: FrameRange, convert: _Convert[Found]) -> Iterator[Found | MissingFrame]:
    """Count from the file's first frame on, as the probe did; only the range's are converted."""
    stamps = range_.pts or ()
    with _opened(path, info, convert.alpha) as (container, stream, decoder):
        for number, picture in enumerate(_in_order(_packets(container, stream, info), decoder), -info.skipped - range_.first):
            if number == range_.frames:
                return
            if number >= 0:
                yield MissingFrame(stamps[number], DAMAGED) if picture is None else convert(picture, stamps[number])


def _in_order(packets: Iterator[Packet[VideoStream]], decoder: VideoCodecContext) -> Iterator[av.VideoFrame | None]:
    """All pictures; None for those between them that can't be decoded."""
    began, lost = False, 0
    for packet in chain(packets, [None]):
        pictures, failed = _tried(decoder, packet)
        for picture in pictures:
            yield from [None] * (lost if began else 0)
            yield picture
            began, lost = True, 0
        lost += failed


def _matched(path: Path, info: VideoInfo, range_: FrameRange, convert: _Convert[Found]) -> Iterator[Found | MissingFrame]:
    """Go to the range's key frame; where the first frame doesn't come out, try a longer run-up before giving it up.

    Last the whole file is read, damaged key frames and all, and without seeking: an index may lead nowhere.
    """
    for run_up in _RUN_UPS if info.access != "sequential" else ():
        found = False
        with _opened(path, info, convert.alpha) as (container, stream, decoder):
            packets = _packets_from(container, stream, info, range_, range_.seek_pts - round(run_up / info.time_base))
            for frame in _from(packets, decoder, range_, convert):
                if not found and isinstance(frame, MissingFrame) and run_up < _LONGEST_RUN_UP:
                    break
                found = True
                yield frame
        if found:
            return
    with _opened(path, info, convert.alpha) as (container, stream, decoder):
        yield from _from(_packets(container, stream, info), decoder, range_, convert)


def _from(
    packets: Iterator[Packet[VideoStream]], decoder: VideoCodecContext, range_: FrameRange, convert: _Convert[Found]
) -> Iterator[Found | MissingFrame]:
    """The range's frames, decoded from these packets; nothing where there are none.

    A decoder gives pictures in the order they are shown: a frame whose packet was read and that is earlier than the picture at
    hand won't come any more.
    """
    waiting = list(range_.pts or ())  # a heap
    packet: Packet[VideoStream] | None = None
    for packet in packets:
        if range_.pts is None and _inside(packet, range_):
            heappush(waiting, packet.pts or 0)
        for picture in _decode(decoder, packet):
            yield from _due(picture, waiting, convert)
            if range_.end_pts is not None and (picture.pts or 0) >= range_.end_pts:
                return
    if packet is None:
        return
    for picture in _decode(decoder, None):
        yield from _due(picture, waiting, convert)
    while waiting:
        yield MissingFrame(heappop(waiting), DAMAGED)


def _packets_from(
    container: InputContainer, stream: VideoStream, info: VideoInfo, range_: FrameRange, target: int
) -> Iterator[Packet[VideoStream]]:
    """The packets from the key frame on that the container finds for `target`; none where that is later than the range.

    Where the clock jumps, nothing can be found by it: the packets before are read, but not decoded.
    """
    with suppress(av.FFmpegError):
        if not info.jumps:
            container.seek(max(target, -(2**62)), stream=stream)
        packets = dropwhile(
            lambda packet: not packet.is_keyframe or (info.jumps and (packet.pts is None or packet.pts < target)),
            _packets(container, stream, info),
        )
        first = next(packets, None)
        if first is not None and (first.pts is None or first.pts <= range_.start_pts):
            yield first
            yield from packets


def _due(picture: av.VideoFrame, waiting: list[int], convert: _Convert[Found]) -> Iterator[Found | MissingFrame]:
    """The frames that `picture` shows to be lost, and itself, as far as they are waited for."""
    if picture.pts is None:
        return
    while waiting and waiting[0] < picture.pts:
        yield MissingFrame(heappop(waiting), DAMAGED)
    if waiting and waiting[0] == picture.pts:
        yield convert(picture, heappop(waiting))


def _inside(packet: Packet[VideoStream], range_: FrameRange) -> bool:
    if packet.pts is None or packet.is_discard:
        return False
    return packet.pts >= range_.start_pts and (range_.end_pts is None or packet.pts < range_.end_pts)


class _Conversion:
    """Of the decoded pictures of one stream."""

    def __init__(self, info: VideoInfo, size: tuple[int, int], *, alpha: bool) -> None:
        self._to_pixels, self.alpha = ToPixels(info, *size), alpha

    def __call__(self, picture: av.VideoFrame, pts: int) -> VideoFrame | MissingFrame:
        try:
            return VideoFrame(pts, self._to_pixels(picture), self._to_pixels.alpha(picture) if self.alpha else None)
        except (av.FFmpegError, ValueError) as error:
            return MissingFrame(pts, f"its picture can't be converted ({error})")


class _Held:
    """Of the same, for planes."""

    alpha = False

    def __init__(self, info: VideoInfo) -> None:
        self._to_planes, self._convert = ToPlanes(info), _Conversion(info, (info.width, info.height), alpha=False)

    def __call__(self, picture: av.VideoFrame, pts: int) -> PlanesFrame | VideoFrame | MissingFrame:
        planes = self._to_planes(picture)
        return PlanesFrame(pts, planes) if planes is not None else self._convert(picture, pts)
