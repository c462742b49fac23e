"""Reads the language of Azure Batch's autoscale formulas: from text to statements.

Source: https://learn.microsoft.com/azure/batch/batch-automatic-scaling
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

LARGEST = 8 * 1024
MOST_STATEMENTS = 100


@dataclass(frozen=True)
class Place:
    """Where in the formula, counted from 1."""

    line: int
    column: int


class FormulaError(Exception):
    """A formula that Batch refuses, or an evaluation of it that fails: the pool then stays as it is."""

    def __init__(self, message: str, place: Place | None = None) -> None:
        super().__init__(f"Line {place.line}, Col {place.column}: {message}" if place else message)


class FormulaSyntaxError(FormulaError):
    """Not a formula of the language."""


class TooLargeError(FormulaError):
    """More than 8 KB, or more than 100 statements."""


@dataclass(frozen=True)
class Number:
    """A number as it stands in the text."""

    value: float
    place: Place


@dataclass(frozen=True)
class Name:
    """A variable (with or without the dollar sign), a unit of time or a deallocation option."""

    name: str
    place: Place


@dataclass(frozen=True)
class Unary:
    """`operator operand`."""

    operator: str
    operand: Expression
    place: Place


@dataclass(frozen=True)
class Binary:
    """`left operator right`."""

    operator: str
    left: Expression
    right: Expression
    place: Place


@dataclass(frozen=True)
class Conditional:
    """`condition ? when_true : when_false`."""

    condition: Expression
    when_true: Expression
    when_false: Expression
    place: Place


@dataclass(frozen=True)
class Call:
    """A function."""

    function: str
    arguments: tuple[Expression, ...]
    place: Place


@dataclass(frozen=True)
class Method:
    """Something asked of a metric: `$PendingTasks.GetSample(1)`."""

    target: Expression
    method: str
    arguments: tuple[Expression, ...]
    place: Place


@dataclass(frozen=True)
class Member:
    """A part of a time stamp: `time().hour`."""

    target: Expression
    member: str
    place: Place


Expression = Number | Name | Unary | Binary | Conditional | Call | Method | Member


@dataclass(frozen=True)
class Statement:
    """An assignment, or an expression on its own where `name` is None."""

    name: str | None
    expression: Expression
    place: Place


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    place: Place


_TOKENS = re.compile(
    r"""(?P<space>\s+|//[^\n]*|/\*.*?\*/)
      | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
      | (?P<name>\$?[A-Za-z_]\w*)
      | (?P<sign>&&|\|\||<=|>=|==|!=|[-+*/<>!?:=;,.()])""",
    re.VERBOSE | re.DOTALL,
)
# From what binds least to what binds most.
_LEVELS: tuple[tuple[str, ...], ...] = (("||",), ("&&",), ("==", "!="), ("<", "<=", ">", ">="), ("+", "-"), ("*", "/"))


# A pool evaluates the same text again and again.
@lru_cache(maxsize=64)
def parse(formula: str) -> tuple[Statement, ...]:
    """The formula's statements.

    Raises TooLargeError, and FormulaSyntaxError where it is none.
    """
    size = len(formula.encode())
    if size > LARGEST:
        raise TooLargeError(f"The formula is {size} bytes: it can't exceed {LARGEST}.")
    statements = _Parser(_tokens(formula)).statements()
    if len(statements) > MOST_STATEMENTS:
        raise TooLargeError(f"The formula has {len(statements)} statements: it can't have more than {MOST_STATEMENTS}.")
    return statements


def _tokens(formula: str) -> list[_Token]:
    tokens = []
    at, line, line_start = 0, 1, 0
    while at < len(formula):
        place = Place(line, at - line_start + 1)
        match = _TOKENS.match(formula, at)
        if match is None:
            raise FormulaSyntaxError(f"Unexpected character {formula[at]!r}", place)
        if match.lastgroup != "space":
            tokens.append(_Token(str(match.lastgroup), match.group(), place))
        if "\n" in match.group():
            line += match.group().count("\n")
            line_start = at + match.group().rindex("\n") + 1
        at = match.end()
    return [*tokens, _Token("end", "", Place(line, at - line_start + 1))]


class _Parser:
    """Recursive descent: one method a kind of expression."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0

    def statements(self) -> tuple[Statement, ...]:
        found = []
        while self._next.kind != "end":
            if self._takes(";"):
                continue
            found.append(self._statement())
            if self._next.kind != "end":
                self._expect(";")
        return tuple(found)

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self) -> _Token:
        token = self._next
        self._at += token.kind != "end"
        return token

    def _takes(self, sign: str) -> bool:
        found = self._next.kind == "sign" and self._next.text == sign
        self._at += found
        return found

    def _expect(self, sign: str) -> None:
        if not self._takes(sign):
            raise FormulaSyntaxError(f"Expected '{sign}', found {self._next.text or 'the end'!r}", self._next.place)

    def _statement(self) -> Statement:
        first = self._next
        after = self._tokens[self._at + 1]
        if first.kind == "name" and after.kind == "sign" and after.text == "=":
            self._at += 2
            return Statement(first.text, self._expression(), first.place)
        return Statement(None, self._expression(), first.place)

    def _expression(self) -> Expression:
        condition = self._binary(0)
        place = self._next.place
        if not self._takes("?"):
            return condition
        when_true = self._expression()
        self._expect(":")
        return Conditional(condition, when_true, self._expression(), place)

    def _binary(self, level: int) -> Expression:
        if level == len(_LEVELS):
            return self._unary()
        left = self._binary(level + 1)
        while self._next.kind == "sign" and self._next.text in _LEVELS[level]:
            sign = self._take()
            left = Binary(sign.text, left, self._binary(level + 1), sign.place)
        return left

    def _unary(self) -> Expression:
        sign = self._next
        if self._takes("-") or self._takes("!"):
            return Unary(sign.text, self._unary(), sign.place)
        return self._postfix()

    def _postfix(self) -> Expression:
        found = self._primary()
        while self._takes("."):
            name = self._take()
            if name.kind != "name":
                raise FormulaSyntaxError(f"Expected a name after '.', found {name.text!r}", name.place)
            if self._takes("("):
                found = Method(found, name.text, self._arguments(), name.place)
            else:
                found = Member(found, name.text, name.place)
        return found

    def _primary(self) -> Expression:
        token = self._take()
        if token.kind == "number":
            return Number(float(token.text), token.place)
        if token.kind == "name":
            return Call(token.text, self._arguments(), token.place) if self._takes("(") else Name(token.text, token.place)
        if token.kind == "sign" and token.text == "(":
            inner = self._expression()
            self._expect(")")
            return inner
        raise FormulaSyntaxError(f"Unexpected {token.text or 'end'!r}", token.place)

    def _arguments(self) -> tuple[Expression, ...]:
        found: list[Expression] = []
        if self._takes(")"):
            return ()
        while True:
            found.append(self._expression())
            if self._takes(")"):
                return tuple(found)
            self._expect(",")
