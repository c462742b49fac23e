"""Opening a video that a stranger may have made: local files of known containers only, and nothing that names other files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Discard, Disposition, Stream
from av.video.stream import VideoStream

from scorer.errors import InputError, MissingError

# Playlists (hls, concat, dash, ...) and image sequences make the library open other files and addresses: they are not here.
CONTAINERS = (
    "mov", "matroska", "mpegts", "mpeg", "avi", "flv", "asf", "ogg", "nut", "mxf", "gif", "ivf",
    "h264", "hevc", "m4v", "mpegvideo", "yuv4mpegpipe",
)  # fmt: skip


def is_broadcast(container: InputContainer) -> bool:
    """Whether recordings in it may start in the middle of things: of a group of pictures, and of the clock."""
    return not {"mpegts", "mpeg"}.isdisjoint(container.format.name.split(","))


@contextmanager
def open_source(path: Path) -> Iterator[InputContainer]:
    """Open `path` for reading. Raises MissingError or InputError."""
    if not path.exists():
        raise MissingError(f"There is no file '{path}': check the name.")
    if not path.is_file():
        raise InputError(f"'{path}' is not a file: name the video itself.")
    options = {"protocol_whitelist": "file", "format_whitelist": ",".join(CONTAINERS)}
    try:
        # An absolute path is never taken for a protocol ("concat:a|b").
        container = av.open(str(path.absolute()), "r", container_options=options, metadata_errors="replace")
    except PermissionError as error:
        raise InputError(f"'{path}' may not be read: change its permissions.") from error
    except (av.FFmpegError, ValueError) as error:
        raise InputError(_why_not(path)) from error
    with container:
        yield container


def _why_not(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(12)
    if not head:
        return f"'{path}' is empty: copy it here again."
    if head[4:8] in (b"ftyp", b"mdat", b"wide", b"free"):
        return f"'{path}' is cut off or damaged, its index can't be read: copy or export it again."
    return f"'{path}' is not a video in a container known here: name an mp4, mov, mkv, webm, ts or avi file."


def video_stream(container: InputContainer, path: Path) -> VideoStream:
    """The video itself, not a cover picture. Raises InputError."""
    streams = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    if not streams:
        raise InputError(f"'{path}' has no video in it: name a file with moving pictures.")
    usual = [stream for stream in streams if stream.disposition & Disposition.default]
    stream = (usual or streams)[0]
    if stream.codec_context is None:
        raise InputError(f"'{path}' has video in a format that can't be decoded here: convert it to H.264 first.")
    return stream


def prepare(container: InputContainer, stream: VideoStream) -> None:
    """Have this stream alone read, and decoded by as many threads as help."""
    context = stream.codec_context
    context.thread_type = "AUTO"
    # The size may change on the way: four times as many pixels (and the borders that decoders add) are still scaled down.
    context.options = {"max_pixels": str(4 * context.width * context.height + 2**20)}
    only(container, stream)


def only(container: InputContainer, *wanted: Stream) -> None:
    """Have the demuxer skip all other streams."""
    indexes = {stream.index for stream in wanted}
    for stream in container.streams:
        stream.discard = Discard.default if stream.index in indexes else Discard.all
