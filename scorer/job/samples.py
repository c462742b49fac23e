"""Frames before and after the model, kept while both are at hand, for the report to show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from scorer.documents import paths
from scorer.documents.plan import Chunk, Plan
from scorer.errors import DocumentError, MissingError
from scorer.media import images
from scorer.models import Frames
from scorer.store import Stores

SAMPLES = 12
"""Enough for a film strip, and a page of some 2 MB."""
SAMPLE_PX = 720
MOST_BYTES = 90_000
"""Of one side of a sample."""

SMALL_PX = 240
MOST_SMALL_BYTES = 12_000
"""Of the one picture that stands for the job among others."""

FAILED = 4
"""Frames that failed whose pictures are kept, of one chunk."""
FAILED_PX = 320
MOST_FAILED_BYTES = 40_000

# JPEG's, from the best on, until a picture is as small as it must be: only noise needs the worst.
_QUALITIES = (85, 70, 50, 25, 5)


@dataclass(frozen=True)
class Pair:
    """A frame of the job, before and after, as JPEG."""

    frame: int
    before: bytes
    after: bytes


def sample_numbers(plan: Plan) -> list[int]:
    """Frames spread evenly over the job."""
    return sorted({(2 * sample + 1) * plan.frames // (2 * SAMPLES) for sample in range(SAMPLES)})


def is_shown(plan: Plan, number: int) -> bool:
    """Whether the job's frame `number` is one of those that are kept."""
    return number in sample_numbers(plan) or number == _middle(plan)


def keep_sample(plan: Plan, chunk: Chunk, stores: Stores, number: int, before: Frames, after: Frames) -> None:
    """Keep the pair beside the chunk's part, if the job's frame `number` is one of the samples; and the one small picture."""
    if number in sample_numbers(plan):
        stores.work.put(_path(plan, chunk, number, "before"), jpeg(before, SAMPLE_PX, MOST_BYTES))
        stores.work.put(_path(plan, chunk, number, "after"), jpeg(after, SAMPLE_PX, MOST_BYTES))
    if number == _middle(plan):
        stores.work.put(_path(plan, chunk, number, "small"), jpeg(after, SMALL_PX, MOST_SMALL_BYTES))


def samples(plan: Plan, stores: Stores) -> Iterator[Pair]:
    """The pairs that are there: not those of frames that failed, or of parts that aren't made."""
    for number in sample_numbers(plan):
        before, after = (_find(plan, stores, number, side, MOST_BYTES) for side in ("before", "after"))
        if before is not None and after is not None:
            yield Pair(number, before, after)


def keep_failed(plan: Plan, chunk: Chunk, stores: Stores, number: int, picture: Frames) -> None:
    """Keep what the job's frame `number` was, which failed."""
    stores.work.put(_path(plan, chunk, number, "failed"), jpeg(picture, FAILED_PX, MOST_FAILED_BYTES))


def find_failed(plan: Plan, stores: Stores, number: int) -> bytes | None:
    """The picture of the job's frame `number`, which failed, if it is kept."""
    return _find(plan, stores, number, "failed", MOST_FAILED_BYTES)


def find_small(plan: Plan, stores: Stores) -> bytes | None:
    """The picture that stands for the job among others, if it is there."""
    return _find(plan, stores, _middle(plan), "small", MOST_SMALL_BYTES)


def _middle(plan: Plan) -> int:
    return plan.frames // 2


def _find(plan: Plan, stores: Stores, number: int, side: str, most: int) -> bytes | None:
    try:
        return stores.work.get(_path(plan, plan.chunk_of(number), number, side), most=most)
    except (MissingError, DocumentError):
        return None


def jpeg(pixels: Frames, size: int, most: int) -> bytes:
    """(H, W, 3) as a JPEG whose longer side has at most `size` pixels, of `most` bytes as far as JPEG can be."""
    small = images.fit(pixels, min(size, max(pixels.shape[:2])))
    if small.dtype == np.uint16:
        small = (small >> 8).astype(np.uint8)
    data = b""
    for quality in _QUALITIES:
        data = cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
        if len(data) <= most:
            break
    return data


def _path(plan: Plan, chunk: Chunk, number: int, side: str) -> str:
    return paths.sample(plan.job, chunk.key, number, side)
