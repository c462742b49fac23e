"""What a simulated pool is made of: nodes, and the work of jobs, whose tasks begin and end in waves."""

from __future__ import annotations

from dataclasses import dataclass

from autoscale.world import Kind


@dataclass(eq=False, slots=True)
class Node:
    """A machine of the pool."""

    number: int
    kind: Kind
    broken: bool = False
    preempted: bool = False
    leaves_after: int = 0
    """So many tasks it still finishes before it goes; 0: it stays."""
    lost: int = -1
    """Waves of tasks up to this number were taken from it."""


@dataclass(eq=False, slots=True)
class Work:
    """What is left of a job."""

    number: int
    waiting: list[tuple[float, int]]
    """Seconds of tasks that begin next, and how many such there are: from behind."""
    unfinished: int
    merge: float


@dataclass(eq=False, slots=True)
class Wave:
    """Tasks of a job that began and end together."""

    number: int
    work: Work
    lasts: float
    on: list[int]
    """The nodes' numbers, one for each task."""
