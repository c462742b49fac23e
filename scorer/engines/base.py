"""What every engine does, and how far it tells that it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from scorer.documents.plan import Plan


@dataclass(frozen=True)
class Progress:
    """How far the tasks are, counted in frames."""

    done: int
    failed: int
    reused: int
    """Of those done, frames whose parts were there before."""


class Engine(Protocol):
    """Runs a plan's tasks."""

    def run(self, plan: Plan, on_progress: Callable[[Progress], None]) -> None:
        """Make every part that isn't there yet. Raises ScorerError; what is done stays done."""
