"""Conditions on role assignments, as far as they are used here: what isn't known is refused, when the assignment is made.

Source: https://learn.microsoft.com/azure/role-based-access-control/conditions-format
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from emulator.rbac.definitions import ADD, BLOBS, DELETE, MOVE, READ, WRITE

LONGEST = 8 * 1024
VERSION = "2.0"

_ACTIONS = {each.lower() for each in (READ, WRITE, DELETE, ADD, MOVE)}
_PATH = f"@Resource[{BLOBS}:path]".lower()

_TOKEN = re.compile(
    r"\s*(?:(?P<word>!|\(|\)|&&|\|\||[A-Za-z]+(?=[\s({'!)]|$))|(?P<set>\{\s*'[^']*'\s*\})|(?P<attribute>@\w+\[[^\]]*\])|'(?P<text>[^']*)')"
)


class ConditionError(Exception):
    """Azure takes no such condition, or the emulator doesn't know it."""


@dataclass(frozen=True)
class Access:
    """What somebody wants to do."""

    action: str
    path: str | None
    """Of a blob; None where it isn't about one blob, and then nothing that is said of paths is true."""


Test = Callable[[Access], bool]


@cache
def parse(text: str) -> Test:
    """What `text` demands. Raises ConditionError."""
    if len(text) > LONGEST:
        raise ConditionError(f"The condition has {len(text)} characters: {LONGEST} at most.")
    parser = _Parser(_tokens(text))
    test = parser.either()
    if parser.left:
        raise ConditionError(f"'{parser.left[0][1]}' can't stand there.")
    return test


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise ConditionError(f"Can't be read from '{text[at : at + 40]}' on.")
        found.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return found


class _Parser:
    """AND binds more than OR, NOT more than both."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.left = tokens

    def _take(self, *kinds: str) -> str:
        if not self.left or self.left[0][0] not in kinds:
            raise ConditionError(f"A {' or '.join(kinds)} is missing before '{self.left[0][1] if self.left else 'the end'}'.")
        return self.left.pop(0)[1]

    def _word(self, *words: str) -> bool:
        if self.left and self.left[0][0] == "word" and self.left[0][1].upper() in words:
            self.left.pop(0)
            return True
        return False

    def either(self) -> Test:
        tests = [self._both()]
        while self._word("OR", "||"):
            tests.append(self._both())
        return lambda access: any(test(access) for test in tests)

    def _both(self) -> Test:
        tests = [self._single()]
        while self._word("AND", "&&"):
            tests.append(self._single())
        return lambda access: all(test(access) for test in tests)

    def _single(self) -> Test:
        if self._word("!", "NOT"):
            test = self._single()
            return lambda access: not test(access)
        if self._word("("):
            inner = self.either()
            if not self._word(")"):
                raise ConditionError("A ')' is missing.")
            return inner
        if self._word("ACTIONMATCHES"):
            return _action(self._take("set"))
        return _compared(self._take("attribute"), self._take("word"), self._take("text"))


def _action(text: str) -> Test:
    action = text.strip("{} ").strip("'").lower()
    if action not in _ACTIONS:
        raise ConditionError(f"'{action}' is no action that conditions are known for.")
    return lambda access: access.action.lower() == action


def _compared(attribute: str, operator: str, value: str) -> Test:
    if attribute.lower() != _PATH:
        raise ConditionError(f"Attribute '{attribute}' isn't known.")
    if operator not in _OPERATORS:
        raise ConditionError(f"Operator '{operator}' isn't known.")
    compare = _OPERATORS[operator]
    return lambda access: access.path is not None and compare(access.path, value)


def _like(path: str, pattern: str) -> bool:
    """'*' stands for any letters, '?' for one; both see upper and lower case."""
    return (
        re.fullmatch("".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in pattern), path, re.DOTALL) is not None
    )


_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda path, value: path == value,
    "StringNotEquals": lambda path, value: path != value,
    "StringLike": _like,
    "StringNotLike": lambda path, value: not _like(path, value),
}
