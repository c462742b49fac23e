"""The pool: a clock that runs faster than the wall's, the real autoscale formula, nodes that come late and may be taken away."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autoscale.interpreter.parser import FormulaError
from emulator.batch.container import FIRST_TASK_USER, Image, read_image
from emulator.batch.jobs import Job, Ledger, Task, seconds, wall_time
from emulator.batch.mounts import open_shares
from emulator.batch.nodes import Node, Run, Uploader
from emulator.batch.quota import Quota
from emulator.batch.scaling import Scaling
from emulator.forked import SCORER

Json = dict[str, Any]

MEASURE, SCALE = 30.0, 300.0
# Allocation of a node that was preempted, and of any other, in simulated seconds, where nobody says otherwise.
ALLOCATION = 120.0


@dataclass(frozen=True)
class Event:
    """Something that happened, for pictures and bills."""

    second: float
    what: str
    node: str = ""
    job: str = ""
    task: str = ""


@dataclass
class Pool:
    """One pool and its scheduler; `tick` does whatever is due."""

    id: str
    declared: Callable[[], Json]
    """The pool's ARM body, as it stands in the cloud now."""
    ledger: Ledger
    folder: Path
    environment: Callable[[], Mapping[str, str]]
    """What a new node's processes find in their environment."""
    upload: Uploader
    allocation: float = ALLOCATION
    launcher: Sequence[str] = SCORER
    nodes: list[Node] = field(default_factory=list)
    timeline: list[Event] = field(default_factory=list)
    errors: list[FormulaError] = field(default_factory=list)
    node_minutes: dict[str, float] = field(default_factory=lambda: {"dedicated": 0.0, "spot": 0.0})
    fixed: int | None = None
    """So many nodes, whatever the formula says."""
    preempt_every: float | None = None
    """Simulated seconds between two preemptions."""
    start_fails: tuple[int, str] | None = None
    """With which exit code nodes' start task fails, and what it prints then: such nodes get no tasks."""
    quota: Quota = field(default_factory=Quota)
    resize_errors: list[Json] = field(default_factory=list)
    """Why there are fewer nodes than the formula wants."""
    refused: Set[str] = frozenset({"--volume"})
    """Options of containers that Batch doesn't take: of a volume's, only -v was ever seen to work."""
    image: Image = field(default_factory=read_image)
    """What tasks run in, whatever reference they name."""
    breaks: bool = True
    """Whether Spot nodes that come back may be broken: one at a time is."""
    now: float = 0.0
    _targets: dict[str, int] = field(default_factory=lambda: {"dedicated": 0, "spot": 0})
    _scaling: Scaling = field(default_factory=Scaling)
    _due: dict[str, float] = field(default_factory=lambda: {"measure": 0.0, "scale": SCALE, "preempt": 0.0})
    _count: int = 0
    _users: Iterator[int] = field(default_factory=lambda: itertools.count(FIRST_TASK_USER))
    _chance: random.Random = field(default_factory=lambda: random.Random(5))

    def tick(self, now: float) -> None:
        """All that happened up to now."""
        passed, self.now = now - self.now, now
        for node in self._here():
            self.node_minutes[node.kind] += passed / 60
        self._finish()
        self._end_jobs()
        while self._due["measure"] <= now:  # Batch measures in time, however late a busy machine's ticks come
            self._measure(self._due["measure"])
            self._due["measure"] += MEASURE
        if self.fixed is not None:
            self._targets = {"dedicated": self.fixed, "spot": 0}
            self._move()
        elif self._is_due("scale", SCALE):
            self._scale()
        busy = [node for node in self._here() if node.runs]
        if busy and self.preempt_every and self._is_due("preempt", self.preempt_every):
            self.preempt(self._chance.choice(busy).id)
        self._assign()

    @property
    def targets(self) -> Mapping[str, int]:
        """How many nodes the formula wants, by kind."""
        return dict(self._targets)

    @property
    def is_steady(self) -> bool:
        """Whether no node is on its way, to or fro."""
        return len(self._here()) == len(self.nodes) and not any(node.leaving for node in self.nodes)

    def _is_due(self, what: str, every: float) -> bool:
        if self.now < self._due[what]:
            return False
        self._due[what] = self.now + every
        return True

    def _tell(self, what: str, node: str = "", job: str = "", task: str = "") -> None:
        self.timeline.append(Event(self.now, what, node, job, task))

    def _here(self) -> list[Node]:
        return [node for node in self.nodes if node.ready_at <= self.now]

    # Tasks

    def _assign(self) -> None:
        for job in sorted(self.ledger.active(), key=lambda job: (-job.priority, job.number)):
            if job.state != "active" or job.body["poolInfo"]["poolId"].lower() != self.id.lower():
                continue
            most = int(job.body.get("maxParallelTasks") or -1)
            running = len(job.in_state("running"))
            for task in job.in_state("active"):
                if 0 <= most <= running:
                    break
                if job.ready(task):
                    if (node := self._place(job, task)) is None:
                        break
                    self._start(node, job, task)
                    running += 1

    def _place(self, job: Job, task: Task) -> Node | None:
        """A prepared node with room: the one that the task would be near, else full ones first. Those that aren't begin to be."""
        room = [node for node in self._here() if not node.leaving and node.free >= task.slots and not self.start_fails]
        ready = [node for node in room if self._prepared(job, node)]
        near = str((task.body.get("affinityInfo") or {}).get("affinityId") or "").removeprefix("TVM:")
        return min(ready, key=lambda node: (node.id != near, node.free), default=None)

    def _prepared(self, job: Job, node: Node) -> bool:
        """Whether the node may run the job's tasks: its preparation runs once, before the first."""
        body = job.body.get("jobPreparationTask")
        if body is None or job.prepared.get(node.id) == "completed":
            return True
        if node.id not in job.prepared:
            job.prepared[node.id], job.prepared_at[node.id] = "running", wall_time()
            node.start("jobpreparation", job.id, body, job.body.get("commonEnvironmentSettings") or [], self.now)
            self._tell("prepare", node.id, job.id)
        return False

    def _start(self, node: Node, job: Job, task: Task) -> None:
        run = node.start("task", job.id, task.body, job.body.get("commonEnvironmentSettings") or [], self.now, task.id)
        task.state, task.node, task.user = "running", node.id, run.user
        task.runs += 1
        self._tell("start", node.id, job.id, task.id)

    def _finish(self) -> None:
        for node in list(self.nodes):
            for run in list(node.runs):
                code = run.exit_code()
                if code is None and self.now - run.began > self._limit(run):
                    run.kill()
                    code = run.exit_code()
                if code is not None:
                    node.runs.remove(run)
                    self._ended(node, run, code)
            if node.leaving and not node.runs:
                self._remove(node)

    def _limit(self, run: Run) -> float:
        if run.task is None:
            return float("inf")
        task = self.ledger.task(run.job, run.task)
        return seconds((task.body.get("constraints") or {}).get("maxWallClockTime"))

    def _ended(self, node: Node, run: Run, code: int) -> None:
        job = self.ledger.jobs.get(run.job.lower())
        if job is None:  # it was deleted, and this was its release
            return
        if run.task is None:
            self._tell(f"{run.what} ended {code}", node.id, job.id)
            if run.what == "jobpreparation":
                job.end_preparation(node.id, code, run.failure)
            return
        task = self.ledger.task(run.job, run.task)
        if run.failure is not None:  # which no other try can fix, and Batch counts none
            task.state, task.failure, task.exit_code = "completed", run.failure, None
            self._tell(f"end {run.failure['code']}", node.id, job.id, task.id)
            self._act(job, task)
            return
        problem = self.upload(run, task.body.get("outputFiles") or [], code != 0)
        self._tell(f"end {code}", node.id, job.id, task.id)
        if task.end_try(code, problem):
            self._act(job, task)

    def _act(self, job: Job, task: Task) -> None:
        """What the job does about how its task ended."""
        acts = job.body.get("onTaskFailure") == "performexitoptionsjobaction"
        if task.failure and acts and task.exit_option("jobAction", "terminate") == "terminate":
            self.end_job(job, "TaskFailed")

    # Jobs

    def _end_jobs(self) -> None:
        for job in self.ledger.active():
            if reason := job.why_ended(self.now):
                self.end_job(job, reason)
            if job.state == "terminating" and not any(run.job == job.id for node in self.nodes for run in node.runs):
                job.complete()
                self._tell("job ended", job=job.id)

    def end_job(self, job: Job, reason: str) -> None:
        """Terminate the job: its tasks end, its nodes release what they prepared."""
        if job.state != "active":
            return
        job.state, job.reason = "terminating", reason
        for node in self.nodes:
            for run in [run for run in node.runs if run.job == job.id]:
                run.kill()
                node.runs.remove(run)
        for task in job.in_state("active", "running"):
            task.state = "completed"
            task.failure = {"category": "usererror", "code": "TaskEnded", "message": "The job was terminated."}
        if body := job.body.get("jobReleaseTask"):
            for node in self._here():
                if node.id in job.prepared:
                    node.start("jobrelease", job.id, body, job.body.get("commonEnvironmentSettings") or [], self.now)

    # Nodes

    def preempt(self, node_id: str) -> None:
        """Azure takes the machine back; another one comes in its place."""
        node = next(node for node in self.nodes if node.id == node_id)
        self.nodes.remove(node)
        self._tell("preempted", node.id)
        for run in node.lose():
            if run.task is not None:
                task = self.ledger.task(run.job, run.task)
                task.state = "active"
                task.requeues += 1
        self._move(back=1)

    def _measure(self, at: float) -> None:
        active = sum(job.ready(task) for job in self.ledger.active() for task in job.in_state("active"))
        running = sum(len(job.in_state("running")) for job in self.ledger.active())
        here = self._here()
        values = {
            "ActiveTasks": active, "RunningTasks": running, "PendingTasks": active + running,
            "CurrentDedicatedNodes": sum(node.kind == "dedicated" for node in here),
            "CurrentLowPriorityNodes": sum(node.kind == "spot" for node in here), "PreemptedNodeCount": 0,
        }  # fmt: skip
        self._scaling.measure(at, values)

    def _scale(self) -> None:
        formula = self.declared()["properties"]["scaleSettings"]["autoScale"]["formula"]
        try:
            targets = self._scaling.targets(formula, self.now, self._targets)
        except FormulaError as error:
            self.errors.append(error)
            return
        if targets != self._targets:
            self._tell(f"targets {targets}")
        self._targets = targets
        self._move()

    def _move(self, back: int = 0) -> None:
        """Towards the targets, as far as the quota goes; so many of the nodes that are added come back from being preempted."""
        self.resize_errors = []
        for kind, wanted in self._targets.items():
            target, error = self.quota.room(kind, self.declared()["properties"]["vmSize"], wanted)
            self.resize_errors += [error] if error else []
            own = [node for node in self.nodes if node.kind == kind and not node.leaving]
            for node in sorted(own, key=lambda node: len(node.runs))[: max(0, len(own) - target)]:
                node.leaving = True
                if not node.runs:
                    self._remove(node)
            for number in range(target - len(own)):
                self._add(kind, is_back=number < back)

    def _add(self, kind: str, *, is_back: bool) -> None:
        self._count += 1
        name = f"tvmps_{self._count:04d}"
        properties = self.declared()["properties"]
        slots = int(properties.get("taskSlotsPerNode") or 1)
        folder = self.folder / name
        folder.mkdir(parents=True)
        mounted = properties.get("mountConfiguration") or []
        broken = is_back and kind == "spot" and self.breaks and not any(node.is_broken for node in self.nodes)
        node = Node(
            name, kind, folder, self.now + self.allocation, slots, self.environment(), self.launcher, mounted,
            properties["vmSize"], self._users, self.refused, self.image, broken,
        )  # fmt: skip
        open_shares(mounted, properties.get("startTask") or {}, node.shares)
        self.nodes.append(node)
        self._tell(f"asked for ({kind})", name)

    def _remove(self, node: Node) -> None:
        node.lose()
        self.nodes.remove(node)
        self._tell("left", node.id)

    def stop(self) -> None:
        """Every process ends."""
        for node in self.nodes:
            node.lose()
