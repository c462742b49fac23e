"""What Azure Batch knows about a pool when it evaluates a formula: samples of metrics, and the pool's targets.

Source: https://learn.microsoft.com/azure/batch/batch-automatic-scaling#obtain-sample-data.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import attrgetter

SAMPLE_PERIOD = timedelta(seconds=30)
# About a minute passes before a formula sees a sample.
SAMPLE_DELAY = timedelta(seconds=60)

# The service's variables that can only be read, each with a history of samples.
SAMPLED = frozenset(
    [
        "$CPUPercent",
        "$WallClockSeconds",
        "$MemoryBytes",
        "$DiskBytes",
        "$DiskReadBytes",
        "$DiskWriteBytes",
        "$DiskReadOps",
        "$DiskWriteOps",
        "$NetworkInBytes",
        "$NetworkOutBytes",
        "$SampleNodeCount",
        "$ActiveTasks",
        "$RunningTasks",
        "$PendingTasks",
        "$SucceededTasks",
        "$FailedTasks",
        "$CurrentDedicatedNodes",
        "$CurrentLowPriorityNodes",
        "$PreemptedNodeCount",
    ]
)


@dataclass(frozen=True)
class Sample:
    """A metric's value over the 30 seconds up to `taken`; formulas see it from `arrives` on."""

    taken: datetime
    value: float
    arrives: datetime


@dataclass
class Metrics:
    """A pool's targets and the history of its samples, oldest first."""

    target_dedicated: int = 0
    target_low_priority: int = 0
    _samples: dict[str, list[Sample]] = field(default_factory=dict)

    def record(self, variable: str, taken: datetime, value: float, delay: timedelta = SAMPLE_DELAY) -> None:
        """Adds the newest sample of a variable. Raises KeyError for one that has no samples, ValueError for one out of order."""
        if variable not in SAMPLED:
            raise KeyError(variable)
        samples = self._samples.setdefault(variable, [])
        if samples and samples[-1].taken >= taken:
            raise ValueError(f"A sample of {variable} at {taken} is not newer than the last, {samples[-1].taken}.")
        samples.append(Sample(taken, value, taken + delay))

    def between(self, variable: str, start: datetime, end: datetime, now: datetime) -> Sequence[float]:
        """Values of samples taken after `start` up to `end` that have arrived by `now`, oldest first."""
        samples = self._samples.get(variable, [])
        first = bisect_right(samples, start, key=attrgetter("taken"))
        last = bisect_right(samples, end, key=attrgetter("taken"))
        return [sample.value for sample in samples[first:last] if sample.arrives <= now]

    def newest(self, variable: str, count: int, now: datetime) -> Sequence[float]:
        """Values of the newest samples that have arrived by `now`, oldest first."""
        found: list[float] = []
        for sample in reversed(self._samples.get(variable, [])):
            if len(found) == count:
                break
            if sample.arrives <= now:
                found.append(sample.value)
        return found[::-1]

    def arrived(self, variable: str, now: datetime) -> list[Sample]:
        """All samples of a variable that have arrived by `now`."""
        return [sample for sample in self._samples.get(variable, []) if sample.arrives <= now]
