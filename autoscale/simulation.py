"""A simulated pool: jobs, nodes that take time to come, Spot capacity that comes and goes, late samples, and a formula.

It is stricter than Batch where Batch doesn't say: nodes that wait for their tasks take no new ones and don't change their minds.
What happens in one second happens in this order: tasks end, jobs arrive, nodes come, tasks begin, the pool is scaled, and what
has changed is measured.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections import Counter
from collections.abc import Iterable, Mapping

from autoscale.even_scaling import EvenScaling
from autoscale.interpreter.parser import FormulaError
from autoscale.scaling import Scaling
from autoscale.timeline import Timeline
from autoscale.waves import Node, Wave, Work
from autoscale.world import Job, Kind, World

SEEK, SCALE = 60.0, 300.0
"""Seconds between two tries to reach the targets, and two evaluations."""


class Cluster(Timeline):
    """A formula's pool."""

    def __init__(self, formula: str, jobs: Iterable[Job], world: World | None = None, *, keep_moments: bool = True) -> None:
        super().__init__(jobs, keep_moments=keep_moments)
        self._formula, self._world = formula, world or World()
        self._slots = self._world.slots
        late = self._world.lateness
        self._scaling = EvenScaling(formula) if late is None else Scaling(late)
        self._order = itertools.count()
        self._ends: list[tuple[float, int, Wave]] = []
        self._coming: list[tuple[float, int, Kind]] = []
        self._next_seek, self._next_scale = 0.0, SCALE
        self._nodes: dict[int, Node] = {}
        self._came = 0
        self._free: list[int] = []
        self._unusual: set[int] = set()
        self._count: dict[Kind, int] = {"dedicated": 0, "spot": 0}
        self._asked: dict[Kind, int] = {"dedicated": 0, "spot": 0}
        self._target: dict[Kind, int] = {"dedicated": 0, "spot": 0}
        self._lost = 0
        self._option = "requeue"
        self._waiting: list[tuple[int, Work]] = []
        self._running = 0
        self._pending = 0
        self.killed_by_scaling = 0
        self.preemptions = 0
        self.errors: list[FormulaError] = []
        self.busy_seconds = 0.0
        """Of slots, with tasks that came to their end."""

    @property
    def is_done(self) -> bool:
        """Whether there is nothing to do, and no job comes any more."""
        return self._next is None and not self._pending

    @property
    def pending(self) -> int:
        """Tasks that wait or run."""
        return self._pending

    @property
    def nodes(self) -> int:
        """How many can run tasks."""
        return len(self._nodes) - self._lost

    @property
    def here(self) -> Mapping[Kind, int]:
        """How many can run tasks, by kind."""
        return {"dedicated": self._count["dedicated"], "spot": self._count["spot"] - self._lost}

    @property
    def targets(self) -> Mapping[Kind, int]:
        """How many nodes the formula wants, by kind."""
        return self._target

    def _next_event(self) -> float:
        second = min(self._next_seek, self._next_scale)
        if self._next is not None:
            second = min(second, self._next.arrives)
        if self._ends:
            second = min(second, self._ends[0][0])
        if self._coming:
            second = min(second, self._coming[0][0])
        return second

    def _pass(self, second: float) -> None:
        self._scaling.hold(second, self._measured)
        passed = second - self.second
        self.node_seconds["dedicated"] += self._count["dedicated"] * passed
        self.node_seconds["spot"] += (self._count["spot"] - self._lost) * passed
        self.second = second

    def _measured(self) -> dict[str, int]:
        return {
            "ActiveTasks": self._pending - self._running,
            "RunningTasks": self._running,
            "PendingTasks": self._pending,
            "CurrentDedicatedNodes": self._count["dedicated"],
            "CurrentLowPriorityNodes": self._count["spot"],
            "PreemptedNodeCount": self._lost,
        }

    def _happen(self) -> None:
        now = self.second
        while self._ends and self._ends[0][0] == now:
            self._finish(heapq.heappop(self._ends)[2])
        for number, job in self._arriving():
            self._arrive(number, job)
        while self._coming and self._coming[0][0] == now:
            self._come(heapq.heappop(self._coming)[2])
        self._assign()
        if self._next_scale == now:
            self._next_scale += SCALE
            self._scale()
        if self._next_seek == now:
            self._seek()
            self._assign()
            self._next_seek = self._next_scale if self._is_reached() else now + SEEK

    def _arrive(self, number: int, job: Job) -> None:
        groups = [(lasts, len(list(same))) for lasts, same in itertools.groupby(reversed(job.tasks))]
        work = Work(number, groups, len(job.tasks), job.merge)
        heapq.heappush(self._waiting, (work.number, work))
        self._pending += work.unfinished

    def _assign(self) -> None:
        """Tasks of earlier jobs first, onto full nodes first, as the pool's scheduling policy "pack" has it."""
        if not self._waiting or not self._free:
            return
        if self._slots == 1:
            self._free.sort()
        else:
            free = Counter(self._free)
            self._free.sort(key=lambda node: (free[node], node))
        while self._free and self._waiting:
            work = self._waiting[0][1]
            lasts, count = work.waiting.pop()
            on = self._free[:count]
            del self._free[:count]
            if count > len(on):
                work.waiting.append((lasts, count - len(on)))
            elif not work.waiting:
                heapq.heappop(self._waiting)
            self._running += len(on)
            wave = Wave(next(self._order), work, lasts, on)
            heapq.heappush(self._ends, (self.second + lasts, wave.number, wave))

    def _finish(self, wave: Wave) -> None:
        work = wave.work
        if self._unusual:
            finished = self._free_some(wave)
        else:
            finished = len(wave.on)
            self._free += wave.on
        self._running -= finished
        self._pending -= finished
        self.busy_seconds += finished * wave.lasts
        work.unfinished -= finished
        if work.unfinished or not finished:
            return
        if work.merge:
            work.waiting, work.unfinished, work.merge = [(work.merge, 1)], 1, 0.0
            heapq.heappush(self._waiting, (work.number, work))
            self._pending += 1
        else:
            self.done[work.number] = self.second

    def _free_some(self, wave: Wave) -> int:
        """How many of the tasks came to their end, where some nodes lost theirs, or go with the last one."""
        finished = 0
        for number in wave.on:
            node = self._nodes.get(number)
            if node is None or node.lost > wave.number:
                continue
            finished += 1
            if not node.leaves_after:
                self._free.append(number)
            elif node.leaves_after == 1:
                self._drop(node)
            else:
                node.leaves_after -= 1
        return finished

    def _requeue(self, node: Node) -> None:
        """What runs on the node waits again."""
        for _, _, wave in self._ends:
            if wave.number > node.lost and (some := wave.on.count(node.number)):
                if not wave.work.waiting:
                    heapq.heappush(self._waiting, (wave.work.number, wave.work))
                wave.work.waiting.append((wave.lasts, some))
                self._running -= some
        node.lost = next(self._order)
        self._unusual.add(node.number)  # for ever: waves name it

    def _scale(self) -> None:
        try:
            found = self._scaling.evaluate(self._formula, self.second, self._target["dedicated"], self._target["spot"])
        except FormulaError as error:
            self.errors.append(error)
            return
        before = self._target
        self._target = {"dedicated": found.dedicated, "spot": found.low_priority}
        self._option = found.deallocation
        self._seek()
        if before == self._target and not self._pending and self._is_reached() and self._scaling.is_settled(self.second):
            # Nothing happens before the next job comes.
            self._next_seek, self._next_scale = (
                max(due, every * (self._next.arrives // every)) if self._next else math.inf
                for due, every in ((self._next_seek, SEEK), (self._next_scale, SCALE))
            )

    def _is_reached(self) -> bool:
        """Whether there are as many nodes as there should be, and stay."""
        certain = isinstance(self._world.spot_capacity, int) and not self._unusual and not self._coming
        return certain and self._count == self._target

    def _seek(self) -> None:
        """Batch moves the pool to its targets, as far as it can."""
        self._preempt()
        for kind, target in self._target.items():
            if self._count[kind] > target:
                free = Counter(self._free)
                staying = [node for node in self._nodes.values() if node.kind == kind and not node.leaves_after]
                # Lost nodes go first, then idle ones, which broken ones always are.
                staying.sort(key=lambda node: (not node.preempted, not node.broken, -free[node.number]))
                for node in staying[: max(0, len(staying) - target)]:
                    self._remove(node)
            for _ in range(target - self._count[kind] - self._asked[kind]):
                self._asked[kind] += 1
                heapq.heappush(self._coming, (self.second + self._world.allocation, next(self._order), kind))

    def _preempt(self) -> None:
        capacity = self._world.spot_at(self.second)
        if self._count["spot"] <= capacity and not self._lost:
            return
        spot = [node for node in self._nodes.values() if node.kind == "spot"]
        for number, node in enumerate(sorted(spot, key=lambda node: node.preempted)):
            lost = number >= capacity
            if lost == node.preempted:
                continue
            node.preempted = lost
            self._lost += 1 if lost else -1
            if not lost:
                self._offer(node)
                continue
            self.preemptions += 1
            self._requeue(node)
            self._free = [each for each in self._free if each != node.number]
            if node.leaves_after:
                self._drop(node)

    def _offer(self, node: Node) -> None:
        """Let tasks have the node."""
        if not node.broken:
            self._free += [node.number] * self._slots

    def _come(self, kind: Kind) -> None:
        self._asked[kind] -= 1
        wanted = self._count[kind] < self._target[kind]
        given = kind == "dedicated" or self._count[kind] < self._world.spot_at(self.second)
        if wanted and given:
            node = Node(next(self._order), kind, broken=self._came < self._world.broken)
            self._came += 1
            self._nodes[node.number] = node
            self._offer(node)
            self._count[kind] += 1
            self.most_nodes = max(self.most_nodes, self.nodes)

    def _remove(self, node: Node) -> None:
        busy = 0 if node.preempted or node.broken else self._slots - self._free.count(node.number)
        self._free = [each for each in self._free if each != node.number]
        if busy and self._option in ("taskcompletion", "retaineddata"):
            node.leaves_after = busy
            self._unusual.add(node.number)
            return
        if busy:
            self.killed_by_scaling += busy
            self._requeue(node)
        self._drop(node)

    def _drop(self, node: Node) -> None:
        del self._nodes[node.number]
        if node.lost < 0:
            self._unusual.discard(node.number)
        self._count[node.kind] -= 1
        self._lost -= node.preempted
