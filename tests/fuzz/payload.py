"""A few real frames, and some real sound, in the form that a container holds them in: decoders are to be reached."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import av

from tests.conftest import ffmpeg

WIDTH, HEIGHT, FRAMES, RATE = 32, 24, 6, 25


@dataclass(frozen=True)
class Coded:
    """One track's packets, and what its decoder must have before them."""

    extradata: bytes
    packets: tuple[bytes, ...]
    keys: tuple[bool, ...]


ENCODERS = {
    "h264": ("libx264", "-bf", "1", "-g", "4"), "hevc": ("libx265", "-x265-params", "log-level=none:keyint=4"),
    "vp8": ("libvpx", "-g", "4"), "vp9": ("libvpx-vp9", "-g", "4"), "theora": ("libtheora",), "prores": ("prores_ks",),
    "mpeg4": ("mpeg4",), "mpeg2": ("mpeg2video",), "mjpeg": ("mjpeg",), "png": ("png",), "ffv1": ("ffv1",),
    "huffyuv": ("huffyuv",), "raw": ("rawvideo",), "flv1": ("flv1",),
    "aac": ("aac",), "mp3": ("libmp3lame",), "flac": ("flac",), "opus": ("libopus",), "vorbis": ("libvorbis",), "mp2": ("mp2",),
    "pcm": ("pcm_s16le",),
}  # fmt: skip
SOUNDS = {"aac", "mp3", "flac", "opus", "vorbis", "mp2", "pcm"}


@cache
def coded(codec: str, container: str) -> Coded:
    """Six small frames, or as long a sound, as `container` (as ffmpeg calls it) keeps them."""
    name, *options = ENCODERS[codec]
    seconds = FRAMES / RATE
    if codec in SOUNDS:
        made = ("-f", "lavfi", "-i", f"sine=sample_rate=48000:duration={seconds}", "-c:a", name)
    else:
        made = ("-f", "lavfi", "-i", f"testsrc2=s={WIDTH}x{HEIGHT}:r={RATE}:d={seconds}", "-c:v", name)
        options += ["-pix_fmt", "rgb24" if codec in ("png", "raw") else "yuvj420p" if codec == "mjpeg" else "yuv420p"]
    with TemporaryDirectory() as folder:
        path = Path(folder, "payload")
        ffmpeg("-v", "error", *made, *options, "-f", container, path)
        with av.open(str(path)) as source:
            stream = source.streams[0]
            packets = [packet for packet in source.demux(stream) if packet.size]
            extradata = stream.codec_context.extradata or b""
            return Coded(extradata, tuple(map(bytes, packets)), tuple(packet.is_keyframe for packet in packets))
