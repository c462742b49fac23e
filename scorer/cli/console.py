"""The terminal, or a task's log: nothing that is printed there moves its cursor, colours it or begins a line of its own."""

from __future__ import annotations

import codecs
import io
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from scorer.errors import ScorerError
from scorer.text import clean

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but the result's path, and errors.")]

LONGEST_LINE = 20_000
"""Characters of one line of ours."""


class _CleanConsole(Console):
    """Cleans every text that is printed, be it a line's, a table's or a live display's; none is markup."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, markup=False, emoji=False)

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(clean(text, LONGEST_LINE), **options)


errors = _CleanConsole(stderr=True)
screen = _CleanConsole()


def print_json(facts: Mapping[str, Any]) -> None:
    """Print the one document that a command was asked for with --json; it is ASCII, which every terminal and pipe can take."""
    print(json.dumps(facts, indent=1, default=str))


def facts_of(error: ScorerError) -> dict[str, Any]:
    """An error as such a document has it."""
    return {"kind": type(error).__name__, "exit_code": error.exit_code, "message": str(error)}


def answer(
    facts: Mapping[str, Any], lines: Sequence[str], brief: str = "", *, quiet: bool = False, as_json: bool = False
) -> None:
    """Print what a command is asked for: `lines`, or `brief` where it was to be quiet, or the `facts` as JSON."""
    if as_json:
        print_json(facts)
        return
    for line in [brief] if quiet else lines:
        if line:
            screen.print(line, soft_wrap=True)


# What stands in text of ours, for terminals that can't show it.
_ASCII = {"·": "-", "…": "..."}


def take_any_text() -> None:
    """Never fail for what standard output and error can't encode, as on Windows or with LANG=C: such characters are escaped."""

    def instead(error: UnicodeError) -> tuple[str, int]:
        if not isinstance(error, UnicodeEncodeError):
            raise error
        left = error.object[error.start : error.end]
        return "".join(_ASCII.get(char) or char.encode("ascii", "backslashreplace").decode() for char in left), error.end

    codecs.register_error("scorer", instead)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="scorer")
