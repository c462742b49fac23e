"""A pool on a simulated clock: tasks come; nodes are allocated, preempted and sent home as Batch does, by the pool's formula."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from tests.azure.formula.evaluate import Evaluation, Pool, evaluate
from tests.azure.formula.metrics import LATENESS, PERIOD, Metrics

Kind = Literal["dedicated", "spot"]
START = datetime(2026, 1, 1, tzinfo=UTC)
EVALUATION = timedelta(minutes=5)


@dataclass
class Task:
    """Work for one slot."""

    minutes: float
    after: list[Task] = field(default_factory=list)
    """Tasks that must be done before."""
    began: datetime | None = None
    done: datetime | None = None
    runs: int = 0
    """How often it was begun."""


@dataclass(eq=False)
class Node:
    """One machine."""

    kind: Kind
    ready: datetime
    """When it has started."""
    tasks: list[Task] = field(default_factory=list)
    preempted: bool = False
    leaving: bool = False


@dataclass(frozen=True)
class Moment:
    """How things stood."""

    minute: float
    dedicated: int
    spot: int
    """Without the preempted ones."""
    targets: int
    waiting: int
    running: int


@dataclass
class Cluster:
    """A pool and the world around it."""

    formula: str
    slots: int = 1
    spot_capacity: Callable[[float], float] = lambda _: math.inf
    """How many Spot nodes Azure has at a minute."""
    sampled: Callable[[float], bool] = lambda _: True
    """Whether the samples of a minute are taken at all."""
    lateness: timedelta = LATENESS
    allocation: timedelta = timedelta(minutes=2)
    boot: timedelta = timedelta(minutes=2)
    tasks: list[Task] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    history: list[Moment] = field(default_factory=list)
    now: datetime = START
    target: Evaluation = field(default_factory=lambda: Evaluation(0, 0, "requeue"))

    def __post_init__(self) -> None:
        self._metrics = Metrics(self.lateness)
        self._coming: list[tuple[datetime, Kind]] = []
        self._arrivals: list[tuple[datetime, Task]] = []

    @property
    def minute(self) -> float:
        """Minutes since the pool was made."""
        return (self.now - START) / timedelta(minutes=1)

    def submit(self, minute: float, *tasks: Task) -> None:
        """Let tasks come at a minute."""
        self._arrivals += [(START + timedelta(minutes=minute), task) for task in tasks]

    def run(self, minutes: float) -> list[Moment]:
        """Let time pass: what happened meanwhile."""
        first, end = len(self.history), self.now + timedelta(minutes=minutes)
        while self.now < end:
            self._step()
            self.now += PERIOD
        return self.history[first:]

    def node_minutes(self, kind: Kind) -> float:
        """What is paid for."""
        return sum((each.dedicated if kind == "dedicated" else each.spot) for each in self.history) * (
            PERIOD / timedelta(minutes=1)
        )

    def _step(self) -> None:
        self.tasks += [task for when, task in self._arrivals if when == self.now]
        self._finish()
        self._preempt()
        self._arrive()
        self._start()
        waiting, running = self._waiting(), self._running()
        if self.sampled(self.minute):
            self._metrics.add(
                self.now,
                ActiveTasks=len(waiting),
                RunningTasks=len(running),
                PendingTasks=len(waiting) + len(running),
                PreemptedNodeCount=sum(node.preempted for node in self.nodes),
            )
        if (self.now - START) % EVALUATION == timedelta(0):
            self._scale()
        self._leave()
        self.history.append(
            Moment(
                self.minute,
                self._count("dedicated"),
                sum(not node.preempted for node in self.nodes if node.kind == "spot"),
                self.target.dedicated + self.target.low_priority,
                len(waiting),
                len(running),
            )
        )

    def _waiting(self) -> list[Task]:
        return [task for task in self.tasks if task.began is None and all(each.done for each in task.after)]

    def _running(self) -> list[Task]:
        return [task for task in self.tasks if task.began is not None and task.done is None]

    def _count(self, kind: Kind) -> int:
        return sum(node.kind == kind for node in self.nodes)

    def _finish(self) -> None:
        for node in self.nodes:
            for task in list(node.tasks):
                if task.began is not None and task.began + timedelta(minutes=task.minutes) <= self.now:
                    task.done = self.now
                    node.tasks.remove(task)

    def _preempt(self) -> None:
        """Azure takes Spot nodes back, and gives them again: their tasks wait anew."""
        usable = 0
        for node in self.nodes:
            if node.kind != "spot":
                continue
            taken = usable >= self.spot_capacity(self.minute)
            if taken:
                for task in node.tasks:
                    task.began = None
                node.tasks.clear()
            elif node.preempted:
                node.ready = self.now + self.boot
            node.preempted = taken
            usable += not taken

    def _arrive(self) -> None:
        for when, kind in list(self._coming):
            if when <= self.now:
                self._coming.remove((when, kind))
                if kind == "dedicated" or self._count("spot") < self.spot_capacity(self.minute):
                    self.nodes.append(Node(kind, self.now + self.boot))

    def _start(self) -> None:
        waiting = self._waiting()
        for node in sorted(self.nodes, key=lambda node: -len(node.tasks)):
            while waiting and len(node.tasks) < self.slots and node.ready <= self.now and not (node.preempted or node.leaving):
                task = waiting.pop(0)
                task.began, task.runs = self.now, task.runs + 1
                node.tasks.append(task)

    def _scale(self) -> None:
        pool = Pool(
            dedicated=self._count("dedicated"),
            low_priority=self._count("spot"),
            target_dedicated=self.target.dedicated,
            target_low_priority=self.target.low_priority,
            slots_per_node=self.slots,
        )
        self.target = evaluate(self.formula, self._metrics, self.now, pool)
        # A new decision ends what is left of the last one.
        self._coming.clear()
        for node in self.nodes:
            node.leaving = False
        self._resize("dedicated", self.target.dedicated)
        self._resize("spot", self.target.low_priority)

    def _resize(self, kind: Kind, wanted: int) -> None:
        own = [node for node in self.nodes if node.kind == kind]
        self._coming += [(self.now + self.allocation, kind)] * (wanted - len(own))
        # Preempted nodes go first, then idle ones.
        own.sort(key=lambda node: (not node.preempted, len(node.tasks)))
        for node in own[: max(0, len(own) - wanted)]:
            node.leaving = True

    def _leave(self) -> None:
        """Nodes that are to leave do so when their tasks are done, or at once where the formula doesn't wait for that."""
        patient = self.target.deallocation == "taskcompletion"
        for node in [node for node in self.nodes if node.leaving and not (node.tasks and patient)]:
            for task in node.tasks:
                task.began = None
            self.nodes.remove(node)
