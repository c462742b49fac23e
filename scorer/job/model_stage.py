"""The model over a chunk's frames, in batches of one shape; what fails is tried smaller, in tiles, and at last left as it was."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from scorer.boundary import words
from scorer.errors import ModelError, ScorerError
from scorer.job.marks import too_many_failed
from scorer.job.media import Frame, ms_since
from scorer.job.tiling import gpu_failed, is_gpu_failure, is_out_of_memory, score_in_tiles
from scorer.media.images import resize
from scorer.media.video.planes import CodedPlanes
from scorer.models import Frames, Model, ModelOverTime
from scorer.models.around import at_stroke_size, cropped, padded, recolored, scaled


@dataclass(frozen=True)
class Scored:
    """A frame behind the model."""

    frame: Frame[Any]
    pixels: Frames | None
    error: str | None
    model_ms: float
    steady_ms: float = 0.0
    planes: CodedPlanes | None = None
    """What it has in place of pixels, where the frame is held in planes."""


@dataclass
class ModelStage:
    """The model over a chunk's frames, in batches of one shape; what fails is tried smaller, then stood in for."""

    model: Model
    size: int
    tile_overlap: int | None
    most_failures: int
    most_pixels: int
    """Of the frames of one batch; a single frame may always have more."""
    most_made: int
    """Pixels of a frame that the model may make."""
    least_side: int = 1
    """Pixels a side of the frames that the model gets at least."""
    over_time: ModelOverTime | None = None
    """The model, where its styles have times."""
    keep_colors: float = 0.0
    """The share of the original's colours in what the model makes."""
    stroke_size: float = 1.0
    """How many times as large the model's strokes are: it works on frames whose sides are divided by that."""
    is_aligned: bool = False
    """Whether a frame's place in its batch depends on its number alone, and not on the chunk that it is in."""
    scale: tuple[float, float] | None = None
    """Output height and width by input's; None until a frame came through."""
    notes: list[str] = field(default_factory=list)
    check: Callable[[int], None] = lambda _: None
    """Told how many frames have failed here, after each batch: raises where the job can do without no more."""
    failures: int = 0
    """Frames of the chunk that have failed so far."""

    def run(self, frames_in: Iterable[Frame[Any]]) -> Iterator[Scored]:
        """Each frame with what the model makes of it, in order."""
        for batch in batches(frames_in, self._fitting, is_aligned=self.is_aligned):
            for scored in self._batch(batch) if batch[0].pixels is not None else map(_undecoded, batch):
                yield scored  # first, so that it has its record whatever comes
                if scored.error is not None and scored.frame.is_own:
                    self._count_failure(scored)
            self.check(self.failures)

    def _fitting(self, image: Frames) -> int:
        return self.fitting(image.shape[1], image.shape[0])

    def fitting(self, width: int, height: int) -> int:
        """How many frames of that size the model gets at once."""
        across, down = at_stroke_size(width, height, self.stroke_size)
        return max(1, min(self.size, self.most_pixels // int(max(height * width, across * down))))

    def _count_failure(self, scored: Scored) -> None:
        self.failures += 1
        if self.failures > self.most_failures:
            raise too_many_failed(self.failures, self.most_failures, f"frame {scored.frame.number}: {scored.error}")

    def _batch(self, batch: Sequence[Frame[Any]]) -> list[Scored]:
        """Score frames of one shape, all at once if that works."""
        images = [frame.pixels for frame in batch if frame.pixels is not None]
        size = self._fitting(images[0])
        if len(batch) > size:  # it has become smaller since they were gathered
            parts = batches(batch, self._fitting, is_aligned=self.is_aligned)
            return [scored for part in parts for scored in self._batch(part)]
        started = time.perf_counter()
        try:
            scored = self._call(images, batch[0].number % size if self.is_aligned else 0, [frame.seconds for frame in batch])
        except (ScorerError, KeyboardInterrupt):
            raise
        except BaseException as error:  # whatever a model raises, it is about the frames it was given
            return self._smaller(batch, images, error)
        spent = ms_since(started) / len(batch)
        return [self._recolored(frame, image, one, spent) for frame, image, one in zip(batch, images, scored, strict=True)]

    def _recolored(self, frame: Frame[Any], image: Frames, scored: Frames, spent: float) -> Scored:
        return Scored(frame, recolored(image, scored, self.keep_colors), None, spent)

    def _call(self, images: Sequence[Frames], before: int, seconds: Sequence[float]) -> Frames:
        """(N, H', W', 3) for N frames of these times; the model always sees as many of one shape, for its shapes to stay.

        Some places of the batch may be left `before` them, and behind.
        What it sees is a copy of its own: decoders hand out arrays that can't be written to, and the frame may still be wanted.
        """
        behind = self._fitting(images[0]) - before - len(images)
        stacked = np.stack([*[images[0]] * before, *images, *[images[-1]] * behind])
        scored = self._made(stacked, [*[seconds[0]] * before, *seconds, *[seconds[-1]] * behind])
        height, width = scored.shape[1:3]
        if height * width > self.most_made:
            raise ModelError(
                f"The model makes frames of {width}x{height} pixels, more than the {self.most_made:,} allowed: "
                "choose a smaller size."
            )
        self.scale = (scored.shape[1] / stacked.shape[1], scored.shape[2] / stacked.shape[2])
        return scored[before : before + len(images)]

    def _made(self, images: Frames, seconds: Sequence[float]) -> Frames:
        """What the model makes of frames (N, H, W, 3) of N times, however narrow, with strokes of the size that is asked for."""
        height, width = images.shape[1:3]
        across, down = at_stroke_size(width, height, self.stroke_size)
        if across * down > max(self.most_made, height * width):
            raise ValueError(f"the model would work on {across}x{down} pixels, more than the {self.most_made:,} allowed")
        given = padded(scaled(images, across, down), self.least_side)
        new = self.over_time.score_at(given, seconds) if self.over_time else self.model.score(given)
        made = cropped(_checked(new, given), given, down, across)
        return scaled(made, round(width * made.shape[2] / across), round(height * made.shape[1] / down))

    def _smaller(self, batch: Sequence[Frame[Any]], images: Sequence[Frames], error: BaseException) -> list[Scored]:
        """Frames that failed together: in smaller batches, one by one, in tiles; in the end the original stands in."""
        out_of_memory = is_out_of_memory(error)
        if out_of_memory and self.size > 1:
            self.size = max(1, self.size // 2)
            self._note(f"memory ran out: batches of {self.size}", batch[0])
            return self._batch(batch)
        if len(batch) > 1:
            return [scored for frame in batch for scored in self._batch([frame])]
        return [self._tiles(batch[0], images[0]) if out_of_memory else self._fallback(batch[0], images[0], error)]

    def _tiles(self, frame: Frame[Any], image: Frames) -> Scored:
        started = time.perf_counter()
        try:
            scored, tiles = score_in_tiles(partial(self._made, seconds=[frame.seconds]), image, self.tile_overlap)
        except (ScorerError, KeyboardInterrupt):
            raise
        except BaseException as error:
            return self._fallback(frame, image, error)
        self._note(f"memory ran out: {tiles}x{tiles} tiles", frame)
        return self._recolored(frame, image, scored, ms_since(started))

    def _note(self, what: str, frame: Frame[Any]) -> None:
        if not any(note.startswith(what) for note in self.notes):
            self.notes.append(f"{what} from frame {frame.number} on")

    def _fallback(self, frame: Frame[Any], image: Frames, error: BaseException) -> Scored:
        """The original in the failed frame's place, at the size that the model's frames have.

        Raises TaskError where it isn't the frame that failed.
        """
        why = words(error)
        if is_gpu_failure(error):  # it would fail on every frame that is left
            raise gpu_failed(error) from error
        height, width = image.shape[:2]
        down, across = self.scale or self._try_scale(image)
        pixels = resize(image, round(width * across), round(height * down))
        return Scored(frame, pixels, why, 0.0)

    def _try_scale(self, image: Frames) -> tuple[float, float]:
        """How the model changes sizes, from a black frame."""
        try:
            black = np.zeros((self._fitting(image), *image.shape), image.dtype)
            made = self._made(black, [0.0] * len(black))
        except KeyboardInterrupt:
            raise
        except BaseException:
            return 1.0, 1.0
        return made.shape[1] / image.shape[0], made.shape[2] / image.shape[1]


def _checked(made: Frames, given: Frames) -> Frames:
    """What a model made of `given`, if that is as many frames of the same kind. Raises ValueError."""
    if not isinstance(made, np.ndarray) or made.dtype != given.dtype or made.ndim != 4 or 0 in made.shape:
        raise ValueError(f"the model made {_shape(made)} of {_shape(given)}")
    if len(made) != len(given) or made.shape[3] != 3:
        raise ValueError(f"the model made {_shape(made)} of {_shape(given)}")
    return made


def _shape(frames_: object) -> str:
    return f"{frames_.dtype} {frames_.shape}" if isinstance(frames_, np.ndarray) else type(frames_).__name__


def _undecoded(frame: Frame[Any]) -> Scored:
    return Scored(frame, None, frame.error, 0.0)


def batches(
    frames_in: Iterable[Frame[Any]], most: Callable[[Frames], int], *, is_aligned: bool = False
) -> Iterator[list[Frame[Any]]]:
    """Consecutive frames of one shape and depth, at most `most` of that shape at once; frames without pixels stand alone.

    `is_aligned`: batches begin at frames whose numbers are multiples of `most`.
    """
    batch: list[Frame[Any]] = []
    for frame in frames_in:
        if batch and (frame.pixels is None or _kind(frame) != _kind(batch[0]) or _is_full(batch, frame, most, is_aligned)):
            yield batch
            batch = []
        batch.append(frame)
    if batch:
        yield batch


def _is_full(batch: Sequence[Frame[Any]], frame: Frame[Any], most: Callable[[Frames], int], is_aligned: bool) -> bool:
    """Whether the frame begins another batch."""
    if frame.pixels is None:
        return True
    size = most(frame.pixels)
    return frame.number // size != batch[0].number // size if is_aligned else len(batch) >= size


def _kind(frame: Frame[Any]) -> tuple[object, ...]:
    return (None,) if frame.pixels is None else (frame.pixels.shape, frame.pixels.dtype)
