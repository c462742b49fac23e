"""TIFF files of strangers: which are decoded, out of a format that may hold data of any other, and lists without end."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

CODINGS = ("raw", "packbits", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate")
"""What programs write, in Pillow's words."""

MOST_VALUES = 2**18
"""Numbers of one field, where each would become an object: 8192x4320 pixels in tiles of 16x16 have half as many offsets."""
_BYTES = (1, 2, 6, 7)
"""Types of fields that are kept as bytes (TIFF 6.0, section 2)."""
_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339


def unfit(data: bytes) -> str:
    """Why a file isn't opened as a TIFF, before anybody reads its first directory; '' where it is, or is no TIFF."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 8:
        return ""
    version, at = struct.unpack_from(f"{order}HI", data, 2)
    if version == 43:
        return "it is a BigTIFF"
    if version != 42:
        return ""
    try:
        (fields,) = struct.unpack_from(f"{order}H", data, at)
        for number in range(fields):
            _, kind, count = struct.unpack_from(f"{order}HHI", data, at + 2 + 12 * number)
            if kind not in _BYTES and count > MOST_VALUES:
                return f"a field of it has {count:,} values, and {MOST_VALUES:,} are the most"
    except struct.error:
        return "it is cut short"
    return ""


def depth(coding: str, fields: Mapping[int, Any]) -> int:
    """Bits of a channel: 8 or less, or 16. `fields` maps tags to values, as Pillow gives them. Raises ValueError for others."""
    bits, formats = fields.get(_BITS, (1,)), fields.get(_SAMPLE_FORMAT, (1,))
    if coding not in CODINGS:
        raise ValueError(f"a TIFF file coded as {coding}")
    if set(formats) != {1} or len(set(bits)) != 1 or bits[0] not in (1, 2, 4, 8, 16):
        raise ValueError("a TIFF file whose pixels are no whole numbers of 1 to 16 bits")
    if bits[0] == 16 and fields.get(_PHOTOMETRIC) not in (1, 2):
        raise ValueError("a TIFF file of 16 bits that is neither grey nor RGB")
    return int(bits[0])
