"""When memory runs out: smaller batches first, then tiles with soft seams. And which errors say so, or that the GPU failed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from scorer.boundary import words
from scorer.errors import OutOfMemoryError, TaskError
from scorer.models import Frames

# A frame is cut into 2x2, then 3x3, ... tiles; past this many a side, tiles are too small to look like one picture.
MOST_TILES = 8


_PHRASES = ("can't allocate memory", "not enough memory", "bad_alloc", "out of memory", "insufficient memory", "alloc_failed")
_GPU_PHRASES = ("cuda error", "cudnn error", "cublas")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that memory ran out, in the words of Python, torch, OpenCV or OpenVINO."""
    torch = sys.modules.get("torch")
    if isinstance(error, MemoryError) or (torch is not None and isinstance(error, torch.OutOfMemoryError)):
        return True
    said = words(error).lower()
    return isinstance(error, RuntimeError | cv2.error) and any(phrase in said for phrase in _PHRASES)


def is_gpu_failure(error: BaseException) -> bool:
    """Whether `error` says that the GPU failed, not the frame: every later call of this process may then fail as well.

    Source: https://docs.nvidia.com/cuda/cuda-runtime-api/group__CUDART__TYPES.html (errors that leave the process inconsistent)
    """
    if not isinstance(error, RuntimeError) or is_out_of_memory(error):
        return False
    named = any(kind.__name__ == "AcceleratorError" for kind in type(error).__mro__)  # by its name: older torch has none
    said = words(error).lower()
    return named or any(phrase in said for phrase in _GPU_PHRASES)


def gpu_failed(error: BaseException) -> TaskError:
    """What is raised of such an error."""
    return TaskError(f"The GPU failed ({words(error).rstrip('.')}): another try may get another one.")


def starts(length: int, tiles: int, overlap: int) -> tuple[int, list[int]]:
    """How long each of `tiles` equal tiles of `length` pixels is if neighbours share `overlap` or more, and where each starts."""
    tile = min(length, -(-(length + (tiles - 1) * overlap) // tiles))
    return tile, [round(number * (length - tile) / max(1, tiles - 1)) for number in range(tiles)]


def ramp(length: int, overlap: int, *, first: bool, last: bool) -> NDArray[np.float32]:
    """A tile's weight along one side: 1 within, falling off over `overlap` pixels towards a neighbour."""
    weight = np.ones(length, np.float32)
    slope = (np.arange(overlap, dtype=np.float32) + 1) / (overlap + 1)
    if not first:
        weight[:overlap] = slope
    if not last:
        weight[-overlap:] = np.minimum(weight[-overlap:], slope[::-1])
    return weight


Score = Callable[[Frames], Frames]


def score_in_tiles(score: Score, frame: Frames, overlap: int | None) -> tuple[Frames, int]:
    """Score one frame (H, W, 3) in as few tiles as fit into memory; also says how many a side.

    `score` maps a batch (1, H, W, 3) of any size to (1, H', W', 3).

    Raises OutOfMemoryError where not even the smallest tiles fit, and at once where `overlap` is None: no tiles then.
    """
    height, width = frame.shape[:2]
    if overlap is None:
        raise OutOfMemoryError(
            f"A frame of {width}x{height} pixels doesn't fit into memory, and this model can't work on tiles: "
            "choose a smaller size."
        )
    for tiles in range(2, MOST_TILES + 1):
        try:
            return _tiled(score, frame, tiles, overlap), tiles
        except Exception as error:
            if not is_out_of_memory(error):
                raise
    raise OutOfMemoryError(
        f"A frame of {width}x{height} pixels doesn't fit into memory, even in {MOST_TILES}x{MOST_TILES} tiles: "
        "choose a smaller size."
    )


def _tiled(score: Score, frame: Frames, tiles: int, overlap: int) -> Frames:
    height, width = frame.shape[:2]
    overlap = min(overlap, height // tiles, width // tiles)
    total = weights = np.zeros(0, np.float32)
    for top, left, tile in _cut(frame, tiles, overlap):
        scored = score(np.stack([tile]))[0]
        scale = scored.shape[0] / tile.shape[0]
        if not total.size:
            total = np.zeros((round(height * scale), round(width * scale), 3), np.float32)
            weights = np.zeros((*total.shape[:2], 1), np.float32)
        seam = max(1, round(overlap * scale))
        down = ramp(scored.shape[0], seam, first=top == 0, last=top + tile.shape[0] >= height)
        across = ramp(scored.shape[1], seam, first=left == 0, last=left + tile.shape[1] >= width)
        weight = (down[:, None] * across)[..., None]
        y, x = round(top * scale), round(left * scale)
        where = np.s_[y : y + scored.shape[0], x : x + scored.shape[1]]
        total[where] += scored * weight
        weights[where] += weight
    tiled: Frames = np.rint(total / weights).astype(frame.dtype)
    return tiled


def _cut(frame: Frames, tiles: int, overlap: int) -> Iterator[tuple[int, int, Frames]]:
    tall, tops = starts(frame.shape[0], tiles, overlap)
    wide, lefts = starts(frame.shape[1], tiles, overlap)
    for top in tops:
        for left in lefts:
            yield top, left, frame[top : top + tall, left : left + wide]
