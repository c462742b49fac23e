"""What Batch measures of a pool, and the targets that the pool's own formula makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from autoscale.interpreter.evaluate import evaluate
from autoscale.interpreter.metrics import Metrics, Sample

BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
LATENESS, HISTORY = 60.0, 240


@dataclass
class Scaling:
    """Samples that are known late, by metric."""

    _samples: dict[str, list[Sample]] = field(default_factory=dict)

    def measure(self, now: float, values: Mapping[str, int]) -> None:
        """Keep what was measured at `now`, in simulated seconds."""
        at = BEGIN + timedelta(seconds=now)
        for name, value in values.items():
            kept = self._samples.setdefault(name, [])
            kept.append(Sample(at, at + timedelta(seconds=LATENESS), float(value)))
            del kept[:-HISTORY]

    def targets(self, formula: str, now: float, targets: Mapping[str, int]) -> dict[str, int]:
        """How many nodes the formula wants, by kind, where it wanted `targets` before. Raises FormulaError."""
        metrics = Metrics(samples=self._samples, target_dedicated=targets["dedicated"], target_low_priority=targets["spot"])
        found = evaluate(formula, metrics, BEGIN + timedelta(seconds=now))
        return {"dedicated": found.dedicated, "spot": found.low_priority}
