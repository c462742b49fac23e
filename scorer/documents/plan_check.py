"""Whether a plan agrees with itself: what its tasks, and whoever fetches their result, then need not ask again."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from scorer.file_names import unfit
from scorer.media.image_names import kind_of, result_name

if TYPE_CHECKING:
    from scorer.documents.plan import Chunk, Plan
    from scorer.documents.request import Request
    from scorer.media.video import FrameRange


def check_plan(plan: Plan) -> None:
    """Raise ValueError where numbers contradict one another, or where a file isn't the request's."""
    if len(plan.style_etags) != len(plan.request.styles):
        raise ValueError(f"{len(plan.style_etags)} ETags for {len(plan.request.styles)} styles")
    if (plan.video is not None) != (plan.request.media == "video"):
        raise ValueError(f"'{plan.request.input}' is not of the plan's kind")
    if plan.video is not None and (plan.video.frames != plan.frames or plan.video.width * plan.video.height > plan.max_pixels):
        raise ValueError(f"the video has {plan.video.frames} frames of {plan.video.width}x{plan.video.height} pixels")
    first, names = 0, set[str]()
    for index, chunk in enumerate(plan.chunks):
        if (chunk.index, chunk.first) != (index, first):
            raise ValueError(f"chunk {chunk.index} is out of place")
        if plan.video is not None:
            _check_range(chunk)
        else:
            names.update(_names(chunk, plan.request))
        first += chunk.frames
    _check_masks(plan)
    if first != plan.frames or (plan.video is None and len(names) != plan.frames):
        raise ValueError(f"its chunks don't have {plan.frames} frames")


def _check_masks(plan: Plan) -> None:
    if bool(plan.request.mask) != bool(plan.mask_etag):
        raise ValueError("its mask is none of the request's")
    for chunk in plan.chunks:
        if (chunk.mask is None) != (plan.mask_video is None):
            raise ValueError(f"chunk {chunk.index} has another mask")
        if chunk.mask is not None:
            _check_stamps(chunk, chunk.mask)


def _check_range(chunk: Chunk) -> None:
    found = chunk.range
    if found is None or chunk.files or (found.first, found.frames) != (chunk.first, chunk.frames):
        raise ValueError(f"chunk {chunk.index} has another range")
    for each in (found, chunk.around or found):
        _check_stamps(chunk, each)
    around = chunk.around or found
    if around.first > found.first or around.first + around.frames < found.first + found.frames:
        raise ValueError(f"what is read for chunk {chunk.index} leaves out some of it")


def _check_stamps(chunk: Chunk, found: FrameRange) -> None:
    if found.end_pts is not None and found.end_pts <= found.start_pts:
        raise ValueError(f"the range of chunk {chunk.index} ends before it begins")
    pts = found.pts
    if pts is not None and (len(pts) != found.frames or any(before >= after for before, after in pairwise(pts))):
        raise ValueError(f"the time stamps of chunk {chunk.index} don't ascend")


def _names(chunk: Chunk, request: Request) -> list[str]:
    """Of its results, which are as many as its images."""
    folder = request.folder
    if chunk.range is not None or len(chunk.files) != chunk.frames:
        raise ValueError(f"chunk {chunk.index} has other files")
    names = [file.path.removeprefix(folder) for file in chunk.files]
    for name, file in zip(names, chunk.files, strict=True):
        if unfit(name) or kind_of(name) is None or len(name) + len(folder) != len(file.path):
            raise ValueError(f"chunk {chunk.index} has the file {file.path[:300]!r}, which is none of '{folder}'")
    return [result_name(name, request.image_format) for name in names]
