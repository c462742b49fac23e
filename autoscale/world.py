"""What a simulated pool is given, and what is seen of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["dedicated", "spot"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Work of one request: seconds since the beginning, and seconds that each of its tasks takes."""

    arrives: float
    tasks: tuple[float, ...]
    merge: float = 0.0
    """Seconds of the task that begins when all others are done; 0: none does."""


@dataclass(frozen=True, kw_only=True)
class World:
    """What the formula can't choose."""

    slots: int = 1
    allocation: float = 240
    """Seconds from asking for a node to having it."""
    spot_capacity: Callable[[float], int] | int = 10_000
    """Spot nodes that Azure has for this pool, always or at a second."""
    broken: int = 0
    """So many of the first nodes run no task."""
    lateness: Callable[[float], float | None] | None = None
    """Seconds until the sample of a second can be read, or None: it never can. Without it, all can after a minute."""

    def spot_at(self, second: float) -> int:
        """Spot nodes that Azure has at that second."""
        return self.spot_capacity if isinstance(self.spot_capacity, int) else self.spot_capacity(second)


@dataclass(frozen=True)
class Moment:
    """The pool after something changed."""

    second: float
    dedicated: int
    spot: int
    target_dedicated: int
    target_spot: int
    pending: int

    @property
    def nodes(self) -> int:
        return self.dedicated + self.spot

    @property
    def targets(self) -> int:
        return self.target_dedicated + self.target_spot
