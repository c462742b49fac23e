"""Small videos as people have them, made by the ffmpeg program; each case says what it is. Another one is another function here.

`VIDEOS` has all of them by name. A maker writes the file `path`, and may use the folder around it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.scorer.media.video.samples import ffmpeg

Make = Callable[[Path], object]

X264 = ("-c:v", "libx264", "-preset", "veryfast", "-g", "12", "-bf", "2", "-pix_fmt", "yuv420p")
AAC = ("-c:a", "aac")
QUIET = ("-v", "error")


@dataclass(frozen=True)
class VideoCase:
    """One video."""

    name: str
    """Of the file."""
    what: str
    make: Make
    rough: float = 0
    """Seconds by which a frame may be shown at another time than in ffmpeg, where that shows two at one time, or one unevenly."""


VIDEOS: dict[str, VideoCase] = {}


def case(name: str, what: str, rough: float = 0) -> Callable[[Make], Make]:
    """Add a maker of a file called `name`."""

    def add(make: Make) -> Make:
        VIDEOS[name] = VideoCase(name, what, make, rough)
        return make

    return add


def picture(seconds: float = 1, rate: str = "25", size: str = "64x48", more: str = "") -> tuple[str, ...]:
    """An input of moving pictures."""
    return ("-f", "lavfi", "-i", f"testsrc2=s={size}:r={rate}:d={seconds}{more}")


def tone(seconds: float = 1, pitch: int = 440) -> tuple[str, ...]:
    """An input of sound."""
    return ("-f", "lavfi", "-i", f"sine={pitch}:d={seconds}")


def both(path: Path, *arguments: object, seconds: float = 1, rate: str = "25") -> Path:
    """Pictures and sound of one length."""
    ffmpeg(*QUIET, *picture(seconds, rate), *tone(seconds), *X264, *AAC, *arguments, path)
    return path


def joined(path: Path, *parts: Path) -> None:
    """The bytes of `parts`, one after the other."""
    path.write_bytes(b"".join(part.read_bytes() for part in parts))


def cut(whole: Path, path: Path, share: float = 0.6) -> None:
    """The first `share` of the bytes of `whole`."""
    data = whole.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


def add_plain(name: str, what: str, *arguments: object, seconds: float = 1, rate: str = "25") -> None:
    """A case that needs no more than arguments for the program."""
    case(name, what)(lambda path: both(path, *arguments, seconds=seconds, rate=rate))
