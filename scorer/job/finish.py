"""How a job ends: merged and reported on, or failed with a reason."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from scorer.boundary import typed
from scorer.documents.paths import REPORT
from scorer.documents.plan import Plan
from scorer.documents.status import ENDED, State, Status, StatusWriter, failed_with, find_status
from scorer.errors import ScorerError
from scorer.job.failures import ended_by_batch, error_of, is_final, kept_failures, merge_key
from scorer.job.fallback import fill_gaps
from scorer.job.merge import clear_parts, find_result, merge
from scorer.job.report import write_plain_report, write_report
from scorer.store import Stores

AHEAD = 3600.0
"""Seconds that clocks may differ: a later status is none that a running job wrote."""


@dataclass(frozen=True)
class Outcome:
    """A job that is done."""

    plan: Plan
    status: Status
    reused: int
    """Frames that were there from an earlier run."""
    whole: bool = False
    """Everything was: the status is the earlier run's."""


def merge_job(plan: Plan, stores: Stores, ready: Callable[[], None] = lambda: None, tries: int | None = None) -> Outcome:
    """The last step of a job whose tasks ran elsewhere: originals stand in for what failed, as far as the request allows.

    `ready` is called before there is work: it makes the plan's model available. `tries` is how often the merge is tried in all;
    if not given, as the engine that started this task says.

    Raises ScorerError; then status.json says so too, and so does the report. But the job has only failed where no other try can
    help: until then it is merging.
    """
    with typed():
        if done := done_before(plan, stores):
            clear_parts(plan, stores)
            return done
        status = StatusWriter.resume(plan.job, stores)
    key = merge_key(plan)
    with (
        failure_told(plan, stores, status, lambda error: is_final(plan, key, error, stores, tries)),
        kept_failures(plan, key, stores),
    ):
        ready()
        if find_result(plan, stores) is None:  # else its parts are gone: another try of the merge was quicker
            fill_gaps(plan, stores)
        merge_and_report(plan, stores, status)
    clear_parts(plan, stores)
    return Outcome(plan, status.status, 0)


def close_job(job: str, ended: float, reason: str | None, stores: Stores) -> bool:
    """Say that a job has failed which Batch ended before it could say so itself, at `ended`; whether that was so.

    Its last task was killed each time, or its time was over. Without a reason a person has cancelled it.
    """
    status = find_status(job, stores)
    if status is None or status.state in ENDED:
        return False
    if ended < status.updated < time.time() + AHEAD:  # that one has been begun anew
        return False
    writer = StatusWriter.resume(job, stores)
    if reason is None:
        writer.state("cancelled", seconds_left=None)
    elif status.error is not None:  # the last try that could say so, in its report as well
        writer.fail(error_of(status.exit_code or 1, status.error))
    else:
        error = ended_by_batch(job, reason)
        writer.fail(error, note=_report(None, stores, writer.ahead("failed", **failed_with(error))))
    return True


@contextmanager
def failure_told(
    plan: Plan | None, stores: Stores, status: StatusWriter, ends: Callable[[ScorerError], bool] = lambda _: True
) -> Iterator[None]:
    """Around a job's work: what ends it is in its report and in status.json before it is raised.

    `ends` says whether the job has failed with an error; if not, the merge will be tried again. Raises ScorerErrors alone.
    """
    try:
        with typed():
            yield
    except ScorerError as error:
        done = False
        with suppress(ScorerError), typed():  # a status that can't be read is none of a job that is done
            done = _is_done(plan, status.status.job, stores)
        with suppress(ScorerError), typed():  # the first error is the one to know
            if not done:
                state: State = "failed" if ends(error) else "merging"
                status.fail(error, state, _report(plan, stores, status.ahead(state, **failed_with(error))))
        raise


def _is_done(plan: Plan | None, job: str, stores: Stores) -> bool:
    """Whether another try was quicker, and has taken the parts away; or an earlier run of what can't even be planned any more."""
    if plan is not None:
        return done_before(plan, stores) is not None
    status = find_status(job, stores)
    return status is not None and status.state == "done"


def _report(plan: Plan | None, stores: Stores, status: Status) -> str | None:
    """Report on the job. A result stands without its report: where that can't be made, say why, here and in its place."""
    why = None
    try:
        with typed():
            if plan is not None:
                write_report(plan, stores, status)
                return None
    except ScorerError as error:
        why = f"The report can't be made: {error}"
    with suppress(ScorerError), typed():  # a full disk takes no report
        write_plain_report(status, stores, why)
    return why


def merge_and_report(plan: Plan, stores: Stores, status: StatusWriter) -> None:
    """Make the result of parts that are all there, and say that the job is done. Raises ScorerError."""
    status.stage("merge")
    status.state("merging")
    result = merge(plan, stores)
    changes = {"result": plan.result, "done": plan.frames, "failed": result.failed, "seconds_left": 0.0, "notes": plan.notes}
    changes |= {"error": None, "exit_code": None}  # of an earlier try
    # In this order: whoever reads that the job is done finds its report.
    status.state("done", **changes, note=_report(plan, stores, status.ahead("done", **changes)))


def done_before(plan: Plan, stores: Stores) -> Outcome | None:
    """The job as an earlier run left it, if that ended well and with everything in its place."""
    status = find_status(plan.job, stores)
    if status is None or status.state != "done" or find_result(plan, stores) is None:
        return None
    there = status.note is not None or stores.output.find(f"{plan.job}/{REPORT}") is not None
    return Outcome(plan, status, plan.frames, whole=True) if there else None
