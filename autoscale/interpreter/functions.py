"""The functions that formulas may call.

Source: https://learn.microsoft.com/azure/batch/batch-automatic-scaling#functions
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from autoscale.interpreter.parser import FormulaError, Place
from autoscale.interpreter.values import Value, Vector, WrongTypeError, kind


class UnknownFunctionError(FormulaError):
    """No function or method of that name."""


class WrongValueError(FormulaError):
    """A value that the function can't work with, such as the greatest of none."""


def _std(values: Vector) -> float:
    return statistics.stdev(values)


_OF_A_LIST: dict[str, Callable[[Vector], float]] = {
    "avg": statistics.fmean,
    "max": max,
    "min": min,
    "norm": lambda values: math.hypot(*values),
    "range": lambda values: max(values) - min(values),
    "std": _std,
}
_OF_EACH: dict[str, Callable[[float], float]] = {
    "lg": math.log2,
    "ln": math.log,
    "log": math.log10,
    "ceil": lambda value: float(math.ceil(value)),
    "floor": lambda value: float(math.floor(value)),
    # Halves go away from zero, unlike Python's.
    "round": lambda value: math.copysign(math.floor(abs(value) + 0.5), value),
}


def call(name: str, arguments: Sequence[Value], place: Place) -> Value:
    """What a function that needs neither clock nor chance makes of its arguments.

    Raises UnknownFunctionError, WrongTypeError, WrongValueError.
    """
    try:
        return _call(name, arguments, place)
    except (ValueError, statistics.StatisticsError) as error:
        raise WrongValueError(f"{name}: {error}", place) from error


def _call(name: str, arguments: Sequence[Value], place: Place) -> Value:
    if name in _OF_A_LIST:
        return float(_OF_A_LIST[name](flatten(name, arguments, place)))
    if name in _OF_EACH:
        values = flatten(name, arguments, place)
        each = tuple(_OF_EACH[name](value) for value in values)
        return each[0] if len(arguments) == 1 and isinstance(arguments[0], float) else each
    match name, *arguments:
        case "len", *_:
            return float(len(flatten(name, arguments, place)))
        case "sum", *_:
            return math.fsum(flatten(name, arguments, place))
        case "vec", *_:
            return flatten(name, arguments, place)
        case "val", tuple() as vector, float() as index:
            if not 0 <= index < len(vector):
                raise WrongValueError(f"val: no element {index:g} in a vector of {len(vector)}", place)
            return float(vector[int(index)])
        case "percentile", tuple() as vector, float() as percent:
            return _percentile(vector, percent, place)
        case (("val" | "percentile"), *_):
            raise WrongTypeError(f"{name} takes a doubleVec and a double", place)
    raise UnknownFunctionError(f"Unknown function {name}", place)


def _percentile(vector: Vector, percent: float, place: Place) -> float:
    # The page says "the percentile element": an element of the vector, so the nearest rank.
    if not vector or not 0 <= percent <= 100:
        raise WrongValueError(f"percentile: {percent:g} of {len(vector)} elements", place)
    return sorted(vector)[max(0, math.ceil(percent / 100 * len(vector)) - 1)]


def flatten(name: str, arguments: Sequence[Value], place: Place) -> Vector:
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


def read_time(text: str, place: Place) -> datetime:
    """A time stamp from W3C-DTF or RFC 1123; UTC where it names no zone."""
    readers: tuple[Callable[[str], datetime], ...] = (datetime.fromisoformat, parsedate_to_datetime)
    for reader in readers:
        try:
            moment = reader(text)
        except ValueError:
            continue
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    raise WrongValueError(f"time: {text!r} is neither W3C-DTF nor RFC 1123", place)


def member(value: Value, name: str, place: Place) -> float:
    """A part of a time stamp; Monday is 1."""
    if not isinstance(value, datetime):
        raise WrongTypeError(f"{kind(value)} has no member {name}", place)
    moment = value.astimezone(UTC)
    parts = {
        "year": moment.year,
        "month": moment.month,
        "day": moment.day,
        "weekday": moment.isoweekday(),
        "hour": moment.hour,
        "minute": moment.minute,
        "second": moment.second,
    }
    if name not in parts:
        raise WrongTypeError(f"timestamp has no member {name}", place)
    return float(parts[name])
