"""What must hold of every file, however it was made: a refusal in one clean sentence, or all that was promised of it."""

from __future__ import annotations

import math
import unicodedata
from itertools import pairwise
from pathlib import Path
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from scorer.errors import InputError, ScorerError
from scorer.media import images
from scorer.media.limits import Limits
from scorer.media.style_image import check_style_image, load_style_image
from scorer.media.video import FrameRange, MissingFrame, PartWriter, VideoIndex, VideoInfo, join, probe, read_frames

LIMITS = Limits(max_pixels=512 * 512, max_frames=5000, probe_seconds=20)
"""Of the files made here, whose own frames are small and few."""

SMALL = 60
"""Frames of a video that is read and joined, too."""


class Outcome(TypedDict):
    """What came of a file."""

    end: str
    """'taken', or a refusal's type."""
    told: str
    """Its sentence, or what is remarkable."""


def refusal(error: ScorerError) -> Outcome:
    """A refusal as an outcome. Raises AssertionError where its sentence isn't one that a person can be shown."""
    check_sentence(str(error))
    return Outcome(end=type(error).__name__, told=str(error))


def check_sentence(text: str) -> None:
    """One line, no control characters, of a bearable length, with an end."""
    odd = [char for char in text if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") and char not in "\u200c\u200d"]
    assert not odd, f"{odd!r} in {text!r}"
    assert 10 < len(text) < 1000, f"{len(text)} characters: {text!r}"
    assert text.endswith("."), text


def use_video(path: Path, folder: Path) -> Outcome:
    """Read the video, write it in parts and join them, if it is small."""
    try:
        index = probe(path, LIMITS)
    except ScorerError as error:
        return refusal(error)
    check_index(index, LIMITS)
    if index.info.frames > SMALL:
        return Outcome(end="taken", told="not read: long")
    parts = [_part(path, index, range_, folder / f"{number}.nut") for number, range_ in enumerate(index.ranges(4))]
    out = folder / f"out.{index.info.container}"
    try:
        join(parts, path, index.info, out)
    except ScorerError as error:
        refusal(error)
        return Outcome(end="taken", told=f"not joined: {error}")
    result = probe(out, LIMITS)
    check_index(result, LIMITS)
    assert result.info.frames == index.info.frames, f"{result.info.frames} of {index.info.frames} frames came out"
    return Outcome(end="taken", told="joined")


def check_index(index: VideoIndex, limits: Limits) -> None:
    """What everything behind the probe relies on."""
    info, pts = index.info, index.pts
    assert VideoInfo.model_validate_json(info.model_dump_json()) == info
    assert 0 < info.frames == len(pts) <= limits.max_frames
    assert info.width > 0 < info.height
    assert info.width * info.height <= limits.max_pixels
    assert all(before < after for before, after in pairwise(pts)), "time stamps don't ascend"
    assert all(before <= after for before, after in pairwise(index.key_pts)), "key frames aren't in order"
    assert (info.start_pts, info.last_pts) == (pts[0], pts[-1])
    assert info.last_pts < info.end_pts < 2**63
    assert info.rate > 0 < info.time_base
    assert info.sample_aspect > 0
    assert math.isfinite(info.seconds)
    written = [info.result_pts(each) for each in pts]
    assert all(before < after for before, after in pairwise(written)), "the result's time stamps don't ascend"
    assert max(map(abs, written)) < 2**62
    ranges = index.ranges(7)
    assert sum(each.frames for each in ranges) == info.frames
    assert [each.start_pts for each in ranges] == list(pts[::7])


def _part(path: Path, index: VideoIndex, range_: FrameRange, part: Path) -> Path:
    """Read a range and write it back, as a task does: what is missing is what came before it, or black."""
    info = index.info
    planned = index.pts[range_.first : range_.first + range_.frames]
    found = list(read_frames(path, info, range_))
    assert len(found) == range_.frames
    shown = [frame.pts for frame in found]
    assert all(before < after for before, after in pairwise(shown)), f"frames read at {shown}"
    assert range_.start_pts <= shown[0], f"frames read at {shown}, from {range_.start_pts} on"
    assert range_.end_pts is None or shown[-1] < range_.end_pts, f"frames read at {shown}, up to {range_.end_pts}"
    shape, dtype = (info.height, info.width, 3), np.uint8 if info.bits == 8 else np.uint16
    last: NDArray[np.uint8 | np.uint16] = np.zeros(shape, dtype)
    with PartWriter(part, info, info.width, info.height) as writer:
        for frame in found:
            if not isinstance(frame, MissingFrame):
                assert frame.pts in planned, f"a frame at {frame.pts}, not one of {list(planned)}"
                assert frame.pixels.shape == shape
                assert frame.pixels.dtype == dtype
                last = frame.pixels
            writer.write(last, frame.pts)
    return part


def use_image(path: Path) -> Outcome:
    """Decode the image as a frame, and write it back; look at it, and load it, as a style."""
    try:
        check_style_image(path)
        style = load_style_image(path, 256)
        assert style.ndim == 3
        assert style.shape[2] == 3
        assert style.dtype == np.uint8
        as_style = "a style"
    except ScorerError as error:
        as_style = str(refusal(error)["told"])
    try:
        picture = images.decode(path.read_bytes(), path.name, LIMITS.max_pixels)
    except InputError as error:
        return refusal(error)
    height, width, channels = picture.pixels.shape
    assert channels == 3
    assert 0 < height * width <= LIMITS.max_pixels
    assert picture.pixels.dtype in (np.uint8, np.uint16)
    assert picture.alpha is None or picture.alpha.shape == (height, width)
    try:
        again = images.decode(images.encode(picture.pixels, picture, path.name), path.name, LIMITS.max_pixels)
    except ScorerError as error:
        refusal(error)
        return Outcome(end="taken", told=f"not written: {error}")
    assert again.pixels.shape == picture.pixels.shape
    return Outcome(end="taken", told=as_style)
