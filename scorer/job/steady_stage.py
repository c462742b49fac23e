"""Steady video: each styled frame becomes a mean of itself and its neighbours, which are moved along the motion of the source.

Nothing is carried on from frame to frame: a result depends on the REACH frames on each side of it and on nothing else, so that
however a video is cut into chunks, the same bytes come out. In two passes of three frames each, `full` takes from t-1, t and t+1
first, then, of these means, from t-2, t and t+2; `light` is the first pass alone. Means blur, which sharpening takes back where
frames were taken from others.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from scorer.documents.request_fields import Steady
from scorer.errors import OutOfMemoryError
from scorer.job.media import ms_since
from scorer.job.model_stage import Scored
from scorer.job.steady_mixing import Mixing, OpenCvMixing
from scorer.job.tiling import gpu_failed, is_gpu_failure, is_out_of_memory
from scorer.media import motion
from scorer.media.flicker import Correspondence
from scorer.media.motion import Look, Step

REACH: dict[Steady, int] = {"off": 0, "light": 1, "full": 3}
"""Frames on each side that a result depends on."""

MEASURED = 24
"""Of so many frames one is compared with the one before it, for the flicker that is left."""

_SHARPENED: dict[Steady, float] = {"off": 0.0, "light": 0.5, "full": 0.9}
"""The share of what a blur of 3x3 takes from a frame that is added to it, by which frames are as sharp as they were (measured by
`scorer bench --steady`: 99% of the squared differences between neighbouring pixels)."""


@dataclass
class Flicker:
    """Warping errors (`scorer.media.flicker`) of some pairs of frames, summed up."""

    pairs: int = 0
    before: float = 0.0
    """As the model made them."""
    after: float = 0.0


class SteadyStage:
    """Takes a chunk's frames and those around it, in order; gives the chunk's, each as soon as those after it are there."""

    def __init__(self, steady: Steady, measured: int = MEASURED, mixing: Mixing[Any] | None = None) -> None:
        """Measure the flicker of one in `measured` frames; of none where that is 0. Without a way of mixing, take OpenCV's."""
        self._reach, self._sharpened, self._measured = REACH[steady], _SHARPENED[steady], measured
        self._mixing: Mixing[Any] = mixing or OpenCvMixing()
        self._waiting: dict[int, Scored] = {}
        """By their numbers, like all that follows."""
        self._looks: dict[int, Look] = {}
        self._styled: dict[int, Any] = {}
        """Held by the mixing, as what follows."""
        self._means: dict[int, Any] = {}
        """The first pass."""
        self._steps: dict[tuple[int, int], Step] = {}
        self._spent = 0.0
        """Milliseconds."""
        self._last: tuple[Scored, Scored] | None = None
        """The last frame given, before and after."""
        self.flicker = Flicker()

    def push(self, scored: Scored) -> list[Scored]:
        """Take the next frame; give what waited for it."""
        return self._timed(self._push(scored))

    def rest(self) -> list[Scored]:
        """What waits for frames that don't come: there are no more."""
        return self._timed(self._rest())

    def _timed(self, ready: Iterator[Scored]) -> list[Scored]:
        """With its share of the time that was spent since something was given.

        Raises OutOfMemoryError and TaskError where a GPU does.
        """
        started = time.perf_counter()
        try:
            given = list(ready)
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise OutOfMemoryError(
                    "The frames that are steadied don't fit into the GPU's memory: choose a smaller size or steady 'off'."
                ) from error
            if is_gpu_failure(error):
                raise gpu_failed(error) from error
            raise
        self._spent += ms_since(started)
        if not given or not self._reach:
            return given
        share, self._spent = self._spent / len(given), 0.0
        return [replace(each, steady_ms=share) for each in given]

    def _push(self, scored: Scored) -> Iterator[Scored]:
        number = scored.frame.number
        self._waiting[number] = scored
        if self._reach:
            self._meet(number, scored)
            self._average(number - 1)
        yield from self._give(number - self._reach)
        self._forget(number)

    def _rest(self) -> Iterator[Scored]:
        for number in sorted(self._waiting):
            self._average(number)  # the last has no frame behind it; others were averaged with theirs
        for number in sorted(self._waiting):
            yield from self._give(number)

    def _meet(self, number: int, scored: Scored) -> None:
        """Find the ways between the frame and the one before it. None leads to or from a frame that failed."""
        pixels = scored.frame.pixels
        if scored.pixels is None or pixels is None or scored.error is not None or (found := motion.look(pixels)) is None:
            return
        self._looks[number] = found
        self._styled[number] = self._mixing.held(scored.pixels)
        before = self._looks.get(number - 1)
        shape = self._mixing.shape
        if before is None or shape(self._styled[number - 1]) != shape(self._styled[number]):
            return
        if (both := motion.steps(before, found)) is not None:
            self._steps[number - 1, number], self._steps[number, number - 1] = both

    def _average(self, number: int) -> None:
        if number in self._styled and number not in self._means:
            own = self._styled[number]
            sides = [(self._styled[side], self._steps[number, side]) for side in self._beside(number)]
            self._means[number] = self._mixing.mean(own, [self._mixing.moved(own, other, step) for other, step in sides])

    def _beside(self, number: int) -> list[int]:
        return [side for side in (number - 1, number + 1) if (number, side) in self._steps]

    def _give(self, number: int) -> Iterator[Scored]:
        scored = self._waiting.pop(number, None)
        if scored is not None and scored.frame.is_own:
            given = scored if number not in self._means else self._steadied(number, scored)
            if self._reach and self._measured:
                self._measure(scored, given)
            yield given

    def _steadied(self, number: int, scored: Scored) -> Scored:
        ways = [self._steps[number, side] for side in self._beside(number)]
        mean = self._means[number]
        if self._reach == REACH["full"]:
            far = [
                (self._means[2 * side - number], motion.chained(self._steps[number, side], self._steps[side, 2 * side - number]))
                for side in self._beside(number) if (side, 2 * side - number) in self._steps
            ]  # fmt: skip
            mean = self._mixing.mean(mean, [self._mixing.moved(mean, other, way) for other, way in far])
            ways += [way for _, way in far]
        sharper = self._mixing.sharper(mean, self._sharpened, [way.trust for way in ways])
        return Scored(scored.frame, sharper, None, scored.model_ms)

    def _measure(self, before: Scored, after: Scored) -> None:
        last, self._last = self._last, (before, after)
        if last is None or before.frame.number % self._measured != self._measured // 2:
            return
        (first, second), (one, two) = (last[0].frame.pixels, before.frame.pixels), (last[0].pixels, before.pixels)
        done, now = last[1].pixels, after.pixels
        if first is None or second is None or one is None or two is None or done is None or now is None:
            return
        if first.shape == second.shape and one.shape == two.shape:
            pixels = Correspondence(first, second)
            self.flicker.pairs += 1
            self.flicker.before += pixels.error(one, two)
            self.flicker.after += pixels.error(done, now)

    def _forget(self, number: int) -> None:
        """What no frame will need any more, once the frame `number` is there."""
        for kept in (self._looks, self._styled):
            kept.pop(number - 2, None)
        self._means.pop(number - 5, None)
        for way in ((number - 5, number - 4), (number - 4, number - 5)):
            self._steps.pop(way, None)
