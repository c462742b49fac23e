"""The model stage for frames that are held in planes: several batches on their way to the device and back at a time.

What it can't do is done by the stage on pixels: frames of other forms, in between, and after the first error all that is left.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice
from typing import Any, Protocol

import av

from scorer.boundary import words
from scorer.errors import ScorerError
from scorer.job.media import Frame, ms_since
from scorer.job.model_stage import ModelStage, Scored
from scorer.job.tiling import gpu_failed, is_gpu_failure, is_out_of_memory
from scorer.media.video.planes import CodedPlanes, DecodedPlanes, PlaneForm

IN_FLIGHT = 3
"""Batches: one on its way up, one that is computed, one on its way down."""


class Way(Protocol):
    """There and back (planes_torch.py)."""

    runs: str
    """How the last batch was computed."""

    def begin(self, pictures: Sequence[DecodedPlanes], size: int) -> Any:
        """Send a batch off."""

    def land(self, flight: Any) -> list[CodedPlanes]:
        """Wait for it."""

    def end(self) -> None:
        """There is none after the last."""


@dataclass(frozen=True)
class _Flight:
    batch: Sequence[Frame[Any]]
    held: Any
    began: float
    way: Way


class PlanesStage:
    """Gives each frame with what the model makes of it, in order, as the stage on pixels does that it is around."""

    def __init__(self, stage: ModelStage, open_way: Callable[[PlaneForm], Way]) -> None:
        """`open_way` gives the way for pictures of a form."""
        self._stage, self._open_way = stage, open_way
        self._way: Way | None = None
        self._is_closed = False
        self._flying: deque[_Flight] = deque()
        self._last = 0.0
        self.runs = ""
        """How those were computed that went this way; '' where none has."""

    def run(self, frames_in: Iterable[Frame[Any]]) -> Iterator[Scored]:
        """All frames. Raises what the stage on pixels does."""
        for form, frames in groupby(frames_in, _form):
            yield from self._rest()  # those of another form go another way
            self._way = None
            if form is None or self._is_closed:
                yield from self._stage.run(map(on_pixels, frames))
                continue
            while batch := list(islice(frames, self._stage.fitting(form.width, form.height))):
                yield from self._begin(form, batch)
        yield from self._rest()

    def _begin(self, form: PlaneForm, batch: Sequence[Frame[Any]]) -> Iterator[Scored]:
        if self._is_closed:
            yield from self._stage.run(map(on_pixels, batch))
            return
        began, size = time.perf_counter(), self._stage.fitting(form.width, form.height)
        try:
            self._way = self._way or self._open_way(form)
            held = self._way.begin([frame.planes for frame in batch if frame.planes is not None], size)
        except (ScorerError, KeyboardInterrupt):
            raise
        except BaseException as error:  # whatever it is: what the stage on pixels makes of it counts
            yield from self._rest()
            yield from self._given_up(error, [batch])
            return
        self._flying.append(_Flight(batch, held, began, self._way))
        if len(self._flying) == IN_FLIGHT:
            yield from self._land()

    def _rest(self) -> Iterator[Scored]:
        while self._flying:
            yield from self._land()

    def _land(self) -> Iterator[Scored]:
        flight = self._flying.popleft()
        try:
            made = flight.way.land(flight.held)
        except (ScorerError, KeyboardInterrupt):
            raise
        except BaseException as error:
            behind = [each.batch for each in self._flying]
            self._flying.clear()
            yield from self._given_up(error, [flight.batch, *behind])
            return
        spent = ms_since(max(flight.began, self._last)) / len(made)
        self._last = time.perf_counter()
        self._stage.scale = (1.0, 1.0)
        self.runs = flight.way.runs
        for frame, planes in zip(flight.batch, made, strict=True):
            yield Scored(frame, None, None, spent, planes=planes)
        self._stage.check(self._stage.failures)

    def _given_up(self, error: BaseException, batches: Sequence[Sequence[Frame[Any]]]) -> Iterator[Scored]:
        """These and all that come are taken on pixels. Raises TaskError where the GPU failed."""
        if is_gpu_failure(error):
            raise gpu_failed(error) from error
        if not self._is_closed:
            why = "memory ran out" if is_out_of_memory(error) else words(error).rstrip(".")
            first = batches[0][0].number
            self._stage.notes.append(f"colours converted on the processor from frame {first} on, since {why}")
            self._is_closed = True
            if self._way is not None:
                self._way.end()
        for batch in batches:
            yield from self._stage.run(map(on_pixels, batch))


def _form(frame: Frame[Any]) -> PlaneForm | None:
    return None if frame.planes is None else frame.planes.form


def on_pixels(frame: Frame[Any]) -> Frame[Any]:
    """The frame with its pixels, or why it has none."""
    if frame.planes is None:
        return frame
    try:
        return replace(frame, pixels=frame.planes.pixels(), planes=None)
    except (av.FFmpegError, ValueError) as error:
        return replace(frame, planes=None, error=f"its picture can't be converted ({error})")
