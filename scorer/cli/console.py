"""The terminal, or a task's log: nothing that is printed there moves its cursor, colours it or begins a line of its own."""

from __future__ import annotations

import codecs
import errno
import io
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Annotated, Any, TextIO

import typer
from rich.console import Console
from rich.text import Text

from scorer.errors import DISK_FULL, OutputError, ScorerError, StorageFullError
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

    def print(self, *objects: Any, **options: Any) -> None:
        """Raises OutputError or StorageFullError where standard output takes nothing; without standard error work goes on."""
        with _to_stderr() if self.stderr else to_stdout(*_ANSWER):
            super().print(*objects, **options)

    def on_broken_pipe(self) -> None:
        """Left to `print`; rich would end the whole program, in silence."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


_ANSWER = ("What was asked for", "what is done stays, and the same command tells it again")


@contextmanager
def to_stdout(what: str, then: str) -> Iterator[None]:
    """Around writing `what` to standard output.

    Raises OutputError where that can't be done, StorageFullError where its disk is full, which say what is to be done `then`.
    """
    try:
        yield
    except OSError as error:
        _let_go(sys.stdout)
        why = "whoever reads it has ended" if isinstance(error, BrokenPipeError) else os.strerror(error.errno or 0)
        kind = StorageFullError if error.errno in DISK_FULL else OutputError
        raise kind(f"{what} can't be written to standard output ({why}): {then}.") from error


@contextmanager
def _to_stderr() -> Iterator[None]:
    """Around telling something there, without which work goes on."""
    try:
        yield
    except OSError:
        _let_go(sys.stderr)


def _let_go(stream: TextIO) -> None:
    """Lead the stream nowhere: Python writes what is left of it once more when it ends, and would end with 120."""
    with suppress(OSError, ValueError):  # it is closed, or no file
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


errors = _CleanConsole(stderr=True)
screen = _CleanConsole()


def print_json(facts: Mapping[str, Any]) -> None:
    """Print the one document that a command was asked for with --json; it is ASCII, which every terminal and pipe can take.

    Raises like `screen.print`.
    """
    with to_stdout(*_ANSWER):
        print(json.dumps(facts, indent=1, default=str), flush=True)


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
