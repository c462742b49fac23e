"""The formula in a simulated pool: nodes come with the work, stay warm, are replaced when preempted, and go."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stacks.autoscale import EVALUATION_INTERVAL, AutoscaleRules, formula
from tests.azure.formula.cluster import EVALUATION, Cluster, Moment, Task
from tests.azure.formula.language import MAX_BYTES, parse


def rules(**changes: Any) -> AutoscaleRules:
    chosen = {"nodes_min": 0, "nodes_max": 4, "spot_percent": 100, "keep_warm_minutes": 10, "slots_per_node": 1}
    return AutoscaleRules(**{**chosen, **changes})


def cluster(chosen: AutoscaleRules, **world: Any) -> Cluster:
    return Cluster(formula(chosen), slots=chosen.slots_per_node, **world)


def tasks(count: int, minutes: float = 8) -> list[Task]:
    return [Task(minutes) for _ in range(count)]


def nodes(moment: Moment) -> int:
    return moment.dedicated + moment.spot


def warm_minutes(pool: Cluster) -> float:
    """How long nodes stood after the last task."""
    work = max(task.done for task in pool.tasks if task.done)
    last = max(each.minute for each in pool.history if nodes(each))
    return last - (work - (pool.now - timedelta(minutes=pool.minute))) / timedelta(minutes=1)


def test_from_nothing_to_work_and_back() -> None:
    pool = cluster(rules())
    assert {nodes(each) for each in pool.run(60)} == {0}
    pool.submit(60, *tasks(20))
    busy = pool.run(120)
    assert max(nodes(each) for each in busy) == 4
    assert all(task.done for task in pool.tasks)
    assert nodes(busy[-1]) == 0
    assert {task.runs for task in pool.tasks} == {1}


def test_only_spot_nodes_are_asked_for_while_there_are_some() -> None:
    pool = cluster(rules())
    pool.submit(0, *tasks(20))
    pool.run(120)
    assert pool.node_minutes("dedicated") == 0


@pytest.mark.parametrize(("share", "dedicated", "spot"), [(100, 0, 8), (75, 2, 6), (50, 4, 4), (0, 8, 0)])
def test_the_share_of_spot_nodes_is_kept(share: int, dedicated: int, spot: int) -> None:
    pool = cluster(rules(nodes_max=8, spot_percent=share))
    pool.submit(0, *tasks(16, minutes=30))
    full = pool.run(25)[-1]
    assert (full.dedicated, full.spot) == (dedicated, spot)


@pytest.mark.parametrize("warm", [0, 5, 10, 30, 60])
def test_nodes_stay_warm_and_then_go(warm: int) -> None:
    pool = cluster(rules(keep_warm_minutes=warm))
    pool.submit(0, *tasks(4))
    pool.run(60 + 2 * warm)
    stayed = warm_minutes(pool)
    # The next evaluation may be five minutes away, and samples are a minute late.
    assert warm - 1 <= stayed <= max(warm, 3) + 7


def test_work_that_comes_while_nodes_are_warm_starts_at_once() -> None:
    pool = cluster(rules(keep_warm_minutes=30))
    pool.submit(0, *tasks(4))
    pool.run(30)
    again = tasks(4)
    pool.submit(30, *again)
    pool.run(10)
    assert max(each.waiting for each in pool.history if each.minute >= 31) == 0


def test_preempted_nodes_are_stood_in_for() -> None:
    pool = cluster(rules(), spot_capacity=lambda minute: 4 if minute < 20 else 0)
    pool.submit(0, *tasks(4, minutes=60))
    pool.run(40)
    late = pool.history[-1]
    assert (late.dedicated, late.spot) == (4, 0)
    pool.run(70)
    assert all(task.done for task in pool.tasks)


def test_nodes_that_were_preempted_in_part_are_stood_in_for_in_part() -> None:
    pool = cluster(rules(), spot_capacity=lambda minute: 4 if minute < 20 else 3)
    pool.submit(0, *tasks(4, minutes=60))
    pool.run(40)
    late = pool.history[-1]
    assert (late.dedicated, late.spot) == (1, 3)


def test_where_azure_has_no_spot_nodes_dedicated_ones_do_the_work() -> None:
    pool = cluster(rules(), spot_capacity=lambda _: 0)
    pool.submit(0, *tasks(12))
    pool.run(120)
    assert all(task.done for task in pool.tasks)
    assert pool.node_minutes("spot") == 0
    assert nodes(pool.history[-1]) == 0


def test_spot_nodes_take_over_again_when_there_are_some() -> None:
    pool = cluster(rules(nodes_max=8), spot_capacity=lambda minute: 0 if minute < 40 else math.inf)
    pool.submit(0, *tasks(4, minutes=25), *tasks(8, minutes=25))
    pool.submit(30, *tasks(30, minutes=5))
    pool.run(40)
    assert pool.history[-1].spot == 0
    pool.submit(90, *tasks(2, minutes=60))
    pool.run(100)
    assert any(each.spot and not each.dedicated for each in pool.history if each.minute > 90)


def test_nothing_swings_under_a_steady_load() -> None:
    for capacity in (0, 2, 4):
        pool = cluster(rules(), spot_capacity=lambda _, most=capacity: most)
        pool.submit(0, *tasks(40, minutes=20))
        pool.run(40)
        steady = {(each.dedicated, each.spot, each.targets) for each in pool.run(60)}
        assert len(steady) == 1, (capacity, steady)


def test_running_tasks_are_never_ended_by_scaling() -> None:
    pool = cluster(rules(keep_warm_minutes=0))
    pool.submit(0, *tasks(3, minutes=2), Task(60))
    pool.run(120)
    assert {task.runs for task in pool.tasks} == {1}
    assert all(task.done for task in pool.tasks)


def test_slots_are_filled_before_nodes_are_added() -> None:
    pool = cluster(rules(nodes_max=10, slots_per_node=4))
    pool.submit(0, *tasks(9, minutes=30))
    pool.run(20)
    assert nodes(pool.history[-1]) == 3


def test_a_least_number_of_nodes_is_always_there_and_dedicated() -> None:
    pool = cluster(rules(nodes_min=2), spot_capacity=lambda _: 0)
    quiet = pool.run(60)
    assert (quiet[-1].dedicated, quiet[-1].spot) == (2, 0)
    pool.submit(60, *tasks(2))
    assert min(nodes(each) for each in pool.run(90)) == 2


def test_a_merge_that_waits_for_its_chunks_needs_no_node_before() -> None:
    chunks = tasks(2, minutes=20)
    merge = Task(5, after=chunks)
    pool = cluster(rules())
    pool.submit(0, *chunks, merge)
    pool.run(15)
    assert nodes(pool.history[-1]) == 2
    pool.run(60)
    assert merge.done


def test_missing_samples_change_nothing() -> None:
    pool = cluster(rules(keep_warm_minutes=0), sampled=lambda minute: not 20 <= minute < 60)
    pool.submit(0, *tasks(4, minutes=100))
    pool.run(20)
    before = pool.history[-1]
    assert nodes(before) == 4
    assert {nodes(each) for each in pool.run(40)} == {4}


def test_samples_that_come_late_only_delay() -> None:
    pool = cluster(rules(), lateness=timedelta(minutes=3))
    pool.submit(0, *tasks(8))
    pool.run(120)
    assert all(task.done for task in pool.tasks)
    assert nodes(pool.history[-1]) == 0


loads = st.lists(
    st.tuples(st.integers(0, 60), st.integers(1, 12), st.floats(0.5, 40)),
    min_size=1,
    max_size=4,
)


@given(
    loads=loads,
    least=st.integers(0, 3),
    more=st.integers(1, 6),
    share=st.integers(0, 100),
    warm=st.integers(0, 45),
    slots=st.integers(1, 4),
    spot=st.lists(st.integers(0, 10), min_size=1, max_size=6),
)
@settings(max_examples=40, deadline=None)
def test_whatever_comes(
    loads: list[tuple[int, int, float]], least: int, more: int, share: int, warm: int, slots: int, spot: list[int]
) -> None:
    most = least + more
    chosen = rules(nodes_min=least, nodes_max=most, spot_percent=share, keep_warm_minutes=warm, slots_per_node=slots)
    # Spot nodes come and go every ten minutes for two hours.
    pool = cluster(chosen, spot_capacity=lambda minute: spot[int(minute / 10) % len(spot)] if minute < 120 else math.inf)
    for minute, count, minutes in loads:
        pool.submit(minute, *tasks(count, minutes))
    seen = pool.run(900)
    assert max(each.targets for each in seen) <= most
    assert max(nodes(each) for each in seen) <= most
    assert all(task.done for task in pool.tasks)
    assert (seen[-1].dedicated, seen[-1].spot) == (least, 0)
    if min(spot) >= most:  # nothing is preempted, so nothing runs twice
        assert {task.runs for task in pool.tasks} == {1}


@given(least=st.integers(0, 1000), most=st.integers(1, 1000), share=st.integers(0, 100), warm=st.integers(0, 1440))
def test_every_setting_makes_a_formula_that_batch_takes(least: int, most: int, share: int, warm: int) -> None:
    text = formula(rules(nodes_min=least, nodes_max=most, spot_percent=share, keep_warm_minutes=warm))
    assert len(text.encode()) < MAX_BYTES
    assert parse(text)[-1].target == "$NodeDeallocationOption"


def test_the_interval_is_the_simulations() -> None:
    assert f"PT{EVALUATION.seconds // 60}M" == EVALUATION_INTERVAL
