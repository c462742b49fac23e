"""JPEG files (ITU-T T.81): real scans behind headers that promise much, many scans, profiles and pictures in pieces."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
from PIL import Image

from tests.fuzz.exif import tiff
from tests.fuzz.fields import Fields

PICTURES = {"grey": "L", "rgb": "RGB", "cmyk": "CMYK", "progressive": "RGB"}
OPTIONAL = {"exif.there": 1, "icc.times": 1, "mpf.there": 1, "dri.there": 1, "com.times": 1, "adobe.there": 1, "dnl.there": 1}

WIDTH, HEIGHT = 32, 24
_SOF, _SOS, _DNL, _DRI, _APP, _COM = (0xC0, 0xC2), 0xDA, 0xDC, 0xDD, 0xE0, 0xFE


def write(f: Fields, picture: str, _: str) -> bytes:
    """The file: a real picture's segments, the frame header's numbers by name, and others between them."""
    segments = []
    scans = 0
    for marker, body, scan in _segments(picture):
        if marker in _SOF:
            segments.append(_others(f))
            segments.append(_segment(f, "sof", f.number("sof.marker", marker, 8), _frame(f, body)))
        elif marker == _SOS:
            name = f"sos{min(scans, 1)}"
            header = f.spoilt(f"{name}.header", body)
            segments.append(f.repeat(f"{name}.times", _segment(f, name, marker, header) + f.spoilt(f"{name}.data", scan), 1))
            scans += 1
        else:
            segments.append(f.repeat(f"x{marker:02x}.times", _segment(f, f"x{marker:02x}", marker, body), 1))
    if f.number("dnl.there", 0, 1):
        segments.append(_segment(f, "dnl", _DNL, f.pack("dnl.lines", HEIGHT, 16)))
    return f.cut(b"\xff\xd8" + b"".join(segments) + b"\xff\xd9")


def _segment(f: Fields, name: str, marker: int, body: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + f.pack(f"{name}.length", (2 + len(body)) % 65536, 16) + body


def _frame(f: Fields, body: bytes) -> bytes:
    """Precision, height, width, and each component's number, sampling and table."""
    head = f.pack("sof.precision", body[0], 8) + f.pack("sof.height", HEIGHT, 16) + f.pack("sof.width", WIDTH, 16)
    parts = [f.pack(f"sof.part{at}", value, 8) for at, value in enumerate(body[6:])]
    return head + f.pack("sof.components", body[5], 8) + b"".join(parts)


def _others(f: Fields) -> bytes:
    """Segments that a decoder may leave out, but a reader looks at."""
    found = []
    if f.number("exif.there", 0, 1):
        found.append(_segment(f, "exif", _APP + 1, b"Exif\0\0" + tiff(f)[:65000]))
    icc = b"ICC_PROFILE\0" + f.pack("icc.number", 1, 8) + f.pack("icc.count", 1, 8) + bytes(f.count("icc.bytes", 128, 65000))
    found.append(f.repeat("icc.times", _segment(f, "icc", _APP + 2, icc), 0))
    if f.number("mpf.there", 0, 1):
        found.append(_segment(f, "mpf", _APP + 2, b"MPF\0" + _pictures(f)))
    if f.number("dri.there", 0, 1):
        found.append(_segment(f, "dri", _DRI, f.pack("dri.every", 1, 16)))
    if f.number("adobe.there", 0, 1):
        found.append(_segment(f, "adobe", _APP + 14, b"Adobe\0\x64\0\0\0\0" + f.pack("adobe.transform", 1, 8)))
    comment = bytes(f.count("com.length", 5, 65000))
    return b"".join([*found, f.repeat("com.times", _segment(f, "com", _COM, comment), 0)])


def _pictures(f: Fields) -> bytes:
    """An index of more pictures in the file (CIPA DC-007)."""
    count = f.pack("mpf.pictures", 2)
    entry = f.pack("mpf.kind", 0x20030000) + f.pack("mpf.size", 1000) + f.pack("mpf.offset", 0) + bytes(4)
    index = f.pack("mpf.tag", 0xB001, 16) + f.pack("mpf.type", 4, 16) + f.pack("mpf.count", 1) + count
    index += b"\xb0\x02\0\7" + f.pack("mpf.bytes", 32) + f.pack("mpf.at", 50)
    return b"MM\0*" + f.pack("mpf.first", 8) + f.pack("mpf.entries", 2, 16) + index + f.pack("mpf.next", 0) + entry * 2


@cache
def _segments(picture: str) -> tuple[tuple[int, bytes, bytes], ...]:
    """A real picture's segments: marker, body, and what follows it up to the next one."""
    pixels = np.random.default_rng(7).integers(0, 256, (HEIGHT // 4, WIDTH // 4, 3), np.uint8)
    image = Image.fromarray(pixels).resize((WIDTH, HEIGHT)).convert(PICTURES[picture])
    out = io.BytesIO()
    image.save(out, "JPEG", progressive=picture == "progressive")
    data, at, found = out.getvalue(), 2, []
    while data[at + 1] != 0xD9:
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        after = end
        while data[after] != 0xFF or data[after + 1] == 0 or 0xD0 <= data[after + 1] <= 0xD7:
            after += 1
        found.append((data[at + 1], data[at + 4 : end], data[end:after]))
        at = after
    return tuple(found)
