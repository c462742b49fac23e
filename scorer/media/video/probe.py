"""Looking at a video once, without decoding all of it: is it usable, how many frames has it, when is each one shown."""

from __future__ import annotations

import struct
from array import array
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain, pairwise
from math import floor

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from scorer.errors import InputError
from scorer.media.limits import Limits
from scorer.media.opened import OpenedFile, Source
from scorer.media.scans import too_many_scans
from scorer.media.video.clock import DAY, usable
from scorer.media.video.color import is_convertible
from scorer.media.video.describe import clock_start, describe, picture_notes
from scorer.media.video.info import Access, VideoIndex
from scorer.media.video.jumps import Jumps
from scorer.media.video.packets import (
    COUNTED,
    all_packets,
    check_frames,
    check_pixels,
    check_work,
    decode,
    on_one_clock,
    opened,
    packets_of,
)
from scorer.media.video.source import has_durations_from_nowhere, is_broadcast
from scorer.media.video.stamps import Decoded, LastLength
from scorer.media.video.tags import check_tags, timecode
from scorer.media.video.tracks import Choice, Tried, choose
from scorer.media.video.trial import Trial
from scorer.media.video.truncation import is_cut
from scorer.media.wanted import Wanted

# Elsewhere packets and frames may differ: hidden frames, missing or invented time stamps.
_TRUSTED_CONTAINERS = {"mov", "matroska", "mpegts", "flv", "nut", "asf", "mxf"}
_TRUSTED_CODECS = {
    "h264", "hevc", "vvc", "vp9", "av1", "mpeg4", "mpeg2video", "mpeg1video", "h263", "flv1", "prores", "dnxhd", "cfhd",
    "mjpeg", "ffv1", "png", "rawvideo", "huffyuv", "ffvhuff", "utvideo", "qtrle",
}  # fmt: skip
_SEEKABLE = _TRUSTED_CONTAINERS | {"mpeg"}

_SENSELESS = (ArithmeticError, LookupError, ValueError, struct.error, av.FFmpegError)

FIRST_PACKETS = 64
"""How many are decoded to see whether packets and frames map one to one."""


def probe(path: Source, limits: Limits, asked: Wanted | None = None) -> VideoIndex:
    """Check the video and find its frames, and try what a result as `asked` for can keep of the rest.

    `limits` bound what it may cost. Raises MissingError where there is no such file, InputError where it isn't a whole video that
    can be decoded here, or is beyond a limit.
    """
    cut = (isinstance(path, OpenedFile) or path.is_file()) and is_cut(path, limits.max_packets)
    try:
        return _probe(path, limits, asked or Wanted(), cut=cut)
    except _SENSELESS as error:  # a number that nobody has thought of
        raise InputError(f"'{path}' has numbers in it that make no sense ({error}): export it again.") from error


def _probe(path: Source, limits: Limits, asked: Wanted, *, cut: bool) -> VideoIndex:
    packets, choice = _survey(path, limits, asked, cut=cut)
    if packets.cut and asked.strict:
        raise InputError(f"'{path}' is cut off, its end is missing: copy or export it again, or do without 'strict'.")
    with opened(path, limits) as (container, stream):
        first = _first_pictures(container, stream, path, limits)
        check_pixels(first.picture.width, first.picture.height, path, limits)  # the header may say less
        if not is_convertible(first.picture):
            form = first.picture.format.name
            raise InputError(f"'{path}' has pixels in the form {form}, which can't be read here: convert it to H.264 first.")
        access, time_base = _access(container, stream, packets, first), Fraction(stream.time_base or 1)
        pts = array("q", sorted(each for each in packets.pts if each >= first.start))
        if access != "packets":
            check_work(packets.count, stream, path, limits.max_counted_gigapixels, COUNTED)
            with opened(path, limits) as (again, video):
                pts, time_base, access = _count(again, video, path, limits, access)
            packets.last_duration *= access != "numbered"
        info = describe(path, container, stream, first.picture, pts, time_base, packets.last_duration, access, choice)
        info = info.model_copy(update={"jumps": packets.jumps, "cut": packets.cut})
        playing = "1 frame of it plays" if info.frames == 1 else f"{info.frames} frames of it play"
        cut_off = (f"the input is cut off: {playing}",) if packets.cut else ()
        notes = (*cut_off, *choice.notes, *picture_notes(first.picture, info, timecode(container, stream)))
    keys = array("q", sorted(set(packets.keys))) if access in ("packets", "frames") else array("q")
    return VideoIndex(info, pts, keys, notes)


@dataclass
class _Packets:
    pts: array[int] = field(default_factory=lambda: array("q"))
    """In the order they are stored."""
    keys: array[int] = field(default_factory=lambda: array("q"))
    count: int = 0
    complete: bool = True
    """Whether all have a time stamp."""
    last_duration: int = 0
    jumps: bool = False
    """Whether their clock jumped, which is fixed."""
    cut: bool = False
    """Whether there would be more."""


def _survey(path: Source, limits: Limits, asked: Wanted, *, cut: bool) -> tuple[_Packets, Choice]:
    """The video's packets, and which tracks go into the result beside it, each of them tried: what fails is tried another way."""
    tried = Tried()
    while True:
        with opened(path, limits) as (container, stream):
            check_tags(container, path)
            choice, known = choose(container, stream, asked, tried), tried.count
            beside = Trial(container, path, choice, clock_start(container, stream), tried)
            packets = _demux(container, stream, path, limits, beside, cut=cut)
        if tried.count == known:
            choice.tracks = [each.model_copy(update={"delay": tried.delays.get(each.stream, 0)}) for each in choice.tracks]
            return packets, choice


def _demux(container: InputContainer, stream: VideoStream, path: Source, limits: Limits, beside: Trial, *, cut: bool) -> _Packets:
    """The video's packets; those of what goes beside it are tried on the way."""
    found, last = _Packets(cut=cut), LastLength(from_nowhere=has_durations_from_nowhere(container))
    jumps, copied = Jumps(container, stream), {each.index for each in beside.sources}
    is_jpeg = stream.codec_context.codec.canonical_name == "mjpeg"
    for packet in on_one_clock(container, path, limits, jumps, *beside.sources, cut=lambda: setattr(found, "cut", True)):
        if packet.stream_index != stream.index:
            if packet.stream_index in copied:
                beside.take(packet)
            continue
        found.count += 1
        check_frames(found.count, path, limits)
        if is_jpeg and (why := too_many_scans(bytes(packet))):
            raise InputError(f"'{path}' can't be decoded, since of frame {found.count - 1} {why}: export it again.")
        if packet.pts is None:
            found.complete = False
        elif not packet.is_discard:  # an edit list leaves it out
            found.pts.append(packet.pts)
            if packet.is_keyframe:
                found.keys.append(packet.pts)
            last.take(packet)
    beside.end()
    found.jumps, found.last_duration = jumps.found, last.ticks
    if beside.sources and not cut and found.count < stream.frames:
        _check_alone(found.count, path, limits)
    check_work(found.count, stream, path, limits.max_gigapixels, ": scale it down, or cut it into shorter videos first.")
    return found


def _check_alone(count: int, path: Source, limits: Limits) -> None:
    """Raise InputError where the video alone has more than the `count` packets that were read of it beside the sound.

    Where data are to be had that lie beyond the file's end, all tracks end.
    """
    with opened(path, limits) as (container, stream):
        if sum(1 for packet in all_packets(container, path, limits, stream) if packet.size) > count:
            raise InputError(f"'{path}' is cut off or damaged in its sound or subtitles: copy or export it again.")


@dataclass(frozen=True)
class _First:
    """What the first packets give when they are decoded."""

    picture: av.VideoFrame
    start: int
    """The first pts that is shown."""
    fits: bool
    """Whether each packet gave one picture with its own time stamp, but for those that are damaged."""


def _first_pictures(container: InputContainer, stream: VideoStream, path: Source, limits: Limits) -> _First:
    """Decode the first packets.

    A video that was cut starts with pictures that refer to others before the cut: those shown before its first packet's (or,
    of a broadcast, its first key frame's) are shown by no player and don't count. Later ones do, even if they are damaged.
    """
    expected: set[int] = set()
    stamps: list[int | None] = []
    picture: av.VideoFrame | None = None
    head: int | None = None
    errors = since = 0
    packets = packets_of(container, stream, path, limits)
    while since < FIRST_PACKETS and (packet := next(packets, None)):
        since += picture is not None
        if packet.pts is not None and not packet.is_discard:
            expected.add(packet.pts)
            if head is None and (packet.is_keyframe or not is_broadcast(container)):
                head = packet.pts
        pictures, failed = decode(stream, packet)
        errors += failed
        stamps += [each.pts for each in pictures]
        picture = picture or next(iter(pictures), None)
    pictures, failed = decode(stream, None)
    stamps += [each.pts for each in pictures]
    picture = picture or next(iter(pictures), None)
    if picture is None:
        raise InputError(f"'{path}' has no frame that can be decoded: convert it to H.264 in an mp4 file, or copy it again.")
    known = {each for each in stamps if each is not None}
    decoded = min(known, default=0)
    lost = {each for each in expected if each >= decoded} - known
    ascending = sorted(known) == stamps  # and none comes twice
    one_to_one = ascending and known <= expected and len(lost) <= errors + failed
    return _First(picture, decoded if head is None else min(decoded, head), one_to_one)


def _access(container: InputContainer, stream: VideoStream, packets: _Packets, first: _First) -> Access:
    containers = set(container.format.name.split(","))
    if not containers & _SEEKABLE:
        return "sequential"
    trusted = containers & _TRUSTED_CONTAINERS and stream.codec_context.codec.canonical_name in _TRUSTED_CODECS
    unique = packets.complete and len(set(packets.pts)) == len(packets.pts)
    return "packets" if trusted and unique and first.fits else "frames"


def _count(
    container: InputContainer, stream: VideoStream, path: Source, limits: Limits, access: Access
) -> tuple[array[int], Fraction, Access]:
    """Decode all of it to find the frames; where they have no usable time stamps, number them by what is known."""
    shown = Decoded()
    for packet in chain(packets_of(container, stream, path, limits), [None]):
        pictures, failed = decode(stream, packet)
        for picture in pictures:
            shown.add(picture)
        if failed:
            shown.add_lost(packet)
        check_frames(len(shown), path, limits)
        check_work(len(shown), stream, path, limits.max_counted_gigapixels, COUNTED)
    time_base, rate = Fraction(stream.time_base or 1), _told_rate(stream)
    if (stamps := shown.ordered()) is not None:
        return stamps, time_base, access
    usual = round(1 / (rate * time_base))
    stamps = shown.guessed(usual, decoding_only=container.format.name == "avi")
    if stamps and max((after - before for before, after in pairwise(stamps)), default=0) * time_base <= DAY:
        return stamps, time_base, "numbered"
    start = floor(clock_start(container, stream) * rate)
    return array("q", range(start, start + len(shown))), 1 / rate, "numbered"


def _told_rate(stream: VideoStream) -> Fraction:
    told = (stream.codec_context.framerate, stream.average_rate, stream.guessed_rate)
    return next((Fraction(each) for each in told if each and usable(each)), Fraction(25))
