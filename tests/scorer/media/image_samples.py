"""Images of every kind, made by other writers than ours."""

import io
import struct
import subprocess
import zlib
from typing import Any

import cv2
import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scorer.media.pixels import Pixels

LIMIT = 1_000_000
FORMS = ("rgb.jpg", "rgb.png", "rgb.webp")


def scene(width: int = 60, height: int = 40) -> NDArray[np.uint8]:
    """Smooth colours, all channels different, no symmetry: a swap of channels, sides or axes shows."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    return np.stack((x * 255, y * 200, (1 - x) * y * 120), axis=2).astype(np.uint8)


def deep_scene() -> NDArray[np.uint16]:
    return (np.arange(40 * 60 * 3, dtype=np.uint32).reshape(40, 60, 3) * 9 % 65536).astype(np.uint16)


def pillow(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def opencv(suffix: str, bgr: NDArray[Any], *options: int) -> bytes:
    return cv2.imencode(suffix, bgr, list(options))[1].tobytes()


def seen_by_opencv(data: bytes) -> NDArray[np.uint8]:
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB), np.uint8)


def ffmpeg(data: bytes, options: str) -> bytes:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *options.split(), "-"]
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *between: tuple[bytes, bytes]) -> bytes:
    """A PNG written from the specification, with chunks of one's own before the pixels."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = [(b"IHDR", header), *between, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


def near(one: Pixels, other: Pixels, *, mean: float) -> bool:
    return one.shape == other.shape and float(np.abs(one.astype(float) - other.astype(float)).mean()) <= mean


SAMPLES = {
    "rgb.jpg": opencv(".jpg", scene()[..., ::-1], cv2.IMWRITE_JPEG_QUALITY, 98),
    "rgb.png": opencv(".png", scene()[..., ::-1]),
    "rgb.webp": opencv(".webp", scene()[..., ::-1], cv2.IMWRITE_WEBP_QUALITY, 98),
    "lossless.webp": opencv(".webp", scene()[..., ::-1], cv2.IMWRITE_WEBP_QUALITY, 101),
    "progressive.jpg": opencv(".jpg", scene()[..., ::-1], cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_QUALITY, 98),
    "interlaced.png": ffmpeg(scene().tobytes(), "-f rawvideo -pix_fmt rgb24 -s 60x40 -i - -f image2pipe -c png -flags +ildct"),
    "deep.png": opencv(".png", deep_scene()[..., ::-1]),
}
