"""The command line: `run` on this machine, `submit` and its like on a deployment; `dispatch`, `score`, `merge`: for machines."""

from __future__ import annotations

import sys
from contextlib import suppress
from importlib.metadata import version
from typing import Annotated, NoReturn

import typer
from typer.exceptions import TyperException

from scorer.boundary import unforeseen
from scorer.cli.console import errors, facts_of, print_json, take_any_text
from scorer.cli.help import Group
from scorer.cli.usage import usage
from scorer.errors import ScorerError, StoppedError, UsageError

app = typer.Typer(
    cls=Group,
    name="scorer", no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False, rich_markup_mode="markdown",
    help="Score every frame of a video, or of a folder of images, with a deep-learning model: by default, in a painting's style.",
)  # fmt: skip

# Typer makes this of a KeyboardInterrupt.
STOPPED_EXIT_CODE = 130


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"scorer {version('batch-scoring')}")
        raise typer.Exit


@app.callback()
def common(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """What holds for all commands."""


def main() -> None:
    """Run the command line; errors become one sentence and their own exit code, and a JSON document where one was asked for."""
    take_any_text()
    try:
        code = app(prog_name="scorer", standalone_mode=False)  # of None, 0, or what a command ended with
        if code == STOPPED_EXIT_CODE:
            raise StoppedError("Stopped. The same command goes on from here.")
        sys.exit(code)
    except TyperException as error:
        if not error.format_message():  # there was no command: what there is has been shown
            sys.exit(UsageError.exit_code)
        _end(UsageError(usage(error)))
    except ScorerError as error:
        _end(error)
    except SystemExit:
        raise
    except BaseException as error:
        _end(unforeseen(error))


def _end(error: ScorerError) -> NoReturn:
    if isinstance(error, StoppedError):
        errors.print(str(error), soft_wrap=True)
    else:
        errors.print(f"error: {error}", style="red", soft_wrap=True)
    if "--json" in sys.argv:
        with suppress(ScorerError):  # that nothing can be printed has been told, or is worth less than why it ended
            print_json({"error": facts_of(error)})
    sys.exit(error.exit_code)
