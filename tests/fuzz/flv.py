"""FLV files: tags with times of 32 bits, and what onMetaData says of the whole."""

from __future__ import annotations

import struct

from tests.fuzz.fields import Fields
from tests.fuzz.payload import FRAMES, HEIGHT, RATE, WIDTH, coded

VIDEO = {"h264": 7, "flv1": 2}
SOUND = {"": 0, "aac": 0xAF, "mp3": 0x2F}
OPTIONAL = {"keyframes": 2, "facts.nested": 20, "9.packet1.empty": 1, "9.packet1.times": 100}
"""What a plain file has not: a case turns some of it on."""


def write(f: Fields, video: str, sound: str) -> bytes:
    """The file: a header, the facts, the codecs' headers, then each frame with its sound."""
    tracks = [(0x09, video)] + ([(0x08, sound)] if sound else [])
    head = b"FLV" + f.pack("version", 1, 8) + f.pack("flags", 5 if sound else 1, 8) + f.pack("offset", 9) + bytes(4)
    body = [_tag(f, "facts", 0x12, 0, _facts(f))]
    body += [_tag(f, f"{kind}.head", kind, 0, header) for kind, codec in tracks if (header := _header(f, kind, codec))]
    for frame in range(FRAMES):
        for kind, codec in tracks:
            packets = coded(codec, "flv").packets
            some = -(-len(packets) // FRAMES)
            for at in range(frame * some, min((frame + 1) * some, len(packets))):
                name = f"{kind}.packet{min(at, 2)}"
                time = 1000 * FRAMES * at // (RATE * len(packets))
                tag = _tag(f, name, kind, time, _media(f, name, kind, codec, at))
                body.append(f.repeat(f"{name}.times", tag, 1))
    return f.cut(head + b"".join(body))


def _tag(f: Fields, name: str, kind: int, time: int, body: bytes) -> bytes:
    stamp = f.number(f"{name}.time", time)
    when = (stamp & 0xFFFFFF).to_bytes(3, "big") + bytes([stamp >> 24])
    head = f.pack(f"{name}.kind", kind, 8) + f.pack(f"{name}.size", len(body), 24) + when + f.pack(f"{name}.stream", 0, 24)
    return head + body + f.pack(f"{name}.before", 11 + len(body))


def _header(f: Fields, kind: int, codec: str) -> bytes:
    extradata = f.spoilt(f"{kind}.extradata", coded(codec, "flv").extradata)
    if codec == "h264":
        return bytes([0x17]) + b"\0\0\0\0" + extradata
    return bytes([SOUND[codec]]) + b"\0" + extradata if codec == "aac" else b""


def _media(f: Fields, name: str, kind: int, codec: str, at: int) -> bytes:
    payload = coded(codec, "flv")
    packet = b"" if f.number(f"{name}.empty", 0, 1) else f.spoilt(f"{kind}.payload", payload.packets[at])
    if kind == 0x08:
        return f.pack(f"{name}.sound", SOUND[codec], 8) + (b"\1" if codec == "aac" else b"") + packet
    head = f.pack(f"{name}.video", (0x10 if payload.keys[at] else 0x20) | VIDEO[codec], 8)
    return head + (b"\1" + f.pack(f"{name}.shift", 0, 24) if codec == "h264" else b"") + packet


def _facts(f: Fields) -> bytes:
    """onMetaData: an array of names and numbers, in AMF0."""
    facts = [("duration", FRAMES / RATE), ("width", WIDTH), ("height", HEIGHT), ("framerate", RATE), ("filesize", 10_000.0)]
    body = b"".join(_name(name) + b"\0" + _double(f, f"facts.{name}", value) for name, value in facts)
    nested = _name("x") + b"\3"
    body += nested * f.count("facts.nested", 0, 3000) + _index(f)
    return b"\2" + _name("onMetaData") + b"\x08" + f.pack("facts.count", len(facts)) + body + b"\0\0\t"


def _index(f: Fields) -> bytes:
    """Where the key frames are."""
    if not f.number("keyframes", 0, 16):
        return b""
    count = f.number("keyframes", 0, 16)
    arrays = b""
    for name in ("filepositions", "times"):
        entry = b"\0" + _double(f, f"keyframes.{name}", 1.0)
        arrays += _name(name) + b"\n" + f.pack(f"keyframes.{name}.count", count) + entry * count
    return _name("keyframes") + b"\3" + arrays + b"\0\0\t"


def _name(text: str) -> bytes:
    return struct.pack(">H", len(text)) + text.encode()


def _double(f: Fields, name: str, usual: float) -> bytes:
    return f.pack(name, int.from_bytes(struct.pack(">d", usual), "big"), 64)
