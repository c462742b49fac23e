"""What a job will take, before anything runs: the pool's own formula on a simulated pool, with tasks as long as arithmetic says.

How fast a GPU scores is worked out, not measured: a model's operations, of which a GPU does a share of what it does at most, and
what the node's processor decodes and encodes meanwhile. So there are two ends: a quick one with all the Spot nodes that the pool
asks for, and a slow one in which Azure has no Spot node at all and dedicated ones stand in. A speed that was measured (a job's
report has it) replaces the arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

from autoscale.formula import AutoscaleRules, formula
from autoscale.gpu_sizes import SIZES, GpuSize
from autoscale.simulation import Cluster
from autoscale.world import Job, Moment, World

# Operations for one pixel of a frame, two for each multiplication with its addition. Counted in tests.
OPERATIONS = {"adaptive": 25_056, "painted": 38_808, "feedforward": 307_584}
# Operations in half precision that a GPU does at most in a second, dense, by its maker's data sheets.
PEAK = {"T4 16 GB": 65e12, "A100 80 GB": 312e12, "H100 94 GB": 835e12}
# The share of that which small convolutions reach: memory keeps them from more.
SLOW_SHARE, QUICK_SHARE = 0.02, 0.35
# Pixels that a core decodes and encodes in a second, the rest of its way through the processor among it.
SLOW_CODING, QUICK_CODING = 25e6, 60e6
# The share of that speed at which each codec is coded, as docs/quality.md has it.
CODING = {"h264": 1.0, "hevc": 0.3, "av1": 0.6, "prores": 0.12}
# Seconds of a core that a pixel takes to be steadied, as docs/quality.md has it.
STEADY = {"off": 0.0, "light": 36e-9, "full": 48e-9}

# Seconds. A node starts and pulls the image, some 6 GB; a container starts and loads a model; parts are copied into a result.
NODE_STARTS, TASK_STARTS, MERGE_STARTS, MERGED_FRAMES = 420.0, 30.0, 30.0, 2000.0
# The pool has been there for an hour, and the formula is evaluated two and a half minutes later: that is the mean.
ARRIVES = 3600.0 + 150.0
LONGEST = 14 * 24 * 60.0
"""Minutes: a job ends after two weeks."""


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A job, as its plan has it."""

    chunks: Sequence[int]
    """Frames of each."""
    pixels: int
    """Of a frame that the model gets."""
    model: str
    codec: str = "h264"
    """Of the result."""
    steady: str = "off"
    """How a video's frames are steadied."""
    share: Callable[[int, int, int, float | None], int] | None = None
    """How many tasks share the chunks: by their number, that of frames and of slots, and the seconds that one slot would take
    by the least speed, None where that isn't known. None: each chunk is a task."""

    @property
    def frames(self) -> int:
        """Of the whole job."""
        return sum(self.chunks)


@dataclass(frozen=True, kw_only=True)
class Pool:
    """The nodes, as settings have them."""

    gpu_size: str
    slots_per_gpu: int
    nodes_min: int
    nodes_max: int
    spot_percent: int
    keep_warm_minutes: int

    @property
    def size(self) -> GpuSize:
        """What one node is."""
        return SIZES[self.gpu_size]

    @property
    def slots(self) -> int:
        """Tasks that one node runs at once."""
        return self.size.gpus * self.slots_per_gpu

    @property
    def formula(self) -> str:
        """What the stack's pool is scaled by."""
        return formula(
            AutoscaleRules(
                nodes_min=self.nodes_min, nodes_max=self.nodes_max, spot_percent=self.spot_percent,
                keep_warm_minutes=self.keep_warm_minutes, slots_per_node=self.slots,
            )
        )  # fmt: skip

    @property
    def idle_dollars(self) -> float:
        """What a day without work costs."""
        least = 0 if self.spot_percent == 100 else self.nodes_min
        return 24 * (least * self.size.on_demand + (self.nodes_min - least) * self.size.spot)


@dataclass(frozen=True)
class Speed:
    """Frames a second of one GPU, in one slot or several."""

    slow: float
    quick: float


def speed(workload: Workload, pool: Pool) -> Speed:
    """By arithmetic. Raises ValueError for a model whose operations nobody has counted."""
    operations = OPERATIONS.get(workload.model)
    if operations is None:
        raise ValueError(
            f"Nobody has counted what model '{workload.model}' computes: give --frames-per-second of one GPU, "
            "which the report of an earlier job has."
        )
    scored = PEAK[pool.size.gpu] / (operations * workload.pixels)
    cores = pool.size.cores / pool.size.gpus / workload.pixels

    def coded(pixels: float) -> float:
        return cores / (1 / (pixels * CODING[workload.codec]) + STEADY[workload.steady])

    return Speed(min(scored * SLOW_SHARE, coded(SLOW_CODING)), min(scored * QUICK_SHARE, coded(QUICK_CODING)))


def least_pixels(size: GpuSize) -> dict[str, int]:
    """Pixels that one GPU of such a node scores in a second at the least, by model."""
    coded = size.cores / size.gpus * SLOW_CODING
    return {model: int(min(PEAK[size.gpu] / operations * SLOW_SHARE, coded)) for model, operations in OPERATIONS.items()}


class TooLongError(ValueError):
    """The job would be ended before its end."""

    def __init__(self) -> None:
        super().__init__("This job isn't done after two weeks, when Batch ends it: raise 'nodesMax', or split the video.")


@dataclass(frozen=True)
class Course:
    """One simulated course of a job."""

    pool: Pool
    moments: tuple[Moment, ...]
    minutes: float
    """From the request to the result."""
    spot_minutes: float
    """Of nodes, until the pool is as small as before."""
    dedicated_minutes: float

    @property
    def nodes(self) -> int:
        """The most there were at once."""
        return max(moment.nodes for moment in self.moments)

    @property
    def dollars(self) -> float:
        """For the nodes."""
        size = self.pool.size
        return (self.spot_minutes * size.spot + self.dedicated_minutes * size.on_demand) / 60


@dataclass(frozen=True)
class Estimate:
    """Between two courses."""

    workload: Workload
    pool: Pool
    speed: Speed

    @cached_property
    def quick(self) -> Course:
        """All the Spot nodes that the pool asks for, and the higher speed."""
        return simulate(self.workload, self.pool, self.speed.quick)

    @cached_property
    def slow(self) -> Course:
        """No Spot node to be had, and the lower speed."""
        return simulate(self.workload, self.pool, self.speed.slow, spot_nodes=0)

    @property
    def nodes(self) -> int:
        """The most there are at once."""
        return max(self.quick.nodes, self.slow.nodes)

    @property
    def tasks(self) -> int:
        """That share the chunks."""
        return tasks_of(self.workload, self.pool)

    @property
    def minutes(self) -> tuple[float, float]:
        """Least and most."""
        low, high = sorted((self.quick.minutes, self.slow.minutes))
        return low, high

    @property
    def dollars(self) -> tuple[float, float]:
        """Least and most."""
        low, high = sorted((self.quick.dollars, self.slow.dollars))
        return low, high


def estimate(workload: Workload, pool: Pool, frames_per_second: float | None = None) -> Estimate:
    """What the job takes on the pool; with `frames_per_second` of one GPU, if that is known. Raises ValueError like `speed`."""
    known = Speed(frames_per_second, frames_per_second) if frames_per_second else speed(workload, pool)
    return Estimate(workload, pool, known)


def simulate(workload: Workload, pool: Pool, frames_per_second: float, spot_nodes: int = 10_000) -> Course:
    """Play the job: from the request, with no other one, until its result is there and the pool as small as it may be.

    Raises TooLongError.
    """
    if workload.frames / frames_per_second > LONGEST * 60 * pool.nodes_max * pool.size.gpus:
        raise TooLongError
    world = World(slots=pool.slots, allocation=NODE_STARTS, spot_capacity=spot_nodes)
    cluster = Cluster(pool.formula, [job(workload, pool, frames_per_second, ARRIVES)], world)
    cluster.run(
        LONGEST + ARRIVES / 60,
        until=lambda cluster: cluster.is_done and cluster.nodes <= min(pool.nodes_min, sum(cluster.targets.values())),
    )
    if not cluster.done:
        raise TooLongError
    own = _node_minutes(cluster.moments, ARRIVES)
    return Course(
        pool, tuple(cluster.moments), (cluster.done[0] - ARRIVES) / 60,
        spot_minutes=own["spot"], dedicated_minutes=own["dedicated"],
    )  # fmt: skip


def job(workload: Workload, pool: Pool, frames_per_second: float, arrives: float) -> Job:
    """The job's tasks and its merge, as long as arithmetic says: each begins once, and scores its share of the chunks."""
    of_a_slot = frames_per_second / pool.slots_per_gpu  # several tasks on one GPU share its speed
    count = tasks_of(workload, pool)
    tasks = tuple(TASK_STARTS + sum(workload.chunks[number::count]) / of_a_slot for number in range(count))
    return Job(arrives=arrives, tasks=tasks, merge=MERGE_STARTS + workload.frames / MERGED_FRAMES)


def tasks_of(workload: Workload, pool: Pool) -> int:
    """How many tasks the job has, beside its merge."""
    if workload.share is None:
        return len(workload.chunks)
    rate = least_pixels(pool.size).get(workload.model)
    seconds = workload.frames * workload.pixels * pool.slots_per_gpu / rate if rate else None
    return workload.share(len(workload.chunks), workload.frames, pool.slots * pool.nodes_max, seconds)


def _node_minutes(moments: Sequence[Moment], since: float) -> dict[str, float]:
    """What the nodes of each kind add up to after `since`."""
    found = {"spot": 0.0, "dedicated": 0.0}
    for before, after in pairwise(moments):
        minutes = max(0.0, after.second - max(since, before.second)) / 60
        found["spot"] += before.spot * minutes
        found["dedicated"] += before.dedicated * minutes
    return found


def alternatives(pool: Pool) -> list[tuple[str, Pool]]:
    """Other settings worth a look, each with what would be set."""
    found: list[tuple[str, Pool]] = []

    def offer(text: str, other: Pool) -> None:
        if other != pool and all(other != each for _, each in found):
            found.append((text, other))

    offer("keepWarmMinutes 0: nodes leave at once", replace(pool, keep_warm_minutes=0))
    offer("keepWarmMinutes 60: the next job starts at once", replace(pool, keep_warm_minutes=60))
    offer("nodesMin 1: one node always there", replace(pool, nodes_min=max(1, pool.nodes_min)))
    offer("nodesMin 0: none while there is no work", replace(pool, nodes_min=0))
    offer(f"nodesMax {pool.nodes_max * 2}", replace(pool, nodes_max=pool.nodes_max * 2))
    offer("spotPercent 100: Spot first", replace(pool, spot_percent=100))
    offer("spotPercent 0: dedicated nodes alone", replace(pool, spot_percent=0))
    for text, other in same_gpus(pool):
        offer(text, other)
    return found


def same_gpus(pool: Pool) -> list[tuple[str, Pool]]:
    """As many GPUs of the same kind in nodes of other sizes, each with what it is called."""
    found = []
    for name, size in SIZES.items():
        nodes, rest = divmod(pool.nodes_max * pool.size.gpus, size.gpus)
        if size.gpu == pool.size.gpu and name != pool.gpu_size and not rest and nodes >= max(1, pool.nodes_min):
            found.append((f"{nodes} {name}", replace(pool, gpu_size=name, nodes_max=nodes)))
    return found
