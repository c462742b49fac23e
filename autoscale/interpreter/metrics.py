"""What Batch has measured of a pool, and how formulas ask for it.

Source: https://learn.microsoft.com/azure/batch/batch-automatic-scaling#obtain-sample-data
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from operator import attrgetter
from typing import Protocol

from autoscale.interpreter.functions import UnknownFunctionError, call
from autoscale.interpreter.parser import FormulaError, Place
from autoscale.interpreter.values import Interval, Value, Vector, WrongTypeError, kind

PERIOD = timedelta(seconds=30)
_RECORDED = attrgetter("recorded")

RESOURCES = """CPUPercent WallClockSeconds MemoryBytes DiskBytes DiskReadBytes DiskWriteBytes DiskReadOps DiskWriteOps
NetworkInBytes NetworkOutBytes SampleNodeCount"""
COUNTS = """ActiveTasks RunningTasks PendingTasks SucceededTasks FailedTasks TaskSlotsPerNode CurrentDedicatedNodes
CurrentLowPriorityNodes PreemptedNodeCount UsableNodeCount"""
NAMES = frozenset((RESOURCES + " " + COUNTS).split())


class InsufficientSamplesError(FormulaError):
    """Fewer samples than the formula asked for."""


@dataclass(frozen=True)
class Sample:
    """One measurement, and when a formula can first read it: about a minute later."""

    recorded: datetime
    available: datetime
    value: float


@dataclass(frozen=True)
class Question:
    """What a formula asks of one variable: `$name.method(arguments)`, or a function of all that this gives."""

    name: str
    method: str
    arguments: tuple[Value, ...]
    function: str = ""
    """max, min, avg ...; '': what the method gives."""


class Measured(Protocol):
    """What an evaluation reads, but the clock."""

    @property
    def target_dedicated(self) -> int:
        """The target as the last evaluation left it."""

    @property
    def target_low_priority(self) -> int:
        """The same of Spot nodes."""

    def answer(self, question: Question, now: datetime, place: Place) -> Value:
        """The answer from the samples that can be read now. Raises FormulaError."""


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """Samples as they were taken, each with its own lateness."""

    samples: Mapping[str, Sequence[Sample]] = field(default_factory=dict)
    """By variable, without the dollar sign, in the order that they were recorded."""
    target_dedicated: int = 0
    """The targets as the last evaluation left them."""
    target_low_priority: int = 0
    _read: dict[tuple[str, datetime], History] = field(default_factory=dict, init=False, repr=False, compare=False)

    def answer(self, question: Question, now: datetime, place: Place) -> Value:
        key = question.name, now
        if key not in self._read:
            self._read[key] = History(question.name, self.samples.get(question.name, ()), now)
        return self._read[key].answer(question, place)


@dataclass(frozen=True)
class History:
    """One variable's samples, as far as they can be read now."""

    name: str
    samples: Sequence[Sample]
    """In the order that they were recorded; some may not be readable yet."""
    now: datetime

    def answer(self, question: Question, place: Place) -> Value:
        """The answer to one question. Raises FormulaError."""
        value = self.ask(question.method, question.arguments, place)
        return call(question.function, [value], place) if question.function else value

    def ask(self, method: str, arguments: Sequence[Value], place: Place) -> Value:
        """The answer to `$Name.method(arguments)`."""
        match method, *arguments:
            case "GetSample", float() as count:
                return self._newest(count, place)
            case "GetSample", *_:
                percent, window = _split_percent(arguments)
                return self._within(window, percent, place)
            case "GetSamplePercent", *_:
                return self._percent(*self._window(arguments, place))
        raise UnknownFunctionError(f"${self.name} has no method {method} with such arguments", place)

    def _newest(self, count: float, place: Place) -> Vector:
        # The page doesn't say what no samples at all give. An error is the worst case, which formulas have to be ready for.
        newest = islice((sample.value for sample in reversed(self.samples) if self._is_readable(sample)), max(0, int(count)))
        if not (values := tuple(newest)):
            raise InsufficientSamplesError(f"Insufficient data from data set: ${self.name} has no samples", place)
        return values[::-1]

    def _within(self, window: Sequence[Value], percent: float | None, place: Place) -> Vector:
        start, end = self._window(window, place)
        received = self._percent(start, end)
        if percent is not None and received < percent:
            raise InsufficientSamplesError(
                f"Insufficient data from data set: ${self.name} wanted {percent:g}%, received {received:.0f}%", place
            )
        return tuple(sample.value for sample in self._between(start, end))

    def _window(self, arguments: Sequence[Value], place: Place) -> tuple[datetime, datetime]:
        if not 1 <= len(arguments) <= 2:
            raise WrongTypeError(f"${self.name}: a window is one or two of timeinterval", place)
        moments = [self._moment(argument, place) for argument in arguments]
        if len(moments) == 1:
            moments.append(self.now)
        # A look-back from 1 to 6 minutes is the same window as one from 6 to 1.
        return min(moments), max(moments)

    def _moment(self, argument: Value, place: Place) -> datetime:
        if isinstance(argument, Interval):
            return self.now - timedelta(seconds=argument.seconds)
        raise WrongTypeError(f"${self.name}: a window is of timeintervals, not {kind(argument)}", place)

    def _percent(self, start: datetime, end: datetime) -> float:
        possible = (end - start) // PERIOD
        found = len(self._between(start, end))
        return min(100.0, 100.0 * found / possible) if possible else 0.0

    def _between(self, start: datetime, end: datetime) -> list[Sample]:
        """Those recorded after `start`, up to `end`, that can be read."""
        first, last = (bisect_right(self.samples, moment, key=_RECORDED) for moment in (start, end))
        return [sample for sample in self.samples[first:last] if self._is_readable(sample)]

    def _is_readable(self, sample: Sample) -> bool:
        return sample.recorded <= self.now and sample.available <= self.now


def _split_percent(arguments: Sequence[Value]) -> tuple[float | None, Sequence[Value]]:
    last = arguments[-1] if len(arguments) > 1 else None
    return (last, arguments[:-1]) if isinstance(last, float) else (None, arguments)
