"""The mask that a request names, before the work: that it can be used, and which of its frames belong to which chunk."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from scorer.documents.request import Request
from scorer.job.budget import check_bytes, check_room
from scorer.media.limits import Limits
from scorer.media.style_image import check_bytes as check_image_bytes
from scorer.media.video import FrameRange, VideoIndex, VideoInfo
from scorer.media.wanted import Wanted
from scorer.sandbox import check_style, probe_video
from scorer.store import Stores, called

ROUNDED = 0.002
"""Seconds by which the times of two files may differ that mean the same: some containers count milliseconds."""


@dataclass(frozen=True)
class FoundMask:
    """A request's mask; without one there is nothing in it."""

    etag: str = ""
    index: VideoIndex | None = None
    """Where it is a video."""

    @property
    def video(self) -> VideoInfo | None:
        """Where it is one."""
        return self.index.info if self.index else None

    def range(self, info: VideoInfo, own: FrameRange, last_pts: int) -> FrameRange | None:
        """What a mask's video shows while the frames of `own` are shown, the last of which is from `last_pts` on.

        By time, on the clock of the whole input, though the job is of a part of it: what is shown first is taken for all before
        it, and what is shown last for all after it.
        """
        if self.index is None:
            return None
        first, last = (_shown(self.index, info.shown_at(pts)) for pts in (own.start_pts, last_pts))
        return self.index.range(first, last - first + 1)


def _shown(index: VideoIndex, seconds: float) -> int:
    """The number of the frame that is shown then, or of the first one."""
    return max(bisect_right(index.pts, seconds + ROUNDED, key=index.info.shown_at) - 1, 0)


def find_mask(request: Request, stores: Stores, limits: Limits) -> FoundMask:
    """Look at the request's mask, if it has one.

    Raises MissingError; InputError where it can't be used.
    """
    if request.mask is None:
        return FoundMask()
    entry = stores.input.head(request.mask)
    where = stores.input.where(entry.path)
    if request.is_mask_image:
        check_image_bytes(where, entry.size, "mask")
    else:
        check_bytes(where, [entry], limits)
        check_room(entry, stores)
    path = stores.input.fetch(entry.path, entry.etag)
    try:
        with called(path, where):
            if request.is_mask_image:
                check_style(path, limits, "mask")
                return FoundMask(entry.etag)
            return FoundMask(entry.etag, probe_video(path, limits, Wanted(sound="drop")))
    finally:
        stores.input.release(entry.path, entry.etag)
