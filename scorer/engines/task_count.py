"""How many tasks share a job's chunks: chunks are for trying again, tasks for time.

To begin a task takes a container and a model, 20 to 40 s of a machine that somebody pays for, so a task has minutes of work. And
no task has the whole of a long job: what runs comes to its end before Azure Batch gives its slot to another sender's job.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scorer.documents.deployment import Deployment
from scorer.documents.plan import Plan

# Work of a task at the least, by the speed that is reckoned with, where a job has less than that for each slot: another machine
# takes some seven minutes to come, and a lost one loses no more than the chunk that it was at.
LEAST_SECONDS = 300.0
# After so long a task makes way, as long as others of its job come after it.
LEAVE_MINUTES = 15.0
# Of a frame, where nobody has counted what its model computes.
UNKNOWN_SECONDS = 1.0


@dataclass(frozen=True)
class TaskCount:
    """The tasks of a job, its merge not among them; they are numbered from 0, and begin in that order."""

    all: int
    at_once: int
    """So many may well run together; as many as these stay until there is nothing left to take: the last of them."""

    def leave_after(self, number: int) -> float | None:
        """Minutes after which a task makes way; None: it stays."""
        return LEAVE_MINUTES if number < self.all - self.at_once else None


def count_tasks(plan: Plan, deployment: Deployment) -> TaskCount:
    """As many tasks as the plan's job is worth on the deployment's slots, each of which gets one where the job is long enough.

    How long it takes is reckoned with the speed of `pixels_per_second`. Where a model has none there, such as a package's, each
    slot gets a task.
    """
    rate = 0 if plan.request.package else deployment.pixels_per_second.get(plan.request.model, 0)
    seconds = plan.frames * plan.costly_pixels * deployment.slots_per_node / (rate * deployment.gpus_per_node) if rate else None
    return share(len(plan.chunks), plan.frames, deployment.slots, seconds)


def how_many(chunks: int, frames: int, slots: int, seconds: float | None) -> int:
    """All tasks of such a job."""
    return share(chunks, frames, slots, seconds).all


def share(chunks: int, frames: int, slots: int, seconds: float | None) -> TaskCount:
    """The tasks of a job that would take one slot so many seconds; None where nobody knows."""
    worth = chunks if seconds is None else math.ceil(seconds / LEAST_SECONDS)
    at_once = max(1, min(slots, chunks, worth))
    slices = math.ceil((frames * UNKNOWN_SECONDS if seconds is None else seconds) / (LEAVE_MINUTES * 60))
    return TaskCount(all=min(chunks, max(at_once, slices)), at_once=at_once)
