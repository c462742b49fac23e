"""MP4 and QuickTime files (ISO/IEC 14496-12): boxes, tracks, tables of samples, edit lists, fragments."""

from __future__ import annotations

from tests.fuzz.fields import Fields
from tests.fuzz.payload import FRAMES, HEIGHT, RATE, WIDTH, Coded, coded

VIDEO = {
    "h264": (b"avc1", b"avcC"), "hevc": (b"hvc1", b"hvcC"), "mpeg4": (b"mp4v", b"esds"),
    "mjpeg": (b"jpeg", b""), "png": (b"png ", b""), "prores": (b"apcn", b""), "raw": (b"raw ", b""),
}  # fmt: skip
SOUND = {"": (b"", b""), "pcm": (b"sowt", b""), "aac": (b"mp4a", b"esds")}
OPTIONAL = {
    "fragments": 2, "0.elst.count": 2, "1.elst.count": 2, "0.ctts.really": 1, "1.ctts.really": 1, "0.samples": 80_000_000,
    "1.samples": 80_000_000, "0.stsz.constant": 1, "1.stsz.constant": 1, "tracks": 20,
}  # fmt: skip
"""What a plain file has not: a case turns some of it on."""

_UNITY = b"".join(each.to_bytes(4, "big") for each in (0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000))


def write(f: Fields, video: str, sound: str) -> bytes:
    """The file: its index stands first, and what it says of the media's place is true unless it is twisted."""
    tracks = [_Track(f, number, video if number == 0 else sound) for number in range(f.count("tracks", 2 if sound else 1, 300))]
    head = _box(f, "ftyp", b"isom\0\0\2\0isomiso2mp41qt  ")
    start = len(head) + len(_moov(f, tracks, 0)) + 8
    moov = _moov(f, tracks, start)
    media = b"".join(track.data for track in tracks)
    fragments = b"".join(_fragment(f, number, tracks[0]) for number in range(f.count("fragments", 0, 50) if tracks else 0))
    return f.cut(head + moov + _box(f, "mdat", media) + fragments)


def _box(f: Fields, name: str, *parts: bytes) -> bytes:
    """A box; `name` may have what stands before its four letters in front of a dot. Some are nested into themselves."""
    kind, body = name.rpartition(".")[2].encode("latin-1"), b"".join(parts)
    for _ in range(f.count(f"{name}.nested", 0, 3000)):
        body = (8 + len(body)).to_bytes(4, "big") + kind + body
    size = f.number(f"{name}.size", 8 + len(body), 64)
    if size < 1 << 32 and not f.number(f"{name}.wide", 0, 1):
        return size.to_bytes(4, "big") + kind + body
    return b"\0\0\0\1" + kind + size.to_bytes(8, "big") + body


def _full(f: Fields, name: str, *parts: bytes, flags: int = 0) -> bytes:
    return _box(f, name, f.pack(f"{name}.version", 0, 8), f.pack(f"{name}.flags", flags, 24), *parts)


class _Track:
    """One track: the first is the video, all others are the sound once more, or the video where there is no sound."""

    def __init__(self, f: Fields, number: int, codec: str) -> None:
        self.f, self.number = f, number
        self.codec = codec or "raw"
        self.is_video = self.codec in VIDEO
        # Tracks beyond the second have the second one's numbers: a file of many has not as many names.
        self.name = str(min(number, 1))
        payload: Coded = coded(self.codec, "mov")
        self.extradata, self.keys = payload.extradata, payload.keys
        # PCM's packets hold many samples of sound, of two bytes each.
        self.packets = [f.spoilt(f"{self.name}.payload", packet) for packet in payload.packets]
        self.data = b"".join(self.packets) if number < 2 else b""
        self.samples = f.number(f"{self.name}.samples", len(self.packets))

    def n(self, name: str, usual: int, bits: int = 32) -> bytes:
        return self.f.pack(f"{self.name}.{name}", usual, bits)

    def full(self, name: str, *parts: bytes, flags: int = 0) -> bytes:
        return _full(self.f, f"{self.name}.{name}", *parts, flags=flags)

    def box(self, name: str, *parts: bytes) -> bytes:
        return _box(self.f, f"{self.name}.{name}", *parts)

    def trak(self, offset: int) -> bytes:
        scale = RATE if self.is_video else 48000
        step = 1 if self.is_video else 48000 // RATE
        duration = FRAMES * step
        size = self.n("tkhd.width", WIDTH << 16), self.n("tkhd.height", HEIGHT << 16)
        matrix = b"".join(
            self.n(f"tkhd.matrix{at}", int.from_bytes(_UNITY[4 * at : 4 * at + 4], "big")) for at in range(9)
        )  # fmt: skip
        tkhd = self.full(
            "tkhd", bytes(8), self.n("tkhd.id", self.number + 1), bytes(4), self.n("tkhd.duration", duration), bytes(16),
            matrix, *(size if self.is_video else (bytes(8),)), flags=7,
        )  # fmt: skip
        mdhd = self.full(
            "mdhd", bytes(8), self.n("mdhd.scale", scale), self.n("mdhd.duration", duration), self.n("mdhd.language", 0x55C4, 16),
            bytes(2),
        )  # fmt: skip
        hdlr = self.full("hdlr", bytes(4), b"vide" if self.is_video else b"soun", bytes(13))
        head = self.full("vmhd", bytes(8), flags=1) if self.is_video else self.full("smhd", bytes(4))
        itself = self.full("url ", flags=1)
        dinf = self.box("dinf", self.full("dref", self.n("dref.count", 1), itself))
        minf = self.box("minf", head, dinf, self._stbl(offset, step))
        return self.box("trak", tkhd, self._edits(duration), self.box("mdia", mdhd, hdlr, minf))

    def _edits(self, duration: int) -> bytes:
        count = self.f.number(f"{self.name}.elst.count", 0)
        if not count:
            return b""
        entry = self.n("elst.duration", duration) + self.n("elst.time", 0) + self.n("elst.rate", 0x10000)
        odd = self.n("elst.last_duration", duration) + self.n("elst.last_time", 2) + self.n("elst.rate", 0x10000)
        entries = self.f.repeat(f"{self.name}.elst.really", entry, min(count, 1000) - 1) + odd
        return self.box("edts", self.full("elst", self.n("elst.says", count), entries))

    def _stbl(self, offset: int, step: int) -> bytes:
        f, name, count = self.f, self.name, self.samples
        half = f.number(f"{name}.stts.first", count)
        constant = f.number(f"{name}.stsz.constant", 0)
        sizes = b"" if constant else b"".join(
            self.n(f"stsz.size{min(at, 2)}", len(packet)) for at, packet in enumerate(self.packets)
        )  # fmt: skip
        pair = self.n("stts.count", half) + self.n("stts.delta", step) + self.n("stts.more", 0) + self.n("stts.other", step)
        chunk = self.n("stsc.first", 1) + self.n("stsc.samples", count) + self.n("stsc.entry", 1)
        ctts = self.n("ctts.count", count) + self.n("ctts.offset", 0)
        tables = [
            self.full("stsd", self.n("stsd.count", 1), f.repeat(f"{name}.stsd.really", self._entry(), 1)),
            self.full("stts", self.n("stts.says", 2), f.repeat(f"{name}.stts.really", pair, 1)),
            self.full("stsc", self.n("stsc.says", 1), f.repeat(f"{name}.stsc.really", chunk, 1)),
            self.full("stsz", self.n("stsz.constant", 0), self.n("stsz.count", count), sizes),
            self.full("stco", self.n("stco.says", 1), f.repeat(f"{name}.stco.really", self.n("stco.offset", offset), 1)),
        ]  # fmt: skip
        if f.number(f"{name}.ctts.really", 0, 24):
            tables.append(self.full("ctts", self.n("ctts.says", 1), f.repeat(f"{name}.ctts.really", ctts, 0)))
        if not all(self.keys):
            keys = b"".join(self.n(f"stss.key{min(at, 2)}", at + 1) for at, key in enumerate(self.keys) if key)
            tables.append(self.full("stss", self.n("stss.says", sum(self.keys)), keys))
        return self.box("stbl", *tables)

    def _entry(self) -> bytes:
        """How its samples are coded: VisualSampleEntry, or AudioSampleEntry of QuickTime's version 0."""
        fourcc, config = VIDEO[self.codec] if self.is_video else SOUND[self.codec]
        extra = self._config(config)
        head = bytes(6) + self.n("entry.reference", 1, 16)
        if not self.is_video:
            rate = self.n("entry.rate", 48000, 16) + bytes(2)
            shape = self.n("entry.channels", 1, 16) + self.n("entry.bits", 16, 16)
            return self.box(fourcc.decode(), head, bytes(8), shape, bytes(4), rate, extra)
        size = self.n("entry.width", WIDTH, 16) + self.n("entry.height", HEIGHT, 16)
        pixels = self.n("pasp.width", 1) + self.n("pasp.height", 1)
        tail = bytes(8) + bytes(4) + self.n("entry.frames", 1, 16) + bytes(32) + self.n("entry.depth", 24, 16) + b"\xff\xff"
        return self.box(fourcc.decode(), head, bytes(16), size, tail, extra, self.box("pasp", pixels))

    def _config(self, kind: bytes) -> bytes:
        extradata = self.f.spoilt(f"{self.name}.extradata", self.extradata)
        if kind != b"esds":
            return self.box(kind.decode(), extradata) if kind else b""
        # ISO/IEC 14496-1, 7.2.6: a descriptor of the stream, in it one of its decoder, in that one the extradata.
        specific = b"\5" + self.n("esds.specific", len(extradata), 8) + extradata
        decoder = bytes([0x20 if self.is_video else 0x40, 0x15]) + bytes(11) + specific
        config = b"\4" + self.n("esds.decoder", len(decoder), 8) + decoder
        return self.full("esds", b"\3" + self.n("esds.stream", 3 + len(config), 8) + b"\0\0\0" + config)


def _moov(f: Fields, tracks: list[_Track], start: int) -> bytes:
    boxes, at = [], start
    for track in tracks:
        boxes.append(track.trak(at))
        at += len(track.data)
    mvhd = _full(
        f, "mvhd", bytes(8), f.pack("mvhd.scale", RATE), f.pack("mvhd.duration", FRAMES), b"\0\1\0\0\1\0", bytes(10), _UNITY,
        bytes(24), f.pack("mvhd.next", 3),
    )  # fmt: skip
    if f.number("fragments", 0, 6):
        trex = b"".join(f.pack(f"trex.{name}", usual) for name, usual in (("id", 1), ("entry", 1), ("dur", 1), ("size", 0)))
        boxes.append(_box(f, "mvex", _full(f, "trex", trex, bytes(4))))
    return _box(f, "moov", mvhd, *boxes, _tags(f))


def _tags(f: Fields) -> bytes:
    """Titles, as QuickTime and as iTunes write them."""
    text = f.repeat("tag.length", b"t", 5)
    many = f.repeat("tags", _box(f, "\xa9nam", f.pack("tag.says", len(text), 16), bytes(2), text), 1)
    return _box(f, "udta", many)


def _fragment(f: Fields, number: int, track: _Track) -> bytes:
    """A fragment with the track's frames once more, behind those before it."""
    sizes = b"".join(f.pack(f"trun.size{min(at, 1)}", len(packet)) for at, packet in enumerate(track.packets))

    def moof(data: int) -> bytes:
        head = f.pack("trun.count", len(track.packets)) + f.pack("trun.data", data)
        trun = _full(f, "trun", head, f.repeat("trun.really", sizes, 1), flags=0x201)
        tfdt = _full(f, "tfdt", f.pack("tfdt.time", FRAMES * (number + 1)))
        traf = _box(f, "traf", _full(f, "tfhd", f.pack("tfhd.id", 1), flags=0x20000), tfdt, trun)
        return _box(f, "moof", _full(f, "mfhd", f.pack("mfhd.number", number + 1)), f.repeat("trafs", traf, 1))

    return moof(len(moof(0)) + 8) + _box(f, "mdat", track.data)
