"""Opening a video that a stranger may have made: local files of known containers only, and nothing that names other files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import av
from av.codec.context import Flags
from av.container import InputContainer
from av.stream import Discard, Disposition, Stream
from av.video.stream import VideoStream

from scorer.errors import InputError, MissingError
from scorer.media.opened import OpenedFile, Source, reader
from scorer.media.video.codecs import CODECS, DECODERS

# Playlists (hls, concat, dash, ...) and image sequences make the library open other files and addresses: they are not here.
CONTAINERS = (
    "mov", "matroska", "mpegts", "mpeg", "avi", "flv", "asf", "ogg", "nut", "mxf", "gif", "ivf",
    "h264", "hevc", "m4v", "mpegvideo", "yuv4mpegpipe",
)  # fmt: skip


def is_broadcast(container: InputContainer) -> bool:
    """Whether recordings in it may start in the middle of things: of a group of pictures, and of the clock."""
    return not {"mpegts", "mpeg"}.isdisjoint(container.format.name.split(","))


def has_durations_from_nowhere(container: InputContainer) -> bool:
    """Whether packets may have durations from memory that nobody has written.

    The demuxer gives such to fragments of an mp4 whose edit list is broken. Unchecked, each opening would find another video.
    """
    return "mov" in container.format.name.split(",")


MOST_PIXELS = 2**27
"""Of one frame, where nothing less is said: the most that a deployment can allow."""


@contextmanager
def open_source(path: Source, max_pixels: int = MOST_PIXELS) -> Iterator[InputContainer]:
    """Open `path` for reading; no decoder is given a frame of more than `max_pixels`. Raises MissingError or InputError."""
    name, protocols = _opened(path)
    lists = {"format_whitelist": ",".join(CONTAINERS), "codec_whitelist": ",".join(DECODERS)}
    # As ffmpeg does: what a broadcast tells of its tracks on the way holds, too.
    options = {"protocol_whitelist": protocols, "scan_all_pmts": "1", **lists}
    limit = {"max_pixels": str(max_pixels)}
    try:
        container = av.open(name, "r", options=limit, container_options=options, metadata_errors="replace")
    except PermissionError as error:
        raise InputError(f"'{path}' may not be read: change its permissions.") from error
    except (av.FFmpegError, ValueError, OSError) as error:  # OSError: in a file of a few bytes it is sought before the beginning
        raise InputError(_why_not(path)) from error
    with container:
        yield container


def _opened(path: Source) -> tuple[str | BinaryIO, str]:
    """What the library opens, and by which protocols it may open more."""
    if isinstance(path, OpenedFile):
        return reader(path), ""
    if not path.exists():
        raise MissingError(f"There is no file '{path}': check the name.")
    if not path.is_file():
        raise InputError(f"'{path}' is not a file: name the video itself.")
    return str(path.absolute()), "file"  # an absolute path is never taken for a protocol ("concat:a|b")


def _why_not(path: Source) -> str:
    with reader(path) as file:
        head = file.read(12)
    if not head:
        return f"'{path}' is empty: copy it here again."
    if head[4:8] in (b"ftyp", b"mdat", b"wide", b"free"):
        return f"'{path}' is cut off or damaged, its index can't be read: copy or export it again."
    return f"'{path}' is not a video in a container known here: name an mp4, mov, mkv, webm, ts or avi file."


def video_stream(container: InputContainer, path: Source) -> VideoStream:
    """The video itself, not a cover picture. Raises InputError, also where its codec isn't one of CODECS."""
    streams = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    if not streams:
        raise InputError(f"'{path}' has no video in it: name a file with moving pictures.")
    usual = [stream for stream in streams if stream.disposition & Disposition.default]
    stream = (usual or streams)[0]
    if stream.codec_context is None:
        raise InputError(f"'{path}' has video in a format that can't be decoded here: convert it to H.264 first.")
    if (codec := stream.codec_context.codec.canonical_name) not in CODECS:
        raise InputError(f"'{path}' has video in {codec}, which isn't among the codecs taken here: convert it to H.264 first.")
    return stream


def numbered_stream(container: InputContainer, index: int) -> VideoStream:
    """The video that the probe found, by its number in the file."""
    return container.streams.video[[each.index for each in container.streams.video].index(index)]


def prepare(container: InputContainer, stream: VideoStream, threads: int = 0) -> None:
    """Have this stream alone read, and decoded by `threads` threads, or as many as help."""
    context = stream.codec_context
    context.thread_type, context.thread_count = "AUTO", threads
    context.flags |= Flags.unaligned  # else less is cropped than the stream says, where that suits a processor better
    # The size may change on the way: four times as many pixels (and the borders that decoders add) are still scaled down.
    context.options = {"max_pixels": str(4 * context.width * context.height + 2**20)}
    only(container, stream)


def only(container: InputContainer, *wanted: Stream) -> None:
    """Have the demuxer skip all other streams."""
    indexes = {stream.index for stream in wanted}
    for stream in container.streams:
        stream.discard = Discard.default if stream.index in indexes else Discard.all
