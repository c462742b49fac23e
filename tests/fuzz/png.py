"""PNG files (W3C PNG, third edition): headers that promise much, compressed chunks that unfold, animations, Adam7."""

from __future__ import annotations

import zlib
from functools import cache

import numpy as np

from tests.fuzz.exif import tiff
from tests.fuzz.fields import Fields

PICTURES = {
    "grey1": (1, 0), "grey8": (8, 0), "grey16": (16, 0), "rgb8": (8, 2), "rgb16": (16, 2), "palette": (8, 3), "greya8": (8, 4),
    "rgba8": (8, 6), "rgba16": (16, 6),
}  # fmt: skip
"""Bits of a channel, and the colour type."""
OPTIONAL = {
    "iCCP.times": 1, "zTXt.times": 1, "iTXt.times": 1, "tEXt.times": 1, "eXIf.times": 1, "tRNS.times": 1, "acTL.times": 1,
    "gAMA.times": 1, "iCCP.zeros": 20, "zTXt.zeros": 20, "IDAT.zeros": 20,
}  # fmt: skip

WIDTH, HEIGHT = 32, 24
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def write(f: Fields, picture: str, _: str) -> bytes:
    """The file, with true checksums unless they are twisted."""
    depth, colour = PICTURES[picture]
    size = f.pack("IHDR.width", WIDTH) + f.pack("IHDR.height", HEIGHT)
    kind = f.pack("IHDR.depth", depth, 8) + f.pack("IHDR.colour", colour, 8)
    ways = f.pack("IHDR.compression", 0, 8) + f.pack("IHDR.filter", 0, 8) + f.pack("IHDR.interlace", 0, 8)
    chunks = [_chunk(f, "IHDR", size + kind + ways)]
    chunks += [_chunk(f, "PLTE", f.repeat("PLTE.colours", b"\x20\x80\xf0", 256))] if colour == 3 else []
    icc = _name(f, "iCCP") + b"\0" + f.pack("iCCP.method", 0, 8) + _unfolding(f, "iCCP")
    ztxt = _name(f, "zTXt") + b"\0" + f.pack("zTXt.method", 0, 8) + _unfolding(f, "zTXt")
    itxt = _name(f, "iTXt") + b"\0" + f.pack("iTXt.compressed", 1, 8) + b"\0\0\0" + _unfolding(f, "iTXt")
    text = _name(f, "tEXt") + b"\0" + bytes(f.count("tEXt.length", 4, 1 << 20))
    extra = [
        ("iCCP", icc),
        ("zTXt", ztxt),
        ("iTXt", itxt),
        ("tEXt", text),
        ("eXIf", tiff(f)),
        ("gAMA", f.pack("gAMA.value", 45455)),
    ]
    extra += [("tRNS", bytes(f.count("tRNS.length", 6 if colour == 2 else 2, 1 << 16)))]
    chunks += [f.repeat(f"{name}.times", _chunk(f, name, body), 0) for name, body in extra]
    chunks.append(_animation(f))
    chunks.append(f.repeat("IDAT.times", _chunk(f, "IDAT", f.spoilt("IDAT", _pixels(f, depth, colour))), 1))
    chunks.append(f.repeat("frames", _frame(f, depth, colour), 0))
    return f.cut(b"\x89PNG\r\n\x1a\n" + b"".join(chunks) + _chunk(f, "IEND", b""))


def _chunk(f: Fields, name: str, body: bytes) -> bytes:
    kind = name.encode()
    checksum = zlib.crc32(kind + body) ^ f.number(f"{name}.checksum", 0)
    return f.pack(f"{name}.size", len(body)) + kind + body + checksum.to_bytes(4, "big")


def _name(f: Fields, name: str) -> bytes:
    return f.repeat(f"{name}.name", b"n", 3)


def _unfolding(f: Fields, name: str) -> bytes:
    """Zeros by the power of two, 16 MiB at most, compressed."""
    return _zeros(f.count(f"{name}.zeros", 5, 24))


@cache
def _zeros(power: int) -> bytes:
    return zlib.compress(bytes(1 << power), 9)


def _pixels(f: Fields, depth: int, colour: int) -> bytes:
    """The rows that the picture really has, each with its filter's number in front, or zeros alone."""
    if power := f.count("IDAT.zeros", 0, 24):
        return _zeros(power)
    noise = np.random.default_rng(7).bytes(WIDTH * depth * _CHANNELS[colour] // 8)
    row = f.pack("row.filter", 0, 8) + noise
    return zlib.compress(row * f.count("rows", HEIGHT, 1000))


def _animation(f: Fields) -> bytes:
    acts = _chunk(f, "acTL", f.pack("acTL.frames", 2) + f.pack("acTL.plays", 0))
    return f.repeat("acTL.times", acts, 0) + (_control(f, 0) if f.number("acTL.times", 0, 8) else b"")


def _control(f: Fields, number: int) -> bytes:
    numbers = ("sequence", number), ("width", WIDTH), ("height", HEIGHT), ("x", 0), ("y", 0)
    body = b"".join(f.pack(f"fcTL.{name}", usual) for name, usual in numbers)
    return _chunk(f, "fcTL", body + f.pack("fcTL.num", 1, 16) + f.pack("fcTL.den", 25, 16) + bytes(2))


def _frame(f: Fields, depth: int, colour: int) -> bytes:
    return _control(f, 1) + _chunk(f, "fdAT", f.pack("fdAT.sequence", 2) + _pixels(f, depth, colour))
