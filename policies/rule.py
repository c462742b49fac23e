"""What a rule is: a name, what it demands, the kinds of resources it looks at, and a function that says what is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from policies.values import Value

EVERY_TYPE: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A resource that Pulumi is about to make: its kind (`batch:Pool`), its logical name and its inputs."""

    kind: str
    name: str
    props: Value


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule about single resources; `kinds` empty means every resource of Azure."""

    name: str
    demands: str
    kinds: frozenset[str]
    check: Callable[[Resource], Iterator[str]]


@dataclass(frozen=True, kw_only=True)
class Node:
    """A resource of a whole stack: its URN, and the URNs that each of its inputs was made from."""

    kind: str
    name: str
    urn: str
    props: Value
    origins: Mapping[str, frozenset[str]]


@dataclass(frozen=True, kw_only=True)
class StackRule:
    """A rule about a stack as a whole; yields the URN of a resource and the sentence about it."""

    name: str
    demands: str
    check: Callable[[Sequence[Node]], Iterator[tuple[str, str]]]


def kind_of(token: str) -> str | None:
    """`batch:Pool` of `azure-native:batch:Pool` or `azure-native:batch/v20240701:Pool`; None for what isn't Azure's."""
    found = re.fullmatch(r"azure-native(?:_\w+)?:(\w+)(?:/\w+)?:(\w+)", token)
    return f"{found[1]}:{found[2]}" if found else None


def kinds(*names: str) -> frozenset[str]:
    """The kinds that a rule looks at."""
    return frozenset(names)
