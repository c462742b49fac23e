"""The last step before a frame is encoded: how much of it stays as it was, by the request's strength and where its mask is black.

It comes behind the averaging of a steady video: what stays of an original is never averaged, and nothing of it is softened.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from scorer.documents.plan import Chunk, Plan
from scorer.errors import InputError
from scorer.job.mask_lookup import ROUNDED
from scorer.job.media import Frame
from scorer.media.mask import Mask, fitted, load_mask, mask_of, masked
from scorer.media.times import as_clock
from scorer.media.video import MissingFrame, read_frames
from scorer.models import Frames
from scorer.models.around import blended
from scorer.store import Stores


class Masking:
    """Takes a chunk's frames in order. Each has a mask: the image, or what the mask's video shows at the frame's time."""

    def __init__(self, plan: Plan, chunk: Chunk, stores: Stores) -> None:
        """Raises ChangedError where the mask isn't there any more."""
        keys = sorted((key.at, key.strength) for key in plan.request.strengths) or [(0.0, plan.request.strength)]
        self._times, self._strengths = [at for at, _ in keys], [strength for _, strength in keys]
        self._feather = plan.request.mask_feather
        self._masks = _masks(plan, chunk, stores) if plan.request.mask else None
        self._now: Mask | None = None
        self._next: tuple[float, Mask] | None = None
        self._fitted: Mask | None = None
        """The one of now, for frames of the last one's size."""

    def apply(self, frame: Frame[Any], styled: Frames | None) -> Frames | None:
        """What is to be encoded of the frame, whose pixels are as it was."""
        if styled is None or frame.pixels is None:
            return styled
        made = blended(frame.pixels, styled, self._strength(frame.seconds))
        if self._masks is None:
            return made
        mask = self._at(self._masks, frame.seconds)
        return masked(frame.pixels, made, self._fit(mask, made.shape[0], made.shape[1]))

    def _strength(self, seconds: float) -> float:
        """The model's share at that time: on the line between the two told around it, beyond them the first or the last."""
        return float(np.interp(seconds, self._times, self._strengths))

    def _at(self, masks: Iterator[tuple[float, Mask]], seconds: float) -> Mask:
        """The one at that time, which no earlier time comes after."""
        if self._now is None:
            self._now, self._next = next(masks)[1], next(masks, None)
        while self._next is not None and self._next[0] <= seconds + ROUNDED:
            self._now, self._fitted = self._next[1], None
            self._next = next(masks, None)
        return self._now

    def _fit(self, mask: Mask, height: int, width: int) -> Mask:
        if self._fitted is None or self._fitted.shape != (height, width):
            self._fitted = fitted(mask, width, height, self._feather)
        return self._fitted


def _masks(plan: Plan, chunk: Chunk, stores: Stores) -> Iterator[tuple[float, Mask]]:
    """The chunk's masks, and from when on each is shown. Raises InputError where the first can't be decoded."""
    path = stores.input.fetch(plan.request.mask or "", plan.mask_etag)
    if plan.mask_video is None or chunk.mask is None:
        yield 0.0, load_mask(path)
        return
    info, is_first = plan.mask_video, True
    for found in read_frames(path, info, chunk.mask, alpha=info.alpha):
        at = info.shown_at(found.pts)
        if not isinstance(found, MissingFrame):
            yield at, mask_of(found.pixels, found.alpha)
        elif is_first:
            name = stores.input.where(plan.request.mask or "")
            raise InputError(f"The mask '{name}' can't be decoded at {as_clock(at)} ({found.why}): export it again.")
        is_first = False


def first_mask(plan: Plan, stores: Stores) -> Mask | None:
    """The first of the job's masks, for a report; None where there is none. Raises like `Masking`."""
    found = next(_masks(plan, plan.chunks[0], stores), None) if plan.request.mask else None
    return found[1] if found else None
