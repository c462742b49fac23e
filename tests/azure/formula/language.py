"""The language of Batch's autoscale formulas: from text to a tree.

Source: https://learn.microsoft.com/azure/batch/batch-automatic-scaling
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_BYTES = 8 * 1024
MAX_STATEMENTS = 100


class FormulaError(Exception):
    """Batch would refuse the formula, or its evaluation would fail."""


@dataclass(frozen=True)
class Number:
    """A number as written."""

    value: float


@dataclass(frozen=True)
class Text:
    """A string as written."""

    value: str


@dataclass(frozen=True)
class Name:
    """A variable or a constant."""

    name: str


@dataclass(frozen=True)
class Unary:
    """`-x` or `!x`."""

    operator: str
    operand: Node


@dataclass(frozen=True)
class Binary:
    """`a + b` and its like."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True)
class Ternary:
    """`test ? yes : no`."""

    test: Node
    yes: Node
    no: Node


@dataclass(frozen=True)
class Call:
    """`function(...)`, or `variable.method(...)`."""

    name: str
    arguments: tuple[Node, ...]
    of: Node | None = None


@dataclass(frozen=True)
class Member:
    """`time().hour`."""

    of: Node
    name: str


Node = Number | Text | Name | Unary | Binary | Ternary | Call | Member


@dataclass(frozen=True)
class Assignment:
    """One statement."""

    target: str
    value: Node


_TOKENS = re.compile(
    r"""
      (?P<space>\s+|//[^\n]*|/\*.*?\*/)
    | (?P<number>\d+(\.\d+)?([eE][+-]?\d+)?)
    | (?P<text>"[^"]*")
    | (?P<name>\$?[A-Za-z_]\w*)
    | (?P<sign><=|>=|==|!=|&&|\|\||[-+*/!<>=?:;,.()])
    """,
    re.VERBOSE | re.DOTALL,
)
# From the loosest to the tightest.
_BINARY = [["||"], ["&&"], ["==", "!="], ["<", "<=", ">", ">="], ["+", "-"], ["*", "/"]]


def parse(formula: str) -> list[Assignment]:
    """The statements of a formula. Raises FormulaError where it isn't one."""
    if len(formula.encode()) > MAX_BYTES:
        raise FormulaError(f"The formula has {len(formula.encode())} bytes: {MAX_BYTES} are the most.")
    statements = _Parser(_tokens(formula)).statements()
    if len(statements) > MAX_STATEMENTS:
        raise FormulaError(f"The formula has {len(statements)} statements: {MAX_STATEMENTS} are the most.")
    return statements


def _tokens(formula: str) -> list[str]:
    found, position = [], 0
    while position < len(formula):
        token = _TOKENS.match(formula, position)
        if token is None:
            raise FormulaError(f"'{formula[position : position + 20]}' is no part of the language.")
        if token.lastgroup != "space":
            found.append(token[0])
        position = token.end()
    return found


class _Parser:
    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._at = 0

    def statements(self) -> list[Assignment]:
        found = []
        while self._at < len(self._tokens):
            target = self._next()
            self._expect("=")
            found.append(Assignment(target, self._ternary()))
            self._expect(";")
        return found

    def _ternary(self) -> Node:
        test = self._binary(0)
        if self._peek() != "?":
            return test
        self._next()
        yes = self._ternary()
        self._expect(":")
        return Ternary(test, yes, self._ternary())

    def _binary(self, level: int) -> Node:
        if level == len(_BINARY):
            return self._unary()
        left = self._binary(level + 1)
        while self._peek() in _BINARY[level]:
            operator = self._next()
            left = Binary(operator, left, self._binary(level + 1))
        return left

    def _unary(self) -> Node:
        if self._peek() in ("-", "!"):
            return Unary(self._next(), self._unary())
        return self._postfix()

    def _postfix(self) -> Node:
        value = self._primary()
        while self._peek() == ".":
            self._next()
            name = self._next()
            value = Call(name, self._arguments(), of=value) if self._peek() == "(" else Member(value, name)
        return value

    def _primary(self) -> Node:
        token = self._next()
        if token == "(":
            value = self._ternary()
            self._expect(")")
            return value
        if token[0].isdigit():
            return Number(float(token))
        if token[0] == '"':
            return Text(token[1:-1])
        if token[0].isalpha() or token[0] in "$_":
            return Call(token, self._arguments()) if self._peek() == "(" else Name(token)
        raise FormulaError(f"'{token}' stands where a value should.")

    def _arguments(self) -> tuple[Node, ...]:
        self._expect("(")
        found: list[Node] = []
        while self._peek() != ")":
            if found:
                self._expect(",")
            found.append(self._ternary())
        self._next()
        return tuple(found)

    def _peek(self) -> str | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _next(self) -> str:
        if (token := self._peek()) is None:
            raise FormulaError("The formula ends in the middle of a statement.")
        self._at += 1
        return token

    def _expect(self, wanted: str) -> None:
        if (token := self._next()) != wanted:
            raise FormulaError(f"'{token}' stands where '{wanted}' should.")
