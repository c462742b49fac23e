"""Is a file whole? Each container says at its start how long it, or its next piece, should be."""

from __future__ import annotations

import os
from typing import BinaryIO

from scorer.errors import InputError
from scorer.opened import Source, reader

_EBML = b"\x1a\x45\xdf\xa3"
_BOXES = {b"ftyp", b"moov", b"mdat", b"moof", b"free", b"skip", b"wide", b"styp", b"sidx", b"pnot"}
# The boxes without whose end a video isn't whole; others behind them may be anything.
_NEEDED = {b"moov", b"mdat", b"moof"}


def check_whole(path: Source, most_boxes: int) -> None:
    """Raise InputError where the container says that the file's end is missing; where it doesn't say, that can't be known.

    An mp4 of more than `most_boxes` boxes is refused as well: each is looked at.
    """
    with reader(path) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        needed = _length(file, size, most_boxes)
    if needed is None:
        raise InputError(f"'{path}' has more than the {most_boxes:,} boxes allowed: export it again.")
    if size < needed:
        raise InputError(f"'{path}' is cut off, its end is missing: copy or export it again.")


def _length(file: BinaryIO, size: int, most_boxes: int) -> int | None:
    head = file.read(4096)
    if head[:4] == _EBML:
        return _matroska_length(head)
    if head[:4] == b"RIFF":
        return 8 + int.from_bytes(head[4:8], "little")
    if head[4:8] in _BOXES:
        return _boxes_length(file, size, most_boxes)
    for at, packet in ((0, 188), (4, 192), (0, 204)):  # MPEG transport streams: packets that start with 0x47
        if len(head) > 4 * packet and set(head[at : 4 * packet : packet]) == {0x47}:
            return -(-size // packet) * packet
    return 0


def _boxes_length(file: BinaryIO, size: int, most: int) -> int | None:
    """Where the last box ends that is needed (ISO/IEC 14496-12, 4.2); None where there are more than `most`."""
    at = needed = count = 0
    while at + 8 <= size:
        count += 1
        if count > most:
            return None
        file.seek(at)
        head = file.read(16)
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length < 8:  # 0: up to the file's end
            break
        at += length
        if head[4:8] in _NEEDED:
            needed = at
    return needed


def _matroska_length(head: bytes) -> int:
    """Where the Segment ends, behind the EBML header (RFC 8794, 4: integers of variable size); 0 where it doesn't say."""
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
