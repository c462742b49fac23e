"""A cluster of a workspace: nodes for the jobs that wait, fewer where there is no quota, none after a while without jobs.

Source: https://learn.microsoft.com/azure/machine-learning/how-to-create-attach-compute-cluster
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from autoscale.gpu_sizes import SIZES
from emulator.batch.jobs import seconds
from emulator.batch.pool import ALLOCATION, Event
from emulator.batch.quota import Quota
from emulator.forked import SCORER
from emulator.machine_learning.jobs import Job, Ledger
from emulator.machine_learning.nodes import Node

Json = dict[str, Any]

# Until an image is on a node and its container begins, in simulated seconds.
PREPARING = 60.0
# Low-priority nodes end a job after a week: https://learn.microsoft.com/azure/machine-learning/how-to-manage-quotas
LONGEST_SPOT = 7 * 86400.0

Manner = Literal["again", "failed", "canceled"]
"""What becomes of a job whose node is taken away; sources disagree: it is queued again, or it fails, or it is cancelled."""
MANNERS: tuple[Manner, ...] = ("again", "failed", "canceled")


@dataclass
class Cluster:
    """One AmlCompute and its scheduler; `tick` does whatever is due."""

    id: str
    declared: Callable[[], Json]
    """Its ARM body, as it stands in the cloud now."""
    ledger: Ledger
    timeline: list[Event]
    """What happened, to all clusters of the workspace."""
    folder: Path
    environment: Callable[[], Mapping[str, str]]
    """What a new node's processes find in their environment."""
    identity: Callable[[Job], Mapping[str, str]]
    """What a job's processes need to act as its identity."""
    image_is_there: Callable[[Job], bool]
    launcher: Sequence[str] = SCORER
    allocation: float = ALLOCATION
    quota: Quota = field(default_factory=Quota)
    nodes: list[Node] = field(default_factory=list)
    node_minutes: float = 0.0
    preempt_every: float | None = None
    """Simulated seconds between two preemptions, in each manner by turns."""
    now: float = 0.0
    target: int = 0
    errors: list[Json] = field(default_factory=list)
    _due: float = 0.0
    _count: int = 0
    _chance: random.Random = field(default_factory=lambda: random.Random(5))

    @property
    def _properties(self) -> Json:
        known: Json = self.declared()["properties"]["properties"]
        return known

    @property
    def kind(self) -> str:
        """'spot' or 'dedicated'."""
        return "spot" if self._properties.get("vmPriority") == "LowPriority" else "dedicated"

    def _own(self, *states: str) -> list[Job]:
        return [job for job in self.ledger.jobs.values() if job.compute == self.id.lower() and job.state in states]

    def tick(self, now: float) -> None:
        """All that happened up to now."""
        passed, self.now = now - self.now, now
        self.node_minutes += passed / 60 * len(self._here())
        self._advance()
        self._scale()
        self._assign()
        busy = [node for node in self._here() if node.job]
        if busy and self.preempt_every and now >= self._due:
            self._due = now + self.preempt_every
            self.preempt(self._chance.choice(busy).id, MANNERS[self._count % len(MANNERS)])

    def _here(self) -> list[Node]:
        return [node for node in self.nodes if node.ready_at <= self.now]

    def _tell(self, what: str, node: str = "", job: str = "", task: str = "") -> None:
        self.timeline.append(Event(self.now, what, node, job, task))

    def _advance(self) -> None:
        """Each job a step on its way."""
        for job in self._own("Finalizing"):
            self._end(job, "Completed" if job.code == 0 else "Failed")
        for job in self._own("CancelRequested"):
            self._end(job, "Canceled")
        for job in self._own("NotStarted"):
            job.state, job.queued_at = "Queued", self.now
        for node in self.nodes:
            if node.job is not None:
                self._run(node, node.job)

    def _run(self, node: Node, job: Job) -> None:
        if job.state == "Preparing" and job.ready_at <= self.now:
            if not self.image_is_there(job):
                job.code = 1
                job.state = "Finalizing"
                return
            try:
                node.start(job, self.identity(job), self.now)
            except ValueError:  # its command is none
                job.code, job.state = 1, "Finalizing"
                return
            job.state = "Running"
            self._tell("start", node.id, job.own.get("scorer_job", ""), job.name)
        elif job.run is not None:
            code = job.run.exit_code()
            if code is not None:
                job.code, job.state = code, "Finalizing"
            elif self.now - job.run.began > self._limit(job):
                job.state = "CancelRequested"

    def _limit(self, job: Job) -> float:
        limit = seconds((job.properties.get("limits") or {}).get("timeout"))
        return min(limit, LONGEST_SPOT) if self.kind == "spot" else limit

    def _end(self, job: Job, state: str) -> None:
        job.state = state
        for node in self.nodes:
            if node.job is job:
                self._tell(f"end {job.code if state != 'Canceled' else state}", node.id, job.own.get("scorer_job", ""), job.name)
                node.clear()
                node.idle_since = self.now

    def _scale(self) -> None:
        """As many nodes as there are jobs, between the cluster's bounds, as far as there are cores."""
        settings = self._properties["scaleSettings"]
        size = next(name for name in SIZES if name.lower() == str(self._properties["vmSize"]).lower())
        jobs = len(self._own("Queued", "Preparing", "Running", "Finalizing", "CancelRequested"))
        wanted = max(int(settings.get("minNodeCount") or 0), min(int(settings["maxNodeCount"]), jobs))
        room = self.quota.cores(self.kind, size) // SIZES[size].cores
        self.errors = []
        if room < wanted:
            message = f"The specified subscription has a {self.kind} vCPU quota of {self.quota.cores(self.kind, size)}"
            self.errors.append({"error": {"code": "ClusterCoreQuotaReached", "message": message}})
        self.target = min(wanted, room)
        idle = seconds(settings.get("nodeIdleTimeBeforeScaleDown") or "PT2M")
        for node in [node for node in self._here() if node.job is None and self.now - node.idle_since > idle]:
            if len(self.nodes) > self.target:
                self._remove(node, "left")
        for _ in range(self.target - len(self.nodes)):
            self._add(size)

    def _add(self, size: str) -> None:
        self._count += 1
        name = f"{self.kind}-{self._count:04d}"
        folder = self.folder / name
        folder.mkdir(parents=True)
        ready = self.now + self.allocation
        self.nodes.append(Node(name, self.kind, folder, ready, size, self.environment(), self.launcher, idle_since=ready))
        self._tell(f"asked for ({self.kind})", name)

    def _assign(self) -> None:
        """Jobs in the order in which they came, each to a node of its own: there are no priorities."""
        free = [node for node in self._here() if node.job is None]
        for job, node in zip(sorted(self._own("Queued"), key=lambda job: job.queued_at), free, strict=False):
            job.state, job.node, job.ready_at, node.job = "Preparing", node.id, self.now + PREPARING, job

    def preempt(self, node_id: str, manner: Manner) -> None:
        """Azure takes the machine back, and the job that it was at goes on, or doesn't, in that manner."""
        node = next(node for node in self.nodes if node.id == node_id)
        job = self._remove(node, "preempted")
        if job is None or job.has_ended:
            return
        if manner == "again" and job.state != "CancelRequested":
            job.state, job.queued_at, job.node = "Queued", self.now, ""
        else:
            job.state = "Failed" if manner == "failed" else "Canceled"

    def _remove(self, node: Node, what: str) -> Job | None:
        job = node.lose()
        self.nodes.remove(node)
        self._tell(what, node.id)
        return job

    def stop(self) -> None:
        """Every process ends, and every node goes."""
        for node in self.nodes:
            node.lose()
        self.nodes.clear()

    def shown(self) -> Json:
        """Its properties as the service shows them."""
        here = self._here()
        busy = sum(node.job is not None for node in here)
        counts = {
            "idleNodeCount": len(here) - busy, "runningNodeCount": busy, "preparingNodeCount": len(self.nodes) - len(here),
            "unusableNodeCount": 0, "leavingNodeCount": 0, "preemptedNodeCount": 0,
        }  # fmt: skip
        known = {
            "allocationState": "Steady" if len(self.nodes) == self.target == len(here) else "Resizing",
            "currentNodeCount": len(here), "targetNodeCount": self.target, "nodeStateCounts": counts, "errors": self.errors,
        }  # fmt: skip
        declared = self.declared()["properties"]
        return {**declared, "properties": {**declared["properties"], **known}, "provisioningState": "Succeeded"}
