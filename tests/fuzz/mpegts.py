"""MPEG transport streams (ISO/IEC 13818-1): packets of 188 bytes, tables of programs, PES packets with time stamps of 33 bits."""

from __future__ import annotations

from tests.fuzz.fields import Fields, crc
from tests.fuzz.payload import FRAMES, RATE, coded

VIDEO = {"h264": 0x1B, "hevc": 0x24, "mpeg2": 0x02, "mpeg4": 0x10}
SOUND = {"": 0, "aac": 0x0F, "mp2": 0x03, "mp3": 0x03}
OPTIONAL = {"streams": 5, "whole.times": 2, "tables": 10, "0.frame1.empty": 1}
"""What a plain file has not: a case turns some of it on."""

_PMT = 0x1000
_START = 126_000
"""Ticks of the first frame's time stamp, 90,000 a second."""


def write(f: Fields, video: str, sound: str) -> bytes:
    """The file: tables, then each frame, with its sound, in packets of its own."""
    count = f.count("streams", 2 if sound else 1, 100)
    streams = [_Stream(f, number, video if number == 0 else sound) for number in range(count)]
    tables = _tables(f, streams)
    body = b"".join(stream.frame(at) for at in range(FRAMES) for stream in streams)
    return f.cut((f.repeat("tables", tables, 1) + body) * f.count("whole.times", 1, 50))


def _packet(f: Fields, name: str, pid: int, payload: bytes, counter: int, *, starts: bool, clock: bytes = b"") -> bytes:
    """One packet; what it lacks is filled up in its adaptation field."""
    room = 184 - len(payload)
    head = f.pack(f"{name}.sync", 0x47, 8) + f.pack(f"{name}.pid", (0x4000 if starts else 0) | pid, 16)
    flags = f.pack(f"{name}.flags", (0x30 if room else 0x10) | counter % 16, 8)
    if not room:
        return head + flags + payload
    field = (b"\x10" + clock if clock else b"\0") if room > 1 else b""
    field = field.ljust(room - 1, b"\xff")[: room - 1]
    return head + flags + f.pack(f"{name}.adaptation", room - 1, 8) + field + payload


def _tables(f: Fields, streams: list[_Stream]) -> bytes:
    entry = f.pack("pat.program", 1, 16) + f.pack("pat.pid", 0xE000 | _PMT, 16)
    pat = _section(f, "pat", 0, f.repeat("pat.really", entry, 1))
    entries = b"".join(
        f.pack(f"{each.name}.type", each.kind, 8)
        + f.pack(f"{each.name}.pid", 0xE000 | each.pid, 16)
        + f.pack(f"{each.name}.info", 0xF000, 16)
        for each in streams
    )
    clock = f.pack("pmt.clock", 0xE000 | (streams[0].pid if streams else 0x1FFF), 16)
    pmt = _section(f, "pmt", 2, clock + f.pack("pmt.info", 0xF000, 16) + entries[:900])
    return _sent(f, "pat", 0, b"\0" + pat) + _sent(f, "pmt", _PMT, b"\0" + pmt)


def _section(f: Fields, name: str, ident: int, body: bytes) -> bytes:
    rest = f.pack(f"{name}.id", 1, 16) + f.pack(f"{name}.version", 0xC1, 8) + f.pack(f"{name}.section", 0, 8)
    rest += f.pack(f"{name}.last", 0, 8) + body[:1000]
    data = f.pack(f"{name}.table", ident, 8) + f.pack(f"{name}.length", 0xB000 | len(rest) + 4, 16) + rest
    return data + (crc(data, 0xFFFFFFFF) ^ f.number(f"{name}.checksum", 0)).to_bytes(4, "big")


def _sent(f: Fields, name: str, pid: int, data: bytes, clock: bytes = b"", counter: int = 0) -> bytes:
    """Some data in as many packets as they take."""
    packets: list[bytes] = []
    at = 0
    while at < len(data):
        room = 176 if at == 0 and clock else 184
        piece = data[at : at + room]
        packets.append(_packet(f, name, pid, piece, counter + len(packets), starts=at == 0, clock=clock if at == 0 else b""))
        at += room
    return b"".join(packets)


class _Stream:
    """One stream: the first is the video, all others are the sound, or the video once more where there is no sound."""

    def __init__(self, f: Fields, number: int, codec: str) -> None:
        self.f, self.name, self.pid = f, str(min(number, 1)), 0x100 + number
        self.codec = codec or "mpeg2"
        self.is_video = self.codec in VIDEO
        self.kind = (VIDEO | SOUND)[self.codec]
        self.packets = coded(self.codec, "mpegts").packets
        self.counter = 0

    def frame(self, at: int) -> bytes:
        """Its packets at the time of this frame, each in a PES packet of its own."""
        some = -(-len(self.packets) // FRAMES)
        return b"".join(self._pes(number) for number in range(at * some, min((at + 1) * some, len(self.packets))))

    def _pes(self, at: int) -> bytes:
        f, name = self.f, f"{self.name}.frame{min(at, 2)}"
        media = f.spoilt(f"{self.name}.payload", self.packets[at])
        time = _START + 90_000 * FRAMES * at // (RATE * len(self.packets))
        stamp = self._stamp(f.number(f"{name}.pts", time, 33), f.number(f"{name}.prefix", 2, 4))
        flags = f.pack(f"{name}.flags", 0x8080, 16) + f.pack(f"{name}.header", 5, 8)
        size = f.pack(f"{name}.length", 0 if self.is_video else min(len(media) + 8, 65535), 16)
        pes = b"\0\0\1" + f.pack(f"{name}.id", 0xE0 if self.is_video else 0xC0, 8) + size + flags + stamp + media
        base = f.number(f"{name}.pcr", time - 18_000, 33)
        clock = (base << 15 | 0x7E00).to_bytes(6, "big")
        sent = _sent(f, name, self.pid, b"" if f.number(f"{name}.empty", 0, 1) else pes, clock, self.counter)
        self.counter += len(sent) // 188
        return sent

    @staticmethod
    def _stamp(time: int, prefix: int) -> bytes:
        high, middle, low = time >> 30, time >> 15 & 0x7FFF, time & 0x7FFF
        return bytes([prefix << 4 | high << 1 | 1]) + (middle << 1 | 1).to_bytes(2, "big") + (low << 1 | 1).to_bytes(2, "big")
