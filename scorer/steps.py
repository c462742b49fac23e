"""The steps of a job one by one, for machines: a container group dispatches; nodes prepare, score, merge and release."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Annotated

import typer
from rich.console import Console

from scorer.deployment import Deployment, read_deployment
from scorer.errors import MissingError, RequestError, ScorerError
from scorer.failure import chunk_key, kept_failures
from scorer.identity import credential
from scorer.install import enter, install
from scorer.job import merge_job
from scorer.models.devices import device_of
from scorer.package import find_package
from scorer.plan import PLAN, Chunk, Plan, cluster_chunk_length, read_plan
from scorer.plan import dispatch as make_plan
from scorer.records import FrameRecord, TaskRecord, from_lines
from scorer.request import Limits, Request, job_id, parse_request
from scorer.score import load_model, score_chunk
from scorer.slots import take_slot
from scorer.status import STATUS, StatusWriter
from scorer.store import Stores, open_store
from scorer.target import DeploymentText
from scorer.telemetry import Telemetry, telemetry

errors = Console(stderr=True, highlight=False)

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
Job = Annotated[str, typer.Argument(metavar="JOB", help="The job's id, as `scorer dispatch` prints it.")]


def _stores(*urls: str) -> Stores:
    return Stores(*(open_store(url) for url in urls))


def dispatch(
    request: Annotated[str, typer.Argument(metavar="REQUEST", help="Its path in the input store, or its az:// address.")],
    input_url: InputUrl, output: OutputUrl, work: WorkUrl, logs: LogsUrl,
    scripts: ScriptsUrl = "", deployment: DeploymentText = "",
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda")] = "auto",
) -> None:  # fmt: skip
    """Plan the job that a request file asks for, and submit it if there is a deployment; print its id."""
    stores = _stores(input_url, output, work, logs)
    target = read_deployment(deployment) if deployment else None
    limits = target.request_limits if target else Limits()
    path = _request_path(request, stores)
    entry = stores.input.head(path)
    if entry.size > limits.request_bytes:
        raise RequestError(f"Request '{path}' has {entry.size} bytes: it may have {limits.request_bytes} at most.")
    data = stores.input.get(path, entry.etag)
    parsed = parse_request(data, limits)
    if parsed.package is not None:
        find_package(parsed.package, open_store(target.scripts if target else scripts)).check(parsed)
    job = job_id(parsed, f"{stores.input.url}/{path}", data)
    with telemetry(credential) as said, _told(said, job, "dispatch"):
        if target is None:
            plan = make_plan(job, parsed, stores, device_of(device), limits)
        else:
            plan = _submit(job, parsed, stores, target, limits)
        said.event("job.started", job, "dispatch", frames=plan.frames, chunks=len(plan.chunks))
    errors.print(f"{plan.frames} frames in {len(plan.chunks)} chunks")
    typer.echo(job)


def _request_path(request: str, stores: Stores) -> str:
    """The path in the input store. An address is taken as it is: a blob's name may hold any character, per cent signs too."""
    path = request.removeprefix(f"{stores.input.url}/")
    if path.startswith("az://"):
        raise RequestError(f"Request '{request}' is not in the input store '{stores.input.url}': put it there.")
    return path


def _submit(job: str, request: Request, stores: Stores, target: Deployment, limits: Limits) -> Plan:
    """Plan the job, unless it is planned, and give it to the cluster, unless it has it."""
    from azure.batch import BatchClient

    from scorer.engines.azure_batch import AzureBatchEngine

    if stores.work.find(f"{job}/{PLAN}"):  # the same request again: its tasks may run already
        plan = read_plan(job, stores)
    else:
        plan = make_plan(
            job, target.fill_in(request), stores, "auto", limits, lambda frames: cluster_chunk_length(frames, target.slots)
        )
        for path, etag in plan.shared_inputs:  # the video was fetched to be probed
            stores.input.release(path, etag)
    if stores.output.find(f"{job}/{STATUS}") is None:
        StatusWriter(job, stores).state("scoring", frames=plan.frames)
    client = BatchClient(target.batch_endpoint, credential())
    AzureBatchEngine(client, target, on_wait=errors.print).submit(plan)
    return plan


def prepare(job: Job, input_url: InputUrl, output: OutputUrl, work: WorkUrl, logs: LogsUrl, scripts: ScriptsUrl = "") -> None:
    """Fetch what all tasks of a job need, once a machine."""
    stores = _stores(input_url, output, work, logs)
    plan = read_plan(job, stores)
    try:
        if plan.request.package is not None:
            install(plan.request.package, open_store(scripts))
        for path, etag in plan.shared_inputs:
            stores.input.fetch(path, etag)
    except ScorerError as error:  # no reason to keep tasks waiting: each finds it out by itself, and its error counts
        errors.print(f"{error}", markup=False)


def score(
    job: Job, chunk: Annotated[int, typer.Option(metavar="N", min=0, help="Which chunk.")],
    input_url: InputUrl, output: OutputUrl, work: WorkUrl, logs: LogsUrl, scripts: ScriptsUrl = "",
) -> None:  # fmt: skip
    """Score one chunk of a planned job."""
    stores = _stores(input_url, output, work, logs)
    plan = read_plan(job, stores)
    if chunk >= len(plan.chunks):
        raise RequestError(f"Job '{job}' has no chunk {chunk}: they are numbered 0 to {len(plan.chunks) - 1}.")
    own = plan.chunks[chunk]
    with kept_failures(plan, chunk_key(own), stores):
        enter(plan, scripts)
    with telemetry(credential) as said:
        try:
            with ExitStack() as stack:
                stack.enter_context(kept_failures(plan, chunk_key(own), stores))
                slot = stack.enter_context(take_slot())
                part, made = score_chunk(plan, own, stores, load_model(plan, stores, slot.threads))
        except ScorerError as error:
            said.task(job, chunk, "failed")
            said.failure(error, job, "score")
            raise
        said.task(job, chunk, "finished", _records(job, own, stores) if made else ())
    errors.print(f"{part.frames} frames{'' if made else ', scored before'}, {part.failed} failed")


def merge(job: Job, input_url: InputUrl, output: OutputUrl, work: WorkUrl, logs: LogsUrl, scripts: ScriptsUrl = "") -> None:
    """Merge a job's parts into its result, and report on it."""
    stores = _stores(input_url, output, work, logs)
    plan = read_plan(job, stores)
    with telemetry(credential) as said, _told(said, job, "merge"):
        status = merge_job(plan, stores, ready=partial(enter, plan, scripts)).status
        spent = round(time.time() - status.started, 3)
        said.event("job.finished", job, "merge", frames=plan.frames, failed=status.failed, seconds=spent)
    errors.print(f"{plan.frames} frames, {status.failed} failed")
    typer.echo(stores.output.where(f"{job}/{plan.result}"))


@contextmanager
def _told(said: Telemetry, job: str, step: str) -> Iterator[None]:
    """Around a step whose error ends the job."""
    try:
        yield
    except ScorerError as error:
        said.event("job.failed", job, step, reason=str(error), code=error.exit_code)
        said.failure(error, job, step)
        raise


def _records(job: str, chunk: Chunk, stores: Stores) -> list[FrameRecord | TaskRecord]:
    """What the task has just written down."""
    try:
        return list(from_lines(stores.logs.get(f"{job}/{chunk.index:06d}.jsonl")))
    except MissingError:
        return []


def release(job: Job, input_url: InputUrl, output: OutputUrl, work: WorkUrl, logs: LogsUrl) -> None:
    """Delete what `prepare` fetched: the job has ended."""
    stores = _stores(input_url, output, work, logs)
    for path, etag in read_plan(job, stores).shared_inputs:
        stores.input.release(path, etag)
