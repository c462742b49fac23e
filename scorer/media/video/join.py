"""Putting the parts together: their packets one after the other, beside the source's sound, none of it encoded again."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from fractions import Fraction
from heapq import heapify, heappop, heappush, merge
from itertools import chain, repeat
from pathlib import Path
from typing import Any, TypeAlias

import av
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from scorer.errors import InputError, MissingError, TaskError
from scorer.media.video.copied import Copies
from scorer.media.video.display import telling
from scorer.media.video.files import whole_file, writing
from scorer.media.video.info import REORDERED, VideoInfo
from scorer.media.video.jumps import Jumps
from scorer.media.video.source import numbered_stream, open_source
from scorer.media.video.tags import copy_tags, copy_track_tags
from scorer.media.video.tracks import FORMATS


def join(parts: Sequence[Path], source: Path, info: VideoInfo, out: Path) -> None:
    """Write the result `out`: the parts' pictures in this order, and the sound, subtitles and some tags of `source`, as they are.

    Reads and writes packet by packet. Raises TaskError where the parts can't be read, don't have the source's frames or don't fit
    together, MissingError or InputError where the source can't be read, StorageFullError or OutputError where `out` can't be
    written.
    """
    with ExitStack() as stack:
        container = _opened(stack, source, info)
        temporary = stack.enter_context(whole_file(out))
        with writing(out):
            result = _open_result(temporary, info)
        try:
            _copy(parts, container, source, info, result, out)
        except BaseException:
            _abandon(result)
            raise


def _opened(stack: ExitStack, source: Path, info: VideoInfo) -> InputContainer:
    """The source; of a part, from a little before it on, if it has a container that can go there."""
    container = stack.enter_context(open_source(source))
    if not info.is_part or info.jumps or info.cut or info.access != "packets":
        return container
    before = info.origin * info.time_base - _BEFORE
    try:
        container.seek(max(int(before * av.time_base), -(2**62)))
    except av.FFmpegError:  # an FLV stands at its end then: it is read from its start, once more
        return stack.enter_context(open_source(source))
    return container


def _open_result(path: Path, info: VideoInfo) -> OutputContainer:
    ticks = str(info.result_time_base.denominator)
    # Edit lists, which hold the first frame's and the sound's start, count in the movie's timescale.
    boxes = {"movflags": "+faststart", "video_track_timescale": ticks, "movie_timescale": ticks}
    form, options = FORMATS[info.container], {} if info.container == "mkv" else boxes
    if info.display:  # boxes of spheres are from no standard, but from YouTube
        options["strict"] = "unofficial"
    return av.open(str(path.absolute()), "w", format=form, container_options=options, metadata_errors="replace")


def _abandon(result: OutputContainer) -> None:
    with suppress(OSError, av.FFmpegError):
        result.close()


def _copy(
    parts: Sequence[Path], container: InputContainer, source: Path, info: VideoInfo, result: OutputContainer, out: Path
) -> None:
    origin = info.origin * info.time_base
    length = (info.end_pts - info.start_pts) * info.time_base if info.is_part else None
    with _open_part(parts[0]) as first:
        template = first.streams.video[0]
        form = _form(template)
        with writing(out):
            video = _add_video(result, template, info)
            copy_track_tags(container.streams[info.stream], video)
            if info.timecode:
                video.metadata["timecode"] = info.timecode
            video.disposition = container.streams[info.stream].disposition
            copies = Copies(container, source, result, info.container, info.tracks, origin, length)
            copy_tags(container, result, origin, length)
    pictures: Iterator[Packet[Any]] = _pictures(parts, info, video, form)
    jumps = Jumps(container, numbered_stream(container, info.stream)) if info.jumps or info.cut else None
    sound: Iterator[Packet[Any]] = copies.packets(jumps, cut=info.cut)
    for packet in merge(pictures, sound, key=_when):
        with writing(out):
            result.mux_one(packet)
    with writing(out):
        result.close()


_BEFORE = 2
"""Seconds before a part from which on sound is read."""
_REACH = 16
"""Packets among which those are that come before a picture and are shown after it; x264 has up to 4."""


def _when(packet: Packet[Any]) -> Fraction:
    return (packet.dts or 0) * Fraction(packet.time_base)


def _add_video(result: OutputContainer, template: VideoStream, info: VideoInfo) -> VideoStream:
    if info.display is None:
        video = result.add_stream_from_template(template, opaque=True)
    else:
        with telling(template, info.display) as told:
            video = result.add_stream_from_template(told.streams.video[0], opaque=True)
        video.codec_context.extradata = template.codec_context.extradata
        video.codec_context.pix_fmt = template.codec_context.pix_fmt
    video.time_base = info.result_time_base
    video.codec_context.framerate = info.rate
    video.codec_context.sample_aspect_ratio = info.sample_aspect
    codec = template.codec_context.codec.canonical_name
    if codec == "hevc" and info.container != "mkv":
        video.codec_context.codec_tag = "hvc1"  # Apple's players show no other
    if codec == "prores":  # it says which of its qualities this is
        video.codec_context.codec_tag = template.codec_context.codec_tag
    return video


Form: TypeAlias = tuple[str, int, int, bytes | None]
"""Codec, width, height and headers: what all parts have in common."""


def _form(part: VideoStream) -> Form:
    context = part.codec_context
    return context.codec.canonical_name, context.width, context.height, context.extradata


def _pictures(parts: Sequence[Path], info: VideoInfo, video: VideoStream, form: Form) -> Iterator[Packet[VideoStream]]:
    """All parts' packets, with decoding times made anew."""
    last = info.result_pts(info.last_pts)
    last_ticks = max(round((info.end_pts - max(info.last_pts, info.start_pts)) * info.time_base / info.result_time_base), 1)
    packets = _shown(parts, info, form)
    reordered = REORDERED if form[0] in ("h264", "hevc") else 0
    before: int | None = None
    for part, packet in _regular(packets, info, reordered) if info.constant else _late(packets):
        dts, pts = packet.dts or 0, packet.pts or 0
        if not (before is None or before < dts) or dts > pts:
            raise TaskError(f"The part '{part}' isn't in its place: run the same command again.")
        before = dts
        packet.duration = last_ticks if pts == last else info.frame_ticks if info.constant else 0
        packet.stream = video
        yield packet


@contextmanager
def _open_part(part: Path) -> Iterator[InputContainer]:
    with ExitStack() as stack:
        with _readable(part):
            container = stack.enter_context(open_source(part))
        yield container


@contextmanager
def _readable(part: Path) -> Iterator[None]:
    """Around reading a part, which isn't wrong for good as an input is: on a share another merge may take it away (ESTALE)."""
    try:
        yield
    except (InputError, MissingError, OSError, av.FFmpegError) as error:
        raise TaskError(f"The part '{part}' can't be read: run the same command again.") from error


Placed: TypeAlias = "tuple[Path, Packet[VideoStream]]"
"""A packet of a part."""


def _shown(parts: Sequence[Path], info: VideoInfo, form: Form) -> Iterator[Placed]:
    """All parts' packets, each shown at its time in the result's unit."""
    count, unit = 0, info.result_time_base
    for part in parts:
        with _open_part(part) as container, _readable(part):
            if _form(container.streams.video[0]) != form:
                raise TaskError(f"The part '{part}' was made with other settings than the first one: run the same command again.")
            for packet in container.demux(container.streams.video[0]):
                if packet.size and packet.pts is not None:
                    count += 1
                    packet.pts = round(packet.pts * packet.time_base / unit)
                    packet.time_base = unit
                    yield part, packet
    if count != info.frames:
        raise TaskError(f"The parts have {count} frames, not {info.frames} as the video: run the same command again.")


def _regular(packets: Iterator[Placed], info: VideoInfo, reordered: int) -> Iterator[Placed]:
    """The i-th is decoded when the (i - `reordered`)-th is shown."""
    start = info.result_pts(info.start_pts)
    shown = [start - number * info.frame_ticks for number in range(1, reordered + 1)]
    heapify(shown)
    for part, packet in packets:
        heappush(shown, packet.pts or 0)
        packet.dts = heappop(shown)
        yield part, packet


def _late(packets: Iterator[Placed]) -> Iterator[Placed]:
    """Each is decoded as late as those behind it allow, which are decoded at least a tick later and before they are shown.

    So the track is as long by its decoding times as it is shown: what reads an mp4 takes a frame for shown until the next is
    decoded, and leaves out those that would come after the track's end.
    """
    waiting = deque["Placed"]()
    for placed in chain(packets, repeat(None, _REACH)):
        if placed is not None:
            waiting.append(placed)
        if waiting and (placed is None or len(waiting) > _REACH):
            _, first = waiting[0]
            first.dts = min((packet.pts or 0) - number for number, (_, packet) in enumerate(waiting))
            yield waiting.popleft()
