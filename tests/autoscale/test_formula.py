"""The formula in a simulated cluster: what it costs, what it keeps, and what it survives."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscale.formula import EVALUATION_INTERVAL, AutoscaleRules, formula
from autoscale.interpreter.evaluate import evaluate
from autoscale.interpreter.metrics import Metrics
from autoscale.interpreter.parser import LARGEST, MOST_STATEMENTS, parse
from autoscale.scaling import BEGIN
from autoscale.simulation import Cluster
from autoscale.world import Job, Moment, World


def rules(least: int = 0, most: int = 4, spot: int = 100, warm: int = 10, slots: int = 1) -> AutoscaleRules:
    return AutoscaleRules(nodes_min=least, nodes_max=most, spot_percent=spot, keep_warm_minutes=warm, slots_per_node=slots)


def simulate(given_rules: AutoscaleRules, jobs: list[Job], minutes: float, world: World | None = None) -> Cluster:
    cluster = Cluster(formula(given_rules), jobs, world or World(slots=given_rules.slots_per_node)).run(minutes)
    assert not cluster.errors
    assert not cluster.killed_by_scaling
    for moment in cluster.moments:
        assert moment.targets <= given_rules.nodes_max, moment
        assert moment.nodes <= given_rules.nodes_max, moment
    return cluster


def at(cluster: Cluster, minute: float) -> Moment:
    return [moment for moment in cluster.moments if moment.second <= minute * 60][-1]


def burst(count: int, minutes: float, start: float = 0) -> list[Job]:
    return [Job(arrives=start * 60, tasks=(minutes * 60,))] * count


def runs(values: list[int]) -> list[int]:
    """Without repetitions."""
    return [value for index, value in enumerate(values) if not index or values[index - 1] != value]


def test_from_none_to_the_tasks_and_back() -> None:
    cluster = simulate(rules(), burst(3, 12, start=2), 60)
    assert len(cluster.done) == 3
    assert runs([at(cluster, minute).nodes for minute in range(60)]) == [0, 3, 0]
    assert cluster.node_seconds["dedicated"] == 0


def test_no_work_costs_nothing() -> None:
    cluster = simulate(rules(), [], 120)
    assert cluster.node_seconds == {"dedicated": 0, "spot": 0}


def test_no_more_than_the_most() -> None:
    cluster = simulate(rules(most=4), burst(40, 7), 120)
    assert len(cluster.done) == 40
    assert max(moment.nodes for moment in cluster.moments) == 4


@pytest.mark.parametrize("warm", [0, 10, 30])
def test_warm_for_so_long_and_little_longer(warm: int) -> None:
    cluster = simulate(rules(warm=warm), burst(2, 13, start=1), 120)
    last = max(cluster.done.values())
    gone = next(moment.second for moment in cluster.moments if moment.second > last and moment.nodes == 0)
    # Samples are a minute late, the look-back may be two minutes longer for it, and evaluations come every five minutes.
    assert warm <= (gone - last) / 60 <= warm + 9


def test_a_pause_shorter_than_warm_costs_no_new_nodes() -> None:
    cluster = simulate(rules(), burst(2, 10) + burst(2, 10, start=25), 34)
    assert runs([at(cluster, minute).nodes for minute in range(34)]) == [0, 2]


def test_tasks_share_a_node() -> None:
    cluster = simulate(rules(slots=4), burst(9, 20), 15, World(slots=4))
    assert at(cluster, 14).nodes == 3


@pytest.mark.parametrize("spot", [0, 100])
def test_the_past_adds_no_nodes(spot: int) -> None:
    # Between two evaluations a warm node does six tasks: nothing is left to do when they are seen.
    short = [Job(arrives=15.2 * 60, tasks=(10,))] * 6
    cluster = simulate(rules(most=8, spot=spot), [*burst(1, 5), *short], 40)
    assert len(cluster.done) == 7
    assert max(moment.targets for moment in cluster.moments) == 1


def test_preempted_nodes_of_young_work_are_replaced_at_once() -> None:
    world = World(spot_capacity=lambda second: 3 if second < 12 * 60 else 0)
    cluster = simulate(rules(most=9), burst(3, 60, start=1), 30, world)
    assert at(cluster, 14.9).target_dedicated == 0
    assert at(cluster, 16).target_dedicated == 3


def test_replacements_are_kept_warm_too() -> None:
    cluster = simulate(rules(most=9, warm=20), burst(3, 40), 120, World(spot_capacity=lambda _: 0))
    last = max(cluster.done.values()) / 60
    assert at(cluster, last + 18).dedicated == 3
    assert at(cluster, last + 28).nodes == 0


@pytest.mark.parametrize("opens", [14.2, 19.2, 24.2])
def test_spot_nodes_given_at_the_last_moment_are_not_too_many(opens: float) -> None:
    world = World(allocation=30, spot_capacity=lambda second: 4 if second > opens * 60 else 0)
    assert len(simulate(rules(), burst(4, 60), 150, world).done) == 4


def test_nodes_that_finish_their_task_count() -> None:
    # Spot nodes come after all, while the dedicated ones are still at work; then there is more to do.
    world = World(spot_capacity=lambda second: 0 if second < 40 * 60 else 10)
    cluster = simulate(rules(), burst(2, 120) + burst(4, 60, start=60), 300, world)
    assert len(cluster.done) == 6
    assert (at(cluster, 50).target_dedicated, at(cluster, 50).dedicated) == (0, 2)


@pytest.mark.parametrize(("spot", "dedicated"), [(100, 0), (99, 2), (50, 2), (0, 2)])
def test_the_least_is_always_there(spot: int, dedicated: int) -> None:
    cluster = simulate(rules(least=2, spot=spot), burst(4, 10, start=30), 120)
    assert all(moment.nodes >= 2 for moment in cluster.moments if moment.second >= 10 * 60)
    assert min(moment.dedicated for moment in cluster.moments if moment.second >= 600) >= dedicated


@pytest.mark.parametrize(("spot", "dedicated"), [(100, 0), (50, 4), (0, 8)])
def test_share_of_spot(spot: int, dedicated: int) -> None:
    moment = at(simulate(rules(most=8, spot=spot), burst(8, 60), 15), 14)
    assert (moment.dedicated, moment.spot) == (dedicated, 8 - dedicated)


@pytest.mark.parametrize("most", [3, 9])
def test_preempted_nodes_are_replaced(most: int) -> None:
    world = World(spot_capacity=lambda second: 3 if second < 40 * 60 else 1)
    cluster = simulate(rules(most=most), burst(3, 90), 120, world)
    assert cluster.preemptions == 2
    assert (at(cluster, 39).dedicated, at(cluster, 39).spot) == (0, 3)
    assert at(cluster, 75).nodes == 3
    assert at(cluster, 75).dedicated >= 2


@pytest.mark.parametrize("spot", [0, 100])
@pytest.mark.parametrize("broken", [1, 2])
def test_nodes_that_run_nothing_are_not_all_that_tasks_get(spot: int, broken: int) -> None:
    """As a node that starts no container, which would be kept for the task that it can't run."""
    world = World(broken=broken)
    cluster = simulate(rules(spot=spot), burst(1, 30), 180, world)
    assert len(cluster.done) == 1
    assert max(moment.nodes for moment in cluster.moments) == 1 + broken
    assert cluster.moments[-1].nodes == 0


def test_an_image_that_no_node_starts_takes_few_nodes_more() -> None:
    cluster = simulate(rules(most=20), burst(2, 30), 70, World(broken=100))
    assert not cluster.done
    assert max(moment.targets for moment in cluster.moments) == 5


def test_nodes_at_work_are_enough_for_tasks_that_wait_their_turn() -> None:
    cluster = simulate(rules(most=3), burst(30, 20), 120)
    assert max(moment.targets for moment in cluster.moments) == 3
    lonely = simulate(rules(most=9, slots=4), burst(4, 90), 80, World(slots=4))
    assert max(moment.targets for moment in lonely.moments) == 1


def test_dedicated_nodes_where_no_spot_is_given() -> None:
    cluster = simulate(rules(), burst(4, 60), 180, World(spot_capacity=lambda _: 0))
    assert len(cluster.done) == 4
    assert at(cluster, 10).dedicated == 0
    assert at(cluster, 40).dedicated == 4
    assert at(cluster, 180).targets == 0


def test_spot_again_for_the_next_work() -> None:
    world = World(spot_capacity=lambda second: 0 if second < 100 * 60 else 10)
    cluster = simulate(rules(), burst(2, 30) + burst(2, 30, start=120), 200, world)
    assert at(cluster, 40).dedicated == 2
    assert (at(cluster, 135).dedicated, at(cluster, 135).spot) == (0, 2)


def test_long_tasks_outlive_shrinking() -> None:
    tasks = [*burst(4, 5), *burst(4, 180)]
    cluster = simulate(rules(warm=0, slots=2), tasks, 260, World(slots=2))
    assert len(cluster.done) == 8


def test_merging_waits_for_its_chunks() -> None:
    chunks = 20 * 60.0
    (done,) = simulate(rules(most=3), [Job(arrives=0, tasks=(chunks,) * 6, merge=300)], 120).done.values()
    # Nodes are asked for after five minutes and come four minutes later; six chunks on three of them are two rounds.
    assert done == 300 + 240 + 2 * chunks + 300


@pytest.mark.parametrize(
    "lateness",
    [
        lambda _: 60,
        lambda _: 240,
        lambda second: None if second % 90 else 60,
        lambda second: None if 10 * 60 <= second < 40 * 60 else 60,
        lambda second: None if second < 20 * 60 else 60,
    ],
    ids=["usual", "late", "one of three", "half an hour without", "none at first"],
)
def test_late_and_missing_samples(lateness: Callable[[float], float | None]) -> None:
    cluster = simulate(rules(), burst(4, 50), 180, World(lateness=lateness))
    assert len(cluster.done) == 4
    assert runs([moment.targets for moment in cluster.moments]) == [0, 4, 0]


def test_nothing_leaves_while_nothing_is_known() -> None:
    world = World(lateness=lambda second: 60 if second < 20 * 60 else None)
    assert at(simulate(rules(), burst(4, 15), 60, world), 60).nodes == 4


def test_even_work_keeps_the_pool_even() -> None:
    tasks = [Job(arrives=minute * 60, tasks=(170,)) for minute in range(180)]
    cluster = simulate(rules(most=6), tasks, 180)
    settled = [moment.targets for moment in cluster.moments if moment.second > 30 * 60]
    assert len(runs(settled)) <= 2


@pytest.mark.parametrize("nodes_max", [1, 1000])
@pytest.mark.parametrize("spot", [0, 37, 100])
def test_first_evaluation_of_a_new_pool(nodes_max: int, spot: int) -> None:
    text = formula(rules(least=1, most=nodes_max, spot=spot, warm=1440, slots=64))
    found = evaluate(text, Metrics(), BEGIN)
    assert found.dedicated + found.low_priority == 1
    assert found.deallocation == "taskcompletion"
    assert len(text.encode()) < LARGEST
    assert len(parse(text)) <= MOST_STATEMENTS


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"least": 5}, "nodes_min"),
        ({"least": -1}, "nodes_min"),
        ({"spot": 101}, "spot_percent"),
        ({"warm": -1}, "keep_warm_minutes"),
        ({"slots": 0}, "slots_per_node"),
    ],
)
def test_rules_that_cannot_be(wrong: dict[str, int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        rules(**wrong)


def test_the_interval_is_the_least_allowed() -> None:
    assert EVALUATION_INTERVAL == "PT5M"


@settings(max_examples=40, deadline=None)
@given(
    least=st.integers(0, 3),
    more=st.integers(1, 6),
    spot=st.integers(0, 100),
    warm=st.sampled_from([0, 1, 5, 10, 30]),
    slots=st.integers(1, 4),
    tasks=st.lists(st.tuples(st.integers(0, 3600), st.integers(10, 1500)), max_size=12),
    capacity=st.lists(st.integers(0, 9), min_size=1, max_size=6),
    allocation=st.integers(30, 600),
)
def test_any_load(
    least: int,
    more: int,
    spot: int,
    warm: int,
    slots: int,
    tasks: list[tuple[int, int]],
    capacity: list[int],
    allocation: int,
) -> None:
    world = World(
        slots=slots,
        allocation=allocation,
        # The last word is plenty, for ever.
        spot_capacity=lambda second: capacity[int(second // 1200)] if second // 1200 < len(capacity) else 100,
    )
    jobs = [Job(arrives=arrives, tasks=(lasts,)) for arrives, lasts in sorted(tasks)]
    cluster = simulate(rules(least, least + more, spot, warm, slots), jobs, 600, world)
    assert len(cluster.done) == len(tasks)
    assert cluster.moments[-1].nodes == cluster.moments[-1].targets == least
