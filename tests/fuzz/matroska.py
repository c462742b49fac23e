"""Matroska and WebM files (RFC 8794, RFC 9559): elements with sizes of any width, tracks, clusters, blocks, cues, tags."""

from __future__ import annotations

import struct

from tests.fuzz.fields import Fields
from tests.fuzz.payload import FRAMES, HEIGHT, RATE, WIDTH, Coded, coded

VIDEO = {
    "h264": "V_MPEG4/ISO/AVC", "hevc": "V_MPEGH/ISO/HEVC", "vp8": "V_VP8", "vp9": "V_VP9", "theora": "V_THEORA", "ffv1": "V_FFV1",
    "mpeg4": "V_MPEG4/ISO/ASP", "mjpeg": "V_MJPEG", "prores": "V_PRORES",
}  # fmt: skip
SOUND = {"": "", "aac": "A_AAC", "opus": "A_OPUS", "vorbis": "A_VORBIS", "flac": "A_FLAC", "pcm": "A_PCM/INT/LIT"}
OPTIONAL = {
    "0.coloured": 1, "0.projected": 1, "0.compressed": 1, "1.compressed": 1, "0.block1.grouped": 1, "1.block1.grouped": 1,
    "chapters": 2, "attachments": 1, "0.rated": 0, "0.CodecDelay.value": 1000,
    "1.CodecDelay.value": 1000, "tracks": 20, "0.block1.flags": 2,
    "1.block1.flags": 6,
}  # fmt: skip
"""What a plain file has not: a case turns some of it on."""

# Names of the elements written here, by their numbers in RFC 9559.
_IDS = {
    "EBML": 0x1A45DFA3, "DocType": 0x4282, "MaxIDLength": 0x42F2, "MaxSizeLength": 0x42F3, "Segment": 0x18538067,
    "SeekHead": 0x114D9B74, "Seek": 0x4DBB, "SeekID": 0x53AB, "SeekPosition": 0x53AC, "Info": 0x1549A966,
    "TimestampScale": 0x2AD7B1, "Duration": 0x4489, "Tracks": 0x1654AE6B, "TrackEntry": 0xAE, "TrackNumber": 0xD7,
    "TrackUID": 0x73C5, "TrackType": 0x83, "CodecID": 0x86, "CodecPrivate": 0x63A2, "CodecDelay": 0x56AA,
    "SeekPreRoll": 0x56BB, "DefaultDuration": 0x23E383, "FlagLacing": 0x9C, "TrackTimestampScale": 0x23314F,
    "ContentEncodings": 0x6D80, "ContentEncoding": 0x6240, "ContentEncodingType": 0x5033, "ContentCompression": 0x5034,
    "ContentCompAlgo": 0x4254, "ContentCompSettings": 0x4255, "Video": 0xE0, "PixelWidth": 0xB0, "PixelHeight": 0xBA,
    "DisplayWidth": 0x54B0, "DisplayHeight": 0x54BA, "DisplayUnit": 0x54B2, "StereoMode": 0x53B8, "AlphaMode": 0x53C0,
    "FlagInterlaced": 0x9A, "Colour": 0x55B0, "MatrixCoefficients": 0x55B1, "Range": 0x55B9,
    "TransferCharacteristics": 0x55BA, "Primaries": 0x55BB, "BitsPerChannel": 0x55B2, "Projection": 0x7670,
    "ProjectionType": 0x7671, "ProjectionPoseRoll": 0x7675, "ProjectionPoseYaw": 0x7673, "Audio": 0xE1,
    "SamplingFrequency": 0xB5, "Channels": 0x9F, "BitDepth": 0x6264, "Cluster": 0x1F43B675, "Timestamp": 0xE7,
    "SimpleBlock": 0xA3, "BlockGroup": 0xA0, "Block": 0xA1, "BlockDuration": 0x9B, "DiscardPadding": 0x75A2,
    "Cues": 0x1C53BB6B, "CuePoint": 0xBB, "CueTime": 0xB3, "CueTrackPositions": 0xB7, "CueTrack": 0xF7,
    "CueClusterPosition": 0xF1, "Tags": 0x1254C367, "Tag": 0x7373, "SimpleTag": 0x67C8, "TagName": 0x45A3,
    "TagString": 0x4487, "Chapters": 0x1043A770, "EditionEntry": 0x45B9, "ChapterAtom": 0xB6, "ChapterUID": 0x73C4,
    "ChapterTimeStart": 0x91, "ChapterTimeEnd": 0x92, "Attachments": 0x1941A469, "AttachedFile": 0x61A7, "FileName": 0x466E,
    "FileMediaType": 0x4660, "FileUID": 0x46AE, "FileData": 0x465C,
}  # fmt: skip


def write(f: Fields, video: str, sound: str) -> bytes:
    """The file: head, tracks, clusters of two frames, and an index of them."""
    kind = b"webm" if video in ("vp8", "vp9") and sound in ("", "opus", "vorbis") else b"matroska"
    head = _element(
        f, "EBML", _uint(f, "MaxIDLength", 4), _uint(f, "MaxSizeLength", 8), _element(f, "DocType", kind),
    )  # fmt: skip
    info = _element(f, "Info", _uint(f, "TimestampScale", 1_000_000), _float(f, "Duration", FRAMES * 1000 / RATE))
    tracks = [_Track(f, number, video if number == 0 else sound) for number in range(f.count("tracks", 2 if sound else 1, 300))]
    front = info + _element(f, "Tracks", *(track.entry() for track in tracks)) + _tags(f) + _chapters(f) + _attachments(f)
    clusters = [_cluster(f, number, tracks) for number in range(FRAMES // 2)]
    seek = _seek(f, 0)
    places, at = [], len(seek) + len(front)
    for cluster in clusters:
        places.append(at)
        at += len(cluster)
    body = [_seek(f, at), front, f.repeat("clusters", b"".join(clusters), 1), _cues(f, places)]
    return f.cut(head + _element(f, "Segment", *body))


def _element(f: Fields, name: str, *parts: bytes) -> bytes:
    """An element; `name` may have more in front of a dot. Its size may be wider than need be, unknown, or false."""
    plain = name.rpartition(".")[2]
    number, body = _IDS[plain], b"".join(parts)
    ident = number.to_bytes((number.bit_length() + 7) // 8, "big")
    for _ in range(f.count(f"{name}.nested", 0, 3000)):
        body = ident + _size(len(body), 8) + body
    width = f.count(f"{name}.width", 8 if plain in ("Segment", "Cluster", "SeekHead") else 4, 8) or 8
    if f.number(f"{name}.unknown", 0, 1):
        return ident + ((1 << 7 * width + 1) - 1).to_bytes(width, "big") + body
    return ident + _size(f.number(f"{name}.size", len(body), 56), width) + body


def _size(value: int, width: int) -> bytes:
    return (1 << 7 * width | value % (1 << 7 * width)).to_bytes(width, "big")


def _uint(f: Fields, name: str, usual: int) -> bytes:
    """An element of an unsigned integer in as many bytes as it takes; half of the negative ones are signed elsewhere."""
    value = f.number(f"{name}.value", usual, 64)
    return _element(f, name, value.to_bytes(max((value.bit_length() + 7) // 8, 1), "big"))


def _float(f: Fields, name: str, usual: float) -> bytes:
    return _element(f, name, f.pack(f"{name}.value", int.from_bytes(struct.pack(">d", usual), "big"), 64))


class _Track:
    """One track: the first is the video, all others are the sound, or the video once more where there is no sound."""

    def __init__(self, f: Fields, number: int, codec: str) -> None:
        self.f, self.number, self.name = f, number, str(min(number, 1))
        self.codec = codec or "vp8"
        self.is_video = self.codec in VIDEO
        self.payload: Coded = coded(self.codec, "matroska")

    def entry(self) -> bytes:
        f, name = self.f, self.name
        shape = self._video() if self.is_video else self._audio()
        head = b"fLaC\x80\0\0\x22" if self.codec == "flac" else b""
        private = f.spoilt(f"{name}.extradata", head + self.payload.extradata)
        parts = [
            _uint(f, f"{name}.TrackNumber", self.number + 1), _uint(f, f"{name}.TrackUID", self.number + 1),
            _uint(f, f"{name}.TrackType", 1 if self.is_video else 2),
            _element(f, f"{name}.CodecID", (VIDEO | SOUND)[self.codec].encode()), shape,
        ]  # fmt: skip
        if private:
            parts.append(_element(f, f"{name}.CodecPrivate", private))
        delays = [each for each in ("CodecDelay", "SeekPreRoll") if f.number(f"{name}.{each}.value", 0, 64)]
        parts += [_uint(f, f"{name}.{each}", 0) for each in delays]
        if f.number(f"{name}.rated", 1, 1):
            parts.append(_uint(f, f"{name}.DefaultDuration", 10**9 // RATE))
        if f.number(f"{name}.compressed", 0, 1):
            settings = _uint(f, f"{name}.ContentCompAlgo", 3) + _element(f, f"{name}.ContentCompSettings", b"")
            encoding = _uint(f, f"{name}.ContentEncodingType", 0) + _element(f, f"{name}.ContentCompression", settings)
            parts.append(_element(f, f"{name}.ContentEncodings", _element(f, f"{name}.ContentEncoding", encoding)))
        return _element(f, f"{name}.TrackEntry", *parts)

    def _video(self) -> bytes:
        f, name = self.f, self.name
        parts = [
            _uint(f, f"{name}.{each}", usual)
            for each, usual in (
                ("PixelWidth", WIDTH), ("PixelHeight", HEIGHT), ("DisplayWidth", WIDTH), ("DisplayHeight", HEIGHT),
                ("DisplayUnit", 0), ("StereoMode", 0), ("AlphaMode", 0), ("FlagInterlaced", 0),
            )
        ]  # fmt: skip
        if f.number(f"{name}.coloured", 0, 1):
            each = ("MatrixCoefficients", "Range", "TransferCharacteristics", "Primaries", "BitsPerChannel")
            parts.append(_element(f, f"{name}.Colour", *(_uint(f, f"{name}.{field}", 1) for field in each)))
        if f.number(f"{name}.projected", 0, 1):
            roll, yaw = (_float(f, f"{name}.ProjectionPose{way}", 90.0) for way in ("Roll", "Yaw"))
            parts.append(_element(f, f"{name}.Projection", _uint(f, f"{name}.ProjectionType", 0), roll, yaw))
        return _element(f, f"{name}.Video", *parts)

    def _audio(self) -> bytes:
        f, name = self.f, self.name
        return _element(
            f, f"{name}.Audio", _float(f, f"{name}.SamplingFrequency", 48000.0), _uint(f, f"{name}.Channels", 1),
            _uint(f, f"{name}.BitDepth", 16),
        )  # fmt: skip

    def blocks(self, number: int) -> bytes:
        """Its packets in the cluster of this number: two frames, and a third of the sound."""
        f, name, packets = self.f, self.name, self.payload.packets
        some = -(-len(packets) * 2 // FRAMES)
        written = []
        for at in range(number * some, min((number + 1) * some, len(packets))):
            kind = f"{name}.block{min(at, 2)}"
            time = f.pack(f"{kind}.time", (at - number * some) * 2000 // (RATE * some), 16)
            flags = f.pack(f"{kind}.flags", 0x80 if self.payload.keys[at] else 0, 8)
            lacing = f.pack(f"{kind}.laced", 0, 8) if f.number(f"{kind}.flags", 0, 8) & 6 else b""
            body = _size(self.number + 1, 1 if self.number < 126 else 2) + time + flags + lacing
            body += b"" if f.number(f"{kind}.empty", 0, 1) else f.spoilt(f"{name}.payload", packets[at])
            if f.number(f"{kind}.grouped", 0, 1):
                rest = _uint(f, f"{kind}.BlockDuration", 1000 // RATE) + _uint(f, f"{kind}.DiscardPadding", 0)
                written.append(_element(f, f"{kind}.BlockGroup", _element(f, f"{kind}.Block", body), rest))
            else:
                written.append(f.repeat(f"{kind}.times", _element(f, f"{kind}.SimpleBlock", body), 1))
        return b"".join(written)


def _cluster(f: Fields, number: int, tracks: list[_Track]) -> bytes:
    name = f"{min(number, 1)}c"
    time = _uint(f, f"{name}.Timestamp", number * 2000 // RATE)
    return _element(f, f"{name}.Cluster", time, *(track.blocks(number) for track in tracks))


def _seek(f: Fields, cues: int) -> bytes:
    """Where the index is, as a number of always as many bytes."""
    place = f.pack("SeekPosition.value", cues, 64)
    entry = _element(f, "Seek", _element(f, "SeekID", _IDS["Cues"].to_bytes(4, "big")), _element(f, "SeekPosition", place))
    return _element(f, "SeekHead", f.repeat("seeks", entry, 1))


def _cues(f: Fields, places: list[int]) -> bytes:
    points = []
    for number, place in enumerate(places):
        name = f"{min(number, 1)}q"
        where = _uint(f, f"{name}.CueTrack", 1) + _uint(f, f"{name}.CueClusterPosition", place)
        time = _uint(f, f"{name}.CueTime", number * 2000 // RATE)
        points.append(_element(f, f"{name}.CuePoint", time, _element(f, f"{name}.CueTrackPositions", where)))
    return _element(f, "Cues", f.repeat("cues", b"".join(points), 1))


def _tags(f: Fields) -> bytes:
    text = _element(f, "TagName", f.repeat("tag.name", b"T", 5)) + _element(f, "TagString", f.repeat("tag.length", b"t", 5))
    return _element(f, "Tags", f.repeat("tags", _element(f, "Tag", _element(f, "SimpleTag", text)), 1))


def _chapters(f: Fields) -> bytes:
    if not f.number("chapters", 0, 16):
        return b""
    times = [_uint(f, "ChapterTimeStart", 0), _uint(f, "ChapterTimeEnd", 10**8)]
    atom = _element(f, "ChapterAtom", _uint(f, "ChapterUID", 1), *times)
    return _element(f, "Chapters", _element(f, "EditionEntry", f.repeat("chapters", atom, 0)))


def _attachments(f: Fields) -> bytes:
    """Files beside the media; a picture among them is a cover."""
    if not f.number("attachments", 0, 16):
        return b""
    names = _element(f, "FileName", b"cover.png") + _element(f, "FileMediaType", b"image/png")
    file = _element(f, "AttachedFile", names, _uint(f, "FileUID", 1), _element(f, "FileData", coded("png", "mov").packets[0]))
    return _element(f, "Attachments", f.repeat("attachments", file, 0))
