"""Media as nobody's camera makes them: containers with true structure and absurd numbers, around real encoded pictures.

`mp4` writes any tables (ISO/IEC 14496-12) around given bytes; `clip` has the library write any time stamps in any container.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream
from PIL import Image

UPRIGHT = (0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
"""A display matrix (8.2.2) that changes nothing: 16.16 numbers, the last column 2.30."""


def box(kind: bytes, *content: bytes) -> bytes:
    """A box (4.2)."""
    body = b"".join(content)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def full_box(kind: bytes, *content: bytes, version: int = 0, flags: int = 0) -> bytes:
    """A box with version and flags."""
    return box(kind, struct.pack(">I", version << 24 | flags), *content)


def table(kind: bytes, form: str, rows: Sequence[Sequence[int]]) -> bytes:
    """A full box of counted rows, each of the struct format `form`."""
    return full_box(kind, struct.pack(">I", len(rows)), *(struct.pack(f">{form}", *row) for row in rows))


@dataclass(frozen=True)
class Track:
    """One track; `data` is stored once, however often its tables name it."""

    handler: bytes
    """vide, soun, text."""
    entry: bytes
    """The sample entry."""
    data: bytes
    timescale: int = 25
    durations: Sequence[tuple[int, int]] = ((1, 1),)
    """Count and length of samples, in the timescale."""
    offsets: Sequence[tuple[int, int]] = ()
    """Count, and how much later than decoded shown (signed)."""
    count: int = 1
    """Samples."""
    size: int = 0
    """Of each sample; 0: as `sizes` says."""
    sizes: Sequence[int] = ()
    chunks: Sequence[int] = (0,)
    """Where in `data` each chunk begins."""
    per_chunk: int = 1
    """Samples of each chunk."""
    edits: Sequence[tuple[int, int]] = ()
    """The edit list: length in the movie's timescale, and start in the track's; -1 is empty."""
    matrix: tuple[int, ...] = UPRIGHT
    shape: tuple[int, int] = (64, 48)

    @property
    def length(self) -> int:
        """In the timescale, as much of it as a header holds."""
        return min(sum(count * each for count, each in self.durations), 2**32 - 1)

    def sample_table(self, start: int) -> bytes:
        """The `stbl` of a track whose data lie at `start` of the file."""
        sizes = struct.pack(">II", self.size, self.count) + struct.pack(f">{len(self.sizes)}I", *self.sizes)
        return box(
            b"stbl",
            full_box(b"stsd", struct.pack(">I", 1), self.entry),
            table(b"stts", "II", self.durations),
            full_box(
                b"ctts", struct.pack(">I", len(self.offsets)), *(struct.pack(">Ii", *row) for row in self.offsets), version=1
            )
            if self.offsets
            else b"",
            table(b"stsc", "III", [(1, self.per_chunk, 1)]),
            full_box(b"stsz", sizes),
            table(b"stco", "I", [(start + at,) for at in self.chunks]),
        )

    def boxes(self, number: int, start: int) -> bytes:
        """The `trak`."""
        width, height = self.shape if self.handler == b"vide" else (0, 0)
        header = struct.pack(">5I8x4H", 0, 0, number, 0, self.length, 0, 0, 0 if width else 0x100, 0)
        place = struct.pack(">9I2I", *(each & 0xFFFFFFFF for each in self.matrix), width << 16, height << 16)
        kind = {b"vide": full_box(b"vmhd", bytes(8), flags=1), b"soun": full_box(b"smhd", bytes(4))}
        edits = box(b"edts", table(b"elst", "IiI", [(*edit, 0x10000) for edit in self.edits])) if self.edits else b""
        return box(
            b"trak",
            full_box(b"tkhd", header, place, flags=3),
            edits,
            box(
                b"mdia",
                full_box(b"mdhd", struct.pack(">4I2H", 0, 0, self.timescale, self.length, 0x55C4, 0)),
                full_box(b"hdlr", bytes(4), self.handler, bytes(13)),
                box(
                    b"minf",
                    kind.get(self.handler, full_box(b"nmhd")),
                    box(b"dinf", full_box(b"dref", struct.pack(">I", 1), full_box(b"url ", flags=1))),
                    self.sample_table(start),
                ),
            ),
        )


def mp4(path: Path, *tracks: Track, more: bytes = b"", timescale: int = 1000, brand: bytes = b"isom") -> Path:
    """A file of these tracks; `more` are other boxes of the movie, such as `udta`."""
    head = box(b"ftyp", brand, struct.pack(">I", 512), brand)

    def movie(start: int) -> bytes:
        header = struct.pack(">4IIH10x9I24xI", 0, 0, timescale, timescale, 0x10000, 0x100, *UPRIGHT, len(tracks) + 1)
        starts = [start + sum(len(track.data) for track in tracks[:number]) for number in range(len(tracks))]
        boxes = (track.boxes(number, begin) for number, (track, begin) in enumerate(zip(tracks, starts, strict=True), 1))
        return box(b"moov", full_box(b"mvhd", header), *boxes, more)

    start = len(head) + len(movie(0)) + 8
    path.write_bytes(head + movie(start) + box(b"mdat", *(track.data for track in tracks)))
    return path


def picture_entry(codec: bytes, width: int, height: int, *more: bytes) -> bytes:
    """A visual sample entry (12.1.3)."""
    form = struct.pack(">6xH16x2H2I4xH32xHh", 1, width, height, 0x480000, 0x480000, 1, 24, -1)
    return box(codec, form, *more)


def sound_entry(codec: bytes, rate: int = 48_000, channels: int = 2, bits: int = 16, *more: bytes) -> bytes:
    """An audio sample entry (12.2.3)."""
    return box(codec, struct.pack(">6xH8x2H4xI", 1, channels, bits, (rate & 0xFFFF) << 16), *more)


def still(kind: str, width: int = 64, height: int = 48, orientation: int | None = None) -> bytes:
    """A picture as a file of its own, JPEG or PNG, with an EXIF orientation if asked for."""
    shades = np.linspace(0, 255, width * height * 3).reshape(height, width, 3).astype(np.uint8)
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
        exif[0x010F] = "Camera"
    data = BytesIO()
    Image.fromarray(shades).save(data, kind, exif=exif)
    return data.getvalue()


_STILLS = {"JPEG": b"jpeg", "PNG": b"png "}


def stills(kind: str, count: int, width: int = 64, height: int = 48, orientation: int | None = None) -> Track:
    """A track that shows one JPEG or PNG `count` times, a 25th of a second each: change it with `replace`."""
    data = still(kind, width, height, orientation)
    entry = picture_entry(_STILLS[kind], width, height)
    return Track(
        b"vide", entry, data, durations=((count, 1),), count=count, size=len(data), chunks=[0] * count, shape=(width, height)
    )


def timed(track: Track, stamps: Sequence[int], timescale: int, last: int = 1) -> Track:
    """The track with its samples shown at these stamps; the last lasts `last`."""
    lengths = [after - stamp for stamp, after in zip(stamps, [*stamps[1:], stamps[-1] + last], strict=True)]
    return replace(track, timescale=timescale, durations=[(1, length) for length in lengths], count=len(stamps))


def sound(repeats: int, bytes_each: int, per_chunk: int = 1) -> Track:
    """16-bit stereo of which every chunk is the same bytes: a result that holds them all is as large as it seems."""
    data = bytes(bytes_each)
    count = repeats * per_chunk
    return Track(
        b"soun", sound_entry(b"sowt"), data, timescale=48_000, durations=((count, 1),), count=count, size=4,
        chunks=[0] * repeats, per_chunk=per_chunk,
    )  # fmt: skip


@dataclass(frozen=True)
class Clip:
    """What `clip` writes."""

    codec: str = "libx264"
    stamps: Sequence[int] = tuple(range(12))
    """Of each frame, in `time_base`."""
    time_base: Fraction = Fraction(1, 25)
    rate: Fraction = Fraction(25)
    """What the container is told."""
    size: tuple[int, int] = (64, 48)
    pixel_format: str = "yuv420p"
    aspect: Fraction | None = None
    sound: str | None = None
    """A codec."""
    tags: dict[str, str] = field(default_factory=dict)
    track_tags: dict[str, str] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)
    """Of the container."""
    shift: int = 0
    """Added to all stamps behind the encoder, which takes no late ones."""


def clip(path: Path, what: Clip | None = None, container: str | None = None) -> Path:
    """A video of grey frames, each a little lighter than the one before, as the library writes it."""
    what = what or Clip()
    options = {**what.options, **({"avoid_negative_ts": "disabled"} if what.shift else {})}
    with av.open(str(path), "w", format=container, container_options=options) as out:
        video = _add_video(out, what)
        track = out.add_stream(what.sound, rate=48_000, layout="stereo") if what.sound else None
        out.metadata.update(what.tags)
        video.metadata.update(what.track_tags)
        shades = (
            av.VideoFrame.from_ndarray(np.full((*reversed(what.size), 3), number * 20 % 256, np.uint8), format="rgb24")
            for number in range(len(what.stamps))
        )
        for frame, stamp in zip([*shades, None], [*what.stamps, 0], strict=True):
            if frame is not None:
                frame.pts, frame.time_base = stamp, what.time_base
            for packet in video.encode(frame):
                if packet.pts is not None and packet.dts is not None:
                    packet.pts, packet.dts = packet.pts + what.shift, packet.dts + what.shift
                out.mux(packet)
        if isinstance(track, AudioStream):
            _write_silence(out, track)
    return path


def _add_video(out: OutputContainer, what: Clip) -> VideoStream:
    stream = out.add_stream(what.codec, rate=what.rate, width=what.size[0], height=what.size[1], pix_fmt=what.pixel_format)
    if not isinstance(stream, VideoStream):
        raise TypeError(f"{what.codec} is no video codec.")
    stream.time_base = stream.codec_context.time_base = what.time_base
    if what.aspect is not None:
        stream.codec_context.sample_aspect_ratio = what.aspect
    if what.codec == "libx264":
        stream.codec_context.options = {"bf": "0", "g": "6", "preset": "ultrafast"}
    return stream


def _write_silence(out: OutputContainer, track: AudioStream) -> None:
    for number in range(20):
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 2 * 1024), np.int16), format="s16", layout="stereo")
        samples.rate, samples.pts = 48_000, number * 1024
        out.mux(track.encode(samples))
    out.mux(track.encode(None))
