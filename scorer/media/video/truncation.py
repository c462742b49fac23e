"""Is a file whole? Each container says at its start how long it, or its next piece, should be."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import BinaryIO

from scorer.errors import InputError
from scorer.media.opened import Source, reader

_EBML = b"\x1a\x45\xdf\xa3"
_BOXES = {b"ftyp", b"moov", b"mdat", b"moof", b"free", b"skip", b"wide", b"styp", b"sidx", b"pnot"}
# The boxes without whose end a video isn't whole; others behind them may be anything.
_NEEDED = {b"moov", b"mdat", b"moof"}


def is_cut(path: Source, most_boxes: int) -> bool:
    """Whether the container says that the file's end is missing; where it doesn't say, that can't be known.

    Raises InputError for an mp4 whose index is cut off, and for one of more than `most_boxes` boxes: each is looked at. Of others
    that many pieces are.
    """
    with reader(path) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        try:
            needed = _length(file, size, most_boxes)
        except EOFError as error:
            raise InputError(f"'{path}' is cut off, its index can't be read: copy or export it again.") from error
    if needed is None:
        raise InputError(f"'{path}' has more than the {most_boxes:,} boxes allowed: export it again.")
    return size < needed


def _length(file: BinaryIO, size: int, most: int) -> int | None:
    head = file.read(4096)
    pieces: dict[bytes, Callable[[bytes], int]] = {
        _EBML: _element,
        b"RIFF": _chunk,
        b"OggS": _page,
        b"FLV\x01": _tag,
        b"DKIF": _frame,
    }
    if length_of := pieces.get(head[:4]):
        return _pieces_length(file, size, most, length_of)
    if head[4:8] in _BOXES:
        return _boxes_length(file, size, most)
    if head.startswith(_ASF):
        return _asf_length(head)
    for at, packet in ((0, 188), (4, 192), (0, 204)):  # MPEG transport streams: packets that start with 0x47
        if len(head) > 4 * packet and set(head[at : 4 * packet : packet]) == {0x47}:
            return -(-size // packet) * packet
    return 0


_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")

_LONGEST_HEAD = 27 + 255
"""Bytes that a piece says its length in: of Ogg's pages the most."""


def _pieces_length(file: BinaryIO, size: int, most: int, length_of: Callable[[bytes], int]) -> int:
    """Where the last of the pieces ends that the file is made of; `length_of` says a length by the first bytes, 0 if it can't."""
    at = 0
    for _ in range(most):
        if at >= size:
            break
        file.seek(at)
        length = length_of(file.read(_LONGEST_HEAD))
        if not length:
            break
        at += length
    return at


def _chunk(head: bytes) -> int:
    """Of an AVI: the whole, or a gigabyte of it each."""
    return 8 + int.from_bytes(head[4:8], "little") if head[:4] == b"RIFF" else 0


_FLV_BACK = 4
"""Bytes behind each tag, that say how long it was."""


def _tag(head: bytes) -> int:
    """Of an FLV: its header, or type, length, time stamp and stream."""
    if head[:3] == b"FLV":
        return int.from_bytes(head[5:9], "big") + _FLV_BACK
    return 11 + int.from_bytes(head[1:4], "big") + _FLV_BACK if head[:1] in (b"\x08", b"\x09", b"\x12") else 0


def _frame(head: bytes) -> int:
    """Of an IVF: its header, or a frame."""
    return int.from_bytes(head[6:8], "little") if head[:4] == b"DKIF" else 12 + int.from_bytes(head[:4], "little")


def _asf_length(head: bytes) -> int:
    """What the file properties of an ASF or WMV say, unless it was written while it was sent (ASF specification, 3.2)."""
    at = head.find(_ASF_PROPERTIES)
    size, flags = head[at + 40 : at + 48], head[at + 88 : at + 92]
    is_live = int.from_bytes(flags, "little") & 1
    return 0 if at < 0 or is_live else int.from_bytes(size, "little")


def _page(head: bytes) -> int:
    """Of an Ogg (RFC 3533, 6)."""
    return 27 + head[26] + sum(head[27 : 27 + head[26]]) if head[:4] == b"OggS" and len(head) > 26 else 0


_UNSIZED = {b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75"}
"""Segment and Cluster, which may end where the file does: then what is in them is looked at."""


def _element(head: bytes) -> int:
    """Of a Matroska file (RFC 8794, 4: integers of variable size)."""
    if not head[:1].strip(b"\0"):
        return 0
    width = 9 - head[0].bit_length()
    size, more = _ebml_size(head[width:])
    if size is None:
        return width + more if head[:width] in _UNSIZED else 0
    return width + more + size


def _boxes_length(file: BinaryIO, size: int, most: int) -> int | None:
    """Where the last box ends that is needed (ISO/IEC 14496-12, 4.2); None where there are more than `most`. Raises EOFError."""
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
        if head[4:8] == b"moov" and at > size:
            raise EOFError
        if head[4:8] in _NEEDED:
            needed = at
    return needed


def _ebml_size(data: bytes) -> tuple[int | None, int]:
    """The size that stands there (None: unknown) and its own length."""
    width = 9 - data[0].bit_length() if data and data[0] else 8
    value = int.from_bytes(data[:width], "big") & ((1 << 7 * width) - 1)
    return (None if value == (1 << 7 * width) - 1 else value), width
