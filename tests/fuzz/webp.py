"""WebP files (RFC 9649): a canvas that promises much, profiles, animations of many frames, real pictures in them."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
from PIL import Image

from tests.fuzz.exif import tiff
from tests.fuzz.fields import Fields

ORDER = "little"

PICTURES = {"lossy": ("RGB", False), "lossless": ("RGB", True), "alpha": ("RGBA", False), "alpha_lossless": ("RGBA", True)}
OPTIONAL = {"VP8X.there": 1, "ICCP.times": 1, "EXIF.times": 1, "XMP .times": 1, "ANIM.times": 1, "frames": 2, "ALPH.times": 1}

WIDTH, HEIGHT = 32, 24


def write(f: Fields, picture: str, _: str) -> bytes:
    """The file: plain, or with a canvas and all that may stand on it."""
    chunks = _chunks(picture)
    media = b"".join(_chunk(f, name, _numbered(f, name, body)) for name, body in chunks if name != "VP8X")
    before = [
        f.repeat("ICCP.times", _chunk(f, "ICCP", bytes(f.count("ICCP.bytes", 128, 1 << 20))), 0),
        f.repeat("ANIM.times", _chunk(f, "ANIM", f.pack("ANIM.colour", 0) + f.pack("ANIM.loops", 0, 16)), 0),
        f.repeat("frames", _frame(f, media), 0),
        f.repeat("ALPH.times", _chunk(f, "ALPH", f.pack("ALPH.way", 0, 8) + bytes(WIDTH * HEIGHT)), 0),
    ]
    behind = [
        f.repeat("EXIF.times", _chunk(f, "EXIF", tiff(f)), 0),
        f.repeat("XMP .times", _chunk(f, "XMP ", bytes(f.count("XMP .bytes", 10, 1 << 20))), 0),
    ]
    shows = [0x20 * bool(before[0]), 0x02 * bool(before[2]), 0x10 * (PICTURES[picture][0] == "RGBA" or bool(before[3]))]
    shows += [0x08 * bool(behind[0]), 0x04 * bool(behind[1])]
    size = f.pack("VP8X.width", WIDTH - 1, 24) + f.pack("VP8X.height", HEIGHT - 1, 24)
    canvas = _chunk(f, "VP8X", f.pack("VP8X.flags", sum(shows)) + size)
    extended = f.number("VP8X.there", int(any(before) or any(behind) or len(chunks) > 1), 1)
    pictures = f.repeat("pictures", media, 0 if before[2] else 1)
    body = b"WEBP" + b"".join([canvas if extended else b"", *before, pictures, *behind])
    return f.cut(b"RIFF" + f.pack("RIFF.size", len(body)) + body)


def _chunk(f: Fields, name: str, body: bytes) -> bytes:
    return name.encode() + f.pack(f"{name}.size", len(body)) + body + bytes(len(body) % 2)


def _numbered(f: Fields, name: str, body: bytes) -> bytes:
    """A picture with its own size by name: of a key frame of VP8, or in a VP8L header."""
    if name == "VP8 ":
        return body[:6] + f.pack("VP8.width", WIDTH, 16) + f.pack("VP8.height", HEIGHT, 16) + f.spoilt("VP8", body[10:])
    if name == "VP8L":
        size = f.number("VP8L.size", int.from_bytes(body[1:5], "little"), 32)
        return body[:1] + size.to_bytes(4, "little") + f.spoilt("VP8L", body[5:])
    return f.spoilt(name, body)


def _frame(f: Fields, media: bytes) -> bytes:
    numbers = ("x", 0), ("y", 0), ("width", WIDTH - 1), ("height", HEIGHT - 1), ("duration", 40)
    head = b"".join(f.pack(f"ANMF.{name}", usual, 24) for name, usual in numbers)
    return _chunk(f, "ANMF", head + f.pack("ANMF.flags", 0, 8) + media)


@cache
def _chunks(picture: str) -> tuple[tuple[str, bytes], ...]:
    """A real picture's chunks."""
    mode, lossless = PICTURES[picture]
    pixels = np.random.default_rng(7).integers(0, 256, (HEIGHT // 4, WIDTH // 4, len(mode)), np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).resize((WIDTH, HEIGHT)).save(out, "WEBP", lossless=lossless)
    data, at, found = out.getvalue(), 12, []
    while at < len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        found.append((data[at : at + 4].decode(), data[at + 8 : at + 8 + size]))
        at += 8 + size + size % 2
    return tuple(found)
