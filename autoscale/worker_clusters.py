"""Azure Machine Learning's clusters, simulated: a job's workers, one on a node, which the engine begins as `scorer.engines` does.

A cluster has nodes for whatever waits as soon as it waits, no formula and no samples; a node leaves once it was idle for some
minutes, two at the least. A job has as many workers as it is worth when it comes, as far as earlier jobs' workers leave room, and
gets no more later: the engine would add some at its next poll. Workers wait for their cluster in the order in which they came.
Where Spot has no node, a worker goes to the dedicated cluster a quarter of an hour later, at the engine's next poll.
Source: https://learn.microsoft.com/azure/machine-learning/how-to-create-attach-compute-cluster
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

from autoscale.timeline import Timeline
from autoscale.world import Job, Kind, World

LEAST_IDLE_MINUTES = 2
"""That a cluster waits before it lets a node go, as the stack declares it."""
PATIENCE = 15 * 60.0
"""Seconds that a worker waits for Spot before it is moved, at the next of the polls that come so often, too."""
MOVES = PATIENCE + PATIENCE / 2
"""The mean of both."""


@dataclass(frozen=True, kw_only=True)
class ClusterRules:
    """What the stack's settings say of both clusters."""

    nodes_min: int
    nodes_max: int
    """Of each cluster, and workers at once."""
    spot_percent: int
    keep_warm_minutes: int

    @property
    def idle_seconds(self) -> float:
        """For which a node outlasts its work."""
        return 60.0 * max(self.keep_warm_minutes, LEAST_IDLE_MINUTES)

    @property
    def most_on_spot(self) -> int:
        """Workers."""
        return max(1, round(self.nodes_max * self.spot_percent / 100)) if self.spot_percent else 0

    def least(self, kind: Kind) -> int:
        """Nodes of a cluster that are always there: dedicated ones where there are any."""
        return self.nodes_min if kind == ("spot" if self.spot_percent == 100 else "dedicated") else 0


@dataclass(eq=False, slots=True)
class _Work:
    number: int
    left: int
    """Workers that have not come to their end."""
    merge: float


@dataclass(eq=False, slots=True)
class _Worker:
    work: _Work
    seconds: float
    has_begun: bool = False


@dataclass(eq=False)
class _Nodes:
    """One cluster."""

    least: int
    waiting: deque[_Worker] = field(default_factory=deque)
    idle: list[float] = field(default_factory=list)
    """Since when each idle node is: it has the last that came to be so at its end."""
    here: int = 0
    coming: int = 0
    live: int = 0
    """Workers that were begun and have not ended."""


class WorkerClusters(Timeline):
    """Both clusters.

    A job's `tasks` are the seconds of as many workers as it is worth, each with the `starts` seconds in which it does nothing
    yet; its merge is done by the last of them.
    """

    def __init__(
        self, rules: ClusterRules, jobs: Iterable[Job], world: World, starts: float, *, keep_moments: bool = True
    ) -> None:  # fmt: skip
        super().__init__(jobs, keep_moments=keep_moments)
        self._rules, self._world, self._starts = rules, world, starts
        self._order = itertools.count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._clusters: dict[Kind, _Nodes] = {kind: _Nodes(rules.least(kind)) for kind in ("dedicated", "spot")}
        self._unfinished = 0
        for kind in self._clusters:
            self._scale(kind)

    @property
    def is_done(self) -> bool:
        """Whether there is nothing to do, and no job comes any more."""
        return self._next is None and not self._unfinished

    @property
    def pending(self) -> int:
        """Workers that were begun and have not ended."""
        return sum(nodes.live for nodes in self._clusters.values())

    @property
    def here(self) -> Mapping[Kind, int]:
        """Nodes that can run workers, by kind."""
        return {kind: nodes.here for kind, nodes in self._clusters.items()}

    @property
    def nodes(self) -> int:
        """How many can run workers."""
        return sum(nodes.here for nodes in self._clusters.values())

    @property
    def targets(self) -> Mapping[Kind, int]:
        """How many nodes there are or are coming, by kind."""
        return {kind: nodes.here + nodes.coming for kind, nodes in self._clusters.items()}

    def _next_event(self) -> float:
        due = self._events[0][0] if self._events else math.inf
        return min(due, self._next.arrives) if self._next is not None else due

    def _pass(self, second: float) -> None:
        for kind, nodes in self._clusters.items():
            self.node_seconds[kind] += nodes.here * (second - self.second)
        self.second = second

    def _happen(self) -> None:
        while self._events and self._events[0][0] == self.second:
            heapq.heappop(self._events)[2]()
        for number, job in self._arriving():
            self._arrive(number, job)

    def _after(self, seconds: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.second + seconds, next(self._order), event))

    def _arrive(self, number: int, job: Job) -> None:
        count = max(1, min(len(job.tasks), self._rules.nodes_max - self.pending))
        work = _Work(number, count, job.merge)
        self._unfinished += 1
        spread = (sum(job.tasks) - self._starts * len(job.tasks)) / count
        for place in range(count):
            seconds = job.tasks[place] if count == len(job.tasks) else self._starts + spread
            kind: Kind = "spot" if self._clusters["spot"].live < self._rules.most_on_spot else "dedicated"
            self._begin(_Worker(work, seconds), "spot" if self._rules.spot_percent == 100 else kind)

    def _begin(self, worker: _Worker, kind: Kind) -> None:
        nodes = self._clusters[kind]
        nodes.live += 1
        nodes.waiting.append(worker)
        self._assign(kind)
        if kind == "spot" and not worker.has_begun and self._rules.spot_percent < 100:
            self._after(MOVES, lambda: self._move(worker))

    def _move(self, worker: _Worker) -> None:
        if not worker.has_begun:
            self._clusters["spot"].waiting.remove(worker)
            self._clusters["spot"].live -= 1
            self._begin(worker, "dedicated")

    def _assign(self, kind: Kind) -> None:
        """Give idle nodes to what waits, and ask for as many as it wants for."""
        nodes = self._clusters[kind]
        while nodes.idle and nodes.waiting:
            nodes.idle.pop()
            worker = nodes.waiting.popleft()
            worker.has_begun = True
            self._after(worker.seconds, partial(self._end, kind, worker))
        self._scale(kind)

    def _end(self, kind: Kind, worker: _Worker) -> None:
        work = worker.work
        work.left -= 1
        if not work.left and work.merge:
            work.left, seconds, work.merge = 1, work.merge, 0.0
            self._after(seconds, lambda: self._end(kind, worker))
            return
        if not work.left:
            self.done[work.number] = self.second
            self._unfinished -= 1
        self._clusters[kind].live -= 1
        self._rest(kind)

    def _rest(self, kind: Kind) -> None:
        """A node has nothing to do."""
        nodes, since = self._clusters[kind], self.second
        nodes.idle.append(since)
        self._after(self._rules.idle_seconds, lambda: self._leave(kind, since))
        self._assign(kind)

    def _leave(self, kind: Kind, since: float) -> None:
        nodes = self._clusters[kind]
        if since in nodes.idle and nodes.here > nodes.least:
            nodes.idle.remove(since)
            nodes.here -= 1

    def _scale(self, kind: Kind) -> None:
        nodes = self._clusters[kind]
        busy = nodes.here - len(nodes.idle)
        wanted = min(self._rules.nodes_max, max(nodes.least, busy + len(nodes.waiting)))
        for _ in range(wanted - nodes.here - nodes.coming):
            nodes.coming += 1
            self._after(self._world.allocation, lambda: self._come(kind))

    def _come(self, kind: Kind) -> None:
        nodes = self._clusters[kind]
        nodes.coming -= 1
        if kind == "spot" and nodes.here >= self._world.spot_at(self.second):
            if nodes.waiting:  # it goes on asking
                self._scale(kind)
            return
        nodes.here += 1
        self.most_nodes = max(self.most_nodes, self.nodes)
        self._rest(kind)
