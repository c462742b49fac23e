"""What a person does with a deployment: `scorer submit`, `status`, `fetch`, `cancel`, `restart`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scorer import models
from scorer.azure.identity import sign_in
from scorer.cli.arguments import Overwrite, a_path, a_place, check_input, number, whole
from scorer.cli.console import AsJson, Quiet, answer, errors, print_json
from scorer.cli.options import ScoringOptions, sender_name, with_scoring_options
from scorer.cli.progress import following
from scorer.cli.results import check_ending, check_place
from scorer.cli.standings import done_facts, facts_of_all, places, show_all, standing_facts
from scorer.cli.target import DeploymentText, StackName, find_deployment
from scorer.cli.uploads import place_file, place_input, upload_all
from scorer.client.describe import describe
from scorer.client.placed import Placed
from scorer.documents import paths
from scorer.documents.request import Request, job_id, parse_request
from scorer.documents.status import Status
from scorer.errors import InputError, ScorerError, StoppedError
from scorer.media.image_names import is_photo, result_name
from scorer.media.notes import in_one_line
from scorer.models import StyleKind
from scorer.packages.manifest import find_package
from scorer.report.text import counted, duration
from scorer.store import open_store

if TYPE_CHECKING:
    from scorer.client.client import Client, Standing

# What a result may be; which one is known once the video was looked at.
VIDEOS = (".mp4", ".mkv", ".mov")
# Where is kept what was put where: the folder that `scorer run` works in.
HERE = Path(".scorer")

Job = Annotated[str, typer.Argument(metavar="JOB", help="The job's id, as `scorer submit` and `scorer status` print it.")]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="PATH", parser=a_place, help="Where the result goes; named after the job by default."),
]
Every = Annotated[float, typer.Option(metavar="SECONDS", parser=number(0.1, 3600), help="How often to look.")]


@with_scoring_options
def submit(
    source: Annotated[Path, typer.Argument(metavar="INPUT", parser=a_path, help="A video, a folder of images, or an image.")],
    scoring: ScoringOptions,
    stack: StackName = "",
    deployment: DeploymentText = "",
    out: Out = None,
    overwrite: Overwrite = False,
    package: Annotated[str | None, typer.Option(metavar="ID", help="The published package that the model is in.")] = None,
    sender: Annotated[
        str, typer.Option(metavar="NAME", help="Whose it is; senders take turns in line.", envvar="SCORER_SENDER")
    ] = "",
    priority: Annotated[
        int,
        typer.Option(
            metavar="-100..100", parser=whole(), help="More come first, of jobs whose senders have equally many at work."
        ),
    ] = 0,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Follow the job, and fetch its result.")] = True,
    every: Every = 10.0,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Upload a video or a folder of images, ask for a job, follow it, and fetch its result."""
    check_input(source)
    if wait:
        _check_out(out, folder=source.is_dir(), endings=() if is_photo(source.name) else VIDEOS, source=source)
    client = _client(stack, deployment)
    kind = _style_kind(client, scoring.model, package)
    uploads: dict[str, Path] = {}
    own = f"{sender_name(sender)}/" if sender else ""
    place = place_input(source, own, uploads, client.target.limits)
    put = partial(place_file, paths.STYLES, own, uploads)
    request = scoring.request(source, place, kind, put, out, package=package, priority=priority)
    client.target.check(request)
    client.target.sender_limits.check_priority(request, sender)
    path, data = _request_file(request, f"{paths.REQUESTS}/{own}")
    job = job_id(request.name, f"{client.stores.input.url}/{path}", data)
    placed = Placed(HERE, job, overwrite=overwrite, inputs=uploads.values())
    if wait:
        for target in _targets(request, out, uploads):
            placed.check(target)
    upload_all(client, uploads, quiet=quiet)
    _ask(client, job, path, data)
    if not (wait and (quiet or as_json)):  # what stands at the end is all then
        answer({"job": job}, [job], job, quiet=quiet, as_json=as_json)
    if wait:
        _follow(client, job, every, out, placed, photo=request.is_photo, quiet=quiet, as_json=as_json)


def _client(stack: str, deployment: str) -> Client:
    from scorer.client.client import Client

    target = find_deployment(stack, deployment)
    sign_in()
    return Client(target)


def _style_kind(client: Client, model: str, package: str | None) -> StyleKind:
    if package is None:
        return models.spec(model).style
    facts = find_package(package, open_store(client.target.scripts)).models.get(model)
    return facts.style if facts else "none"  # what is wrong is said where the request is taken in


def _targets(request: Request, out: Path | None, uploads: Mapping[str, Path]) -> Iterator[Path]:
    """What the result will be called where that was asked for; by default the job's id is in its name."""
    if out is not None and request.input.endswith("/"):
        names = (name.removeprefix(request.input) for name in uploads if name.startswith(request.input))
        yield from (out / result_name(name, request.image_format) for name in names)
    elif out is not None:
        yield out


def _request_file(request: Request, folder: str) -> tuple[str, bytes]:
    """Where in `folder` the request will be, and its content: the same request is the same file."""
    data = json.dumps(request.model_dump(mode="json", exclude_defaults=True), sort_keys=True, indent=1).encode()
    return f"{folder}{request.name}-{hashlib.sha256(data).hexdigest()[:12]}.json", data


def _ask(client: Client, job: str, path: str, data: bytes) -> None:
    """Write the request, last of all: it starts the job. The same request is the same job, asked for once."""
    standing = client.find(job)
    if standing.error is not None:
        client.restart(job, path)
    elif not standing.is_known:
        client.stores.input.put(path, data)


def _check_out(out: Path | None, *, folder: bool, endings: Sequence[str] = VIDEOS, source: Path | None = None) -> None:
    """See that the result can be put there, before anything is uploaded or begun. Raises OutputError, RequestError."""
    if out is None:
        check_place(Path(), folder=True)
        return
    check_place(out, folder=folder, source=source)
    if not folder and endings:
        check_ending(out, *endings)


def _follow(
    client: Client, job: str, every: float, out: Path | None, placed: Placed, *, photo: bool, quiet: bool, as_json: bool
) -> None:
    told = False

    def look(standing: Standing) -> None:
        nonlocal told
        if not told and not quiet and standing.tasks is not None:
            told = True
            for name, page in client.pages(job).items():
                errors.print(f"{name}: {page}", soft_wrap=True)
        shown(standing)

    try:
        with following(errors, quiet=quiet) as shown:
            status = client.follow(job, every, look)
    except KeyboardInterrupt:
        raise StoppedError(
            f"No longer followed: job {job} goes on in Azure. 'scorer status {job}' shows it, 'scorer cancel {job}' ends it."
        ) from None
    _fetch(client, status, out, placed, photo=photo, quiet=quiet, as_json=as_json)


def _fetch(client: Client, status: Status, out: Path | None, placed: Placed, *, photo: bool, quiet: bool, as_json: bool) -> None:
    result = Path(status.result or "")
    target = out or Path(status.job)
    if result.suffix:  # only now it is known what could hold all of it
        target = target.with_suffix(result.suffix)
    *results, last = client.fetch(status, target, placed, photo=photo)
    report = last if last.suffix == ".html" else None
    target = results[0] if photo and results else target
    failed = f", {status.failed} failed and stand as they were" if status.failed else ""
    spent = duration(status.updated - status.started)
    line = f"{target} · {counted(status.frames, 'frame')}{failed} · {spent} · report: {report or 'none'}"
    facts = done_facts(status, target, str(report.absolute()) if report else None)
    answer(facts, [line, in_one_line(status.notes)], str(target), quiet=quiet, as_json=as_json)


def status(
    job: Annotated[str, typer.Argument(metavar="JOB", help="A job's id; all jobs if not given.")] = "",
    stack: StackName = "",
    deployment: DeploymentText = "",
    as_json: AsJson = False,
) -> None:
    """Show where a job stands, or list the jobs that there are."""
    client = _client(stack, deployment)
    if not job:
        waiting, jobs = client.standings()
        if as_json:
            print_json(facts_of_all(waiting, jobs))
        else:
            show_all(waiting, jobs)
        return
    standing = client.known(job)
    error = standing.error
    pages = client.pages(job) if standing.tasks is not None else {}
    found = {**places(standing, client), **pages}
    lines = [describe(standing), *(f"{name}: {text}" for name, text in found.items())]
    answer(standing_facts(standing, client, pages), lines, as_json=as_json)
    if error is not None and as_json:  # the document says why
        raise typer.Exit(error.exit_code)
    if error is not None:
        raise error


def fetch(
    job: Job,
    stack: StackName = "",
    deployment: DeploymentText = "",
    out: Out = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Fetch a finished job's result and its report."""
    client = _client(stack, deployment)
    standing = client.known(job)
    if error := standing.error:
        raise error
    if standing.status is None or standing.status.state != "done":
        raise InputError(f"Job '{job}' isn't done: 'scorer status {job}' shows where it stands.")
    result = standing.status.result or ""
    asked = _asked(client, standing)
    photo = asked is not None and asked.is_photo
    _check_out(out, folder=result.endswith("/") and not photo, endings=() if photo else (Path(result).suffix,))
    placed = Placed(HERE, job, overwrite=overwrite)
    _fetch(client, standing.status, out, placed, photo=photo, quiet=quiet, as_json=as_json)


def cancel(job: Job, stack: StackName = "", deployment: DeploymentText = "", as_json: AsJson = False) -> None:
    """End a job. What is scored stays: `scorer restart` goes on from there."""
    _client(stack, deployment).cancel(job)
    errors.print(f"{job}: cancelled", soft_wrap=True)
    answer({"job": job, "state": "cancelled"}, [], as_json=as_json)


def restart(
    job: Job,
    stack: StackName = "",
    deployment: DeploymentText = "",
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Follow the job, and fetch its result.")] = False,
    out: Out = None,
    overwrite: Overwrite = False,
    every: Every = 10.0,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Begin a failed, refused, cancelled or stuck job anew: only what is missing is done."""
    client = _client(stack, deployment)
    asked = _asked(client, client.known(job))
    photo = asked is not None and asked.is_photo
    placed = Placed(HERE, job, overwrite=overwrite)
    if wait:
        folder = asked is not None and asked.media == "frames" and not photo
        _check_out(out, folder=folder, endings=() if photo else VIDEOS)
    client.restart(job)
    if not quiet:
        errors.print(f"{job}: its request is handed in again", soft_wrap=True)
    if wait:
        _follow(client, job, every, out, placed, photo=photo, quiet=quiet, as_json=as_json)
    else:
        answer({"job": job}, [], as_json=as_json)


def _asked(client: Client, standing: Standing) -> Request | None:
    """The job's request; None where it is gone, or can't be read: what is wrong with it is said where it is taken in."""
    with suppress(ScorerError):
        if path := standing.request:
            limits = client.target.limits
            return parse_request(client.stores.input.get(path, most=limits.request_bytes), limits)
    return None
