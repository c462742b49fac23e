"""The simulated pool against one that goes second by second and asks the formula every time, and against queueing theory."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscale.even_scaling import EvenScaling
from autoscale.formula import AutoscaleRules, formula
from autoscale.interpreter.evaluate import Evaluation
from autoscale.interpreter.parser import FormulaError
from autoscale.scaling import Scaling
from autoscale.simulation import Cluster
from autoscale.world import Job, World


def text(least: int = 0, most: int = 4, spot: int = 100, warm: int = 10, slots: int = 1) -> str:
    return formula(
        AutoscaleRules(nodes_min=least, nodes_max=most, spot_percent=spot, keep_warm_minutes=warm, slots_per_node=slots)
    )


@dataclass(eq=False)
class Machine:
    kind: str
    ends: list[tuple[int, int]]
    """Of its tasks: when, and whose they are."""
    leaving: bool = False


class Plain:
    """A pool second by second, in whole seconds: all samples are kept, and the interpreter is asked at each evaluation."""

    def __init__(self, rules: str, jobs: Sequence[Job], slots: int, allocation: int, spot: int) -> None:
        self.rules, self.jobs, self.slots, self.allocation, self.spot = rules, jobs, slots, allocation, spot
        self.scaling = Scaling()
        self.machines: list[Machine] = []
        self.coming: list[tuple[int, str]] = []
        self.targets = {"dedicated": 0, "spot": 0}
        self.begins: dict[int, list[int]] = {}
        self.left: dict[int, int] = {}
        self.merges = {number: int(job.merge) for number, job in enumerate(jobs)}
        self.done: dict[int, float] = {}
        self.course: list[tuple[int, int, int]] = []
        self.paid = {"dedicated": 0, "spot": 0}

    def run(self, until: int) -> Plain:
        for now in range(until + 1):
            if now:
                for machine in self.machines:
                    self.paid[machine.kind] += 1
            self.end(now)
            for number, job in enumerate(self.jobs):
                if job.arrives == now:
                    self.begins[number] = [int(lasts) for lasts in job.tasks]
                    self.left[number] = len(job.tasks)
            self.come(now)
            self.begin(now)
            if now and now % 300 == 0:
                found = self.scaling.evaluate(self.rules, now, self.targets["dedicated"], self.targets["spot"])
                self.targets = {"dedicated": found.dedicated, "spot": found.low_priority}
                self.course.append((now, found.dedicated, found.low_priority))
            if now % 60 == 0:
                self.seek(now)
                self.begin(now)
            if now % 30 == 0:
                self.measure(now)
        return self

    def of(self, kind: str) -> int:
        return sum(machine.kind == kind for machine in self.machines)

    def come(self, now: int) -> None:
        for due, kind in [each for each in self.coming if each[0] == now]:
            self.coming.remove((due, kind))
            some = self.of(kind)
            if some < self.targets[kind] and (kind == "dedicated" or some < self.spot):
                self.machines.append(Machine(kind, []))

    def end(self, now: int) -> None:
        for machine in list(self.machines):
            for end in [each for each in machine.ends if each[0] == now]:
                machine.ends.remove(end)
                number = end[1]
                self.left[number] -= 1
                if not self.left[number]:
                    if merge := self.merges.pop(number):
                        self.begins[number], self.left[number], self.merges[number] = [merge], 1, 0
                    else:
                        self.done[number] = now
            if machine.leaving and not machine.ends:
                self.machines.remove(machine)

    def begin(self, now: int) -> None:
        while self.begins:
            free = [each for each in self.machines if not each.leaving and len(each.ends) < self.slots]
            if not free:
                return
            number = min(self.begins)
            lasts = self.begins[number].pop(0)
            if not self.begins[number]:
                del self.begins[number]
            max(free, key=lambda machine: len(machine.ends)).ends.append((now + lasts, number))

    def seek(self, now: int) -> None:
        for kind, target in self.targets.items():
            staying = [machine for machine in self.machines if machine.kind == kind and not machine.leaving]
            for machine in sorted(staying, key=lambda each: len(each.ends))[: max(0, len(staying) - target)]:
                machine.leaving = True
                if not machine.ends:
                    self.machines.remove(machine)
            missing = target - self.of(kind) - sum(each == kind for _, each in self.coming)
            self.coming += [(now + self.allocation, kind)] * missing

    def measure(self, now: int) -> None:
        waiting, running = sum(map(len, self.begins.values())), sum(len(machine.ends) for machine in self.machines)
        self.scaling.measure(
            now,
            {
                "PendingTasks": waiting + running,
                "RunningTasks": running,
                "CurrentDedicatedNodes": self.of("dedicated"),
                "CurrentLowPriorityNodes": self.of("spot"),
                "PreemptedNodeCount": 0,
            },
        )


def targets(cluster: Cluster, hours: int) -> list[tuple[int, int, int]]:
    """What each evaluation left, from moments."""
    found, at = [], 0
    for second in range(300, hours * 3600 + 1, 300):
        while at + 1 < len(cluster.moments) and cluster.moments[at + 1].second <= second:
            at += 1
        found.append((second, cluster.moments[at].target_dedicated, cluster.moments[at].target_spot))
    return found


@settings(max_examples=12, deadline=None)
@given(
    least=st.integers(0, 2),
    more=st.integers(1, 4),
    share=st.sampled_from([0, 40, 100]),
    warm=st.sampled_from([0, 5, 20]),
    slots=st.integers(1, 3),
    jobs=st.lists(
        st.tuples(st.integers(0, 10_000), st.lists(st.integers(10, 1200), min_size=1, max_size=6), st.sampled_from([0, 45])),
        max_size=8,
    ),
    allocation=st.integers(30, 600),
    spot=st.sampled_from([0, 1, 100]),
)
def test_it_does_what_a_plain_one_does(
    least: int,
    more: int,
    share: int,
    warm: int,
    slots: int,
    jobs: list[tuple[int, list[int], int]],
    allocation: int,
    spot: int,
) -> None:
    rules = text(least, least + more, share, warm, slots)
    work = [Job(arrives=arrives, tasks=tuple(tasks), merge=merge) for arrives, tasks, merge in sorted(jobs)]
    plain = Plain(rules, work, slots, allocation, spot).run(5 * 3600)
    for lateness in (None, lambda _: 60):
        world = World(slots=slots, allocation=allocation, spot_capacity=spot, lateness=lateness)
        quick = Cluster(rules, work, world).run(300)
        assert targets(quick, 5) == plain.course
        assert quick.done == plain.done
        assert quick.node_seconds == plain.paid
        assert not quick.errors


class Counted(EvenScaling):
    """How often the formula was asked, and how often it had to be worked out."""

    asked = worked_out = 0

    def evaluate(self, formula: str, now: float, dedicated: int, spot: int) -> Evaluation:
        type(self).asked += 1
        return super().evaluate(formula, now, dedicated, spot)

    def _work_out(self, formula: str, now: float, dedicated: int, spot: int) -> Evaluation:
        type(self).worked_out += 1
        return super()._work_out(formula, now, dedicated, spot)


def test_a_quiet_year_is_over_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autoscale.simulation.EvenScaling", Counted)
    monkeypatch.setattr(Counted, "asked", 0)
    monkeypatch.setattr(Counted, "worked_out", 0)
    jobs = [Job(arrives=day * 86_400 + 50_000, tasks=(100,)) for day in range(365)]
    cluster = Cluster(text(), jobs).run(365 * 1440)
    assert len(cluster.done) == 365
    # The next evaluation is 100 seconds later, and a sample that it can read has the task; then a node comes.
    assert {done - job.arrives for job, done in zip(jobs, cluster.done.values(), strict=True)} == {100 + 240 + 100}
    assert Counted.asked < 365 * 12  # of 105,120
    assert Counted.worked_out < 40


@pytest.mark.parametrize(
    "formula",
    [
        "$TargetDedicatedNodes = $PendingTasks;",
        "$TargetDedicatedNodes = avg($PendingTasks.GetSample(TimeInterval_Minute * 7));",
        "$TargetDedicatedNodes = avg($PendingTasks.GetSample(5)) / 2;",
        "$TargetDedicatedNodes = ceil(min($PendingTasks.GetSample(TimeInterval_Minute * 5, 10)) / 3);",
        "$TargetDedicatedNodes = min($PendingTasks.GetSample(TimeInterval_Minute * 6, TimeInterval_Minute * 2));",
        "$TargetDedicatedNodes = time().hour < 12 ? 2 : $PendingTasks.GetSamplePercent(TimeInterval_Minute) / 50;",
        "$TargetLowPriorityNodes = min(3, $RunningTasks.GetSample(1));",
        "$TargetDedicatedNodes = $CPUPercent.GetSamplePercent(TimeInterval_Minute) > 0 ? 1 : 2;",
    ],
)
def test_other_formulas_are_asked_as_often_as_their_answers_may_change(formula: str) -> None:
    every, quick = Scaling(), EvenScaling(formula)
    chance = random.Random(7)
    pending, dedicated, spot, now = 0, 0, 0, 0.0
    for _ in range(120):
        now += chance.choice([20, 60, 300, 900])
        values = {"PendingTasks": pending, "RunningTasks": pending // 2}
        for scaling in (every, quick):
            scaling.hold(now, partial(dict, values))
        results: list[object] = []
        for scaling in (every, quick):
            try:
                found = scaling.evaluate(formula, now, dedicated, spot)
                results.append((found.dedicated, found.low_priority, found.deallocation))
            except FormulaError as error:
                results.append(str(error))
        assert results[0] == results[1]
        if chance.random() < 0.3:
            pending = chance.randrange(8)
            dedicated, spot = chance.randrange(3), chance.randrange(2)


def test_formulas_that_ask_for_the_time_are_never_settled() -> None:
    quick = EvenScaling("$TargetDedicatedNodes = time().hour;")
    quick.hold(90_000, dict)
    found = [quick.evaluate("$TargetDedicatedNodes = time().hour;", hour * 3600, 0, 0).dedicated for hour in (1, 2, 23)]
    assert found == [1, 2, 23]
    assert not quick.is_settled(90_000)
    other = EvenScaling("$TargetDedicatedNodes = max($PendingTasks.GetSample(TimeInterval_Hour));")
    other.hold(90_000, lambda: {"PendingTasks": 1})
    other.evaluate("$TargetDedicatedNodes = max($PendingTasks.GetSample(TimeInterval_Hour));", 90_000, 0, 0)
    assert other.is_settled(90_000)
    other.hold(91_000, lambda: {"PendingTasks": 2})
    assert not other.is_settled(93_000)
    assert other.is_settled(94_000)


def test_jobs_come_in_order() -> None:
    jobs = [Job(arrives=5, tasks=(1,)), Job(arrives=4, tasks=(1,))]
    with pytest.raises(ValueError, match="A job arrives at 4 after one at 5: sort them"):
        Cluster(text(), jobs).run(10)


@pytest.mark.parametrize("nodes", [1, 2, 5])
def test_nodes_that_are_always_there_are_a_queue_of_theory(nodes: int) -> None:
    """M/M/c: Erlang's C says how long one waits."""
    chance = random.Random(3)
    lasts, load = 60.0, 0.6
    jobs, now = [], 7200.0
    for _ in range(20_000):
        now += chance.expovariate(load * nodes / lasts)
        jobs.append(Job(arrives=now, tasks=(chance.expovariate(1 / lasts),)))
    cluster = Cluster(text(nodes, nodes, 0), jobs, keep_moments=False)
    cluster.run(now / 60 + 600, until=lambda cluster: cluster.is_done)
    waited = [cluster.done[number] - job.arrives - job.tasks[0] for number, job in enumerate(jobs)]
    erlangs = load * nodes
    queue = erlangs**nodes / math.factorial(nodes) / (1 - load)
    chance_to_wait = queue / (sum(erlangs**k / math.factorial(k) for k in range(nodes)) + queue)
    assert sum(waited) / len(waited) == pytest.approx(chance_to_wait * lasts / (nodes * (1 - load)), rel=0.12)
    assert sum(wait > 1e-6 for wait in waited) / len(waited) == pytest.approx(chance_to_wait, rel=0.05)
    assert cluster.busy_seconds == pytest.approx(sum(job.tasks[0] for job in jobs))
