"""A pool's samples and the targets of its own formula, as every simulation of ours has them."""

from __future__ import annotations

from collections.abc import Mapping

from autoscale import scaling


class Scaling(scaling.Scaling):
    """Of a pool of the emulator, whose clock may be late for a sample."""

    def targets(self, formula: str, now: float, targets: Mapping[str, int]) -> dict[str, int]:
        """How many nodes the formula wants, by kind, where it wanted `targets` before. Raises FormulaError."""
        found = self.evaluate(formula, now, targets["dedicated"], targets["spot"])
        return {"dedicated": found.dedicated, "spot": found.low_priority}
