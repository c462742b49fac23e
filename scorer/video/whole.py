"""Is a file whole? Each container says in its own way how long it should be."""

from __future__ import annotations

from pathlib import Path

from av.container import InputContainer
from av.video.stream import VideoStream

from scorer.errors import InputError


def check_whole(container: InputContainer, stream: VideoStream, path: Path) -> None:
    """Raise InputError where the container's own index or length says that the file's end is missing."""
    containers = set(container.format.name.split(","))
    size = path.stat().st_size
    if "mov" in containers:
        needed = max((entry.pos + entry.size for entry in stream.index_entries), default=0)
    elif "matroska" in containers:
        needed = _matroska_length(path)
    elif "avi" in containers:
        needed = _riff_length(path)
    elif "mpegts" in containers:
        needed = size if any(size % length == 0 for length in (188, 192, 204)) else size + 1
    else:
        return
    if size < needed:
        raise InputError(f"'{path}' is cut off, its end is missing: copy or export it again.")


def _riff_length(path: Path) -> int:
    with path.open("rb") as file:
        return 8 + int.from_bytes(file.read(8)[4:], "little")


def _matroska_length(path: Path) -> int:
    """Where the Segment ends, after the EBML header (RFC 8794, 4: variable-size integers); 0 where it doesn't say."""
    with path.open("rb") as file:
        head = file.read(4096)
    at = 4  # the header's id
    header, width = _ebml_size(head[at:])
    at += width + (header or 0) + 4  # the Segment's id
    segment, width = _ebml_size(head[at:])
    return at + width + segment if segment is not None else 0


def _ebml_size(data: bytes) -> tuple[int | None, int]:
    """The size that stands there (None: unknown) and its own length."""
    width = 9 - data[0].bit_length() if data and data[0] else 8
    value = int.from_bytes(data[:width], "big") & ((1 << 7 * width) - 1)
    return (None if value == (1 << 7 * width) - 1 else value), width
