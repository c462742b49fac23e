"""Files that cost far more than they weigh, if whoever opens them lets them; and, for comparison, some that people have."""

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from tests.scorer.hostile.media import Track, mp4, picture_entry, stills
from tests.scorer.media.video.samples import ffmpeg, make


def raw(count: int) -> Track:
    """So many samples of a byte each, all the same one."""
    return Track(
        b"vide", picture_entry(b"raw ", 64, 48), bytes(64), durations=((count, 1),), count=count, size=1, per_chunk=count
    )


def chunk(kind: bytes, body: bytes) -> bytes:
    """Of a PNG file."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, *more: bytes, filled: bool = True) -> bytes:
    """Black, of 16 bits and four channels: eight bytes a pixel, a thousandth of that in the file."""
    packer, row = zlib.compressobj(1), bytes(1 + 8 * width)
    body = b"".join(packer.compress(row) for _ in range(height if filled else 1)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 16, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(more) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def picture_inside(path: Path) -> Path:
    """A picture of 14000x14000 in a video whose header says 64x48."""
    data = png(14_000, 14_000)
    return mp4(path, replace(stills("PNG", 1), data=data, size=len(data)))


def save(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def animation(path: Path) -> Path:
    frames = [Image.fromarray(np.full((64, 64, 3), shade, np.uint8)) for shade in range(200)]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    return path


def deep_gif(path: Path) -> Path:
    """A screen of 65535x65535 around a picture of one pixel."""
    out = io.BytesIO()
    Image.new("P", (1, 1)).save(out, "GIF")
    data = bytearray(out.getvalue())
    data[6:10] = b"\xff" * 4
    return save(path, bytes(data))


def a_photo(path: Path) -> Path:
    ffmpeg("-v", "error", "-f", "lavfi", "-i", "testsrc2=s=4000x3000", "-frames:v", "1", path)
    return path


def no_rows(path: Path) -> Path:
    """A table of 4 billion rows that aren't there."""
    return save(path, mp4(path, raw(10)).read_bytes().replace(b"stts\0\0\0\0\0\0\0\1", b"stts\0\0\0\0\xff\xff\xff\xff"))


def nested(depth: int) -> bytes:
    """Boxes that hold nothing but the next one."""
    return b"".join(struct.pack(">I4s", 8 * (depth - level), b"moov" if level == 0 else b"trak") for level in range(depth))


X264 = ("-c:v", "libx264", "-preset", "ultrafast")
Make = Callable[[Path], Path]

VIDEOS: dict[str, tuple[str, Make]] = {
    "80 million samples in 700 bytes": ("in.mp4", lambda path: mp4(path, raw(80_000_000))),
    "4 billion samples in 700 bytes": ("in.mp4", lambda path: mp4(path, raw(2**32 - 1))),
    "five such tracks": ("in.mov", lambda path: mp4(path, *[raw(50_000_000)] * 5)),
    "a table of 4 billion rows that isn't there": ("in.mp4", no_rows),
    "a million edits": ("in.mp4", lambda path: mp4(path, replace(stills("PNG", 25), edits=[(1, 0)] * 1_000_000))),
    "a large picture behind a small header": ("in.mov", picture_inside),
    "a screen of 65535x65535": ("in.gif", deep_gif),
    "boxes in boxes": ("in.mp4", lambda path: save(path, b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + nested(200_000))),
    "one of 1280x720": ("in.mp4", lambda path: make(path, *X264, size="1280x720", seconds=4)),
    "one of 3840x2160": ("in.mp4", lambda path: make(path, *X264, size="3840x2160", rate="25", seconds=0.4)),
    "one of 7680x4320, 10 bits": (
        "in.mkv", lambda path: make(path, *X264, "-pix_fmt", "yuv420p10le", size="7680x4320", rate="25", seconds=0.2)
    ),
    "an AVI, which is decoded": ("in.avi", lambda path: make(path, "-c:v", "mpeg4", size="1280x720", seconds=4)),
}  # fmt: skip

STYLES: dict[str, tuple[str, Make]] = {
    "a PNG of 60000x60000": ("in.png", lambda path: save(path, png(60_000, 60_000, filled=False))),
    "a PNG with a profile of 128 MB": (
        "in.png", lambda path: save(path, png(64, 64, chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(2**27), 1))))
    ),
    "a PNG with a text of 128 MB": (
        "in.png", lambda path: save(path, png(64, 64, chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(2**27), 1))))
    ),
    "a program for Ghostscript": (
        "in.png", lambda path: save(path, b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n%%EndComments\n(x) print\n")
    ),
    "an animation": ("in.webp", animation),
    "one of 4000x3000": ("in.jpg", a_photo),
}  # fmt: skip
