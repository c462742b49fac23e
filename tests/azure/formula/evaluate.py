"""Evaluate an autoscale formula as Batch does."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from tests.azure.formula.language import (
    Assignment,
    Binary,
    Call,
    FormulaError,
    Member,
    Name,
    Node,
    Number,
    Ternary,
    Text,
    Unary,
    parse,
)
from tests.azure.formula.metrics import PERIOD, Metrics

Vector = list[float]
Value = float | Vector | str | datetime | timedelta

SAMPLED = (
    "ActiveTasks",
    "RunningTasks",
    "PendingTasks",
    "SucceededTasks",
    "FailedTasks",
    "UsableNodeCount",
    "PreemptedNodeCount",
)
WRITABLE = ("$TargetDedicatedNodes", "$TargetLowPriorityNodes", "$NodeDeallocationOption")
DEALLOCATION = ("requeue", "terminate", "taskcompletion", "retaineddata")
INTERVALS = {
    "TimeInterval_Zero": timedelta(0),
    "TimeInterval_Microsecond": timedelta(microseconds=1),
    "TimeInterval_Millisecond": timedelta(milliseconds=1),
    "TimeInterval_Second": timedelta(seconds=1),
    "TimeInterval_Minute": timedelta(minutes=1),
    "TimeInterval_Hour": timedelta(hours=1),
    "TimeInterval_Day": timedelta(days=1),
    "TimeInterval_Week": timedelta(weeks=1),
    "TimeInterval_Year": timedelta(days=365),
}


@dataclass(frozen=True, kw_only=True)
class Pool:
    """What a formula can ask of the pool at once, without samples."""

    dedicated: int = 0
    low_priority: int = 0
    """Spot nodes, the preempted ones among them."""
    target_dedicated: int = 0
    target_low_priority: int = 0
    slots_per_node: int = 1


@dataclass(frozen=True)
class Evaluation:
    """What a formula decided."""

    dedicated: int
    low_priority: int
    deallocation: str


def evaluate(formula: str, metrics: Metrics, now: datetime, pool: Pool | None = None) -> Evaluation:
    """Evaluate a formula at a moment. Raises FormulaError where Batch would report one."""
    evaluator = _Evaluator(metrics, now, pool or Pool())
    for statement in parse(formula):
        evaluator.assign(statement)
    known = evaluator.variables
    return Evaluation(
        _count(known["$TargetDedicatedNodes"]), _count(known["$TargetLowPriorityNodes"]), str(known["$NodeDeallocationOption"])
    )


def variables(formula: str, metrics: Metrics, now: datetime, pool: Pool | None = None) -> dict[str, Value]:
    """All variables after an evaluation, as Batch shows them when a formula is tried."""
    evaluator = _Evaluator(metrics, now, pool or Pool())
    for statement in parse(formula):
        evaluator.assign(statement)
    return evaluator.variables


def _count(value: Value) -> int:
    if not isinstance(value, float) or not math.isfinite(value) or value < 0:
        raise FormulaError(f"A pool can't have {value} nodes.")
    return math.floor(value)


class _Evaluator:
    def __init__(self, metrics: Metrics, now: datetime, pool: Pool) -> None:
        self._metrics, self._now = metrics, now
        self._known: dict[str, Value] = {
            **INTERVALS,
            **{option: option for option in DEALLOCATION},
            "$CurrentDedicatedNodes": float(pool.dedicated),
            "$CurrentLowPriorityNodes": float(pool.low_priority),
            "$TaskSlotsPerNode": float(pool.slots_per_node),
        }
        self.variables: dict[str, Value] = {
            "$TargetDedicatedNodes": float(pool.target_dedicated),
            "$TargetLowPriorityNodes": float(pool.target_low_priority),
            "$NodeDeallocationOption": "requeue",
        }

    def assign(self, statement: Assignment) -> None:
        target = statement.target
        if target in self._known or (target.startswith("$") and target not in WRITABLE):
            raise FormulaError(f"{target} can't be assigned to.")
        value = self._value(statement.value)
        if target == "$NodeDeallocationOption" and value not in DEALLOCATION:
            raise FormulaError(f"$NodeDeallocationOption can't be {value}.")
        if target in WRITABLE[:2] and isinstance(value, list):
            value = value[0] if value else 0.0
        self.variables[target] = value

    def _value(self, node: Node) -> Value:
        match node:
            case Number(value):
                return value
            case Text(text):
                return text
            case Name(name):
                return self._variable(name)
            case Unary(operator, operand):
                return _unary(operator, self._value(operand))
            case Binary(operator, left, right):
                return _binary(operator, self._value(left), self._value(right))
            case Ternary(test, yes, no):
                return self._value(yes if _truth(self._value(test)) else no)
            case Member(of, name):
                return _member(self._value(of), name)
            case Call(name, arguments, None):
                return self._function(name, [self._value(each) for each in arguments])
            case Call(name, arguments, of):
                return self._method(of, name, [self._value(each) for each in arguments])

    def _variable(self, name: str) -> Value:
        if name in self.variables:
            return self.variables[name]
        if name in self._known:
            return self._known[name]
        if name.removeprefix("$") in SAMPLED:
            raise FormulaError(f"{name} is a history of samples: ask it for some, as in {name}.GetSample(1).")
        raise FormulaError(f"There is no variable {name}.")

    def _function(self, name: str, arguments: list[Value]) -> Value:
        if name == "time":
            return _time(arguments[0]) if arguments else self._now
        if name == "rand":
            return random.random()
        function = _FUNCTIONS.get(name)
        if function is None:
            raise FormulaError(f"There is no function {name}.")
        try:
            return function(arguments)
        except (TypeError, IndexError) as error:
            raise FormulaError(f"{name} can't take {arguments}.") from error

    def _method(self, of: Node | None, name: str, arguments: list[Value]) -> Value:
        metric = of.name.removeprefix("$") if isinstance(of, Name) else ""
        if metric not in SAMPLED:
            raise FormulaError(f"Only service-defined variables have {name}.")
        if name == "Count":
            return float(self._metrics.count(metric, self._now))
        if name == "GetSamplePeriod":
            return PERIOD
        if name == "HistoryBeginTime":
            return self._metrics.begin(metric, self._now)
        if name == "GetSamplePercent":
            return self._metrics.percent(metric, self._now, *self._period(arguments))
        if name != "GetSample" or not arguments:
            raise FormulaError(f"There is no method {name}.")
        if isinstance(arguments[0], float):
            return self._metrics.last(metric, self._now, int(arguments[0]))
        percent = arguments.pop() if isinstance(arguments[-1], float) else 0.0
        return self._metrics.between(metric, self._now, *self._period(arguments), percent=_double(percent))

    def _period(self, arguments: Sequence[Value]) -> tuple[datetime, datetime]:
        """From a start, and to an end if one is given; intervals count back from now."""
        moments = [self._now - each if isinstance(each, timedelta) else each for each in arguments]
        if not 1 <= len(moments) <= 2 or not all(isinstance(each, datetime) for each in moments):
            raise FormulaError(f"{list(arguments)} is no time to take samples from.")
        start, end = [each for each in [*moments, self._now] if isinstance(each, datetime)][:2]
        return start, end


def _double(value: Value) -> float:
    if isinstance(value, float):
        return value
    raise FormulaError(f"{value} isn't a number.")


def _truth(value: Value) -> bool:
    return _double(value) != 0


def _unary(operator: str, value: Value) -> Value:
    if operator == "!":
        return float(not _truth(value))
    if isinstance(value, float | timedelta):
        return -value
    raise FormulaError(f"-{value} means nothing.")


def _binary(operator: str, left: Value, right: Value) -> Value:
    if operator in _LOGIC:
        return float(_LOGIC[operator](_truth(left), _truth(right)))
    if operator in _COMPARE:
        if type(left) is not type(right) or isinstance(left, list):
            raise FormulaError(f"{left} {operator} {right} means nothing.")
        return float(_COMPARE[operator](left, right))
    if isinstance(left, list) or isinstance(right, list):
        return _vectors(operator, left, right)
    kinds = (type(left), operator, type(right))
    if kinds not in _ARITHMETIC:
        raise FormulaError(f"{left} {operator} {right} means nothing.")
    try:
        result: Value = _CALCULATE[operator](left, right)
    except ZeroDivisionError as error:
        raise FormulaError("Division by zero.") from error
    return result


def _vectors(operator: str, left: Value, right: Value) -> Vector:
    length = len(left) if isinstance(left, list) else len(right) if isinstance(right, list) else 0
    one = left if isinstance(left, list) else [_double(left)] * length
    other = right if isinstance(right, list) else [_double(right)] * length
    if len(one) != len(other):
        raise FormulaError(f"{left} and {right} have different lengths.")
    return [_double(_binary(operator, a, b)) for a, b in zip(one, other, strict=True)]


def _member(value: Value, name: str) -> float:
    if isinstance(value, datetime):
        parts = {
            "hour": value.hour,
            "minute": value.minute,
            "second": value.second,
            "day": value.day,
            "month": value.month,
            "year": value.year,
            "weekday": value.isoweekday() % 7,  # Sunday is 0
        }
        if name in parts:
            return float(parts[name])
    raise FormulaError(f"{value} has no {name}.")


def _time(text: Value) -> datetime:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        try:
            moment = parsedate_to_datetime(str(text))
        except ValueError as error:
            raise FormulaError(f"'{text}' is no time.") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _flat(arguments: Sequence[Value]) -> Vector:
    """All numbers of a list of numbers and vectors."""
    found: Vector = []
    for each in arguments:
        found += each if isinstance(each, list) else [_double(each)]
    if not found:
        raise FormulaError("There is no number to choose from.")
    return found


def _each(function: Callable[[float], float]) -> Callable[[list[Value]], Value]:
    def apply(arguments: list[Value]) -> Value:
        (value,) = arguments
        return [float(function(each)) for each in value] if isinstance(value, list) else float(function(_double(value)))

    return apply


def _percentile(arguments: list[Value]) -> float:
    vector, rank = sorted(_flat(arguments[:1])), _double(arguments[1])
    place = (len(vector) - 1) * rank / 100
    low, high = vector[math.floor(place)], vector[math.ceil(place)]
    return low + (high - low) * (place - math.floor(place))


_LOGIC: dict[str, Callable[[bool, bool], bool]] = {"&&": lambda a, b: a and b, "||": lambda a, b: a or b}
_COMPARE: dict[str, Callable[..., bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    ">=": lambda a, b: a >= b,
    ">": lambda a, b: a > b,
}
_CALCULATE: dict[str, Callable[..., Value]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
}
_ARITHMETIC = {
    *((float, sign, float) for sign in "+-*/"),
    (float, "*", timedelta),
    (timedelta, "*", float),
    (timedelta, "/", float),
    *((timedelta, sign, timedelta) for sign in "+-"),
    (timedelta, "+", datetime),
    *((datetime, sign, timedelta) for sign in "+-"),
    (datetime, "-", datetime),
    (str, "+", str),
}
_FUNCTIONS: dict[str, Callable[[list[Value]], Value]] = {
    "avg": lambda given: statistics.fmean(_flat(given)),
    "ceil": _each(math.ceil),
    "exp": _each(math.exp),
    "floor": _each(math.floor),
    "len": lambda given: float(len(given[0])) if isinstance(given[0], list) else 1.0,
    "lg": _each(math.log2),
    "ln": _each(math.log),
    "log": lambda given: math.log(_double(given[0]), _double(given[1])),
    "max": lambda given: max(_flat(given)),
    "min": lambda given: min(_flat(given)),
    "norm": lambda given: math.hypot(*_flat(given)),
    "percentile": _percentile,
    "range": lambda given: max(_flat(given)) - min(_flat(given)),
    "round": _each(lambda value: math.floor(value + 0.5)),
    "std": lambda given: statistics.stdev(_flat(given)),
    "sum": lambda given: sum(_flat(given)),
    "val": lambda given: _flat(given[:1])[int(_double(given[1]))],
}
