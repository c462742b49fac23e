"""A part of a video, from one time of its clock to another, as a video of its own: only that is decoded, scored and written."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from fractions import Fraction
from math import floor

from scorer.errors import RequestError
from scorer.media.times import as_clock, exact
from scorer.media.video.info import VideoIndex, VideoInfo
from scorer.media.video.tags import advanced

_SHORTEST = Fraction(1, 100)
"""Seconds: of a frame that is shown for longer than usual, no less is shown."""


def part_of(index: VideoIndex, start: float | None, end: float | None, name: str) -> VideoIndex:
    """The index of what the video `name` shows from `start` to `end`, in seconds of its clock.

    Where frames are all shown equally long, each is in it or isn't: it begins and ends where a frame does, at the nearest. Else
    the first and the last are shown for as much of their time as lies in it. Raises RequestError for what the video doesn't show.
    """
    info = index.info
    if not start and end is None:
        return index
    length = (info.end_pts - info.origin) * info.time_base
    _check(start, end, length, 1 / info.rate, name)
    borders = array("q", [*index.pts, info.end_pts])
    at = borders[0] if start is None else _border(info, borders, start)
    until = borders[-1] if end is None else _border(info, borders, end)
    first = max(bisect_right(borders, at) - 1, 0)
    stop = bisect_left(borders, until)
    if at >= until or first >= stop:
        span = f"{as_clock(start or 0)} to {as_clock(float(length) if end is None else end)}"
        raise RequestError(f"'{name}' shows no frame from {span}: ask for more.")
    part = info.model_copy(update={
        "frames": stop - first, "start_pts": at, "last_pts": index.pts[stop - 1], "end_pts": until, "origin": at,
        "skipped": first, "zero": info.origin,
        "timecode": info.timecode and advanced(info.timecode, info.rate, first),
    })  # fmt: skip
    after = index.pts[stop] if stop < len(index.pts) else None
    return VideoIndex(part, index.pts[first:stop], index.key_pts, index.notes, after)


def _check(start: float | None, end: float | None, length: Fraction, frame: Fraction, name: str) -> None:
    """Raise RequestError for times that the video doesn't have; players round what they say of a video's end."""
    for word, time in (("start", start), ("end", end)):
        if time is not None and exact(time) > length + (frame if word == "end" else 0):
            raise RequestError(
                f"The request's {word} is {as_clock(time)}, and '{name}' lasts {as_clock(float(length))}: write a time within "
                "it, or leave it out."
            )


def _border(info: VideoInfo, borders: array[int], seconds: float) -> int:
    """The pts at which a part begins or ends that is to do so at `seconds`."""
    at = info.origin + exact(seconds) / info.time_base
    number = min(max(bisect_right(borders, floor(at)) - 1, 0), len(borders) - 2)
    nearest = min(borders[number : number + 2], key=lambda border: (abs(border - at), border))
    if info.constant or abs(nearest - at) * info.time_base < _SHORTEST or not borders[0] < at < borders[-1]:
        return nearest
    return round(at)
