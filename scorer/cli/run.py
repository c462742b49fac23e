"""`scorer run`: a whole job on this machine."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from scorer import models
from scorer.cli.arguments import Overwrite, a_path, a_place, check_input, path_below, whole
from scorer.cli.completion import one_of
from scorer.cli.console import AsJson, Quiet, answer, errors
from scorer.cli.options import ScoringOptions, with_scoring_options
from scorer.cli.progress import shown_on
from scorer.cli.results import deliveries, result_path, show_original, with_ending
from scorer.cli.standings import done_facts
from scorer.client.placed import Placed
from scorer.client.placing import place
from scorer.documents.paths import REPORT
from scorer.documents.plan import Plan
from scorer.documents.request import Request, job_id
from scorer.engines.local import LocalEngine
from scorer.engines.process_start import make_ready
from scorer.engines.run import begin_job, run_job
from scorer.errors import MissingError
from scorer.job.finish import Outcome
from scorer.job.overview import indexed, write_index
from scorer.media.notes import in_one_line
from scorer.models.devices import DEVICES, device_of
from scorer.report.text import counted, duration
from scorer.store import FolderStore, Stores

Work = Annotated[Path, typer.Option(metavar="DIR", parser=a_place, help="Where plans, parts, results and records are kept.")]


@with_scoring_options
def run(
    source: Annotated[Path, typer.Argument(metavar="INPUT", parser=a_path, help="A video, a folder of images, or an image.")],
    scoring: ScoringOptions,
    out: Annotated[
        Path | None,
        typer.Option(metavar="PATH", parser=a_place, help="The result: a video (.mp4 or .mkv), a folder, or an image."),
    ] = None,
    workers: Annotated[int | None, typer.Option(metavar="N", parser=whole(1, 256), help="Worker processes.")] = None,
    device: Annotated[
        str, typer.Option(metavar="|".join(DEVICES), autocompletion=one_of(*DEVICES), help="Where the model computes.")
    ] = "auto",
    overwrite: Overwrite = False,
    work: Work = Path(".scorer"),
    dispatch_only: Annotated[
        bool, typer.Option("--dispatch-only", help="Plan the job, leave it to `scorer work`, and print its id.")
    ] = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Score a video, a folder of images or one image on this machine."""
    check_input(source)
    root = Path(source.resolve().anchor)  # the root of all, or of a drive
    request = scoring.request(source, path_below(root, source), models.spec(scoring.model).style, partial(path_below, root), out)
    stores = _local_stores(root, work)
    job = job_id(request.name, "local", request.model_dump_json(exclude_defaults=True).encode() + device_of(device).encode())
    target = result_path(source, scoring.style or [scoring.model], out, job)
    placed = Placed(work, job, overwrite=overwrite, inputs=[source, *_style_files(root, request)])
    with indexed(work), shown_on(errors, quiet=quiet or dispatch_only) as shown:

        def on_plan(plan: Plan) -> None:
            # Refuse a wrong name, and to replace what is there, before the work, not after it.
            for _, path in deliveries(plan, with_ending(target, plan, asked=out is not None)):
                placed.check(path)
            shown.plan(plan)

        if dispatch_only:
            plan, is_left = begin_job(job, request, stores, device_of(device), on_plan)
            if not quiet:
                what = f"wait for `scorer work {job}`" if is_left else "are scored"
                errors.print(f"{counted(plan.frames, 'frame')} in {counted(len(plan.chunks), 'chunk')} {what}", soft_wrap=True)
            answer({"job": job, "state": "scoring" if is_left else "done"}, [job], job, quiet=quiet, as_json=as_json)
            return
        make_ready()  # workers, while the job is planned
        runner = LocalEngine(stores, workers)
        outcome = run_job(job, request, stores, runner, device_of(device), on_plan=on_plan, on_progress=shown.progress)
    target = with_ending(target, outcome.plan, asked=out is not None)
    for name, path in deliveries(outcome.plan, target):
        place(stores.output, name, path, placed)
    show_original(stores, outcome.plan)
    report = stores.output.where(f"{job}/{REPORT}")
    facts = done_facts(outcome.status, target, report) | {"reused": outcome.reused}
    answer(facts, [_line(outcome, target, report), in_one_line(outcome.plan.notes)], str(target), quiet=quiet, as_json=as_json)


def report(work: Work = Path(".scorer"), as_json: AsJson = False) -> None:
    """Write the page of all jobs that `scorer run` did, where two results of one input can be compared; print where it is."""
    index = write_index(work)
    if index is None:
        raise MissingError(f"There is no job in '{work}': `scorer run` leaves them there, or in the folder that --work names.")
    answer({"report": str(index)}, [str(index)], as_json=as_json)


def _line(outcome: Outcome, target: Path, report: str) -> str:
    status = outcome.status
    spent = ", ".join(f"{name} {duration(seconds)}" for name, seconds in status.stage_seconds.items())
    reused = f", {outcome.reused} of them from an earlier run" if outcome.reused else ""
    if outcome.whole:  # those seconds were another run's
        reused, spent = "", "all done before"
    failed = f", {status.failed} failed and stand as they were" if status.failed else ""
    return f"{target} · {counted(outcome.plan.frames, 'frame')}{reused}{failed} · {spent} · report: {report}"


def _style_files(root: Path, request: Request) -> list[Path]:
    return [root / style.source for style in request.styles if isinstance(style.source, str)]


def _local_stores(root: Path, work: Path) -> Stores:
    folder = work.absolute()
    return Stores(FolderStore(root), *(FolderStore(folder / name) for name in ("output", "work", "logs")))
