"""Evaluates an autoscale formula as Azure Batch does, on samples and a clock that are given to it.

Where Microsoft's page leaves open what happens, this takes the worst: no samples are an error, and so is a negative target.
`&&`, `||` and `?:` evaluate only what they need: the page's own formulas ask GetSamplePercent before GetSample.
Source: https://learn.microsoft.com/azure/batch/batch-automatic-scaling
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from autoscale.interpreter import functions, values
from autoscale.interpreter.metrics import NAMES, Measured, Question
from autoscale.interpreter.parser import (
    Binary,
    Call,
    Conditional,
    Expression,
    FormulaError,
    Member,
    Method,
    Name,
    Number,
    Place,
    Statement,
    Unary,
    parse,
)
from autoscale.interpreter.values import Interval, Value, WrongTypeError

DEDICATED, LOW_PRIORITY, DEALLOCATION = "$TargetDedicatedNodes", "$TargetLowPriorityNodes", "$NodeDeallocationOption"
OPTIONS = frozenset({"requeue", "terminate", "taskcompletion", "retaineddata"})


class UnknownVariableError(FormulaError):
    """A variable that nothing gave a value to."""


class ReadOnlyError(FormulaError):
    """A value for what Batch measures, or for a constant."""


class TargetError(FormulaError):
    """A number of nodes that no pool can have."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What the pool shall be."""

    dedicated: int
    low_priority: int
    """Spot nodes."""
    deallocation: str
    """What happens to the tasks of a node that has to go."""
    variables: Mapping[str, Value]
    """All that the formula gave a value to, as an autoscale run shows it."""


def evaluate(formula: str, metrics: Measured, now: datetime) -> Evaluation:
    """What a formula makes of the samples that can be read at a moment.

    Targets that it doesn't set stay as they are; fractions of a node are cut off.
    Raises FormulaError, after which Batch leaves the pool as it is.
    """
    statements = parse(formula)
    run = _Run(metrics, now)
    for statement in statements:
        run.execute(statement)
    return run.result()


class _Run:
    """One evaluation: the variables so far."""

    def __init__(self, metrics: Measured, now: datetime) -> None:
        self._metrics, self._now = metrics, now
        self._assigned: dict[str, Value] = {}
        self._before: dict[str, Value] = {
            DEDICATED: float(metrics.target_dedicated),
            LOW_PRIORITY: float(metrics.target_low_priority),
            DEALLOCATION: "requeue",
        }

    def execute(self, statement: Statement) -> None:
        value = self._evaluate(statement.expression)
        if statement.name is not None:
            self._assign(statement.name, value, statement.place)

    def result(self) -> Evaluation:
        return Evaluation(
            dedicated=self._target(DEDICATED),
            low_priority=self._target(LOW_PRIORITY),
            deallocation=str(self._variable(DEALLOCATION)),
            variables=dict(self._assigned),
        )

    def _target(self, name: str) -> int:
        value = self._variable(name)
        if not isinstance(value, float) or not 0 <= value < float("inf"):
            raise TargetError(f"{name} can't be {value}")
        return int(value)

    def _variable(self, name: str) -> Value | None:
        return self._assigned.get(name, self._before.get(name))

    def _assign(self, name: str, value: Value, place: Place) -> None:
        if name.startswith("$") and name[1:] in NAMES:
            raise ReadOnlyError(f"{name} is read-only", place)
        if name in values.INTERVALS or name in OPTIONS:
            raise ReadOnlyError(f"{name} is a constant", place)
        if name == DEALLOCATION and value not in OPTIONS:
            raise WrongTypeError(f"{name} is one of {', '.join(sorted(OPTIONS))}", place)
        if name in (DEDICATED, LOW_PRIORITY) and not isinstance(value, float):
            raise WrongTypeError(f"{name} is a double, not {values.kind(value)}", place)
        self._assigned[name] = value

    def _evaluate(self, node: Expression) -> Value:
        match node:
            case Number():
                return node.value
            case Name():
                return self._name(node)
            case Unary():
                return values.unary(node.operator, self._evaluate(node.operand), node.place)
            case Binary(operator="&&" | "||"):
                return self._logic(node)
            case Binary():
                return values.binary(node.operator, self._evaluate(node.left), self._evaluate(node.right), node.place)
            case Conditional():
                return self._evaluate(node.when_true if self._truth(node.condition, node.place) else node.when_false)
            case Member():
                return functions.member(self._evaluate(node.target), node.member, node.place)
            case Method():
                return self._method(node)
            case Call():
                return self._call(node)

    def _truth(self, node: Expression, place: Place) -> bool:
        value = self._evaluate(node)
        if not isinstance(value, float):
            raise WrongTypeError(f"A condition is a double, not {values.kind(value)}", place)
        return value != 0

    def _logic(self, node: Binary) -> float:
        left = self._truth(node.left, node.place)
        if left == (node.operator == "||"):
            return float(left)
        return float(self._truth(node.right, node.place))

    def _name(self, node: Name) -> Value:
        value = self._variable(node.name)
        if value is not None:
            return value
        if node.name in values.INTERVALS:
            return Interval(values.INTERVALS[node.name])
        if node.name in OPTIONS:
            return node.name
        return self._ask(node, "GetSample", (1.0,), node.place, "max")

    def _ask(self, node: Name, method: str, arguments: tuple[Value, ...], place: Place, function: str = "") -> Value:
        name = node.name.removeprefix("$")
        if not node.name.startswith("$") or name not in NAMES:
            raise UnknownVariableError(f"Unknown variable {node.name}", node.place)
        return self._metrics.answer(Question(name, method, arguments, function), self._now, place)

    def _method(self, node: Method, function: str = "") -> Value:
        if not isinstance(node.target, Name):
            raise WrongTypeError(f"{node.method} is asked of what Batch measures", node.place)
        arguments = tuple(self._evaluate(argument) for argument in node.arguments)
        return self._ask(node.target, node.method, arguments, node.place, function)

    def _call(self, node: Call) -> Value:
        if node.function == "time" and not node.arguments:
            return self._now
        match node.arguments:
            case (Method(method="GetSample") as samples,) if node.function in functions.OF_A_LIST:
                return self._method(samples, node.function)
        return functions.call(node.function, [self._evaluate(argument) for argument in node.arguments], node.place)
