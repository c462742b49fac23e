"""The inputs of a resource as plain values; what a preview can't know yet is UNKNOWN, and no rule judges it before that."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Final, TypeAlias

from pulumi.asset import FileAsset, StringAsset
from pulumi_policy.proxy import UnknownValueError


class Unknown(Enum):
    """The type of a value that depends on a resource which doesn't exist yet."""

    UNKNOWN = "not known before the update"


UNKNOWN: Final = Unknown.UNKNOWN
Value: TypeAlias = "bool | int | float | str | Unknown | list[Value] | dict[str, Value] | None"


def plain(given: object) -> Value:
    """Whatever Pulumi hands to a policy, as plain values.

    Pulumi's own proxies raise at the first unknown value and so skip the whole rule in a preview; here only that value is.
    """
    match given:
        case None | bool() | int() | float() | str():
            return given
        case Mapping():
            return {str(key): _member(given, key) for key in given}
        case Sequence():
            return [_member(given, index) for index in range(len(given))]
        case StringAsset():
            return str(given.text)
        case FileAsset():
            return str(given.path)
        case _:
            return UNKNOWN


def _member(given: Mapping[str, object] | Sequence[object], key: str | int) -> Value:
    try:
        return plain(given[key])  # type: ignore[index]
    except UnknownValueError:
        return UNKNOWN


def at(value: Value, *path: str) -> Value:
    """The value at a path of keys: None where a key is missing, UNKNOWN where the way there is unknown."""
    for key in path:
        if value is UNKNOWN:
            return UNKNOWN
        value = value.get(key) if isinstance(value, dict) else None
    return value


def elements(value: Value) -> list[Value]:
    """The elements of a list; none of what is missing or unknown."""
    return value if isinstance(value, list) else []


def texts(*values: Value) -> list[str]:
    """All strings among the values and the lists among them."""
    flat = [element for value in values for element in (value if isinstance(value, list) else [value])]
    return [element for element in flat if isinstance(element, str)]


def walk(value: Value, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Value]]:
    """Every value inside, with its path."""
    yield path, value
    if isinstance(value, dict):
        for key, member in value.items():
            yield from walk(member, (*path, key))
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from walk(member, (*path, str(index)))


def expect(props: Value, path: str, wanted: tuple[Value, ...], advice: str) -> Iterator[str]:
    """A sentence if the value at `path` (dots between keys) is known and none of those wanted; None stands for one not set."""
    value = at(props, *path.split("."))
    if value is not UNKNOWN and value not in wanted:
        said = "not set" if value is None else _quoted(value)
        yield f"{path} is {said}: {advice}."


def _quoted(value: Value) -> str:
    return json.dumps(value, default=lambda unknown: unknown.value)
