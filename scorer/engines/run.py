"""A whole job, from request to report: what `scorer run` plays with the local engine."""

from __future__ import annotations

from collections.abc import Callable

from scorer.documents.paths import REPORT
from scorer.documents.plan import Plan
from scorer.documents.request import Request
from scorer.documents.status import StatusWriter
from scorer.engines.base import Progress, Runner
from scorer.job.dispatch import dispatch
from scorer.job.failures import clear_failures, merge_key, recorded_failures
from scorer.job.finish import Outcome, done_before, failure_told, merge_and_report
from scorer.job.merge import clear_parts
from scorer.models import Device
from scorer.store import Stores


def run_job(
    job: str, request: Request, stores: Stores, runner: Runner, device: Device,
    on_plan: Callable[[Plan], None], on_progress: Callable[[Progress], None],
) -> Outcome:  # fmt: skip
    """Dispatch, score, merge and report; killed at any instant and called again, it goes on where it was.

    Raises ScorerError; then status.json and the report say so too.
    """
    status = StatusWriter(job, stores)
    last = Progress(0, 0, 0)

    def tell(progress: Progress) -> None:
        nonlocal last
        last = progress
        status.progress(progress.done, progress.failed)
        on_progress(progress)

    plan = _plan(job, request, stores, device, status)
    with failure_told(plan, stores, status):
        on_plan(plan)
        if done := done_before(plan, stores):
            clear_parts(plan, stores)
            on_progress(Progress(plan.frames, done.status.failed, plan.frames))
            return done
        stores.output.delete(f"{job}/{REPORT}")
        status.state("scoring", frames=plan.frames)
        status.stage("score")
        runner.run(plan, tell)
        with recorded_failures(plan, merge_key(plan), stores):
            merge_and_report(plan, stores, status)
    clear_parts(plan, stores)
    return Outcome(plan, status.status, last.reused)


def begin_job(job: str, request: Request, stores: Stores, device: Device, on_plan: Callable[[Plan], None]) -> tuple[Plan, bool]:
    """Dispatch alone, for workers that share the job; the plan, and whether there is something left for them.

    What failed before is tried anew. Raises ScorerError; then status.json and the report say so too.
    """
    status = StatusWriter(job, stores)
    plan = _plan(job, request, stores, device, status)
    with failure_told(plan, stores, status):
        on_plan(plan)
        if done_before(plan, stores):
            return plan, False
        clear_failures(plan, stores)
        stores.output.delete(f"{job}/{REPORT}")
        status.stage("score")
        status.state("scoring", frames=plan.frames)
    return plan, True


def _plan(job: str, request: Request, stores: Stores, device: Device, status: StatusWriter) -> Plan:
    status.stage("dispatch")
    with failure_told(None, stores, status):
        return dispatch(job, request, stores, device)
