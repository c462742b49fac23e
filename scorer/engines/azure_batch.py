"""The Azure Batch engine: one Batch job a plan, one task a chunk, and a last task that merges.

Whoever submits may die at any call and be called again: ids are the plan's own, and what Batch has already it answers with 409,
which is success. Sources: https://learn.microsoft.com/azure/batch/batch-task-dependencies,
https://learn.microsoft.com/rest/api/batchservice/ (API 2025-06-01)
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TypeVar

from azure.batch import BatchClient
from azure.batch import models as batch
from azure.batch.models._models import BatchJobTerminateOptions  # the SDK asks for it, and forgot to make it public
from azure.core.exceptions import HttpResponseError, ServiceRequestError, ServiceResponseError
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from scorer.deployment import Deployment
from scorer.engines.batch_bodies import CANCELLED, chunk_task, job_body, merge_task, sender_of
from scorer.errors import BatchError, BusyError, ShareError
from scorer.plan import Plan

# Azure Batch takes so many tasks in one call, and a body of a megabyte.
COLLECTION = 100
# Jobs that are deleted in one go: for each, the SDK keeps a thread that asks whether it is gone.
FORGET = 50
# Tried again after 1, 2, 4, ... seconds at random, on top of the SDK's own tries.
TRIES = 6

T = TypeVar("T")

# The job has ended, or is about to, because all its tasks were there and are done.
_ENDED = {"JobCompleted", "JobTerminating", "JobBeingTerminated", "JobBeingDeleted"}
_QUOTA = {"ActiveJobAndScheduleQuotaReached", "ActiveJobQuotaReached"}


@dataclass(frozen=True)
class AzureBatchEngine:
    """Submits plans to one deployment's pool."""

    client: BatchClient
    deployment: Deployment

    def has(self, job: str) -> bool:
        """Whether Batch has a job of that id, be it at work or ended. Raises BatchError."""
        return self._find(job) is not None

    def place(self, sender: str) -> int:
        """How many jobs the sender has at work already.

        Raises BusyError where as many jobs run as may, ShareError where half of those that may are the sender's.
        """
        most, active = self.deployment.jobs_max, self.at_work()
        if active.total() >= most:
            raise BusyError(f"{active.total()} jobs run and {most} may at once: this one waits, or raise 'jobsMax'.")
        own = active[sender]
        if own >= math.ceil(most / 2):
            raise ShareError(f"{own} jobs of '{sender}' run, which is its share of {most}: this one waits, or raise 'jobsMax'.")
        return own

    def at_work(self) -> Counter[str]:
        """How many jobs each sender has at work. Raises BatchError."""
        chosen = ["id", "metadata"]
        return Counter(map(sender_of, self._call(lambda: list(self.client.list_jobs(filter="state eq 'active'", select=chosen)))))

    def end(self, job: str) -> None:
        """End a job that a person has cancelled. Raises BatchError."""
        why = BatchJobTerminateOptions(termination_reason=CANCELLED)
        with suppress(_NoJobError, _EndedError):
            self._call(lambda: self.client.begin_terminate_job(job, why))

    def unfinished(self) -> list[str]:
        """Jobs at work that don't end by themselves yet: whoever submitted them has not come to the end. Raises BatchError."""
        chosen = ["id", "onAllTasksComplete"]
        active = self._call(lambda: list(self.client.list_jobs(filter="state eq 'active'", select=chosen)))
        ends = batch.BatchAllTasksCompleteMode.TERMINATE_JOB
        return [str(job.id) for job in active if job.all_tasks_complete_mode != ends]

    def forget(self, before: datetime) -> None:
        """Delete jobs that ended before that time, as many as one call may be about. Raises BatchError."""
        chosen = ["id", "executionInfo"]
        ended = self._call(lambda: list(self.client.list_jobs(filter="state eq 'completed'", select=chosen)))
        ends = {str(job.id): job.execution_info.end_time for job in ended if job.execution_info}
        old = [job for job, end in ends.items() if end is not None and end < before]
        for job in old[:FORGET]:
            with suppress(_NoJobError, _EndedError):  # somebody else was quicker
                self._call(partial(self.client.begin_delete_job, job))

    def submit(self, plan: Plan, sender: str, place: int) -> None:
        """Add the job and all its tasks, whatever of them isn't there yet; the job ends by itself once they are done.

        `place` is how many jobs its sender has already. Raises BatchError; BusyError where the account's quota is used up.
        """
        if self._make_job(plan, sender, place):
            self._fill(plan)

    def finish(self, plan: Plan) -> None:
        """Add the tasks that the job lacks; nothing where there is no such job at work. Raises BatchError."""
        job = self._find(plan.job)
        if job is not None and job.state == batch.BatchJobState.ACTIVE:
            with suppress(_NoJobError):  # it was deleted meanwhile
                self._fill(plan)

    def _fill(self, plan: Plan) -> None:
        """Add all tasks of the job that there is."""
        try:
            for first in range(0, len(plan.chunks), COLLECTION):
                chunks = plan.chunks[first : first + COLLECTION]
                self._add(plan.job, [chunk_task(plan, chunk, self.deployment) for chunk in chunks])
            self._add(plan.job, [merge_task(plan, self.deployment)])
            # Not before: a job without tasks would end at once.
            ends = batch.BatchJobUpdateOptions(all_tasks_complete_mode=batch.BatchAllTasksCompleteMode.TERMINATE_JOB)
            self._call(lambda: self.client.update_job(plan.job, ends))
        except _EndedError:
            return

    def _make_job(self, plan: Plan, sender: str, place: int) -> bool:
        """Make the job; whether tasks may be added to it."""
        job = self._find(plan.job)
        if job is None:
            with suppress(_ThereError):  # an answer got lost, or somebody else was quicker
                self._call(lambda: self.client.create_job(job_body(plan, self.deployment, sender, place)))
            return True
        return job.state == batch.BatchJobState.ACTIVE

    def _find(self, job: str) -> batch.BatchJob | None:
        try:
            return self._call(lambda: self.client.get_job(job, select=["id", "state"]))
        except _NoJobError:
            return None

    def _add(self, job: str, tasks: Sequence[batch.BatchTaskCreateOptions]) -> None:
        """Add tasks; those that are there already stay as they are."""
        left = list(tasks)
        for attempt in self._tries():
            with attempt:
                group = batch.BatchTaskGroup(task_values=left)
                results = self._once(partial(self.client.create_task_collection, job, group)).result_values or []
                failed = {result.task_id: result for result in results if not _is_there(result)}
                left = [task for task in left if task.id in failed]
                if left:
                    raise _refusal(next(iter(failed.values())))

    def _call(self, call: Callable[[], T]) -> T:
        for attempt in self._tries():
            with attempt:
                return self._once(call)
        raise AssertionError("tenacity raises the last error itself")

    def _tries(self) -> Retrying:
        return Retrying(
            retry=retry_if_exception_type(_AgainError), wait=wait_random_exponential(max=30),
            stop=stop_after_attempt(TRIES), reraise=True,
        )  # fmt: skip

    def _once(self, call: Callable[[], T]) -> T:
        """`call`, its errors as ours."""
        try:
            return call()
        except HttpResponseError as error:
            raise _typed(error, self.deployment.batch_endpoint) from error
        except (ServiceRequestError, ServiceResponseError) as error:
            raise _AgainError(f"Azure Batch at '{self.deployment.batch_endpoint}' didn't answer: {error.message}") from error


class _AgainError(BatchError):
    """Worth asking again."""


class _ThereError(BatchError):
    """It is there already."""


class _NoJobError(BatchError):
    """There is no such job."""


class _EndedError(BatchError):
    """The job takes no more tasks, since it has all and they are done."""


_PLAIN = {"JobExists": _ThereError, "TaskExists": _ThereError, "JobNotFound": _NoJobError} | dict.fromkeys(_ENDED, _EndedError)


def _typed(error: HttpResponseError, endpoint: str) -> BatchError | BusyError:
    code, status = _code(error), error.status_code or 0
    text = f"Azure Batch at '{endpoint}' refused ({status} {code})"
    if code in _PLAIN:
        return _PLAIN[code](text)
    if code in _QUOTA:
        return BusyError("The Batch account has as many active jobs as its quota allows: this one waits.")
    if status in (408, 429) or status >= 500:
        return _AgainError(f"{text}: try again later.")
    if status in (401, 403):
        return BatchError(f"{text}: the identity needs the role Batch Job Submitter there, and minutes until it counts.")
    return BatchError(f"{text}: {(error.message or '').splitlines()[0] if error.message else 'no reason given'}")


def _code(error: HttpResponseError) -> str:
    """Batch's own name for what went wrong."""
    model = getattr(error, "model", None)
    return str(getattr(model, "code", None) or getattr(getattr(error, "error", None), "code", None) or "")


def _is_there(result: batch.BatchTaskCreateResult) -> bool:
    return result.status == batch.BatchTaskAddStatus.SUCCESS or _result_code(result) == "TaskExists"


def _result_code(result: batch.BatchTaskCreateResult) -> str:
    return (result.error.code or "") if result.error else ""


def _refusal(result: batch.BatchTaskCreateResult) -> BatchError:
    code = _result_code(result)
    text = f"Azure Batch refused task '{result.task_id}' ({code})."
    if code in _ENDED:
        return _EndedError(text)
    return _AgainError(text) if result.status == batch.BatchTaskAddStatus.SERVER_ERROR else BatchError(text)
