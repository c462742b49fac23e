"""What an expression of a formula may be, and what operators make of it.

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
    """A timeinterval; a timedelta can't hold its 100 nanoseconds."""

    seconds: float

    def __str__(self) -> str:
        return str(timedelta(seconds=self.seconds))


Vector = tuple[float, ...]
Value = float | Vector | str | datetime | Interval

INTERVALS = {
    "TimeInterval_Zero": 0.0,
    "TimeInterval_100ns": 1e-7,
    "TimeInterval_Microsecond": 1e-6,
    "TimeInterval_Millisecond": 1e-3,
    "TimeInterval_Second": 1.0,
    "TimeInterval_Minute": 60.0,
    "TimeInterval_Hour": 3600.0,
    "TimeInterval_Day": 86_400.0,
    "TimeInterval_Week": 604_800.0,
    "TimeInterval_Year": 31_536_000.0,
}
_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}


def kind(value: Value) -> str:
    """The type's name in the language."""
    names: dict[type, str] = {float: "double", tuple: "doubleVec", str: "string", datetime: "timestamp", Interval: "timeinterval"}
    return names[type(value)]


def unary(sign: str, value: Value, place: Place) -> Value:
    """`-` of a double or timeinterval, `!` of a double."""
    if isinstance(value, float):
        return -value if sign == "-" else float(not value)
    if isinstance(value, Interval) and sign == "-":
        return Interval(-value.seconds)
    raise WrongTypeError(f"Operator '{sign}' doesn't take {kind(value)}", place)


def binary(sign: str, left: Value, right: Value, place: Place) -> Value:
    """Two values and an operator between them; && and || are not here, as they may not need the right one."""
    found = _arithmetic(sign, left, right, place) if sign in _ARITHMETIC else _compare(sign, left, right)
    if found is None:
        raise WrongTypeError(f"Operator '{sign}' doesn't take {kind(left)} and {kind(right)}", place)
    return found


def _arithmetic(sign: str, left: Value, right: Value, place: Place) -> Value | None:
    numbers = _Numbers(sign, place)
    match left, right:
        case float(), float():
            return numbers(left, right)
        case tuple(), float():
            return tuple(numbers(each, right) for each in left)
        case tuple(), tuple():
            if len(left) != len(right):
                raise WrongTypeError(f"Vectors of {len(left)} and {len(right)} elements", place)
            return tuple(map(numbers, left, right))
        case _:
            return _time(sign, left, right, numbers)


def _time(sign: str, left: Value, right: Value, numbers: _Numbers) -> Value | None:
    match left, sign, right:
        case float(), "*", Interval():
            return Interval(left * right.seconds)
        case Interval(), "*" | "/", float():
            return Interval(numbers(left.seconds, right))
        case Interval(), "+" | "-", Interval():
            return Interval(numbers(left.seconds, right.seconds))
        case Interval(), "+", datetime():
            return right + timedelta(seconds=left.seconds)
        case datetime(), "+", Interval():
            return left + timedelta(seconds=right.seconds)
        case datetime(), "-", datetime():
            return Interval((left - right).total_seconds())
    return None


class _Numbers:
    """Arithmetic of two doubles that says where it divided by zero."""

    def __init__(self, sign: str, place: Place) -> None:
        self._sign, self._place = sign, place

    def __call__(self, left: float, right: float) -> float:
        if self._sign == "/" and right == 0:
            raise DivisionByZeroError("Division by zero", self._place)
        return _ARITHMETIC[self._sign](left, right)


def _compare(sign: str, left: Value, right: Value) -> float | None:
    match left, right:
        case (float(), float()) | (str(), str()) | (datetime(), datetime()) | (Interval(), Interval()):
            pass
        case _:
            return None
    equal, less = left == right, left < right  # type: ignore[operator]
    return float(
        {"==": equal, "!=": not equal, "<": less, "<=": less or equal, ">": not (less or equal), ">=": not less}[sign],
    )
