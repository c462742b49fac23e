"""What the sandboxed process is asked, and what it answers: one JSON document each."""

from __future__ import annotations

from array import array
from typing import Literal

import numpy as np
from pydantic import Base64Bytes, BaseModel, ConfigDict

from scorer.media.limits import Limits
from scorer.media.notes import Notes
from scorer.media.video.info import VideoIndex, VideoInfo
from scorer.media.wanted import Wanted

READY = b"ready\n"
"""Comes before the answer, once the process is locked in: what it says and how it ends from here on is the file's doing."""


class Question(BaseModel):
    """What to look at; the file itself is the process's standard input."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["video", "style", "mask"]
    name: str
    """The file's, for messages and for guesses at its format by its ending."""
    limits: Limits
    asked: Wanted = Wanted()
    """Of a video's result."""
    required: bool
    """Whether to look at nothing where system calls can't be filtered."""
    parent: int
    """The process that asks."""


class Refusal(BaseModel):
    """Why not."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["InputError", "StyleError", "MissingError", "memory", "fault", "sandbox"]
    sentence: str


class Found(BaseModel):
    """A video's index; time stamps as int64 of this machine."""

    model_config = ConfigDict(frozen=True)

    info: VideoInfo
    pts: Base64Bytes
    keys: Base64Bytes
    notes: Notes = ()

    @classmethod
    def of(cls, index: VideoIndex) -> Found:
        """The document that says `index`."""
        return cls.model_construct(info=index.info, pts=index.pts.tobytes(), keys=index.key_pts.tobytes(), notes=index.notes)


class Answer(BaseModel):
    """A refusal, or a video, or neither: a style or a mask that can be used."""

    model_config = ConfigDict(frozen=True)

    refusal: Refusal | None = None
    video: Found | None = None


def most_bytes(limits: Limits) -> int:
    """How long an answer can be: two lists of 8 bytes a frame, in base64, and some text."""
    return 2 * (limits.max_frames * 8 + 2) * 4 // 3 + 65_536


def index_of(found: Found, limits: Limits) -> VideoIndex:
    """The index that `found` says. Raises ValueError where it contradicts itself or goes over the limits."""
    info, pts, keys = found.info, _stamps(found.pts), _stamps(found.keys)
    if not 0 < len(pts) == info.frames <= limits.max_frames or len(keys) > limits.max_frames:
        raise ValueError(f"{len(pts)} time stamps and {len(keys)} key frames for {info.frames} frames")
    if info.width * info.height > limits.max_pixels:
        raise ValueError(f"{info.width}x{info.height} pixels")
    if not (_ascend(pts) and _ascend(keys)) or not (info.start_pts, info.last_pts) == (pts[0], pts[-1]) < (pts[0], info.end_pts):
        raise ValueError("time stamps that don't ascend")
    return VideoIndex(info, pts, keys, found.notes)


def _stamps(data: bytes) -> array[int]:
    stamps = array("q")
    stamps.frombytes(data)
    return stamps


def _ascend(stamps: array[int]) -> bool:
    numbers = np.frombuffer(stamps, np.int64)
    return bool((numbers[1:] > numbers[:-1]).all())
