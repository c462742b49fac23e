"""The nodes that a stack's settings make, by either engine, as simulations play them; and other settings beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal

from autoscale.formula import AutoscaleRules, formula
from autoscale.gpu_sizes import SIZES, GpuSize
from autoscale.simulation import Cluster
from autoscale.timeline import Timeline
from autoscale.worker_clusters import ClusterRules, WorkerClusters
from autoscale.world import Job, World

# Seconds. A node starts and pulls the image, some 6 GB; a container starts, and a process in it that loads a model.
NODE_STARTS, CONTAINER_STARTS, PROCESS_STARTS = 420.0, 15.0, 15.0
TASK_STARTS = CONTAINER_STARTS + PROCESS_STARTS
LONGEST = 14 * 24 * 60.0
"""Minutes: a job ends after two weeks."""
PLENTY = 10_000
"""Spot nodes: more than any pool asks for."""

Engine = Literal["batch", "machine-learning"]
ENGINES: dict[Engine, str] = {"batch": "Azure Batch", "machine-learning": "Azure Machine Learning"}


@dataclass(frozen=True, kw_only=True)
class Pool:
    """The nodes, as settings have them."""

    gpu_size: str
    slots_per_gpu: int
    nodes_min: int
    nodes_max: int
    spot_percent: int
    keep_warm_minutes: int
    engine: Engine = "batch"

    @property
    def size(self) -> GpuSize:
        """What one node is."""
        return SIZES[self.gpu_size]

    @property
    def slots(self) -> int:
        """Tasks that one node runs at once."""
        return self.size.gpus * self.slots_per_gpu

    @property
    def works_at_once(self) -> int:
        """Of what a job is made of, all nodes together: tasks of a slot each, or workers of a node each."""
        return self.nodes_max * self.works_per_node

    @property
    def works_per_node(self) -> int:
        """Tasks, or the one worker that has all slots of its node."""
        return self.slots if self.engine == "batch" else 1

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
    def weeks(self) -> int:
        """After which the engine ends a job: on Spot nodes, Azure Machine Learning gives it one.

        Source: https://learn.microsoft.com/azure/machine-learning/how-to-manage-quotas
        """
        return 1 if self.engine == "machine-learning" and self.spot_percent else 2

    @property
    def longest(self) -> float:
        """The same in minutes."""
        return LONGEST * self.weeks / 2

    @property
    def idle_dollars(self) -> float:
        """What a day without work costs."""
        least = 0 if self.spot_percent == 100 else self.nodes_min
        return 24 * (least * self.size.on_demand + (self.nodes_min - least) * self.size.spot)


def cluster_of(
    pool: Pool, jobs: Iterable[Job], spot_nodes: int, starts: float = TASK_STARTS, *, keep_moments: bool = True
) -> Timeline:  # fmt: skip
    """The pool with so many Spot nodes to be had, before its first second; tasks do nothing yet in their `starts` seconds.

    Clusters of Azure Machine Learning that are all Spot have no others in their place: their jobs would wait until Azure has some
    again, so there it always has.
    """
    if pool.engine == "batch":
        world = World(slots=pool.slots, allocation=NODE_STARTS, spot_capacity=spot_nodes)
        return Cluster(pool.formula, jobs, world, keep_moments=keep_moments)
    rules = ClusterRules(
        nodes_min=pool.nodes_min, nodes_max=pool.nodes_max, spot_percent=pool.spot_percent,
        keep_warm_minutes=pool.keep_warm_minutes,
    )  # fmt: skip
    world = World(allocation=NODE_STARTS, spot_capacity=PLENTY if pool.spot_percent == 100 else spot_nodes)
    return WorkerClusters(rules, jobs, world, starts, keep_moments=keep_moments)


def rests(pool: Pool) -> Callable[[Timeline], bool]:
    """Whether a pool has nothing to do, and is as small as it may be."""
    return lambda cluster: cluster.is_done and cluster.nodes <= min(pool.nodes_min, sum(cluster.targets.values()))


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
    for text, other in (*same_gpus(pool), *other_engine(pool)):
        offer(text, other)
    return found


def other_engine(pool: Pool) -> list[tuple[str, Pool]]:
    """The same nodes by the other engine."""
    return [(f"engine {name}", replace(pool, engine=name)) for name in ENGINES if name != pool.engine]


def same_gpus(pool: Pool) -> list[tuple[str, Pool]]:
    """As many GPUs of the same kind in nodes of other sizes, each with what it is called."""
    found = []
    for name, size in SIZES.items():
        nodes, rest = divmod(pool.nodes_max * pool.size.gpus, size.gpus)
        if size.gpu == pool.size.gpu and name != pool.gpu_size and not rest and nodes >= max(1, pool.nodes_min):
            found.append((f"{nodes} {name}", replace(pool, gpu_size=name, nodes_max=nodes)))
    return found
