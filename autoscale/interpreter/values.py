"""What an expression of a formula may be, and what operators make of it, as far as formulas here need them.

Source: https://learn.microsoft.com/azure/batch/batch-automatic-scaling#operations
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from autoscale.interpreter.parser import FormulaError, Place


class WrongTypeError(FormulaError):
    """An operator, function or variable that doesn't take this type."""


class DivisionByZeroError(FormulaError):
    """A division by zero."""


@dataclass(frozen=True, order=True)
class Interval:
    """A timeinterval."""

    seconds: float

    def __str__(self) -> str:
        return str(timedelta(seconds=self.seconds))


Vector = tuple[float, ...]
Value = float | Vector | str | datetime | Interval

INTERVALS = {
    "TimeInterval_Second": 1.0,
    "TimeInterval_Minute": 60.0,
    "TimeInterval_Hour": 3600.0,
}
_OF_NUMBERS: dict[str, Callable[[float, float], float]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv,
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


def kind(value: Value) -> str:
    """The type's name in the language."""
    names: dict[type, str] = {float: "double", tuple: "doubleVec", str: "string", datetime: "timestamp", Interval: "timeinterval"}
    return names[type(value)]


def unary(sign: str, value: Value, place: Place) -> float:
    """`-` or `!` of a double."""
    if isinstance(value, float):
        return -value if sign == "-" else float(not value)
    raise WrongTypeError(f"Operator '{sign}' doesn't take {kind(value)}", place)


def binary(sign: str, left: Value, right: Value, place: Place) -> Value:
    """Two values and an operator between them; && and || are not here, as they may not need the right one."""
    match left, sign, right:
        case float(), "/", float() if right == 0:
            raise DivisionByZeroError("Division by zero", place)
        case float(), _, float():
            return float(_OF_NUMBERS[sign](left, right))
        case (float() as number, "*", Interval() as interval) | (Interval() as interval, "*", float() as number):
            return Interval(number * interval.seconds)
    raise WrongTypeError(f"Operator '{sign}' doesn't take {kind(left)} and {kind(right)}", place)
