"""The steps of a job one by one, for machines: a container group dispatches; nodes prepare, score, merge and release."""

from __future__ import annotations

import os
import threading
import time
from contextlib import ExitStack
from functools import partial
from typing import Annotated

import typer

from scorer.azure.identity import credential
from scorer.boundary import typed
from scorer.cli.arguments import whole
from scorer.cli.console import errors, screen
from scorer.cli.target import DeploymentText
from scorer.documents import MOST_BYTES, paths
from scorer.documents.deployment import Deployment, read_deployment
from scorer.documents.plan import Plan, read_plan
from scorer.documents.records import Line
from scorer.documents.request import job_id, parse_request
from scorer.engines import open_cluster
from scorer.errors import RequestError, ScorerError
from scorer.job.dispatch import dispatch as make_plan
from scorer.job.failures import kept_failures
from scorer.job.finish import Outcome, done_before, merge_job
from scorer.job.marks import Marks
from scorer.job.score import load_model, score_chunk
from scorer.media.limits import Limits
from scorer.models import Device, Model
from scorer.models.devices import DEVICES, demand_devices, device_of
from scorer.node import take_slot
from scorer.packages.install import enter, install, uninstall
from scorer.packages.manifest import find_package
from scorer.store import Stores, open_share, open_store
from scorer.telemetry import Telemetry, open_telemetry

# Of the minutes that a container group may last, what a poll of all waiting requests uses: the last of them may take long.
POLL_SHARE = 0.5

# Less than Azure Batch gives a preparation: longer than any download, shorter than forever.
PREPARE_SECONDS = 50 * 60.0

DAY = 24 * 3600.0

InputUrl = Annotated[str, typer.Option(envvar="SCORER_INPUT", metavar="URL", help="Store of videos, styles and requests.")]
OutputUrl = Annotated[str, typer.Option(envvar="SCORER_OUTPUT", metavar="URL", help="Store of results.")]
WorkUrl = Annotated[str, typer.Option(envvar="SCORER_WORK", metavar="URL", help="Store of plans and parts.")]
LogsUrl = Annotated[str, typer.Option(envvar="SCORER_LOGS", metavar="URL", help="Store of records.")]
ScriptsUrl = Annotated[
    str,
    typer.Option(
        envvar="SCORER_SCRIPTS", metavar="URL", help="Store of published packages; only requests that name one need it."
    ),
]
PartsUrl = Annotated[
    str,
    typer.Option(
        envvar="SCORER_PARTS", metavar="URL",
        help="A folder that all machines mount, for videos' parts; with the plans in the work store if not given.",
    ),
]  # fmt: skip
PlanDigest = Annotated[
    str | None, typer.Option("--plan", metavar="SHA256", help="Of the job's plan, as it was begun; any plan if not given.")
]
Job = Annotated[str, typer.Argument(metavar="JOB", help="The job's id, as `scorer dispatch` prints it.")]


def _stores(input_url: str, output: str, work: str, logs: str, parts: str = "") -> Stores:
    return Stores(*(open_store(url) for url in (input_url, output, work, logs)), share=open_share(parts) if parts else None)


def dispatch(
    request: Annotated[
        str,
        typer.Argument(metavar="REQUEST", help="Its path in the input store, or its az:// address; requests/: all that wait."),
    ],
    input_url: InputUrl, output: OutputUrl, work: WorkUrl, logs: LogsUrl,
    scripts: ScriptsUrl = "", deployment: DeploymentText = "",
    device: Annotated[str, typer.Option(metavar="|".join(DEVICES), help="Where the model computes.")] = "auto",
) -> None:  # fmt: skip
    """Plan the job that a request file asks for, and submit it if there is a deployment; print its id."""
    stores = _stores(input_url, output, work, logs)
    path = _request_path(request, stores)
    with open_telemetry(credential) as telemetry:
        if deployment:
            _take_in(path, read_deployment(deployment), stores, telemetry)
        else:
            _plan(path, stores, scripts, device_of(device), telemetry)


def _request_path(request: str, stores: Stores) -> str:
    """The path in the input store. An address is taken as it is: a blob's name may hold any character, per cent signs too."""
    path = request.removeprefix(f"{stores.input.url}/")
    if path.startswith("az://"):
        raise RequestError(f"Request '{request}' is not in the input store '{stores.input.url}': put it there.")
    return path


def _take_in(path: str, target: Deployment, stores: Stores, telemetry: Telemetry) -> None:
    """Give the request to the cluster, or all that wait."""
    from scorer.submitter.intake import Intake

    def log(text: str) -> None:
        errors.print(text, soft_wrap=True)

    cluster = open_cluster(target, interactive=False)
    intake = Intake(target, stores, open_store(target.scripts), open_store(target.quarantine), cluster, telemetry, log)
    if path.rstrip("/") == paths.REQUESTS:
        until = time.monotonic() + target.submit_minutes * 60 * POLL_SHARE
        log(f"{intake.poll(until)} requests wait")
    else:
        typer.echo(intake.take(path))


def _plan(path: str, stores: Stores, scripts: str, device: Device, telemetry: Telemetry) -> None:
    """Plan the job, for whoever runs its steps."""
    limits = Limits()
    data = stores.input.get(path, most=max(MOST_BYTES, limits.request_bytes))
    parsed = parse_request(data, limits)
    job = job_id(parsed.name, f"{stores.input.url}/{path}", data)
    with telemetry.step(job, "dispatch"):
        if parsed.package is not None:
            find_package(parsed.package, open_store(scripts)).check(parsed)
        plan = make_plan(job, parsed, stores, device, limits)
        telemetry.event("job.started", job, "dispatch", frames=plan.frames, chunks=len(plan.chunks))
    errors.print(f"{plan.frames} frames in {len(plan.chunks)} chunks")
    typer.echo(job)


def prepare(
    job: Job, input_url: InputUrl, output: OutputUrl, work: WorkUrl, logs: LogsUrl, scripts: ScriptsUrl = "",
    digest: PlanDigest = None, parts: PartsUrl = "",
    parts_days: Annotated[
        int | None,
        typer.Option(
            envvar="SCORER_PARTS_DAYS", metavar="N", parser=whole(1, 10_000),
            help="Delete what lies in --parts for longer; all stays if not given.",
        ),
    ] = None,
) -> None:  # fmt: skip
    """Fetch what all tasks of a job need, once a machine.

    It ends well whatever goes wrong, and in good time: of a machine where it fails, Azure Batch believes that no task can run.
    """
    _end_in_time()
    try:
        with typed():
            stores = _stores(input_url, output, work, logs, parts)
            fetch_shared(read_plan(job, stores, digest), stores, scripts)
    except ScorerError as error:  # no reason to keep tasks waiting: each finds it out by itself, and its error counts
        errors.print(f"{error}")
    if parts and parts_days:
        _prune(parts, parts_days)


def _prune(parts: str, days: int) -> None:
    """Delete what jobs left on the share that ended without their merge: a container has rules for that, a share none."""
    try:
        with typed():
            if deleted := open_share(parts).prune(time.time() - days * DAY):
                errors.print(f"{deleted} files deleted that lay in {parts} for {days} days")
    except ScorerError as error:
        errors.print(f"{error}")


def fetch_shared(plan: Plan, stores: Stores, scripts: str) -> None:
    """Fetch what all tasks of a job need, which stays as long as this process does, or until it is released."""
    if plan.request.package is not None:
        install(plan.request.package, open_store(scripts))
    for path, etag in plan.shared_inputs:
        stores.input.fetch(path, etag)


def _end_in_time() -> None:
    """End the process well, whatever it is at, once PREPARE_SECONDS are over: a task goes on where it was."""

    def end() -> None:
        errors.print("not all could be fetched in time: each task fetches what it lacks")
        os._exit(0)

    timer = threading.Timer(PREPARE_SECONDS, end)
    timer.daemon = True
    timer.start()


def score(
    job: Job, input_url: InputUrl, output: OutputUrl, work: WorkUrl, logs: LogsUrl, scripts: ScriptsUrl = "",
    chunk: Annotated[int | None, typer.Option(metavar="N", min=0, help="Which chunk; all in turn if not given.")] = None,
    digest: PlanDigest = None, parts: PartsUrl = "",
) -> None:  # fmt: skip
    """Score one chunk of a planned job, or all of them."""
    stores = _stores(input_url, output, work, logs, parts)
    plan = read_plan(job, stores, digest)
    if chunk is not None and chunk >= len(plan.chunks):
        raise RequestError(f"Job '{job}' has no chunk {chunk}: they are numbered 0 to {len(plan.chunks) - 1}.")
    own = plan.chunks if chunk is None else [plan.chunks[chunk]]
    if chunk is None:
        enter(plan, scripts)
    else:
        with kept_failures(plan, own[0].key, stores):
            enter(plan, scripts)
    with open_telemetry(credential) as telemetry:
        model: Model | None = None
        first: ScorerError | None = None
        for each in own:
            try:
                with ExitStack() as stack:
                    stack.enter_context(kept_failures(plan, each.key, stores))
                    if done_before(plan, stores):  # by workers: its parts are gone
                        errors.print("the job is done")
                        return
                    slot = stack.enter_context(take_slot())
                    demand_devices()
                    if model is None:  # to load one takes longer than to find out
                        Marks(plan, each, stores).check()
                    model = model or load_model(plan, stores, slot.threads)
                    written: list[Line] = []
                    part, made = score_chunk(plan, each, stores, model, on_records=written.extend)
            except ScorerError as error:
                telemetry.task(job, each.index, "failed")
                telemetry.failure(error, job, "score")
                if chunk is not None:
                    raise
                errors.print(f"chunk {each.index}: {error}")
                first = first or error
                continue
            telemetry.task(job, each.index, "finished", written)
            which = f"chunk {each.index}: " if chunk is None else ""
            errors.print(f"{which}{part.frames} frames{'' if made else ', scored before'}, {part.failed} failed")
    if first is not None:  # the merge decides whether the job can do without
        raise first


def merge(
    job: Job, input_url: InputUrl, output: OutputUrl, work: WorkUrl, logs: LogsUrl, scripts: ScriptsUrl = "",
    digest: PlanDigest = None, parts: PartsUrl = "",
) -> None:  # fmt: skip
    """Merge a job's parts into its result, and report on it."""
    stores = _stores(input_url, output, work, logs, parts)
    plan = read_plan(job, stores, digest)
    with open_telemetry(credential) as telemetry:
        status = merge_and_log(plan, stores, scripts, telemetry).status
    errors.print(f"{plan.frames} frames, {status.failed} failed")
    screen.print(stores.output.where(f"{job}/{plan.result}"), soft_wrap=True)


def merge_and_log(plan: Plan, stores: Stores, scripts: str, telemetry: Telemetry, tries: int | None = None) -> Outcome:
    """Merge, which is tried so often in all, and send telemetry of it."""
    with telemetry.step(plan.job, "merge"):
        outcome = merge_job(plan, stores, ready=partial(enter, plan, scripts), tries=tries)
        spent = round(time.time() - outcome.status.started, 3)
        telemetry.event("job.finished", plan.job, "merge", frames=plan.frames, failed=outcome.status.failed, seconds=spent)
    return outcome


def release(job: Job, input_url: InputUrl, output: OutputUrl, work: WorkUrl, logs: LogsUrl, digest: PlanDigest = None) -> None:
    """Delete what `prepare` fetched: the job has ended."""
    stores = _stores(input_url, output, work, logs)
    plan = read_plan(job, stores, digest)
    release_shared(plan, stores)
    if plan.request.package is not None and digest is not None:  # on a person's machine another job may be using it
        uninstall(plan.request.package)


def release_shared(plan: Plan, stores: Stores) -> None:
    """Let go of what `fetch_shared` fetched, and delete it unless others on this machine need it."""
    for path, etag in plan.shared_inputs:
        stores.input.release(path, etag)


def probe(
    job: Job, input_url: InputUrl, output: OutputUrl, work: WorkUrl, logs: LogsUrl, scripts: ScriptsUrl = "",
    number: Annotated[int, typer.Option(metavar="N", min=0, help="Which of the job's tasks; 0: its preparation.")] = 0,
    keep: Annotated[bool, typer.Option(help="Put it into output, too, where the engine doesn't keep what is printed.")] = False,
    parts: PartsUrl = "",
) -> None:  # fmt: skip
    """Tell what a task finds on its node, as `scorer check` asks for it."""
    from scorer.check.probe import examine

    stores = _stores(input_url, output, work, logs, parts)
    told = examine(job, number, stores, open_store(scripts) if scripts else None).model_dump_json()
    if keep:
        stores.output.put(f"{paths.probe_folder(job, number)}/stdout.txt", told.encode())
    typer.echo(told)
