"""`scorer work`: one of the workers that share a job, on any machine that reaches its stores."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Annotated

import typer

from scorer.azure.identity import credential
from scorer.boundary import TRIES, typed
from scorer.cli.arguments import number, whole
from scorer.cli.console import AsJson, Quiet, answer, errors
from scorer.cli.progress import shown_on
from scorer.cli.steps import Job, PartsUrl, PlanDigest, ScriptsUrl, fetch_shared, merge_and_log, release_shared
from scorer.cli.target import DeploymentText, StackName, find_deployment
from scorer.documents import paths
from scorer.documents.plan import Plan, read_plan
from scorer.engines.local import TRIES as USUAL_TRIES
from scorer.engines.process_start import make_ready
from scorer.engines.work import WorkEngine, work_job
from scorer.engines.work_task import TaskEngine
from scorer.errors import MissingError, RequestError, ScorerError
from scorer.job.claims import Claims
from scorer.job.failures import recorded_failures, tasks_key
from scorer.job.finish import Outcome, done_before, merge_job
from scorer.node import promised_slots
from scorer.packages.install import enter
from scorer.report.text import counted
from scorer.store import FolderStore, Store, Stores, open_share, open_store
from scorer.telemetry import open_telemetry

# Of what a worker prints, the last bytes that are kept.
MOST_PRINTED = 2**20

InputUrl = Annotated[str, typer.Option(envvar="SCORER_INPUT", metavar="URL", help="Store of videos and styles.")]
OutputUrl = Annotated[str, typer.Option(envvar="SCORER_OUTPUT", metavar="URL", help="Store of results.")]
LogsUrl = Annotated[str, typer.Option(envvar="SCORER_LOGS", metavar="URL", help="Store of records.")]
Work = Annotated[
    str,
    typer.Option(
        envvar="SCORER_WORK", metavar="DIR|URL",
        help="The folder that `scorer run` was given, .scorer if nothing is; with the other stores, that of plans and parts.",
    ),
]  # fmt: skip
Processes = Annotated[
    int | None,
    typer.Option(metavar="N", parser=whole(1, 256), help="Worker processes here; as many as the machine has slots, or GPUs."),
]
Tries = Annotated[
    int | None, typer.Option(envvar=TRIES, metavar="N", parser=whole(1, 100), help="Of each chunk and of the merge, in all.")
]
Minutes = Annotated[
    float | None,
    typer.Option(
        envvar="SCORER_TASK_MINUTES", metavar="N", parser=number(0.01, 100_000),
        help="That one try may last; without a limit if not given.",
    ),
]  # fmt: skip
# For engines, which say so on their own.
ClaimsUrl = Annotated[
    str, typer.Option(envvar="SCORER_CLAIMS", metavar="URL", hidden=True, help="Store of claims, where --work is a mounted one.")
]
Task = Annotated[
    str, typer.Option(metavar="ID", hidden=True, help="Which of an engine's tasks this is: it leaves the merge to another one.")
]
LeaveAfter = Annotated[
    float | None,
    typer.Option(
        metavar="N", parser=number(0, 100_000), hidden=True, help="Minutes after which a task makes way, at the end of a chunk."
    ),
]


def work(
    job: Job, input_url: InputUrl = "", output: OutputUrl = "", work: Work = "", logs: LogsUrl = "", scripts: ScriptsUrl = "",
    parts: PartsUrl = "", stack: StackName = "", deployment: DeploymentText = "", digest: PlanDigest = None,
    processes: Processes = None, tries: Tries = None, task_minutes: Minutes = None, claims_url: ClaimsUrl = "", task: Task = "",
    leave_after: LeaveAfter = None, quiet: Quiet = False, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Help with a job that is planned, beside any other workers, until it is done; whoever finds nothing left merges."""
    if processes and 0 < promised_slots() < processes:
        raise RequestError(
            f"This machine has {promised_slots()} slots, as SCORER_SLOTS says: ask for no more --processes than that."
        )
    make_ready()  # processes, while the job is looked up
    share = open_share(parts) if parts else None
    place = _place({"--input-url": input_url, "--output": output, "--logs": logs}, work, scripts, share, stack, deployment)
    known = replace(place.stores, work=open_store(claims_url)) if claims_url else place.stores
    plan = _find_plan(job, known, digest)
    with recorded_failures(plan, tasks_key(plan), known) if task else typed():
        enter(plan, place.scripts)
    os.environ.pop(TRIES, None)  # given to what needs it; a person's Ctrl-C is to reach this process as such
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # claims are let go of
    claims = Claims(job, known.work, task=task)

    def log(line: str) -> None:
        if not quiet:
            errors.print(line, soft_wrap=True)

    own = (known, claims, tries or place.tries or USUAL_TRIES, task_minutes or place.minutes, processes, log)
    if task:
        part = TaskEngine(*own, parts=place.stores if claims_url else None, leave_after=leave_after)
        with recorded_failures(plan, tasks_key(plan), known):
            part.run(plan, lambda _: None)
        log(f"{counted(part.scored, 'frame')} scored here")
        return
    engine = WorkEngine(*own)
    with _printed_kept(place.stores.logs, f"{paths.task_logs(job, _file_name(claims.worker))}/stderr.txt"):
        outcome = _work(plan, place, engine, quiet=quiet)
    result = place.stores.output.where(f"{job}/{plan.result}")
    facts = {"job": job, "state": "done", "result": result, "frames": plan.frames, "failed": outcome.status.failed}
    here = f"{engine.scored} of them scored here" if engine.scored else "none of them scored here"
    line = f"{result} · {counted(plan.frames, 'frame')}, {here}, {outcome.status.failed} failed"
    answer(facts | {"scored": engine.scored}, [line], result, quiet=quiet, as_json=as_json)


@dataclass(frozen=True)
class _Place:
    """Where the job is, and what its deployment says of tries."""

    stores: Stores
    scripts: str = ""
    tries: int | None = None
    minutes: float | None = None


def _place(urls: dict[str, str], work: str, scripts: str, share: Store | None, stack: str, deployment: str) -> _Place:
    """The stores that the options name, or that the deployment has, or that `scorer run` makes. Raises RequestError."""
    if all(urls.values()) and work:
        one, two, three = urls.values()
        return _Place(Stores(open_store(one), open_store(two), open_store(work), open_store(three), share=share), scripts)
    if any(urls.values()) or "://" in work:
        missing = next((name for name, url in urls.items() if not url), "--work")
        raise RequestError(
            f"Where the job is, is told by half ({missing} is missing): give all four stores, or a folder as --work."
        )
    if (stack or deployment) and not work:
        target = find_deployment(stack, deployment)
        if target.mount == "nfs" and share is None:
            raise RequestError(
                "The nodes of this deployment keep videos' parts on a file share (its setting mount is 'nfs'): mount it here, "
                "inside the deployment's VNet, and name the folder with --parts, or help with jobs of another deployment."
            )
        return _Place(target.stores(share), target.scripts, target.task_retries + 1, target.task_minutes)
    folder = Path(work or ".scorer").absolute()
    stores = (FolderStore(folder / name) for name in ("output", "work", "logs"))
    return _Place(Stores(FolderStore(Path(folder.anchor)), *stores, share=share), scripts)


def _find_plan(job: str, stores: Stores, digest: str | None) -> Plan:
    try:
        return read_plan(job, stores, digest)
    except MissingError as error:
        raise MissingError(
            f"There is no job '{job}' in '{stores.work.url}': `scorer run --dispatch-only` makes one that waits for workers."
        ) from error


def _work(plan: Plan, place: _Place, engine: WorkEngine, *, quiet: bool) -> Outcome:
    try:
        fetch_shared(plan, place.stores, place.scripts)
    except ScorerError as error:  # each chunk's try finds it out by itself, and its error counts
        engine.log(str(error))
    with open_telemetry(credential) as telemetry, shown_on(errors, quiet=quiet) as shown:

        def merge() -> Outcome:
            if done_before(plan, place.stores):  # by somebody else, who has sent telemetry of it
                return merge_job(plan, place.stores)
            return merge_and_log(plan, place.stores, place.scripts, telemetry, engine.tries)

        shown.plan(plan)
        outcome = work_job(plan, engine, merge, shown.progress)
    release_shared(plan, place.stores)
    return outcome


def _file_name(worker: str) -> str:
    return re.sub(r"[^A-Za-z0-9.-]+", "-", worker)


@contextmanager
def _printed_kept(store: Store, path: str) -> Iterator[None]:
    """Keep what is printed on standard error in the store as well, as engines keep it of tasks; of a terminal nothing is kept.

    It holds for the processes that are started in the block, too.
    """
    if os.name != "posix" or sys.stderr.isatty():
        yield
        return
    resource_tracker.ensure_running()  # which would keep what it inherits open to the end
    sys.stderr.flush()
    source, target = os.pipe()
    before = os.dup(2)
    os.dup2(target, 2)
    os.close(target)
    kept = bytearray()

    def copy() -> None:
        while data := os.read(source, 2**16):
            kept.extend(data)
            del kept[:-MOST_PRINTED]
            with suppress(OSError):  # nobody reads along any more
                os.write(before, data)

    copier = threading.Thread(target=copy, name="printed", daemon=True)
    copier.start()
    try:
        yield
    except ScorerError as error:
        kept.extend(f"error: {error}\n".encode())  # printed once this is over
        raise
    finally:
        sys.stderr.flush()
        os.dup2(before, 2)
        copier.join(5)
        with suppress(ScorerError), typed():
            store.add(path, bytes(kept))
