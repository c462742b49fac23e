"""What Batch measures of a pool, and what the pool's own formula makes of it: sample by sample."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from autoscale.interpreter.evaluate import Evaluation, evaluate
from autoscale.interpreter.metrics import PERIOD, Metrics, Sample

BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
# Seconds between two samples, and until one can be read.
EVERY, LATENESS = PERIOD.total_seconds(), 60.0
# Samples that are kept: 25 hours of them, more than any formula of ours looks back.
HISTORY = 3000

Measure = Callable[[], Mapping[str, int]]
"""What there is now, by variable without its dollar sign."""


def moment(second: float) -> datetime:
    """A simulated second as formulas see it."""
    return BEGIN + timedelta(seconds=second)


class Scaling:
    """Keeps every sample; each can be read as late as `lateness` says of its second, or never where that is None."""

    def __init__(self, lateness: Callable[[float], float | None] = lambda _: LATENESS) -> None:
        self._lateness = lateness
        self._samples: dict[str, list[Sample]] = {}
        self._due = 0.0

    def measure(self, now: float, values: Mapping[str, int]) -> None:
        """Keep what was measured at `now`, in simulated seconds."""
        late = self._lateness(now)
        if late is None:
            return
        recorded, available = moment(now), moment(now + late)
        for name, value in values.items():
            kept = self._samples.setdefault(name, [])
            kept.append(Sample(recorded, available, float(value)))
            del kept[:-HISTORY]

    def hold(self, until: float, measure: Measure) -> None:
        """Take all samples that are due before `until`: nothing has changed since the last call."""
        while self._due < until:
            self.measure(self._due, measure())
            self._due += EVERY

    def evaluate(self, formula: str, now: float, dedicated: int, spot: int) -> Evaluation:
        """What the formula wants, where its last evaluation wanted so many nodes. Raises FormulaError."""
        metrics = Metrics(samples=self._samples, target_dedicated=dedicated, target_low_priority=spot)
        return evaluate(formula, metrics, moment(now))

    def is_settled(self, _now: float) -> bool:
        """Whether all evaluations from now on give what this one does, as long as nothing changes: nobody knows."""
        return False
