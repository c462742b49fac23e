"""`scorer run`: a whole job on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scorer.cli.arguments import Overwrite, a_path, a_place, a_place_or_pipe, whole
from scorer.cli.completion import one_of
from scorer.cli.console import AsJson, Quiet, answer, errors
from scorer.cli.local_job import Done, LocalJob, request_of
from scorer.cli.options import ScoringOptions, with_scoring_options
from scorer.cli.pipes import PIPE, PIPED, check_stdout, kept_if_usable, received, send, stdin
from scorer.cli.progress import shown_on
from scorer.cli.standings import done_facts
from scorer.errors import MissingError
from scorer.job.overview import write_index
from scorer.media.notes import in_one_line
from scorer.models.devices import DEVICES, device_of
from scorer.report.text import counted, duration

Work = Annotated[Path, typer.Option(metavar="DIR", parser=a_place, help="Where plans, parts, results and records are kept.")]


@with_scoring_options
def run(
    source: Annotated[
        Path, typer.Argument(metavar="INPUT", parser=a_path, help="A video, a folder of images, or an image; - is a piped video.")
    ],
    scoring: ScoringOptions,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", parser=a_place_or_pipe, help="A video (.mp4 or .mkv), a folder, or an image; - pipes it on."
        ),
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
    if out == PIPE:
        check_stdout(as_json=as_json, dispatch_only=dispatch_only)
    piped = _received(scoring, out, device, work) if source == PIPE else None
    source = piped or source
    job = LocalJob.of(source, scoring, out=out, device=device, work=work, overwrite=overwrite)
    with kept_if_usable(piped), shown_on(errors, quiet=quiet or dispatch_only) as shown:
        if dispatch_only:
            plan, is_left = job.begin(shown.plan)
            if not quiet:
                what = f"wait for `scorer work {job.id}`" if is_left else "are scored"
                errors.print(f"{counted(plan.frames, 'frame')} in {counted(len(plan.chunks), 'chunk')} {what}", soft_wrap=True)
            answer({"job": job.id, "state": "scoring" if is_left else "done"}, [job.id], job.id, quiet=quiet, as_json=as_json)
            return
        done = job.run(workers, shown.plan, shown.progress)
    if out == PIPE:
        send(done.target)
        if not quiet:
            for line in filter(None, [_line(done, "standard output"), in_one_line(done.outcome.plan.notes)]):
                errors.print(line, soft_wrap=True)
        return
    facts = done_facts(done.outcome.status, done.target, str(done.report)) | {"reused": done.outcome.reused}
    lines = [_line(done, str(done.target)), in_one_line(done.outcome.plan.notes)]
    answer(facts, lines, str(done.target), quiet=quiet, as_json=as_json)


def report(work: Work = Path(".scorer"), as_json: AsJson = False) -> None:
    """Write the page of all jobs that `scorer run` did, where two results of one input can be compared; print where it is."""
    index = write_index(work)
    if index is None:
        raise MissingError(f"There is no job in '{work}': `scorer run` leaves them there, or in the folder that --work names.")
    answer({"report": str(index)}, [str(index)], as_json=as_json)


def _received(scoring: ScoringOptions, out: Path | None, device: str, work: Path) -> Path:
    """The video that is piped in, once all else is known to be right. Raises ScorerError."""
    request_of(work / PIPED / "stdin", scoring, None if out == PIPE else out)
    device_of(device)
    return received(stdin(), work)


def _line(done: Done, target: str) -> str:
    outcome, status = done.outcome, done.outcome.status
    spent = ", ".join(f"{name} {duration(seconds)}" for name, seconds in status.stage_seconds.items())
    reused = f", {outcome.reused} of them from an earlier run" if outcome.reused else ""
    if outcome.whole:  # those seconds were another run's
        reused, spent = "", "all done before"
    failed = f", {status.failed} failed and stand as they were" if status.failed else ""
    return f"{target} · {counted(outcome.plan.frames, 'frame')}{reused}{failed} · {spent} · report: {done.report}"
