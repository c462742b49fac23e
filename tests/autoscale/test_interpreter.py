"""The evaluator against formulas of Microsoft's page, with results worked out by hand, and against formulas that can't work.

https://learn.microsoft.com/azure/batch/batch-automatic-scaling
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from autoscale.interpreter.evaluate import Evaluation, ReadOnlyError, TargetError, UnknownVariableError, evaluate
from autoscale.interpreter.functions import UnknownFunctionError, WrongValueError
from autoscale.interpreter.metrics import InsufficientSamplesError, Metrics, Sample
from autoscale.interpreter.parser import FormulaError, FormulaSyntaxError, TooLargeError
from autoscale.interpreter.values import DivisionByZeroError, Value, WrongTypeError

# A Thursday, as in the page's results.
NOW = datetime(2016, 10, 13, 19, 18, 47, tzinfo=UTC)

PENDING = """
startingNumberOfVMs = 1;
maxNumberofVMs = 25;
pendingTaskSamplePercent = $PendingTasks.GetSamplePercent(180 * TimeInterval_Second);
pendingTaskSamples = pendingTaskSamplePercent < 70 ? startingNumberOfVMs :
    avg($PendingTasks.GetSample(180 * TimeInterval_Second));
$TargetDedicatedNodes=min(maxNumberofVMs, pendingTaskSamples);
$NodeDeallocationOption = taskcompletion;
"""
PREEMPTED = """
maxNumberofVMs = 25;
$TargetDedicatedNodes = min(maxNumberofVMs, $PreemptedNodeCount.GetSample(180 * TimeInterval_Second));
$TargetLowPriorityNodes = min(maxNumberofVMs , maxNumberofVMs - $TargetDedicatedNodes);
$NodeDeallocationOption = taskcompletion;
"""
WORKING_HOURS = """
$curTime = time();
$workHours = $curTime.hour >= 8 && $curTime.hour < 18;
$isWeekday = $curTime.weekday >= 1 && $curTime.weekday <= 5;
$isWorkingWeekdayHour = $workHours && $isWeekday;
$TargetDedicatedNodes = $isWorkingWeekdayHour ? 20:10;
"""
PARALLEL = """
// 70 percent of the samples of 15 minutes, or the last one
$samples = $ActiveTasks.GetSamplePercent(TimeInterval_Minute * 15);
$tasks = $samples < 70 ? max(0,$ActiveTasks.GetSample(1)) :
    max( $ActiveTasks.GetSample(1),avg($ActiveTasks.GetSample(TimeInterval_Minute * 15)));
$cores = $TargetDedicatedNodes * 4;
$extraVMs = (($tasks - $cores) + 3) / 4;
$targetVMs = ($TargetDedicatedNodes + $extraVMs);
$TargetDedicatedNodes = max(0,min($targetVMs,3));
"""


def history(values: Sequence[float], late: float = 60) -> list[Sample]:
    """One sample each 30 seconds; the last is taken just now, and so can't be read yet."""
    times = [NOW - timedelta(seconds=30 * age) for age in reversed(range(len(values)))]
    return [Sample(time, time + timedelta(seconds=late), value) for time, value in zip(times, values, strict=True)]


def metrics(dedicated: int = 0, spot: int = 0, late: float = 60, **values: Sequence[float]) -> Metrics:
    samples = {name: history(each, late) for name, each in values.items()}
    return Metrics(samples=samples, target_dedicated=dedicated, target_low_priority=spot)


def value(expression: str, known: Metrics | None = None) -> Value:
    return evaluate(f"it = {expression};", known or Metrics(), NOW).variables["it"]


def targets(found: Evaluation) -> tuple[int, int]:
    return found.dedicated, found.low_priority


def test_page_pending_tasks() -> None:
    # Six samples belong to 180 seconds; a minute late, the newest two are missing: 67 % are fewer than 70 %.
    assert targets(evaluate(PENDING, metrics(PendingTasks=[9] * 20), NOW)) == (1, 0)
    # Half a minute late one is missing: 83 %, and (4 + 8 + 8 + 8 + 10) / 5 = 7.6.
    found = evaluate(PENDING, metrics(late=30, PendingTasks=[99, 4, 8, 8, 8, 10, 99]), NOW)
    assert found.variables["pendingTaskSamples"] == pytest.approx(7.6)
    assert (found.dedicated, found.deallocation) == (7, "taskcompletion")
    assert evaluate(PENDING, metrics(late=0, PendingTasks=[90] * 9), NOW).dedicated == 25


def test_page_preempted_nodes() -> None:
    assert targets(evaluate(PREEMPTED, metrics(PreemptedNodeCount=[3] * 9), NOW)) == (3, 22)


@pytest.mark.parametrize(("hours", "nodes"), [(0, 10), (-3, 20), (48, 10), (46, 10), (93, 20), (-11, 20), (-12, 10)])
def test_page_working_hours(hours: int, nodes: int) -> None:
    found = evaluate(WORKING_HOURS, Metrics(), NOW + timedelta(hours=hours))
    assert found.dedicated == nodes
    assert found.deallocation == "requeue"


def test_page_parallel_tasks() -> None:
    # 5 tasks, no node: (5 + 3) / 4 = 2. With a node: 1 + (5 - 4 + 3) / 4 = 2.
    assert evaluate(PARALLEL, metrics(ActiveTasks=[5] * 40), NOW).dedicated == 2
    assert evaluate(PARALLEL, metrics(dedicated=1, ActiveTasks=[5] * 40), NOW).dedicated == 2
    assert evaluate(PARALLEL, metrics(ActiveTasks=[50] * 10), NOW).dedicated == 3


def test_page_sample_percent() -> None:
    # "If the last minute of history was not available, only 18 samples would be returned": 90 %.
    known = metrics(CPUPercent=[0.5] * 60)
    assert value("$CPUPercent.GetSample(TimeInterval_Minute * 10)", known) == (0.5,) * 18
    assert value("$CPUPercent.GetSample(TimeInterval_Minute * 10, 80)", known) == (0.5,) * 18
    with pytest.raises(InsufficientSamplesError, match="wanted 95%, received 90%"):
        value("$CPUPercent.GetSample(TimeInterval_Minute * 10, 95)", known)


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("1 + 2 * 3 - 4 / 8", 6.5),
        ("-2 * -(1 + 1)", 4),
        ("1 < 2 && 2 <= 2 && !(3 == 4) || 0", 1),
        ("1 ? 2 : 3 ? 4 : 5", 2),
        ("0 && 1 / 0", 0),
        ("1 ? 7 : $PendingTasks.GetSample(1)", 7),
        ("avg(1, 2, 6)", 3),
        ("max(2, 9, 4) - min(2, 9, 4)", 7),
        ("ceil(1.25) + ceil(2) + ceil(-0.5)", 4),
        ("time().hour * 10 + time().weekday", 194),
    ],
)
def test_expressions(expression: str, result: float) -> None:
    assert value(expression) == pytest.approx(result)


def test_samples() -> None:
    known = metrics(RunningTasks=range(1, 13))
    # Twelve samples, and the newest two can't be read.
    assert value("$RunningTasks.GetSample(3)", known) == (8, 9, 10)
    assert value("$RunningTasks", known) == 10
    assert value("$RunningTasks.GetSample(1 * TimeInterval_Minute, 3 * TimeInterval_Minute)", known) == (7, 8, 9, 10)
    assert value("$RunningTasks.GetSamplePercent(TimeInterval_Minute, 3 * TimeInterval_Minute)", known) == 100
    assert value("max($RunningTasks.GetSample(2), 3)", known) == 10
    assert value("ceil($RunningTasks.GetSample(2))", known) == (9, 10)
    assert value("$PendingTasks.GetSamplePercent(TimeInterval_Minute)", known) == 0


def test_targets_stay_unless_set() -> None:
    assert targets(evaluate("a = 1;", metrics(dedicated=3, spot=2), NOW)) == (3, 2)
    assert targets(evaluate("$TargetDedicatedNodes = 6;", metrics(dedicated=3, spot=2), NOW)) == (6, 2)
    assert evaluate("$TargetDedicatedNodes = 2.99;", Metrics(), NOW).dedicated == 2


@pytest.mark.parametrize(
    ("formula", "error"),
    [
        ("a = b;", UnknownVariableError),
        ("a = $Nodes;", UnknownVariableError),
        ("a = PendingTasks;", UnknownVariableError),
        ("$PendingTasks = 1;", ReadOnlyError),
        ("TimeInterval_Hour = 1;", ReadOnlyError),
        ("a = 1 / 0;", DivisionByZeroError),
        ("a = 1 + TimeInterval_Hour;", WrongTypeError),
        ("a = time() + time();", WrongTypeError),
        ("a = 1 == TimeInterval_Hour;", WrongTypeError),
        ("a = !TimeInterval_Hour;", WrongTypeError),
        ("a = TimeInterval_Hour ? 1 : 2;", WrongTypeError),
        ("a = max(TimeInterval_Hour);", WrongTypeError),
        ("a = time().era;", WrongTypeError),
        ("$TargetDedicatedNodes = TimeInterval_Hour;", WrongTypeError),
        ("$NodeDeallocationOption = 1;", WrongTypeError),
        ("a = $PendingTasks.GetSample(time());", WrongTypeError),
        ("$TargetDedicatedNodes = -1;", TargetError),
        ("a = max();", WrongValueError),
        ("a = avg();", WrongValueError),
        ("a = maximum(1);", UnknownFunctionError),
        ("a = time(1);", UnknownFunctionError),
        ("a = $PendingTasks.GetSamples(1);", UnknownFunctionError),
        ("a = $PendingTasks.GetSample(1);", InsufficientSamplesError),
        ("a = $PendingTasks;", InsufficientSamplesError),
        ("a = $PendingTasks.GetSample(TimeInterval_Minute, 1);", InsufficientSamplesError),
        ("a = 1 b = 2;", FormulaSyntaxError),
        ("a = (1;", FormulaSyntaxError),
        ("a = 7 % 2;", FormulaSyntaxError),
        ('a = "b";', FormulaSyntaxError),
        ("a = ;", FormulaSyntaxError),
        ("a", UnknownVariableError),
        ("a = 1;" * 101, TooLargeError),
        ("// " + "x" * 8190, TooLargeError),
    ],
)
def test_what_fails(formula: str, error: type[FormulaError]) -> None:
    with pytest.raises(error):
        evaluate(formula, Metrics(), NOW)


def test_errors_say_where() -> None:
    with pytest.raises(DivisionByZeroError, match="Line 3, Col 7: "):
        evaluate("// none\na = 0;\nb = 1 / a;", Metrics(), NOW)


def test_the_largest_formula_passes() -> None:
    assert evaluate("//" + "x" * 8190, Metrics(), NOW).dedicated == 0
