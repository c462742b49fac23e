"""What a job will take, before anything runs: the pool's own formula on a simulated pool, with tasks as long as arithmetic says.

How fast a GPU scores is worked out, not measured: a model's operations, of which a GPU does a share of what it does at most, and
what the node's processor decodes and encodes meanwhile. So there are two ends: a quick one with all the Spot nodes that the pool
asks for, and a slow one in which Azure has no Spot node at all and dedicated ones stand in. A speed that was measured (a job's
report has it) replaces the arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from autoscale.gpu_sizes import GpuSize
from autoscale.pool import CONTAINER_STARTS, ENGINES, PLENTY, TASK_STARTS, Pool, cluster_of, rests
from autoscale.world import Job, Moment

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

# Seconds to begin a merge, and frames of parts that are copied into a result in one.
MERGE_STARTS, MERGED_FRAMES = 30.0, 2000.0
# The pool has been there for an hour, and the formula is evaluated two and a half minutes later: that is the mean.
ARRIVES = 3600.0 + 150.0


@dataclass(frozen=True, kw_only=True)
class Rates:
    """What a machine was measured to take, of one model."""

    model_seconds: float
    """Of a GPU for a pixel; of a core where the model computed on a processor."""
    on_gpu: bool
    coding_seconds: float
    """Of a core for a pixel, decoded and encoded as H.264, the rest of its way through the processor among it."""
    start_seconds: float
    """Of a process and its model."""

    def speed(self, cores: float, pixels: int, model_pixels: float, codec: str = "h264", steady: str = "off") -> float:
        """Frames a second of one GPU that has so many cores, or of the cores alone where the model computed on such."""
        coding = self.coding_seconds / CODING[codec] + STEADY[steady]
        if self.on_gpu:
            return 1 / max(model_pixels * self.model_seconds, pixels * coding / cores)
        return cores / (model_pixels * self.model_seconds + pixels * coding)


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
    stroke_size: float = 1.0
    """The model works on frames whose sides are divided by it."""
    rates: Rates | None = None
    """Measured ones, in place of arithmetic."""
    share: Callable[[int, int, int, float | None], int] | None = None
    """How many tasks share the chunks: by their number, that of frames and of slots, and the seconds that one slot would take
    by the least speed, None where that isn't known. None: each chunk is a task."""

    @property
    def model_pixels(self) -> float:
        """Of a frame as the model works on it."""
        return self.pixels / self.stroke_size**2

    @property
    def frames(self) -> int:
        """Of the whole job."""
        return sum(self.chunks)

    @property
    def starts(self) -> float:
        """Seconds of a task before its first frame."""
        return TASK_STARTS if self.rates is None else CONTAINER_STARTS + self.rates.start_seconds


@dataclass(frozen=True)
class Speed:
    """Frames a second of one GPU, in one slot or several."""

    slow: float
    quick: float


def speed(workload: Workload, pool: Pool) -> Speed:
    """As measured, else by arithmetic. Raises ValueError for a model whose operations nobody has counted."""
    if workload.rates is not None:
        cores_of_one = pool.size.cores / pool.size.gpus
        measured = workload.rates.speed(
            cores_of_one, workload.pixels, workload.model_pixels, workload.codec, workload.steady
        )  # fmt: skip
        return Speed(measured, measured)
    operations = OPERATIONS.get(workload.model)
    if operations is None:
        raise ValueError(
            f"Nobody has counted what model '{workload.model}' computes: give --frames-per-second of one GPU, "
            "which the report of an earlier job has."
        )
    scored = PEAK[pool.size.gpu] / (operations * workload.model_pixels)
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

    def __init__(self, pool: Pool) -> None:
        super().__init__(
            f"This job isn't done after {'a week' if pool.weeks == 1 else 'two weeks'}, when {ENGINES[pool.engine]} ends it: "
            "raise 'nodesMax', or split the video."
        )


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


def simulate(workload: Workload, pool: Pool, frames_per_second: float, spot_nodes: int = PLENTY) -> Course:
    """Play the job: from the request, with no other one, until its result is there and the pool as small as it may be.

    Raises TooLongError.
    """
    if workload.frames / frames_per_second > pool.longest * 60 * pool.nodes_max * pool.size.gpus:
        raise TooLongError(pool)
    cluster = cluster_of(pool, [job(workload, pool, frames_per_second, ARRIVES)], spot_nodes, workload.starts)
    cluster.run(pool.longest + ARRIVES / 60, until=rests(pool))
    if not cluster.done:
        raise TooLongError(pool)
    own = _node_minutes(cluster.moments, ARRIVES)
    return Course(
        pool, tuple(cluster.moments), (cluster.done[0] - ARRIVES) / 60,
        spot_minutes=own["spot"], dedicated_minutes=own["dedicated"],
    )  # fmt: skip


def job(workload: Workload, pool: Pool, frames_per_second: float, arrives: float) -> Job:
    """The job's tasks and its merge, as long as arithmetic says: each begins once, and scores its share of the chunks.

    With Azure Machine Learning they are its workers, each of which has all slots of its node; the last of them merges.
    """
    of_a_slot = frames_per_second / pool.slots_per_gpu  # several tasks on one GPU share its speed
    merge = workload.frames / MERGED_FRAMES
    if pool.engine == "batch":
        count = tasks_of(workload, pool)
        shares = [sum(workload.chunks[number::count]) for number in range(count)]
        merge += MERGE_STARTS
    else:
        slots = pool.slots
        lanes = workers_of(workload, pool) * slots
        of_lanes = [sum(workload.chunks[number::lanes]) for number in range(lanes)]
        shares = [max(of_lanes[first : first + slots]) for first in range(0, lanes, slots)]
    return Job(arrives=arrives, tasks=tuple(workload.starts + share / of_a_slot for share in shares), merge=merge)


def workers_of(workload: Workload, pool: Pool) -> int:
    """How many workers Azure Machine Learning has for the job: as many nodes as its tasks would have at once."""
    return math.ceil(min(tasks_of(workload, pool), pool.slots * pool.nodes_max) / pool.slots)


def tasks_of(workload: Workload, pool: Pool) -> int:
    """How many tasks the job has, beside its merge."""
    if workload.share is None:
        return len(workload.chunks)
    rate = least_pixels(pool.size).get(workload.model)
    pixels = max(workload.pixels, workload.model_pixels)
    seconds = workload.frames * pixels * pool.slots_per_gpu / rate if rate else None
    return workload.share(len(workload.chunks), workload.frames, pool.slots * pool.nodes_max, seconds)


def _node_minutes(moments: Sequence[Moment], since: float) -> dict[str, float]:
    """What the nodes of each kind add up to after `since`."""
    found = {"spot": 0.0, "dedicated": 0.0}
    for before, after in pairwise(moments):
        minutes = max(0.0, after.second - max(since, before.second)) / 60
        found["spot"] += before.spot * minutes
        found["dedicated"] += before.dedicated * minutes
    return found
