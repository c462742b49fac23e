"""Days of requests on a pool: how long each waits for its result, and what the nodes cost, by settings.

Requests come as a trace has them, or at random at a rate. The pool is that of `autoscale.estimate`, played at the same two ends:
all the Spot nodes that it asks for and the higher speed, or none and the lower speed.
"""

from __future__ import annotations

import math
import os
import random
import statistics
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from multiprocessing import get_context

from autoscale.estimate import ARRIVES, Rates, Speed, Workload, job, speed
from autoscale.gpu_sizes import SIZES
from autoscale.pool import LONGEST, PLENTY, Pool, cluster_of, other_engine, rests, same_gpus
from autoscale.world import Job

DAY = 86_400.0
MONTH = 30.4
"""Days."""
SEED = 2018
"""Of arrivals at random: the same each time."""
MANY = 100_000
"""Requests, of all plays together, from which on each core plays some."""
MOST_PLAYED = 30_000
"""Requests of one play: of a trace with more, some weeks stand for all."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request: when it comes, in seconds since the first midnight, and of what its video is."""

    second: float
    frames: int
    pixels: int


@dataclass(frozen=True, kw_only=True)
class Trace:
    """All requests of some days, in order."""

    requests: Sequence[Request]
    days: int
    model: str
    codec: str
    chunks: Callable[[int, int], Sequence[int]]
    """Frames of each chunk, by a video's frames and the tasks that the pool runs at once. It can be pickled."""
    frames_per_second: float | None = None
    """Of one GPU, where somebody says."""
    rates: Rates | None = None
    """As a `Workload` has them."""
    steady: str = "off"
    stroke_size: float = 1.0
    share: Callable[[int, int, int, float | None], int] | None = None
    """As a `Workload` has it. It can be pickled."""

    def workload(self, request: Request, pool: Pool) -> Workload:
        """As dispatch plans it for the pool."""
        return Workload(
            chunks=self.chunks(request.frames, pool.slots * pool.nodes_max), pixels=request.pixels, model=self.model,
            codec=self.codec, steady=self.steady, stroke_size=self.stroke_size, share=self.share, rates=self.rates,
        )  # fmt: skip

    def speed(self, workload: Workload, pool: Pool) -> Speed:
        """Of one GPU. Raises ValueError like `autoscale.estimate.speed`."""
        known = self.frames_per_second
        return Speed(known, known) if known else speed(workload, pool)

    def jobs(self, pool: Pool, *, quick: bool) -> Iterator[Job]:
        """What the pool has to do, as a simulation takes it. Raises ValueError."""

        @lru_cache(maxsize=10_000)
        def of(frames: int, pixels: int) -> Job:
            workload = self.workload(Request(0.0, frames, pixels), pool)
            found = self.speed(workload, pool)
            return job(workload, pool, found.quick if quick else found.slow, 0.0)

        for request in self.requests:
            same = of(request.frames, request.pixels)
            yield Job(arrives=ARRIVES + request.second, tasks=same.tasks, merge=same.merge)


def at_random(rates: Sequence[float], days: int, frames: int, pixels: int, seed: int = SEED) -> list[Request]:
    """Requests that come independently of each other (a Poisson process), `rates[n]` in the nth hour, again and again."""
    chance = random.Random(seed)
    found: list[Request] = []
    ahead = chance.expovariate(1.0)
    for hour in range(days * 24):
        rate, spent = rates[hour % len(rates)], 0.0
        while spent + ahead < rate:
            spent += ahead
            found.append(Request((hour + spent / rate) * 3600, frames, pixels))
            ahead = chance.expovariate(1.0)
        ahead -= rate - spent
    return found


def some_weeks(trace: Trace, most: int = MOST_PLAYED) -> Trace:
    """Whole weeks of the trace, spread evenly over it and put one after the other, where it has more than `most` requests."""
    weeks = trace.days // 7
    kept = max(1, weeks * most // len(trace.requests))
    if len(trace.requests) <= most or kept >= weeks:
        return trace
    places = {number * weeks // kept: number for number in range(kept)}
    requests = [
        replace(each, second=each.second - (week - places[week]) * 7 * DAY)
        for each in trace.requests
        if (week := int(each.second // (7 * DAY))) in places
    ]
    return replace(trace, requests=requests, days=7 * kept)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of one play."""

    load: float
    """Share of all that the pool can do which the requests take: from 1 on they wait ever longer, and nothing was played."""
    median: float = math.inf
    """Minutes from a request to its result."""
    most: float = math.inf
    """Minutes that 95 % of the requests don't wait longer than."""
    mean: float = math.inf
    node_hours: float = math.inf
    """Of a month, like the dollars."""
    dollars: float = math.inf
    idle: float = 0.0
    """Share of the time of slots in which nothing runs."""
    nodes: int = 0
    """The most there were at once."""


def play(trace: Trace, pool: Pool, *, quick: bool) -> Outcome:
    """Play the trace on the pool, at one of the two ends. Raises ValueError like `autoscale.estimate.speed`."""
    whole = trace.days * DAY
    work = sum(sum(each.tasks) + each.merge for each in trace.jobs(pool, quick=quick))
    load = work / (whole * pool.works_at_once)
    if load >= 1:
        return Outcome(load=load)
    starts = trace.workload(trace.requests[0], pool).starts
    cluster = cluster_of(pool, trace.jobs(pool, quick=quick), PLENTY if quick else 0, starts, keep_moments=False)
    begin, end = ARRIVES, ARRIVES + whole
    cluster.run(begin / 60)
    before = dict(cluster.node_seconds)
    cluster.run(end / 60)
    cluster.run(end / 60 + LONGEST, until=rests(pool))
    # What is always there is paid for the trace's days alone.
    always = {kind: count * max(0.0, cluster.second - end) for kind, count in cluster.here.items()}
    seconds = {kind: cluster.node_seconds[kind] - before[kind] - always[kind] for kind in before}
    waits = sorted(
        (cluster.done[number] - ARRIVES - request.second) / 60 for number, request in enumerate(trace.requests)
    )  # fmt: skip
    size, months = pool.size, trace.days / MONTH
    together = sum(seconds.values())
    return Outcome(
        load=load, median=statistics.median(waits), most=waits[math.ceil(0.95 * len(waits)) - 1], mean=statistics.fmean(waits),
        node_hours=together / 3600 / months,
        dollars=(seconds["spot"] * size.spot + seconds["dedicated"] * size.on_demand) / 3600 / months,
        idle=1 - work / (together * pool.works_per_node), nodes=cluster.most_nodes,
    )  # fmt: skip


@dataclass(frozen=True)
class Setting:
    """Settings, and what they give between the two ends."""

    text: str
    pool: Pool
    quick: Outcome
    slow: Outcome

    @property
    def keeps_up(self) -> bool:
        """Whether the pool can do it all, at the lower speed, too."""
        return max(self.quick.load, self.slow.load) < 1

    def dollars(self, requests: float, hour_worth: float) -> float:
        """A month's, in the middle of both ends, with what the hours of waiting for so many requests are worth."""
        return sum(each.dollars + hour_worth * requests * each.mean / 60 for each in (self.quick, self.slow)) / 2


def choices(pool: Pool) -> list[tuple[str, Pool]]:
    """Settings to be compared, each with what it is called; the first are those of the stack."""
    found = [("as set", pool)]
    least = max(1, pool.nodes_min)
    offers = [
        *((f"keepWarmMinutes {minutes}", replace(pool, keep_warm_minutes=minutes)) for minutes in (0, 60)),
        (f"nodesMin {least}", replace(pool, nodes_min=least)),
        ("nodesMin 0", replace(pool, nodes_min=0)),
        *same_gpus(pool),
        *_larger(pool),
        *other_engine(pool),
    ]
    for text, other in offers:
        if all(other != each for _, each in found):
            found.append((text, other))
    return found


def _larger(pool: Pool) -> list[tuple[str, Pool]]:
    """A quarter of the nodes, with a GPU of the next kind each."""
    gpus = list(dict.fromkeys(size.gpu for size in SIZES.values()))
    after = gpus[gpus.index(pool.size.gpu) + 1 :]
    nodes = max(1, pool.nodes_min, math.ceil(pool.nodes_max * pool.size.gpus / 4))
    name = next((name for name, size in SIZES.items() if after and size.gpu == after[0]), None)
    return [(f"{nodes} {name}", replace(pool, gpu_size=name, nodes_max=nodes))] if name else []


def compare(trace: Trace, settings: Sequence[tuple[str, Pool]]) -> list[Setting]:
    """Play the trace with each of the settings, at both ends. Raises ValueError like `autoscale.estimate.speed`."""
    plays = [(pool, quick) for _, pool in settings for quick in (True, False)]
    if len(trace.requests) * len(plays) < MANY:
        outcomes = [play(trace, pool, quick=quick) for pool, quick in plays]
    else:
        workers = min(len(plays), os.cpu_count() or 1)
        with ProcessPoolExecutor(workers, get_context("spawn"), _share, (trace,)) as pool_of_processes:
            outcomes = list(pool_of_processes.map(_play_shared, plays))
    return [
        Setting(text, pool, *outcomes[2 * number : 2 * number + 2]) for number, (text, pool) in enumerate(settings)
    ]  # fmt: skip


_shared: list[Trace] = []


def _share(trace: Trace) -> None:
    """Give a process what all of its plays are of."""
    _shared[:] = [trace]


def _play_shared(what: tuple[Pool, bool]) -> Outcome:
    return play(_shared[0], what[0], quick=what[1])
