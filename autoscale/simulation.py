"""A simulated pool: tasks, nodes that take time to come, Spot capacity that comes and goes, late samples, and a formula.

It is stricter than Batch where Batch doesn't say: nodes that wait for their tasks take no new ones and don't change their minds.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Literal

from autoscale.interpreter.evaluate import evaluate
from autoscale.interpreter.metrics import Metrics, Sample
from autoscale.interpreter.parser import FormulaError

BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
# Samples that are kept: 25 hours of them, more than any formula of ours looks back.
HISTORY = 3000
Kind = Literal["dedicated", "spot"]


@dataclass(frozen=True, kw_only=True)
class Task:
    """Work: seconds since the beginning, and seconds that it takes."""

    arrives: float
    lasts: float
    waits_for: tuple[int, ...] = ()
    """Places in the list of tasks of those that must be done first."""


@dataclass(frozen=True, kw_only=True)
class World:
    """What the formula can't choose."""

    slots: int = 1
    allocation: float = 240
    """Seconds from asking for a node to having it."""
    spot_capacity: Callable[[float], int] = lambda _: 10_000
    """Spot nodes that Azure has for this pool at a second."""
    lateness: Callable[[float], float | None] = lambda _: 60
    """Seconds until the sample of a second can be read; None: it never can."""


@dataclass(eq=False)
class Node:
    """A machine of the pool."""

    kind: Kind
    running: set[int] = field(default_factory=set)
    leaving: bool = False
    preempted: bool = False

    @property
    def usable(self) -> bool:
        """Whether it can run tasks."""
        return not self.preempted


@dataclass(frozen=True)
class Moment:
    """The pool after one event."""

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


class Cluster:
    """Runs a formula's pool, event by event; `moments` tells what there was."""

    def __init__(self, formula: str, tasks: Sequence[Task], world: World | None = None) -> None:
        self._formula, self._tasks, self._world = formula, tasks, world or World()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._nodes: list[Node] = []
        self._coming: dict[Kind, int] = {"dedicated": 0, "spot": 0}
        self._target: dict[Kind, int] = {"dedicated": 0, "spot": 0}
        self._option = "requeue"
        self._arrived: set[int] = set()
        self._waiting: list[int] = []
        self._runs: dict[int, int] = {}
        self._samples: dict[str, list[Sample]] = {}
        self.second = 0.0
        self.done: dict[int, float] = {}
        self.killed_by_scaling = 0
        self.preemptions = 0
        self.errors: list[FormulaError] = []
        self.moments: list[Moment] = []
        self.node_minutes: dict[Kind, float] = {"dedicated": 0.0, "spot": 0.0}

    def run(self, minutes: float, until: Callable[[Moment], bool] = lambda _: False) -> Cluster:
        """Lets so much time pass from the beginning, or less where `until` says so."""
        for index, task in enumerate(self._tasks):
            self._at(task.arrives, partial(self._arrive, index))
        self._at(0, lambda: self._every(30, self._measure))
        self._at(0, lambda: self._every(60, self._seek))
        self._at(300, lambda: self._every(300, self._scale))
        while self._events and self._events[0][0] <= minutes * 60:
            second, _, event = heapq.heappop(self._events)
            self._pass(second)
            event()
            self._assign()
            self.moments.append(self._moment())
            if until(self.moments[-1]):
                break
        return self

    def _at(self, second: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (second, next(self._order), event))

    def _every(self, seconds: float, event: Callable[[], None]) -> None:
        event()
        self._at(self.second + seconds, lambda: self._every(seconds, event))

    def _pass(self, second: float) -> None:
        for node in self._nodes:
            if node.usable:
                self.node_minutes[node.kind] += (second - self.second) / 60
        self.second = second

    def _moment(self) -> Moment:
        here = {kind: sum(node.usable for node in self._of(kind)) for kind in self._target}
        return Moment(
            self.second, here["dedicated"], here["spot"], self._target["dedicated"], self._target["spot"], self._pending()
        )

    def _of(self, kind: Kind) -> list[Node]:
        return [node for node in self._nodes if node.kind == kind]

    def _running(self) -> int:
        return sum(len(node.running) for node in self._nodes)

    def _pending(self) -> int:
        return len(self._waiting) + self._running()

    def _arrive(self, index: int) -> None:
        self._arrived.add(index)
        self._release()

    def _release(self) -> None:
        """Tasks whose dependencies are met become active."""
        for index in sorted(self._arrived):
            # The last ones are the likeliest to lack.
            if all(needed in self.done for needed in reversed(self._tasks[index].waits_for)):
                self._arrived.remove(index)
                self._waiting.append(index)

    def _assign(self) -> None:
        # Full nodes first, as the pool's scheduling policy "pack" has it.
        for node in sorted(self._nodes, key=lambda node: -len(node.running)):
            while self._waiting and node.usable and not node.leaving and len(node.running) < self._world.slots:
                self._start(node, self._waiting.pop(0))

    def _start(self, node: Node, index: int) -> None:
        node.running.add(index)
        run = self._runs[index] = self._runs.get(index, 0) + 1
        self._at(self.second + self._tasks[index].lasts, lambda: self._finish(node, index, run))

    def _finish(self, node: Node, index: int, run: int) -> None:
        if index not in node.running or self._runs[index] != run:
            return
        node.running.remove(index)
        self.done[index] = self.second
        if node.leaving and not node.running:
            self._nodes.remove(node)
        self._release()

    def _requeue(self, node: Node) -> None:
        self._waiting[:0] = sorted(node.running)
        node.running.clear()

    def _measure(self) -> None:
        late = self._world.lateness(self.second)
        if late is None:
            return
        now = BEGIN + timedelta(seconds=self.second)
        spot = self._of("spot")
        values = {
            "ActiveTasks": len(self._waiting),
            "RunningTasks": self._running(),
            "PendingTasks": self._pending(),
            "CurrentDedicatedNodes": len(self._of("dedicated")),
            "CurrentLowPriorityNodes": len(spot),
            "PreemptedNodeCount": sum(node.preempted for node in spot),
        }
        for name, value in values.items():
            kept = self._samples.setdefault(name, [])
            kept.append(Sample(now, now + timedelta(seconds=late), float(value)))
            del kept[:-HISTORY]

    def _scale(self) -> None:
        metrics = Metrics(
            samples=self._samples, target_dedicated=self._target["dedicated"], target_low_priority=self._target["spot"]
        )
        try:
            found = evaluate(self._formula, metrics, BEGIN + timedelta(seconds=self.second))
        except FormulaError as error:
            self.errors.append(error)
            return
        self._target = {"dedicated": found.dedicated, "spot": found.low_priority}
        self._option = found.deallocation
        self._seek()

    def _seek(self) -> None:
        """Batch moves the pool to its targets, as far as it can."""
        self._preempt()
        for kind, target in self._target.items():
            staying = [node for node in self._of(kind) if not node.leaving]
            # Lost nodes go first, then idle ones.
            for node in sorted(staying, key=lambda node: (node.usable, len(node.running)))[: max(0, len(staying) - target)]:
                self._remove(node)
            missing = target - len(self._of(kind)) - self._coming[kind]
            for _ in range(missing):
                self._coming[kind] += 1
                self._at(self.second + self._world.allocation, partial(self._come, kind))

    def _preempt(self) -> None:
        capacity = self._world.spot_capacity(self.second)
        for number, node in enumerate(sorted(self._of("spot"), key=lambda node: node.preempted)):
            if number >= capacity and node.usable:
                self.preemptions += 1
                self._requeue(node)
            node.preempted = number >= capacity

    def _come(self, kind: Kind) -> None:
        self._coming[kind] -= 1
        wanted = len(self._of(kind)) < self._target[kind]
        given = kind == "dedicated" or len(self._of(kind)) < self._world.spot_capacity(self.second)
        if wanted and given:
            self._nodes.append(Node(kind))

    def _remove(self, node: Node) -> None:
        if node.running and self._option in ("taskcompletion", "retaineddata"):
            node.leaving = True
            return
        self.killed_by_scaling += len(node.running)
        self._requeue(node)
        self._nodes.remove(node)
