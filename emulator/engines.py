"""The two engines as one who only watches sees them: what happened to nodes and tasks, and whether a job is over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from emulator.batch.pool import Event
from emulator.batch.service import BatchService
from emulator.machine_learning.service import MachineLearning


class Watched(Protocol):
    """An engine at work."""

    @property
    def now(self) -> float:
        """Simulated seconds since the beginning."""

    @property
    def timeline(self) -> list[Event]:
        """All that happened, in order."""

    @property
    def node_minutes(self) -> dict[str, float]:
        """That nodes have been there, by kind: 'spot' and 'dedicated'."""

    @property
    def nodes(self) -> int:
        """How many there are, or are on their way."""

    @property
    def allocation(self) -> float:
        """Simulated seconds that a node takes to come."""

    def find(self, name: str) -> str | None:
        """The job whose id begins so, if there is one."""

    def is_over(self, job: str) -> bool:
        """Whether nothing happens to the job any more."""


@dataclass(frozen=True)
class WatchedBatch:
    """A Batch account with one pool."""

    service: BatchService

    @property
    def now(self) -> float:
        return self.service.now

    @property
    def timeline(self) -> list[Event]:
        return self.service.pool.timeline

    @property
    def node_minutes(self) -> dict[str, float]:
        return dict(self.service.pool.node_minutes)

    @property
    def nodes(self) -> int:
        return len(self.service.pool.nodes)

    @property
    def allocation(self) -> float:
        return self.service.pool.allocation

    def find(self, name: str) -> str | None:
        return next((job.id for job in self.service.ledger.jobs.values() if job.id.startswith(name)), None)

    def is_over(self, job: str) -> bool:
        return self.service.job(job).state == "completed"


@dataclass(frozen=True)
class WatchedLearning:
    """An Azure Machine Learning workspace with its clusters."""

    service: MachineLearning

    @property
    def now(self) -> float:
        return self.service.now

    @property
    def timeline(self) -> list[Event]:
        return self.service.timeline

    @property
    def node_minutes(self) -> dict[str, float]:
        found = {"dedicated": 0.0, "spot": 0.0}
        for cluster in self.service.clusters.values():
            found[cluster.kind] += cluster.node_minutes
        return found

    @property
    def nodes(self) -> int:
        return sum(len(cluster.nodes) for cluster in self.service.clusters.values())

    @property
    def allocation(self) -> float:
        return next(iter(self.service.clusters.values())).allocation

    def find(self, name: str) -> str | None:
        known = (job.own.get("scorer_job", "") for job in self.service.ledger.jobs.values())
        return next((job for job in known if job.startswith(name)), None)

    def is_over(self, job: str) -> bool:
        workers = self.service.workers(job)
        return self.service.is_over(job) and all(each.has_ended for each in workers)
