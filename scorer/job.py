"""A whole job, from request to report: what `scorer run` plays with the local engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from scorer.engines import Engine, Progress
from scorer.errors import ScorerError
from scorer.failure import is_for_good, kept_failures, merge_key
from scorer.gaps import fill_gaps
from scorer.merge import clear_parts, find_result, merge
from scorer.models import Device
from scorer.plan import Plan, dispatch
from scorer.request import Request
from scorer.status import State, Status, StatusWriter, failed_with, find_status
from scorer.store import Stores
from scorer.summary import REPORT, write_report


@dataclass(frozen=True)
class Outcome:
    """A job that is done."""

    plan: Plan
    status: Status
    reused: int
    """Frames that were there from an earlier run."""
    whole: bool = False
    """Everything was: the status is the earlier run's."""


def run_job(
    job: str, request: Request, stores: Stores, engine: Engine, device: Device,
    on_plan: Callable[[Plan], None], on_progress: Callable[[Progress], None],
) -> Outcome:  # fmt: skip
    """Dispatch, score, merge and report; killed at any instant and called again, it goes on where it was.

    Raises ScorerError; then status.json says so too, and so does the report if there is a plan.
    """
    status = StatusWriter(job, stores)
    last = Progress(0, 0, 0)

    def tell(progress: Progress) -> None:
        nonlocal last
        last = progress
        status.progress(progress.done, progress.failed)
        on_progress(progress)

    status.stage("dispatch")
    plan = dispatch(job, request, stores, device)  # without a plan it may be the job's folders that can't be written
    with failure_told(plan, stores, status):
        on_plan(plan)
        if done := done_before(plan, stores):
            clear_parts(plan, stores)
            return done
        stores.output.delete(f"{job}/{REPORT}")
        status.state("scoring", frames=plan.frames)
        status.stage("score")
        engine.run(plan, tell)
        _merge(plan, stores, status)
    clear_parts(plan, stores)
    return Outcome(plan, status.status, last.reused)


def merge_job(plan: Plan, stores: Stores, ready: Callable[[], None] = lambda: None) -> Outcome:
    """The last step of a job whose tasks ran elsewhere: originals stand in for what failed, as far as the request allows.

    `ready` is called before there is work: it makes the plan's model available.

    Raises ScorerError; then status.json says so too, and so does the report. But the job has only failed where no other try can
    help: until then it is merging.
    """
    if done := done_before(plan, stores):
        clear_parts(plan, stores)
        return done
    status = StatusWriter.resume(plan.job, stores)
    with failure_told(plan, stores, status, ends=is_for_good), kept_failures(plan, merge_key(plan), stores):
        ready()
        fill_gaps(plan, stores)
        _merge(plan, stores, status)
    clear_parts(plan, stores)
    return Outcome(plan, status.status, 0)


@contextmanager
def failure_told(
    plan: Plan, stores: Stores, status: StatusWriter, ends: Callable[[ScorerError], bool] = lambda _: True
) -> Iterator[None]:
    """Around a job's work: what ends it is in its report and in status.json before it is raised.

    `ends` says whether the job has failed with an error; if not, the merge will be tried again.
    """
    try:
        yield
    except ScorerError as error:
        with suppress(ScorerError):  # the first error is the one to know
            _tell_failure(plan, stores, status, error, "failed" if ends(error) else "merging")
        raise


def _tell_failure(plan: Plan, stores: Stores, status: StatusWriter, error: ScorerError, state: State) -> None:
    if done_before(plan, stores) is not None:  # another try was quicker, and has taken the parts away
        return
    with suppress(ScorerError):  # a full disk takes no report
        write_report(plan, stores, status.ahead(state, **failed_with(error)))
    status.fail(error, state)


def _merge(plan: Plan, stores: Stores, status: StatusWriter) -> None:
    status.stage("merge")
    status.state("merging")
    result = merge(plan, stores)
    changes = {"result": plan.result, "done": plan.frames, "failed": result.failed, "seconds_left": 0.0}
    changes |= {"error": None, "exit_code": None}  # of an earlier try
    # In this order: whoever reads that the job is done finds its report.
    write_report(plan, stores, status.ahead("done", **changes))
    status.state("done", **changes)


def done_before(plan: Plan, stores: Stores) -> Outcome | None:
    """The job as an earlier run left it, if that ended well and with everything in its place."""
    status = find_status(plan.job, stores)
    if status is None or status.state != "done" or find_result(plan, stores) is None:
        return None
    return Outcome(plan, status, plan.frames, whole=True) if stores.output.find(f"{plan.job}/{REPORT}") else None
