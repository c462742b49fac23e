"""The functions that formulas may call: those of the deployment's formula, and of the examples on Microsoft's page.

Others of the language aren't known here, so that a formula that calls them fails.
Source: https://learn.microsoft.com/azure/batch/batch-automatic-scaling#functions
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from autoscale.interpreter.parser import FormulaError, Place
from autoscale.interpreter.values import Value, Vector, WrongTypeError, kind


class UnknownFunctionError(FormulaError):
    """No function or method of that name."""


class WrongValueError(FormulaError):
    """A value that the function can't work with, such as the greatest of none."""


OF_A_LIST: dict[str, Callable[[Vector], float]] = {"avg": statistics.fmean, "max": max, "min": min}
"""What makes one double of a vector."""


def call(name: str, arguments: Sequence[Value], place: Place) -> Value:
    """What a function that needs no clock makes of its arguments.

    Raises UnknownFunctionError, WrongTypeError, WrongValueError.
    """
    if name not in (*OF_A_LIST, "ceil"):
        raise UnknownFunctionError(f"Unknown function {name}", place)
    values = _flatten(name, arguments, place)
    if name == "ceil":
        each = tuple(float(math.ceil(value)) for value in values)
        return each[0] if len(arguments) == 1 and isinstance(arguments[0], float) else each
    try:
        return float(OF_A_LIST[name](values))
    except (ValueError, statistics.StatisticsError) as error:
        raise WrongValueError(f"{name}: {error}", place) from error


def _flatten(name: str, arguments: Sequence[Value], place: Place) -> Vector:
    """A doubleVecList as the one vector that it stands for."""
    values: list[float] = []
    for argument in arguments:
        if isinstance(argument, float):
            values.append(argument)
        elif isinstance(argument, tuple):
            values.extend(argument)
        else:
            raise WrongTypeError(f"{name} doesn't take {kind(argument)}", place)
    return tuple(values)


def member(value: Value, name: str, place: Place) -> float:
    """A part of a time stamp; Monday is 1."""
    if not isinstance(value, datetime):
        raise WrongTypeError(f"{kind(value)} has no member {name}", place)
    moment = value.astimezone(UTC)
    parts = {"weekday": moment.isoweekday(), "hour": moment.hour}
    if name not in parts:
        raise WrongTypeError(f"timestamp has no member {name}", place)
    return float(parts[name])
