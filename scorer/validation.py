"""What pydantic refused, in words that a sentence of ours can be made of: nothing else here reads pydantic's errors.

Its own messages are for programmers, and its places name steps of its own:
https://docs.pydantic.dev/latest/errors/validation_errors/
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from scorer.text import escaped

# Steps at a place's end that are no key of the data: a dictionary's key itself, and the arms of a union.
_STEPS = re.compile(r"\[key\]|int|float|bool|str|constrained-\w+|[\w-]+\[.*\]")
# What follows in a message is for programmers: 'a valid integer, unable to parse string as ...', 'a valid path for <class ...'.
_ASIDE = re.compile(r", unable to parse .*| for <class .*")
_TYPES = ("bool_type", "int_type", "float_type")


@dataclass(frozen=True)
class Fault:
    """One value that is invalid, is missing, or has no place there."""

    kind: str
    """Pydantic's, such as missing, extra_forbidden, value_error (a sentence of our own) or int_parsing."""
    path: tuple[str | int, ...]
    """Keys and indices from the whole to the value; () where it is the whole."""
    value: object
    """What stands there; what is around it where it is missing."""
    reason: str
    """What is wrong, without a full stop at its end: 'should be greater than 0'."""

    @property
    def where(self) -> str:
        """The path as people write it: 'styles[0].weight'."""
        return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.path).removeprefix(".")

    @property
    def quoted(self) -> str:
        """The value, text between single quotes."""
        return f"'{self.value}'" if isinstance(self.value, str) else self.as_json

    @property
    def as_json(self) -> str:
        """The value as JSON, in the characters that were written."""
        return escaped(json.dumps(self.value, default=str, ensure_ascii=False))

    def __str__(self) -> str:
        """Where, and what is wrong there."""
        return f"{self.where}: {self.reason}" if self.path else self.reason


def faults(error: ValidationError) -> list[Fault]:
    """All that was refused: what is there and invalid before what is missing.

    Of a text where a number may stand, too, what is wrong with it as a text comes first.
    """
    found = map(_fault, error.errors(include_url=False))
    return sorted(found, key=lambda each: (each.kind == "missing", each.kind in _TYPES and isinstance(each.value, str)))


def _fault(found: ErrorDetails) -> Fault:
    path = found["loc"]
    # A key that has no place there, or is missing, may be called as a step is.
    while path and found["type"] not in ("extra_forbidden", "missing") and _STEPS.fullmatch(str(path[-1])):
        path = path[:-1]
    reason = found["msg"].removeprefix("Value error, ")
    if found["type"] != "value_error":
        reason = _ASIDE.sub("", reason[:1].lower() + reason[1:]).removeprefix("input ")
    return Fault(found["type"], path, found["input"], reason)
