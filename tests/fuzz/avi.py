"""AVI files: RIFF chunks, stream headers, the old index (idx1) and OpenDML's (indx, ix00, more RIFFs)."""

from __future__ import annotations

import struct

from tests.fuzz.fields import Fields
from tests.fuzz.payload import FRAMES, HEIGHT, RATE, WIDTH, coded

ORDER = "little"

VIDEO = {"mpeg4": b"FMP4", "mjpeg": b"MJPG", "h264": b"H264", "ffv1": b"FFV1", "huffyuv": b"HFYU", "png": b"MPNG"}
SOUND = {"": 0, "pcm": 1, "mp3": 0x55, "mp2": 0x50}
OPTIONAL = {
    "0.indx.there": 1, "1.indx.there": 1, "ix00.there": 1, "dmlh.there": 1, "idx1.there": 0, "riffs": 2, "streams": 5,
    "0.packet1.empty": 1,
}  # fmt: skip
"""What a plain file has not: a case turns some of it on."""

_KEY = 0x10


def write(f: Fields, video: str, sound: str) -> bytes:
    """The file: headers, media, index; and as many more RIFFs with the same media as asked for."""
    count = f.count("streams", 2 if sound else 1, 100)
    streams = [_Stream(f, number, video if number == 0 else sound) for number in range(count)]
    avih = b"".join(
        f.pack(f"avih.{name}", usual)
        for name, usual in (
            ("microseconds", 1_000_000 // RATE), ("rate", 0), ("padding", 0), ("flags", 0x10), ("frames", FRAMES), ("initial", 0),
            ("streams", len(streams)), ("buffer", 0), ("width", WIDTH), ("height", HEIGHT),
        )
    )  # fmt: skip
    hdrl = _list(f, "hdrl", _chunk(f, "avih", avih + bytes(16)), *(stream.header() for stream in streams), _open_dml(f))
    movi, index = _movi(f, streams)
    idx1 = _chunk(f, "idx1", f.repeat("idx1.times", index, 1)) if f.number("idx1.there", 1, 1) else b""
    first = _list(f, "AVI ", hdrl, _info(f), movi, idx1, kind="RIFF")
    return f.cut(first + _list(f, "AVIX", movi, kind="RIFF") * f.count("riffs", 0, 50))


def _chunk(f: Fields, name: str, *parts: bytes) -> bytes:
    """A chunk; `name` may have more in front of a dot."""
    body = b"".join(parts)
    return name.rpartition(".")[2].encode("latin-1") + f.pack(f"{name}.size", len(body)) + body + bytes(len(body) % 2)


def _list(f: Fields, name: str, *parts: bytes, kind: str = "LIST") -> bytes:
    body = name.rpartition(".")[2].encode("latin-1") + b"".join(parts)
    for _ in range(f.count(f"{name}.nested", 0, 3000)):
        body = body[:4] + kind.encode() + struct.pack("<I", len(body)) + body
    return kind.encode() + f.pack(f"{name}.size", len(body)) + body + bytes(len(body) % 2)


class _Stream:
    """One stream: the first is the video, all others are the sound, or the video once more where there is no sound."""

    def __init__(self, f: Fields, number: int, codec: str) -> None:
        self.f, self.number, self.name = f, number, str(min(number, 1))
        self.codec = codec or "mjpeg"
        self.is_video = self.codec in VIDEO
        self.payload = coded(self.codec, "avi")

    def n(self, name: str, usual: int, bits: int = 32) -> bytes:
        return self.f.pack(f"{self.name}.{name}", usual, bits)

    @property
    def tag(self) -> bytes:
        return b"%02d%s" % (self.number, b"dc" if self.is_video else b"wb")

    def header(self) -> bytes:
        compressed = self.codec in ("mp3", "mp2")
        scale, rate = (1, RATE) if self.is_video else (1152, 48000) if compressed else (1, 48000)
        kind, handler = (b"vids", VIDEO[self.codec]) if self.is_video else (b"auds", bytes(4))
        strh = kind + handler + b"".join(
            self.n(f"strh.{name}", usual)
            for name, usual in (
                ("flags", 0), ("priority", 0), ("initial", 0), ("scale", scale), ("rate", rate), ("start", 0), ("length", FRAMES),
                ("buffer", 0), ("quality", 0xFFFFFFFF), ("sample", 2 if self.codec == "pcm" else 0),
            )
        )  # fmt: skip
        parts = [_chunk(self.f, f"{self.name}.strh", strh, bytes(8)), self._format()]
        if self.f.number(f"{self.name}.indx.there", 0, 1):
            parts.append(self._super_index())
        return _list(self.f, f"{self.name}.strl", *parts)

    def _format(self) -> bytes:
        """BITMAPINFOHEADER, or WAVEFORMATEX."""
        extradata = self.f.spoilt(f"{self.name}.extradata", self.payload.extradata)
        if self.is_video:
            size = self.n("strf.length", 40 + len(extradata)) + self.n("strf.width", WIDTH) + self.n("strf.height", HEIGHT)
            depth = self.n("strf.planes", 1, 16) + self.n("strf.bits", 24, 16)
            rest = self.n("strf.bytes", WIDTH * HEIGHT * 3) + bytes(8) + self.n("strf.colors", 0) + bytes(4)
            return _chunk(self.f, f"{self.name}.strf", size, depth, VIDEO[self.codec], rest, extradata)
        pcm = self.codec == "pcm"
        numbers = [
            ("format", SOUND[self.codec], 16), ("channels", 1, 16), ("rate", 48000, 32), ("bytes", 96000 if pcm else 8000, 32),
            ("align", 2 if pcm else 1152, 16), ("bits", 16 if pcm else 0, 16), ("extra", len(extradata), 16),
        ]  # fmt: skip
        wave = b"".join(self.n(f"strf.{name}", usual, bits) for name, usual, bits in numbers)
        return _chunk(self.f, f"{self.name}.strf", wave, extradata)

    def _super_index(self) -> bytes:
        """OpenDML's index of indexes."""
        entry = self.n("indx.offset", 0, 64) + self.n("indx.bytes", 32) + self.n("indx.duration", FRAMES)
        head = self.n("indx.longs", 4, 16) + self.n("indx.sub", 0, 8) + self.n("indx.type", 0, 8) + self.n("indx.used", 1)
        return _chunk(self.f, f"{self.name}.indx", head, self.tag, bytes(12), self.f.repeat(f"{self.name}.indx.really", entry, 1))


def _movi(f: Fields, streams: list[_Stream]) -> tuple[bytes, bytes]:
    """The media, and the index of them."""
    chunks, index, at = [], [], 4
    for frame in range(FRAMES):
        for stream in streams:
            packets = stream.payload.packets
            some = -(-len(packets) // FRAMES)
            for number in range(frame * some, min((frame + 1) * some, len(packets))):
                name = f"{stream.name}.packet{min(number, 2)}"
                body = b"" if f.number(f"{name}.empty", 0, 1) else f.spoilt(f"{stream.name}.payload", packets[number])
                tag = stream.tag.decode()
                chunk = f.repeat(f"{name}.times", _chunk(f, f"{name}.{tag}", body), 1)
                flags = f.pack(f"{name}.index.flags", _KEY if stream.payload.keys[number] else 0)
                place = f.pack(f"{name}.index.offset", at) + f.pack(f"{name}.index.length", len(body))
                index.append(stream.tag + flags + place)
                chunks.append(chunk)
                at += len(chunk)
    if f.number("ix00.there", 0, 1):
        entry = f.pack("ix00.offset", 4) + f.pack("ix00.length", 100)
        head = f.pack("ix00.longs", 2, 16) + f.pack("ix00.sub", 0, 8) + f.pack("ix00.type", 1, 8) + f.pack("ix00.used", FRAMES)
        base = f.pack("ix00.base", 0, 64) + bytes(4)
        chunks.append(_chunk(f, "ix00", head, b"00dc", base, f.repeat("ix00.really", entry, FRAMES)))
    return _list(f, "movi", *chunks), b"".join(index)


def _open_dml(f: Fields) -> bytes:
    if not f.number("dmlh.there", 0, 1):
        return b""
    return _list(f, "odml", _chunk(f, "dmlh", f.pack("dmlh.frames", FRAMES), bytes(244)))


def _info(f: Fields) -> bytes:
    title = _chunk(f, "INAM", f.repeat("title.length", b"t", 5))
    return _list(f, "INFO", f.repeat("titles", title, 1))
