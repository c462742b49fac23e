"""Frames before and after the model, kept while both are at hand, for the report to show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from scorer import frames
from scorer.errors import DocumentError, MissingError
from scorer.models import Frames
from scorer.plan import Chunk, Plan
from scorer.store import Stores

# Enough to judge a job by, and a page of about a megabyte.
SAMPLES = 6
SAMPLE_PX = 960
# Of a sample: more than its pixels without any compression.
MOST_BYTES = 3 * SAMPLE_PX**2


@dataclass(frozen=True)
class Pair:
    """A frame of the job, before and after, as JPEG."""

    frame: int
    before: bytes
    after: bytes


def sample_numbers(plan: Plan) -> list[int]:
    """Frames spread evenly over the job."""
    return sorted({(2 * sample + 1) * plan.frames // (2 * SAMPLES) for sample in range(SAMPLES)})


def keep_sample(plan: Plan, chunk: Chunk, stores: Stores, number: int, before: Frames, after: Frames) -> None:
    """Keep the pair beside the chunk's part, if the job's frame `number` is one of the samples."""
    if number in sample_numbers(plan):
        stores.work.put(_path(plan, chunk, number, "before"), jpeg(before, SAMPLE_PX))
        stores.work.put(_path(plan, chunk, number, "after"), jpeg(after, SAMPLE_PX))


def samples(plan: Plan, stores: Stores) -> Iterator[Pair]:
    """The pairs that are there: not those of frames that failed, or of parts that aren't made."""
    for number in sample_numbers(plan):
        chunk = next(chunk for chunk in plan.chunks if chunk.first <= number < chunk.first + chunk.frames)
        try:
            sides = (_path(plan, chunk, number, side) for side in ("before", "after"))
            before, after = (stores.work.get(path, most=MOST_BYTES) for path in sides)
        except (MissingError, DocumentError):
            continue
        yield Pair(number, before, after)


def jpeg(pixels: Frames, size: int) -> bytes:
    """(H, W, 3) as a JPEG whose longer side has at most `size` pixels."""
    small = frames.fit(pixels, min(size, max(pixels.shape[:2])))
    if small.dtype == np.uint16:
        small = (small >> 8).astype(np.uint8)
    return cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()


def _path(plan: Plan, chunk: Chunk, number: int, side: str) -> str:
    return f"{plan.job}/{chunk.part}-{number:07d}-{side}.jpg"
