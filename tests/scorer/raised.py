"""Whatever may be raised: kinds of errors that no code expects where they come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from pydantic import TypeAdapter


class PanicError(BaseException):
    """As pyo3 raises where Rust panics: no Exception."""


class MuteError(Exception):
    """Its text can't be had."""

    def __str__(self) -> str:
        raise ValueError("mute")


def invalid() -> Exception:
    try:
        TypeAdapter(int).validate_python("x")
    except ValueError as error:
        return error
    raise AssertionError


def undecodable() -> Exception:
    try:
        b"\xff".decode()
    except UnicodeDecodeError as error:
        return error
    raise AssertionError


KINDS: dict[str, Callable[[], BaseException]] = {
    "ValueError": lambda: ValueError("odd"),
    "ZeroDivisionError": lambda: ZeroDivisionError("division by zero"),
    "RecursionError": lambda: RecursionError("deep"),
    "KeyError": lambda: KeyError("key"),
    "MemoryError": MemoryError,
    "StopIteration": StopIteration,
    "ValidationError": invalid,
    "UnicodeDecodeError": undecodable,
    "OSError": lambda: OSError(5, "Input/output error"),
    "SystemExit": lambda: SystemExit(0),
    "GeneratorExit": GeneratorExit,
    "CancelledError": asyncio.CancelledError,
    "PanicError": lambda: PanicError("called `Option::unwrap()` on a `None` value"),
    "MuteError": MuteError,
    "BaseExceptionGroup": lambda: BaseExceptionGroup("many", [SystemExit(3), ValueError("one")]),
}
EACH = pytest.mark.parametrize("kind", KINDS)


def raiser(kind: str) -> Callable[..., object]:
    def broken(*_: object, **__: object) -> object:
        raise KINDS[kind]()

    return broken
