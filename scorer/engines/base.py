"""What engines do: a `Runner` scores a plan while its caller waits; a `Cluster` takes it as a job, and tells of its jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from scorer.documents.plan import Plan

# Why a job ended that a person cancelled.
CANCELLED = "Cancelled"


@dataclass(frozen=True)
class Progress:
    """How far the tasks are, counted in frames."""

    done: int
    failed: int
    reused: int
    """Of those done, frames whose parts were there before."""


@dataclass(frozen=True)
class Tasks:
    """How many of a job's tasks are where."""

    waiting: int
    running: int
    done: int
    failed: int

    @property
    def all(self) -> int:
        """The merge among them."""
        return self.waiting + self.running + self.done


@dataclass(frozen=True)
class JobLine:
    """A job as a list shows it."""

    job: str
    state: str
    sender: str
    priority: int
    created: float

    @property
    def is_at_work(self) -> bool:
        """Whether it hasn't ended, nor is about to."""
        return self.state == "active"


class Runner(Protocol):
    """Runs a plan's tasks."""

    def run(self, plan: Plan, on_progress: Callable[[Progress], None]) -> None:
        """Make every part that isn't there yet. Raises ScorerError; what is done stays done."""


class Cluster(Protocol):
    """Many machines and their queue of jobs: whoever submits a plan needn't wait for it. Every method raises BatchError.

    A job is known by the id in its plan; only this deployment's own are listed.
    """

    def jobs(self) -> list[JobLine]:
        """All jobs, the newest first."""

    def tasks_of(self, job: str) -> tuple[Tasks | None, str | None]:
        """The job's tasks, and why it has ended if it has; nothing where there is no such job."""

    def pages(self, job: str) -> Mapping[str, str]:
        """Where a person sees the machines at the job in a browser, by their names; none where nobody shows that."""

    def held_up(self) -> str:
        """Why there are fewer machines than are wanted; '' where there aren't, or where nobody says."""

    def has(self, job: str) -> bool:
        """Whether there is such a job, be it at work or ended."""

    def admit(self, sender: str) -> int:
        """How many jobs the sender has at work.

        Raises BusyError where as many jobs run as may, SenderLimitError where half of those that may are the sender's.
        """

    def at_work(self) -> Mapping[str, int]:
        """How many jobs each sender has at work."""

    def submit(self, plan: Plan, sender: str, others: int) -> None:
        """Add the plan's job and tasks, as far as they aren't there."""

    def share_slots(self) -> None:
        """Divide the cluster's slots among the senders that have jobs at work."""

    def finish(self, plan: Plan) -> None:
        """Add the tasks that the plan's job is missing, if there still is such a job."""

    def end(self, job: str) -> None:
        """End the job: a person has cancelled it."""

    def end_unprepared(self, now: datetime) -> Mapping[str, str]:
        """End jobs that no node can begin; why, of each."""

    def unfinished(self) -> list[str]:
        """Jobs at work that may be missing tasks, since whoever submitted them has not come to the end."""

    def ends(self) -> Mapping[str, tuple[datetime, str]]:
        """When each of the jobs that have ended did so, and why."""

    def forget(self, before: datetime) -> None:
        """Delete jobs that ended before that time."""

    def delete(self, job: str) -> None:
        """Delete the job, and wait until another may have its id."""
