"""Sample videos made by an ffmpeg binary, which is also the independent decoder that results are compared with."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scorer.media.coding import Coding
from scorer.media.limits import Limits
from scorer.media.video import MissingFrame, PartWriter, VideoFrame, VideoIndex, join, probe, read_frames
from scorer.media.wanted import Wanted
from tests.ffmpeg import run_ffmpeg

LIMITS = Limits(max_pixels=4096 * 4096, max_frames=100_000)
HIGH = Coding(quality="high")


def ffmpeg(*arguments: object) -> bytes:
    done = run_ffmpeg(*arguments)
    assert done.code == 0, done.stderr.decode()
    return done.stdout


def make(path: Path, *arguments: object, size: str = "128x96", rate: str = "30000/1001", seconds: float = 2) -> Path:
    """A moving test picture; `arguments` come after the input, which is number 0."""
    ffmpeg("-v", "error", "-f", "lavfi", "-i", f"testsrc2=s={size}:r={rate}:d={seconds}", *arguments, path)
    return path


def stamps(path: Path, stream: str = "v:0") -> list[str]:
    """When each frame is shown, in seconds, as ffmpeg sees it."""
    shown = ("-fps_mode", "passthrough", "-vf", "showinfo", "-f", "null", "-")
    done = run_ffmpeg("-copyts", "-i", path, "-map", f"0:{stream}", *shown)
    assert done.code == 0, done.stderr.decode()
    return re.findall(r"pts_time:\s*(\S+)", done.stderr.decode())


def sound(path: Path) -> bytes:
    """All that is heard, as a hash."""
    return ffmpeg("-v", "error", "-i", path, "-map", "0:a", "-f", "streamhash", "-")


def describe(path: Path) -> str:
    """What ffmpeg prints about the file's streams."""
    return run_ffmpeg("-i", path).stderr.decode()


def video_line(path: Path) -> str:
    return next(line for line in describe(path).splitlines() if "Video:" in line)


def audio_hashes(path: Path) -> list[str]:
    """Of each sound track's packets, as they are stored."""
    return ffmpeg("-v", "error", "-i", path, "-map", "0:a", "-c", "copy", "-f", "streamhash", "-").decode().splitlines()


def decode(path: Path, pixel_format: str, width: int, height: int, *arguments: object) -> NDArray[np.float32]:
    """All frames as ffmpeg decodes them: (N, samples of a frame)."""
    depth = np.uint16 if pixel_format.endswith(("le", "be")) else np.uint8
    accurate = ("-sws_flags", "bilinear+accurate_rnd+full_chroma_int")
    form = (*accurate, "-fps_mode", "passthrough", *arguments, "-pix_fmt", pixel_format, "-f", "rawvideo", "-")
    raw = ffmpeg("-v", "error", "-i", path, "-map", "0:v:0", *form)
    return np.frombuffer(raw, depth).reshape(-1, frame_samples(pixel_format, width, height)).astype(np.float32)


def frame_samples(pixel_format: str, width: int, height: int) -> int:
    wide, high = (width + 1) // 2, (height + 1) // 2
    if "420" in pixel_format:
        return width * height + 2 * wide * high
    if "422" in pixel_format:
        return width * height + 2 * wide * height
    return 3 * width * height


def psnr(first: NDArray[np.floating], second: NDArray[np.floating], peak: float) -> float:
    """In decibels; a frame at a time, since a clip of floats takes gigabytes."""
    error = np.mean([np.square(one - other, dtype=np.float64).mean() for one, other in zip(first, second, strict=True)])
    return 99.0 if error == 0 else 10 * float(np.log10(peak**2 / error))


def read_all(path: Path, index: VideoIndex, chunk_frames: int) -> list[VideoFrame | MissingFrame]:
    return [frame for each in index.ranges(chunk_frames) for frame in read_frames(path, index.info, each)]


def identity(path: Path, folder: Path, chunk_frames: int = 17, asked: Wanted | None = None, coding: Coding = HIGH) -> Path:
    """Read, write, join: the whole way without a model."""
    return written(path, folder, probe(path, LIMITS, asked), chunk_frames, coding)


def written(path: Path, folder: Path, index: VideoIndex, chunk_frames: int = 17, coding: Coding = HIGH) -> Path:
    """The same of what is known."""
    parts = []
    for number, each in enumerate(index.ranges(chunk_frames)):
        parts.append(folder / f"part{number}.mp4")
        with PartWriter(parts[-1], index.info, index.info.width, index.info.height, coding) as writer:
            for frame in read_frames(path, index.info, each):
                assert isinstance(frame, VideoFrame)
                writer.write(frame.pixels, frame.pts)
    out = folder / f"out.{index.info.container}"
    join(parts, path, index.info, out)
    return out
