"""What Batch measures of a pool: a sample of every metric each half minute, to be had about a minute later."""

from __future__ import annotations

import bisect
import math
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.azure.formula.language import FormulaError

PERIOD = timedelta(seconds=30)
LATENESS = timedelta(seconds=60)


@dataclass
class History:
    """One metric's samples, oldest first."""

    taken: list[datetime] = field(default_factory=list)
    values: list[float] = field(default_factory=list)


@dataclass
class Metrics:
    """The samples of a pool's metrics."""

    lateness: timedelta = LATENESS
    _histories: dict[str, History] = field(default_factory=dict)

    def add(self, taken: datetime, **values: float) -> None:
        """Take a sample: add(now, PendingTasks=3, PreemptedNodeCount=0). Times only go on."""
        for name, value in values.items():
            history = self._histories.setdefault(name, History())
            history.taken.append(taken)
            history.values.append(float(value))

    def count(self, name: str, now: datetime) -> int:
        """How many samples are to be had by now."""
        return bisect.bisect_right(self._history(name).taken, now - self.lateness)

    def begin(self, name: str, now: datetime) -> datetime:
        """When the oldest sample was taken; now, if there is none."""
        return self._history(name).taken[0] if self.count(name, now) else now

    def last(self, name: str, now: datetime, count: int) -> list[float]:
        """The newest `count` samples, newest first."""
        end = self.count(name, now)
        return self._history(name).values[max(0, end - count) : end][::-1]

    def between(self, name: str, now: datetime, start: datetime, end: datetime, percent: float = 0) -> list[float]:
        """The samples of a time, newest first. Raises FormulaError if fewer than `percent` of those that should be there are."""
        if self.percent(name, now, start, end) < percent:
            raise FormulaError(f"Fewer than {percent} % of the samples of ${name} are there.")
        return self._history(name).values[self._slice(name, now, start, end)][::-1]

    def percent(self, name: str, now: datetime, start: datetime, end: datetime) -> float:
        """How many of the samples of a time are there, of a hundred that should be."""
        wanted = max(1, math.floor((end - start) / PERIOD))
        there = self._slice(name, now, start, end)
        return min(100.0, 100.0 * (there.stop - there.start) / wanted)

    def _slice(self, name: str, now: datetime, start: datetime, end: datetime) -> slice:
        taken = self._history(name).taken
        first = bisect.bisect_right(taken, start)
        return slice(first, max(first, bisect.bisect_right(taken, min(end, now - self.lateness))))

    def _history(self, name: str) -> History:
        return self._histories.get(name) or History()
