"""Ogg files (RFC 3533): pages with true checksums around absurd granules, serial numbers and segment tables."""

from __future__ import annotations

import struct

from tests.fuzz.fields import Fields, crc
from tests.fuzz.payload import FRAMES, coded

ORDER = "little"

VIDEO = {"theora": 3}
SOUND = {"": 0, "vorbis": 3, "opus": 1, "flac": 1}
"""How many headers a stream begins with, apart from Opus's and FLAC's comments."""
OPTIONAL = {"streams": 5, "0.packet1.many": 20, "0.packet1.times": 100, "0.packet1.empty": 1, "1.packet1.empty": 1}
"""What a plain file has not: a case turns some of it on."""

_SHIFT = 6
"""Bits of a Theora granule that count the frames since a key frame."""


def write(f: Fields, video: str, sound: str) -> bytes:
    """The file: first pages of all streams, then their other headers, then a page for each packet."""
    count = f.count("streams", 2 if sound else 1, 100)
    streams = [_Stream(f, number, video if number == 0 else sound) for number in range(count)]
    heads = [stream.head() for stream in streams]
    pages = [page for page, _ in heads] + [page for _, page in heads]
    for frame in range(FRAMES):
        pages += [stream.pages(frame) for stream in streams]
    return f.cut(b"".join(pages))


class _Stream:
    """One stream: the first is the video, all others are the sound, or the video once more where there is no sound."""

    def __init__(self, f: Fields, number: int, codec: str) -> None:
        self.f, self.name, self.serial = f, str(min(number, 1)), number + 1
        self.codec = codec or "theora"
        self.payload = coded(self.codec, "ogg")
        self.sequence = 0

    def head(self) -> tuple[bytes, bytes]:
        """The first page, and that of all other headers."""
        first, *others = [self.f.spoilt(f"{self.name}.header{at}", header) for at, header in enumerate(_headers(self.codec))]
        return self._page("first", [self._identification(first)], 0, flags=2), self._page("head", others, 0)

    def _identification(self, header: bytes) -> bytes:
        """A video's with its numbers (Theora specification, 6.2)."""
        if self.codec != "theora":
            return header
        n = self.f.pack
        blocks = struct.unpack(">HH", header[10:14])
        size = b"".join(n(f"{self.name}.theora.{name}", usual, 16)[::-1] for name, usual in zip("wh", blocks, strict=True))
        shown = [("width", header[14:17]), ("height", header[17:20])]
        size += b"".join(n(f"{self.name}.theora.{name}", int.from_bytes(usual, "big"), 24)[::-1] for name, usual in shown)
        rest = [("rate", header[22:26]), ("scale", header[26:30])]
        rates = b"".join(n(f"{self.name}.theora.{name}", int.from_bytes(usual, "big"), 32)[::-1] for name, usual in rest)
        aspect = n(f"{self.name}.theora.aspect", 0x010001, 24) + n(f"{self.name}.theora.aspect2", 1, 24)
        return header[:10] + size + header[20:22] + rates + aspect + header[36:]

    def pages(self, frame: int) -> bytes:
        packets = self.payload.packets
        some = -(-len(packets) // FRAMES)
        mine = range(frame * some, min((frame + 1) * some, len(packets)))
        return b"".join(self._packet(at, last=at == len(packets) - 1) for at in mine)

    def _packet(self, at: int, *, last: bool) -> bytes:
        name = f"{self.name}.packet{min(at, 2)}"
        body = b"" if self.f.number(f"{name}.empty", 0, 1) else self.f.spoilt(f"{self.name}.payload", self.payload.packets[at])
        granule = (1 << _SHIFT | at) if self.codec == "theora" else (at + 1) * 960
        page = self._page(name, [body] * self.f.count(f"{name}.many", 1, 255), granule, flags=4 if last else 0)
        return self.f.repeat(f"{name}.times", page, 1)

    def _page(self, name: str, packets: list[bytes], granule: int, *, flags: int = 0) -> bytes:
        """A page, of as many segments as its packets take; longer ones don't occur here."""
        f, name = self.f, f"{self.name}.{name}" if not name.startswith(self.name) else name
        lacing = b"".join(b"\xff" * (len(packet) // 255) + bytes([len(packet) % 255]) for packet in packets)[:255]
        head = b"OggS" + f.pack(f"{name}.version", 0, 8) + f.pack(f"{name}.flags", flags, 8)
        head += (
            f.pack(f"{name}.granule", granule, 64)
            + f.pack(f"{name}.serial", self.serial)
            + f.pack(f"{name}.sequence", self.sequence)
        )
        self.sequence += 1
        rest = f.pack(f"{name}.segments", len(lacing), 8) + lacing * f.count(f"{name}.lacing", 1, 255) + b"".join(packets)
        checksum = crc(head + bytes(4) + rest) ^ f.number(f"{name}.checksum", 0)
        return head + struct.pack("<I", checksum) + rest


def _headers(codec: str) -> list[bytes]:
    """A codec's headers as packets, out of what a decoder must have before its first frame."""
    extradata = coded(codec, "ogg").extradata
    if codec in ("opus", "flac"):
        comment = b"OpusTags" if codec == "opus" else b"\x84\0\0\x0c"
        first = extradata if codec == "opus" else b"\x7fFLAC\1\0\0\1fLaC\0\0\0\x22" + extradata
        return [first, comment + struct.pack("<II", 0, 0) + bytes(4 if codec == "flac" else 0)]
    found = []
    if extradata[:1] == b"\2":  # Xiph's lacing: three packets, the lengths of the first two
        at, sizes = 1, []
        for _ in range(2):
            size = 0
            while extradata[at] == 255:
                size, at = size + 255, at + 1
            size, at = size + extradata[at], at + 1
            sizes.append(size)
        for size in sizes:
            found.append(extradata[at : at + size])
            at += size
        return [*found, extradata[at:]]
    at = 0
    while at + 2 <= len(extradata):  # each with its length in front
        size = int.from_bytes(extradata[at : at + 2], "big")
        found.append(extradata[at + 2 : at + 2 + size])
        at += 2 + size
    return found
