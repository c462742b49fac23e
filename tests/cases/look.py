"""What the ffmpeg program shows of a file: its pictures and its first sound track, decoded."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from tests.ffmpeg import run_ffmpeg

TICK = 0.0025
"""Seconds: containers that count milliseconds round each time, and the sound's to its own."""


@dataclass(frozen=True)
class Shown:
    """Times and durations in seconds, as a player has them that starts at 0."""

    frames: tuple[tuple[float, float], ...]
    """When each is shown, and how long by itself."""
    sound: tuple[tuple[float, float], ...]
    """The same of the first sound track's pieces."""
    streams: tuple[str, ...]
    """As the program describes them."""

    @property
    def offset(self) -> float | None:
        """How much later than the sound the picture begins."""
        return self.frames[0][0] - self.sound[0][0] if self.frames and self.sound else None

    @property
    def times(self) -> list[float]:
        """Of the pictures, since the first."""
        return [time - self.frames[0][0] for time, _ in self.frames]

    @property
    def hold(self) -> float:
        """How long the last picture is shown."""
        return self.frames[-1][1] if self.frames else 0

    @property
    def heard(self) -> list[float]:
        """When the sound's pieces are heard, since the first."""
        return [time - self.sound[0][0] for time, _ in self.sound]

    @property
    def coded(self) -> str | None:
        """How the first sound is, as the program calls it: pieces of other coders have other lengths."""
        return next((each.removeprefix("Audio: ").split(" ")[0].strip(",") for each in self.streams if "Audio:" in each), None)

    def text(self) -> str:
        """In one line."""
        if not self.frames:
            return "nothing"
        offset = "" if self.offset is None else f", sound {self.heard[-1] + self.sound[-1][1]:.3f} s, picture {self.offset:+.3f}"
        return f"{len(self.frames)} frames, {self.times[-1]:.3f} s, the last {self.hold:.3f}{offset}"


def look(path: Path) -> Shown:
    """Decode `path`: no frame is left out or repeated; what can't be decoded isn't shown."""
    every = ("-fps_mode", "passthrough", "-enc_time_base:v", "demux", "-c:v", "rawvideo", "-f", "framecrc", "-")
    done = run_ffmpeg("-i", path, "-map", "0:V:0", "-map", "0:a:0?", *every)
    units, kinds = dict[str, Fraction](), dict[str, str]()
    found: dict[str, list[tuple[float, float]]] = {"video": [], "audio": []}
    for line in done.stdout.decode().splitlines():
        if match := re.match(r"#tb (\d): (\S+)", line):
            units[match[1]] = Fraction(match[2])
        elif match := re.match(r"#media_type (\d): (\w+)", line):
            kinds[match[1]] = match[2]
        elif line[:1].isdigit():
            stream, _, pts, duration, *_ = line.replace(" ", "").split(",")
            found[kinds[stream]].append((float(int(pts) * units[stream]), float(int(duration) * units[stream])))
    told = done.stderr.decode(errors="replace").partition("Stream mapping:")[0]
    streams = re.findall(r"Stream #\S+ (\w+: .*)", told)
    return Shown(tuple(found["video"]), tuple(found["audio"]), tuple(each.strip() for each in streams))


def differences(before: Shown, after: Shown, rough: float = 0) -> list[str]:
    """What a viewer of the result would see or hear at another time; frames by more than `rough` seconds."""
    found = []
    if len(before.frames) != len(after.frames):
        found.append(f"{len(before.frames)} frames became {len(after.frames)}")
    elif (most := farthest(before.times, after.times)) > TICK + rough:
        found.append(f"a frame is {most:.3f} s off")
    if abs(before.hold - after.hold) > TICK:
        found.append(f"the last frame's {before.hold:.3f} s became {after.hold:.3f}")
    if before.offset is not None and after.offset is not None and abs(before.offset - after.offset) > TICK:
        found.append(f"the picture's {before.offset:+.3f} s to the sound became {after.offset:+.3f}")
    if bool(before.sound) != bool(after.sound):
        found.append("there is no sound any more" if before.sound else "there is sound that wasn't there")
    if before.coded != after.coded:
        return found
    if len(before.sound) != len(after.sound):
        found.append(f"{len(before.sound)} pieces of sound became {len(after.sound)}")
    elif (most := farthest(before.heard, after.heard)) > TICK:
        found.append(f"the sound is {most:.3f} s off")
    return found


def farthest(some: list[float], others: list[float]) -> float:
    """The largest difference of two that belong together."""
    return max((abs(one - other) for one, other in zip(some, others, strict=True)), default=0)
