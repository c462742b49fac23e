"""Days of requests: against reckoning by hand, against queueing theory, and what must hold of any."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from autoscale import arrivals
from autoscale.advice import Rung, best, ladder, pays_from, recommendation
from autoscale.arrivals import DAY, MONTH, Outcome, Request, Setting, Trace, at_random, choices, compare, play, some_weeks
from autoscale.estimate import MERGE_STARTS, MERGED_FRAMES, Workload, simulate
from autoscale.pool import NODE_STARTS, TASK_STARTS, Pool

T4 = "Standard_NC4as_T4_v3"
POOL = Pool(gpu_size=T4, slots_per_gpu=1, nodes_min=0, nodes_max=4, spot_percent=100, keep_warm_minutes=10)
ALWAYS = replace(POOL, nodes_min=1, nodes_max=1, spot_percent=0)
FPS = 10.0
HD = 1280 * 720


def cut(length: int, frames: int, _slots: int) -> list[int]:
    return [length] * (frames // length)


def trace(*seconds: float, frames: int = 300, length: int = 300, days: int = 1) -> Trace:
    requests = [Request(second, frames, HD) for second in seconds]
    return Trace(
        requests=requests, days=days, model="adaptive", codec="h264", chunks=partial(cut, length), frames_per_second=FPS
    )  # fmt: skip


def at_rate(a_day: float, days: int, **more: Any) -> Trace:
    return replace(trace(**more), requests=at_random([a_day / 24], days, more.get("frames", 300), HD), days=days)


TASK = TASK_STARTS + 300 / FPS
MERGE = MERGE_STARTS + 300 / MERGED_FRAMES


@pytest.mark.parametrize("quick", [True, False])
def test_one_request_is_what_the_plan_of_one_says(quick: bool) -> None:
    course = simulate(
        Workload(chunks=[100] * 3, pixels=HD, model="adaptive"), POOL, FPS, spot_nodes=10_000 if quick else 0
    )  # fmt: skip
    found = play(trace(0, length=100), POOL, quick=quick)
    assert found.median == found.most == found.mean == pytest.approx(course.minutes)
    assert found.dollars == pytest.approx(course.dollars * MONTH)
    assert found.node_hours == pytest.approx((course.spot_minutes + course.dedicated_minutes) / 60 * MONTH)
    assert found.nodes == course.nodes


def test_a_request_waits_for_the_evaluation_and_for_a_node_by_hand() -> None:
    # It comes 150 seconds after an evaluation; the next one sees it, since its sample is there after 60 seconds.
    found = play(trace(0), POOL, quick=True)
    assert found.median * 60 == pytest.approx(150 + NODE_STARTS + TASK + MERGE)
    busy = (TASK + MERGE) / 3600
    assert found.idle == pytest.approx(1 - busy / (found.node_hours / MONTH))
    assert found.load == pytest.approx((TASK + MERGE) / (DAY * POOL.nodes_max))


@pytest.mark.parametrize(("later", "starts"), [(15 * 60, False), (3 * 3600, True)])
def test_a_second_request_finds_the_node_of_the_first_while_that_is_warm(later: float, starts: bool) -> None:
    found = play(trace(0, later), POOL, quick=True)
    first, second = 150 + NODE_STARTS + TASK + MERGE, (150 + NODE_STARTS) * starts + TASK + MERGE
    assert found.mean * 60 == pytest.approx((first + second) / 2)
    assert found.most * 60 == pytest.approx(max(first, second))


def test_a_burst_on_nodes_that_are_there_is_done_in_rounds() -> None:
    pool = replace(POOL, nodes_min=2, nodes_max=2, spot_percent=0)
    found = play(trace(*[3600.0] * 5), pool, quick=False)
    # A merge comes before the later requests' tasks.
    waits = sorted((number // 2 + 1) * (TASK + MERGE) for number in range(5))
    assert found.mean * 60 == pytest.approx(sum(waits) / 5)
    assert found.median * 60 == pytest.approx(waits[2])
    assert found.most * 60 == pytest.approx(waits[4])


def test_a_node_that_is_always_there_is_paid_by_the_clock() -> None:
    found = play(trace(DAY - 10), ALWAYS, quick=True)
    assert found.median * 60 == pytest.approx(TASK + MERGE)
    assert found.node_hours == pytest.approx(24 * MONTH)
    assert found.dollars == pytest.approx(ALWAYS.idle_dollars * MONTH)


def test_one_node_is_a_queue_of_theory() -> None:
    """M/D/1 by Pollaczek and Khinchin: the mean wait is load / (1 - load) of half the work of one."""
    work = TASK + MERGE
    busy = at_rate(0.7 * DAY / work, 60)
    found = play(busy, ALWAYS, quick=True)
    assert found.load == pytest.approx(0.7, rel=0.02)
    load = found.load
    assert found.mean * 60 - work == pytest.approx(load / (1 - load) * work / 2, rel=0.07)
    assert found.idle == pytest.approx(1 - load, abs=0.01)


@pytest.mark.parametrize("a_day", [4, 60, 200])
def test_more_warmth_never_costs_less_and_never_waits_longer(a_day: int) -> None:
    busy = at_rate(a_day, 7, length=100)
    for quick in (True, False):
        found = [play(busy, replace(POOL, keep_warm_minutes=warm), quick=quick) for warm in (0, 10, 60, 240)]
        assert [each.dollars for each in found] == sorted(each.dollars for each in found)
        assert [each.mean for each in found] == sorted((each.mean for each in found), reverse=True)
        assert [each.idle for each in found] == sorted(each.idle for each in found)


def test_a_year_is_played_to_its_end() -> None:
    found = play(at_rate(12, 365, length=100), POOL, quick=True)
    month = play(at_rate(12, 28, length=100), POOL, quick=True)
    assert found.dollars == pytest.approx(month.dollars, rel=0.1)
    assert found.median == pytest.approx(month.median, rel=0.1)


def test_weeks_stand_for_a_long_trace() -> None:
    whole = at_rate(20, 365)
    assert some_weeks(whole) is whole
    some = some_weeks(whole, 20 * 7 * 5)
    assert some.days in (28, 35)
    assert len(some.requests) == pytest.approx(20 * some.days, rel=0.15)
    # At the hours and days of the week that they had, from the beginning of the year to near its end.
    moments = {round(each.second % (7 * DAY), 3) for each in whole.requests}
    assert {round(each.second % (7 * DAY), 3) for each in some.requests} <= moments
    assert [each.second for each in some.requests] == sorted(each.second for each in some.requests)
    assert max(each.second for each in some.requests) < some.days * DAY
    short = at_rate(500, 10)
    assert some_weeks(short, 100) is short


def test_arrivals_at_random_are_the_same_each_time() -> None:
    day = [0.0] * 8 + [6.0] * 8 + [1.0] * 8
    found = at_random(day, 100, 300, HD)
    assert found == at_random(day, 100, 300, HD)
    assert found != at_random(day, 100, 300, HD, seed=3)
    assert [each.second for each in found] == sorted(each.second for each in found)
    assert all(0 <= each.second < 100 * DAY for each in found)
    hours = Counter(int(each.second % DAY // 3600) for each in found)
    assert not sum(hours[hour] for hour in range(8))
    assert sum(hours[hour] for hour in range(8, 16)) == pytest.approx(4800, abs=4 * math.sqrt(4800))
    assert sum(hours[hour] for hour in range(16, 24)) == pytest.approx(800, abs=4 * math.sqrt(800))
    # What comes at random in an hour varies as much as it is on average.
    counts = Counter(int(each.second // 3600) for each in found)
    many = [counts[day * 24 + 10] for day in range(100)]
    assert sum((each - 6) ** 2 for each in many) / 100 == pytest.approx(6, rel=0.4)


def test_what_cannot_be_done_is_not_played() -> None:
    settings = compare(at_rate(2000, 2, frames=3000, length=100), [("as set", replace(POOL, nodes_max=2))])
    assert not settings[0].keeps_up
    assert settings[0].quick.load > 1
    assert best(settings, 60_000, 1.0) is None
    said = recommendation(settings, [], 60_000, 1.0)
    needed = int(said.split("Set nodesMax to ")[1].split()[0])
    assert compare(at_rate(2000, 2, frames=3000, length=100), [("so", replace(POOL, nodes_max=needed))])[0].keeps_up


def test_processes_share_the_plays(monkeypatch: pytest.MonkeyPatch) -> None:
    busy = replace(at_rate(50, 3), chunks=partial(cut, 100))
    alone = compare(busy, choices(POOL)[:2])
    monkeypatch.setattr(arrivals, "MANY", 1)
    assert compare(busy, choices(POOL)[:2]) == alone


def test_choices_change_one_thing_each() -> None:
    found = dict(choices(POOL))
    assert list(found)[:4] == ["as set", "keepWarmMinutes 0", "keepWarmMinutes 60", "nodesMin 1"]
    assert found["1 Standard_NC64as_T4_v3"].nodes_max == 1  # as many GPUs in one node
    assert found["1 Standard_NC24ads_A100_v4"].gpu_size == "Standard_NC24ads_A100_v4"
    assert "nodesMin 0" in dict(choices(ALWAYS))
    assert len(set(found.values())) == len(found)
    largest = replace(POOL, gpu_size="Standard_NC80adis_H100_v5")
    assert not any("A100" in text for text in dict(choices(largest)))


def outcome(dollars: float, mean: float) -> Outcome:
    return Outcome(load=0.1, median=mean, most=mean, mean=mean, node_hours=1, dollars=dollars, idle=0.5, nodes=1)


def setting(text: str, dollars: float, mean: float) -> Setting:
    return Setting(text, POOL, outcome(dollars, mean), outcome(dollars, mean))


def test_the_best_is_what_costs_least_with_waiting() -> None:
    found = [setting("as set", 10, 30), setting("nodesMin 1", 50, 6)]
    # 100 requests a month wait 0.4 hours less each: 40 dollars more for 40 hours.
    assert best(found, 100, 0.9) is found[0]
    assert best(found, 100, 1.5) is found[1]
    assert best(found, 100, 0.0) is found[0]
    alike = [setting("as set", 10, 30), setting("other", 9.9, 30)]
    assert best(alike, 100, 1.0) is alike[0]
    said = recommendation(found, [], 100, 1.5)
    assert said.startswith("Set nodesMin 1: 50.00 dollars a month for nodes, 40.00 more than as set")
    assert "which is 1.00 for each hour of waiting less" in said
    assert said.endswith("half of the results are there within 6 minutes, 30 as set.")


def rungs(gains: Sequence[float]) -> list[Rung]:
    return [
        Rung(rate, setting("zero", 100, 5), setting("warm", 100 - gain, 5))
        for rate, gain in zip((1, 10, 100, 1000), gains, strict=False)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("gains", "rate"),
    [
        ((-10, -5, 5, 10), 10 * math.sqrt(10)),
        ((5, 5, 5), 1),
        ((-1, -1), None),
        ((-5, 5, -1), None),
        ((5, -3, 3), 10 * math.sqrt(10)),
        ((), None),
    ],
)
def test_a_warm_node_pays_from_where_it_never_costs_more(gains: Sequence[float], rate: float | None) -> None:
    assert pays_from(rungs(gains), 0.0) == (rate if rate is None else pytest.approx(rate))


def test_the_ladder_ends_where_the_nodes_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autoscale.advice.ENOUGH", 200)
    found = ladder(at_rate(5, 7, frames=3000, length=300), replace(POOL, nodes_max=1))
    day = 10 * (TASK_STARTS + 300 / FPS) + MERGE_STARTS + 3000 / MERGED_FRAMES
    assert found[-1].requests < DAY / day < 2.6 * found[-1].requests
    # A warm node costs more while there is little to do, and where waiting is dear it pays sooner.
    assert found[0].gain(0.0) < 0
    dear, cheap = pays_from(found, 10.0), pays_from(found, 0.5)
    assert dear is not None
    assert cheap is None or dear < cheap
