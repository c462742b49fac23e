"""The language of Azure Batch's autoscale formulas: from text to a tree.

Source: https://learn.microsoft.com/azure/batch/batch-automatic-scaling. Statements are separated by semicolons (the last may be missing)
and assign a variable or call a function; there are line breaks and `//` comments. At most 8 KB and 100 statements.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

MAX_BYTES = 8 * 1024
MAX_STATEMENTS = 100


class FormulaError(ValueError):
    """What Azure would report as the error of an autoscale run; it then changes nothing."""


class SyntaxFault(FormulaError):
    """The text isn't a formula."""


@dataclass(frozen=True)
class Number:
    """A double."""

    value: float


@dataclass(frozen=True)
class Text:
    """A string."""

    value: str


@dataclass(frozen=True)
class Name:
    """A variable, a constant such as TimeInterval_Minute, or a node deallocation option."""

    name: str


@dataclass(frozen=True)
class Unary:
    """`-x` or `!x`."""

    operator: str
    operand: Expression


@dataclass(frozen=True)
class Binary:
    """`x + y` and its like."""

    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True)
class Choice:
    """`condition ? yes : no`; only the chosen side is evaluated."""

    condition: Expression
    yes: Expression
    no: Expression


@dataclass(frozen=True)
class Call:
    """`max(x, y)`, or `target.GetSample(x)` where there is a target."""

    name: str
    arguments: tuple[Expression, ...]
    target: Expression | None = None


@dataclass(frozen=True)
class Member:
    """`time().hour`."""

    target: Expression
    name: str


Expression = Number | Text | Name | Unary | Binary | Choice | Call | Member


@dataclass(frozen=True)
class Statement:
    """`variable = value`, or a lone call where there is no variable."""

    variable: str | None
    value: Expression


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    line: int


_TOKEN = re.compile(
    r"(?P<space>[ \t\r\n]+|//[^\n]*)"
    r"|(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<name>\$?[A-Za-z_]\w*)"
    r'|(?P<text>"[^"\n]*")'
    r"|(?P<sign><=|>=|==|!=|&&|\|\||[-+*/<>!?:;=(),.])"
)
# The weakest first.
_LEVELS = (("||",), ("&&",), ("==", "!="), ("<", "<=", ">", ">="), ("+", "-"), ("*", "/"))


def _tokens(text: str) -> Iterator[_Token]:
    place, line = 0, 1
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise SyntaxFault(f"Line {line}: unexpected {text[place]!r}.")
        if match.lastgroup and match.lastgroup != "space":
            yield _Token(match.lastgroup, match.group(), line)
        line += match.group().count("\n")
        place = match.end()
    yield _Token("end", "the end", line)


class _Parser:
    """Recursive descent, one token ahead."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._place = 0

    def statements(self) -> Iterator[Statement]:
        while self._next.kind != "end":
            if self._take(";"):
                continue
            yield self._statement()
            if self._next.kind != "end":
                self._expect(";")

    def _statement(self) -> Statement:
        follower = self._tokens[min(self._place + 1, len(self._tokens) - 1)]
        if self._next.kind == "name" and follower.text == "=":
            variable = self._advance().text
            self._advance()
            return Statement(variable, self._expression())
        value = self._expression()
        if not isinstance(value, Call):
            raise self._fault("a statement assigns a variable or calls a function")
        return Statement(None, value)

    def _expression(self) -> Expression:
        condition = self._level(0)
        if not self._take("?"):
            return condition
        yes = self._expression()
        self._expect(":")
        return Choice(condition, yes, self._expression())

    def _level(self, level: int) -> Expression:
        if level == len(_LEVELS):
            return self._unary()
        left = self._level(level + 1)
        while self._next.kind == "sign" and self._next.text in _LEVELS[level]:
            left = Binary(self._advance().text, left, self._level(level + 1))
        return left

    def _unary(self) -> Expression:
        if self._next.text in ("-", "!"):
            return Unary(self._advance().text, self._unary())
        return self._postfix(self._primary())

    def _postfix(self, value: Expression) -> Expression:
        while self._take("."):
            name = self._name()
            value = Call(name, self._arguments(), value) if self._next.text == "(" else Member(value, name)
        return value

    def _primary(self) -> Expression:
        token = self._advance()
        if token.kind == "number":
            return Number(float(token.text))
        if token.kind == "text":
            return Text(token.text[1:-1])
        if token.kind == "name":
            return Call(token.text, self._arguments()) if self._next.text == "(" else Name(token.text)
        if token.text == "(":
            value = self._expression()
            self._expect(")")
            return value
        self._place -= 1
        raise self._fault("a value is missing")

    def _arguments(self) -> tuple[Expression, ...]:
        self._expect("(")
        if self._take(")"):
            return ()
        values = [self._expression()]
        while self._take(","):
            values.append(self._expression())
        self._expect(")")
        return tuple(values)

    def _name(self) -> str:
        if self._next.kind != "name":
            raise self._fault("a name is missing")
        return self._advance().text

    @property
    def _next(self) -> _Token:
        return self._tokens[self._place]

    def _advance(self) -> _Token:
        token = self._next
        self._place = min(self._place + 1, len(self._tokens) - 1) if token.kind != "end" else self._place + 1
        if self._place == len(self._tokens):
            self._place -= 1
            raise self._fault("it ends too early")
        return token

    def _take(self, text: str) -> bool:
        if self._next.kind == "sign" and self._next.text == text:
            self._place += 1
            return True
        return False

    def _expect(self, text: str) -> None:
        if not self._take(text):
            raise self._fault(f"expected {text!r}")

    def _fault(self, what: str) -> SyntaxFault:
        return SyntaxFault(f"Line {self._next.line}: {what}, at {self._next.text!r}.")


def parse(formula: str) -> tuple[Statement, ...]:
    """The statements of a formula. Raises SyntaxFault, also where it is longer than Azure takes."""
    if len(formula.encode()) > MAX_BYTES:
        raise SyntaxFault(f"The formula has {len(formula.encode())} bytes; Azure takes {MAX_BYTES}.")
    statements = tuple(_Parser(formula).statements())
    if len(statements) > MAX_STATEMENTS:
        raise SyntaxFault(f"The formula has {len(statements)} statements; Azure takes {MAX_STATEMENTS}.")
    return statements
