"""Azure Machine Learning's clusters: against reckoning by hand, and beside a pool of Batch."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscale.advice import best
from autoscale.arrivals import DAY, MONTH, Request, Trace, choices, compare, play
from autoscale.estimate import MERGED_FRAMES, Workload, estimate, simulate, workers_of
from autoscale.pool import NODE_STARTS, TASK_STARTS, Pool, alternatives
from autoscale.worker_clusters import LEAST_IDLE_MINUTES, MOVES, ClusterRules, WorkerClusters
from autoscale.world import Job, World
from scorer.engines.task_count import how_many
from stacks.machine_learning import LEAST_IDLE_MINUTES as DECLARED

POOL = Pool(
    gpu_size="Standard_NC4as_T4_v3", slots_per_gpu=1, nodes_min=0, nodes_max=4, spot_percent=100, keep_warm_minutes=10,
    engine="machine-learning",
)  # fmt: skip
FPS = 10.0
HD = 1280 * 720


def work(*chunks: int) -> Workload:
    return Workload(chunks=chunks, pixels=HD, model="adaptive")


def test_what_a_cluster_waits_at_the_least_is_what_the_stack_declares() -> None:
    assert LEAST_IDLE_MINUTES == DECLARED


@pytest.mark.parametrize(("warm", "idle"), [(0, 2), (2, 2), (10, 10)])
def test_nodes_come_at_once_and_leave_after_they_were_idle(warm: int, idle: int) -> None:
    course = simulate(work(300, 300, 200), replace(POOL, keep_warm_minutes=warm), FPS)
    last = TASK_STARTS + 300 / FPS + 800 / MERGED_FRAMES
    assert course.minutes * 60 == pytest.approx(NODE_STARTS + last)
    # One of them merges: no container begins for it.
    busy = 2 * (TASK_STARTS + 300 / FPS) + TASK_STARTS + 200 / FPS + 800 / MERGED_FRAMES
    assert course.spot_minutes * 60 == pytest.approx(busy + 3 * idle * 60)
    assert course.nodes == 3


def test_workers_have_all_slots_of_their_node() -> None:
    four = replace(POOL, gpu_size="Standard_NC64as_T4_v3", nodes_max=2)
    chunks = [300] * 8
    assert workers_of(work(*chunks), four) == 2
    course = simulate(work(*chunks), four, FPS)
    assert course.minutes * 60 == pytest.approx(NODE_STARTS + TASK_STARTS + 300 / FPS + 2400 / MERGED_FRAMES)
    film = replace(work(*[240] * 12, 120), share=how_many)
    assert workers_of(film, four) == 1, "no more than tasks of Batch would need nodes"


def test_what_spot_has_no_node_for_is_moved() -> None:
    mixed = replace(POOL, spot_percent=50)
    course = simulate(work(300, 300, 300, 300), mixed, FPS, spot_nodes=0)
    task = TASK_STARTS + 300 / FPS
    # Two begin as dedicated ones, whose nodes have left when the others come.
    assert course.spot_minutes == 0
    assert course.nodes == 2
    assert course.minutes * 60 == pytest.approx(MOVES + NODE_STARTS + task + 1200 / MERGED_FRAMES)
    warm = simulate(work(300, 300, 300, 300), replace(mixed, keep_warm_minutes=60), FPS, spot_nodes=0)
    assert warm.minutes * 60 == pytest.approx(MOVES + task + 1200 / MERGED_FRAMES)
    assert warm.nodes == 2


def test_one_is_always_there() -> None:
    warm = replace(POOL, nodes_min=1, nodes_max=1)
    requests = [Request(3600.0, 300, HD), Request(3610.0, 300, HD)]
    trace = Trace(requests=requests, days=1, model="adaptive", codec="h264", chunks=_whole, frames_per_second=FPS)
    found = play(trace, warm, quick=True)
    one = TASK_STARTS + 300 / FPS + 300 / MERGED_FRAMES
    assert found.most * 60 == pytest.approx(2 * one - 10)
    assert found.node_hours == pytest.approx(24 * MONTH)
    assert found.idle == pytest.approx(1 - 2 * one / DAY)
    assert found.load == pytest.approx(2 * one / DAY)


def _whole(frames: int, _slots: int) -> list[int]:
    return [frames]


def _halves(frames: int, _slots: int) -> list[int]:
    return [frames // 2] * 2


def test_later_jobs_have_the_room_that_earlier_ones_leave() -> None:
    rules = ClusterRules(nodes_min=0, nodes_max=4, spot_percent=100, keep_warm_minutes=0)
    jobs = [Job(arrives=0, tasks=(1000.0,) * 3), Job(arrives=10, tasks=(330.0,) * 3), Job(arrives=20, tasks=(60.0,) * 2)]
    found = WorkerClusters(rules, jobs, World(allocation=100), starts=30).run(200)
    # The second has one worker of three, with all of its work; the third one worker, that waits for a node.
    assert found.done == {0: 1100, 1: 10 + 100 + 30 + 900, 2: 1040 + 30 + 60}
    assert found.most_nodes == 4
    assert found.nodes == 0


def test_both_engines_are_in_every_table() -> None:
    trace = Trace(
        requests=[Request(hour * 3600.0, 3000, HD) for hour in range(0, 24, 3)], days=1, model="adaptive", codec="h264",
        chunks=_halves, share=how_many,
    )  # fmt: skip
    for pool, text in ((replace(POOL, engine="batch"), "engine machine-learning"), (POOL, "engine batch")):
        assert text in dict(alternatives(pool))
        found = compare(trace, [(name, each) for name, each in choices(pool) if name in ("as set", text)])
        batch, other = sorted(found, key=lambda each: each.pool.engine)
        # It has a node at once, and not two minutes and a half later; the merge needs no container; a node leaves as told.
        assert other.quick.median < batch.quick.median
        assert other.quick.node_hours < batch.quick.node_hours
        assert best(found, 240, 1.0) is found[0], "which engine is no question of the bill alone"


def test_a_week_is_the_most_on_spot() -> None:
    with pytest.raises(ValueError, match="isn't done after a week, when Azure Machine Learning ends it"):
        estimate(work(20_000_000), replace(POOL, nodes_max=1), 20.0).slow  # noqa: B018  # it is played when asked for
    assert estimate(work(20_000_000), replace(POOL, nodes_max=1, spot_percent=0), 20.0).slow.minutes > 7 * 24 * 60


@settings(max_examples=25, deadline=None)
@given(
    jobs=st.lists(
        st.tuples(st.integers(0, 5000), st.lists(st.integers(31, 900), min_size=1, max_size=6)), min_size=1, max_size=12
    ),
    least=st.integers(0, 2), more=st.integers(1, 4), percent=st.sampled_from([0, 50, 80, 100]), warm=st.integers(0, 30),
    spot=st.integers(0, 3),
)  # fmt: skip
def test_what_holds_of_any_jobs(
    jobs: list[tuple[int, list[int]]], least: int, more: int, percent: int, warm: int, spot: int
) -> None:
    rules = ClusterRules(nodes_min=least, nodes_max=least + more, spot_percent=percent, keep_warm_minutes=warm)
    world = World(allocation=240, spot_capacity=spot if percent < 100 else 100)
    ordered = [Job(arrives=at, tasks=tuple(map(float, tasks)), merge=5) for at, tasks in sorted(jobs)]
    found = WorkerClusters(rules, ordered, world, starts=30).run(60 * 24 * 7)
    assert sorted(found.done) == list(range(len(ordered)))
    assert all(found.done[number] >= job.arrives + min(job.tasks) + 5 for number, job in enumerate(ordered))
    assert found.nodes == least
    assert found.most_nodes <= 2 * (least + more)
    busy = sum(sum(job.tasks) + 5 - 30 * (len(job.tasks) - 1) for job in ordered)
    assert sum(found.node_seconds.values()) >= busy - 1e-6
