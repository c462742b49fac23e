"""The Azure Batch engine: one Batch job a plan, some tasks that share its chunks, and a last task that merges.

Whoever submits may die at any call and be called again: ids are the plan's own, and what Batch has already it answers with 409,
which is success. Sources: https://learn.microsoft.com/azure/batch/batch-task-dependencies,
https://learn.microsoft.com/rest/api/batchservice/ (API 2025-06-01)
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from azure.batch import BatchClient
from azure.batch import models as batch
from azure.batch.models._models import BatchJobTerminateOptions  # the SDK asks for it, and forgot to make it public

from scorer.documents.deployment import Deployment
from scorer.documents.plan import Plan
from scorer.engines.azure_batch.bodies import (
    chunk_task,
    digest_of,
    is_of,
    job_body,
    merge_task,
    sender_of,
    worker_task,
    workers_of,
)  # fmt: skip
from scorer.engines.azure_batch.calls import ENDED, AlreadyExistsError, Calls, JobEndedError, JobNotFoundError, RetryableError
from scorer.engines.azure_batch.pool import find_pool, nodes_here
from scorer.engines.azure_batch.preparation import GRACE, why_unprepared
from scorer.engines.base import CANCELLED, Cluster, JobLine, Tasks
from scorer.engines.task_count import count_tasks
from scorer.engines.turns import admit, slot_shares
from scorer.errors import BatchError, ChangedError

# Azure Batch takes so many tasks in one call, and a body of a megabyte.
COLLECTION = 100
# Jobs that are deleted in one go: for each, the SDK keeps a thread that asks whether it is gone.
FORGET = 50
# Batch deletes a job in the background.
DELETE_SECONDS = 300.0


@dataclass(frozen=True)
class AzureBatchEngine(Cluster):
    """The Cluster that is one deployment's pool."""

    client: BatchClient
    deployment: Deployment
    interactive: bool = False
    """Whether a person waits for the answers, who would rather hear at once that there is none."""

    @property
    def _calls(self) -> Calls:
        return Calls(self.deployment.batch_endpoint, interactive=self.interactive)

    def jobs(self) -> list[JobLine]:
        found = self._list(["state", "priority", "creationTime"])
        lines = [
            JobLine(
                str(job.id), getattr(job.state, "value", None) or "", sender_of(job), job.priority or 0,
                job.creation_time.timestamp() if job.creation_time else 0.0,
            )
            for job in found
        ]  # fmt: skip
        return sorted(lines, key=lambda line: -line.created)

    def _list(self, chosen: Sequence[str], state: str = "") -> list[batch.BatchJob]:
        """The deployment's own jobs, in that state if one is given. Others' may be in the account: we leave them alone."""
        select = ["id", "metadata", "poolInfo", *chosen]
        where = f"state eq '{state}'" if state else None
        found = self._calls(lambda: list(self.client.list_jobs(filter=where, select=select)))
        return [job for job in found if is_of(self.deployment, job)]

    def tasks_of(self, job: str) -> tuple[Tasks | None, str | None]:
        with suppress(JobNotFoundError):
            found = self._calls(lambda: self.client.get_job(job, select=["id", "state", "executionInfo"]))
            counts = self._calls(lambda: self.client.get_job_task_counts(job)).task_counts
            reason = found.execution_info.termination_reason if found.execution_info else None
            ended = (reason or "without a reason") if found.state == batch.BatchJobState.COMPLETED else None
            return Tasks(counts.active, counts.running, counts.completed, counts.failed), ended
        return None, None

    def pages(self, _: str) -> dict[str, str]:
        return {}

    def held_up(self) -> str:
        return "; ".join(find_pool(self.client, self._calls, self.deployment.pool).held_up)

    def has(self, job: str) -> bool:
        return self._find(job) is not None

    def admit(self, sender: str) -> int:
        return admit(sender, self.at_work(), self.deployment.jobs_max)

    def at_work(self) -> Counter[str]:
        return Counter(map(sender_of, self._list([], "active")))

    def share_slots(self) -> None:
        """Let no sender's jobs take all slots while others have jobs at work: senders get equal shares. Raises BatchError.

        Tasks that run already come to their end. What a sender doesn't use is others' once its jobs have ended, and this is
        called again. Source: https://learn.microsoft.com/rest/api/batchservice/jobs/update-job
        """
        active = self._list(["maxParallelTasks"], "active")
        shares = slot_shares({str(job.id): sender_of(job) for job in active}, self.deployment.slots)
        for job in active:
            share = shares[str(job.id)]
            if job.max_parallel_tasks != share:
                change = batch.BatchJobUpdateOptions(max_parallel_tasks=share)
                with suppress(JobNotFoundError, JobEndedError):  # it has ended meanwhile
                    self._calls(partial(self.client.update_job, str(job.id), change))

    def end(self, job: str) -> None:
        why = BatchJobTerminateOptions(termination_reason=CANCELLED)
        with suppress(JobNotFoundError, JobEndedError):
            self._calls(lambda: self.client.begin_terminate_job(job, why))

    def end_unprepared(self, now: datetime) -> dict[str, str]:
        """End jobs whose containers no node can start, so that nodes don't wait with them; why, of each. Raises BatchError."""
        active = self._list(["creationTime"], "active")
        old = [str(job.id) for job in active if job.creation_time and job.creation_time < now - GRACE]
        nodes = nodes_here(self.client, self._calls, self.deployment.pool) if old else set()
        ended = {}
        for job in old:
            with suppress(JobNotFoundError, JobEndedError):  # it has ended meanwhile
                if why := why_unprepared(self._calls(partial(self._preparations, job)), nodes, now):
                    self._calls(partial(self.client.begin_terminate_job, job, BatchJobTerminateOptions(termination_reason=why)))
                    ended[job] = why
        return ended

    def _preparations(self, job: str) -> list[batch.BatchJobPreparationAndReleaseTaskStatus]:
        return list(self.client.list_job_preparation_and_release_task_status(job, select=["jobPreparationTaskExecutionInfo"]))

    def delete(self, job: str) -> None:
        deadline = time.monotonic() + DELETE_SECONDS
        with suppress(JobNotFoundError):
            with suppress(JobEndedError):  # it is being deleted already
                self._calls(lambda: self.client.begin_delete_job(job))
            while time.monotonic() < deadline:
                self._calls(lambda: self.client.get_job(job, select=["id"]))
                time.sleep(1)
            raise BatchError(f"Azure Batch still deletes job '{job}': try again in some minutes.")

    def unfinished(self) -> list[str]:
        active = self._list(["onAllTasksComplete"], "active")
        ends = batch.BatchAllTasksCompleteMode.TERMINATE_JOB
        return [str(job.id) for job in active if job.all_tasks_complete_mode != ends]

    def ends(self) -> dict[str, tuple[datetime, str]]:
        ended = self._list(["executionInfo"], "completed")
        known = ((str(job.id), job.execution_info) for job in ended if job.execution_info)
        return {job: (info.end_time, info.termination_reason or "without a reason") for job, info in known if info.end_time}

    def forget(self, before: datetime) -> None:
        """Delete jobs that ended before that time, as many as one call may be about. Raises BatchError."""
        old = [job for job, (end, _) in self.ends().items() if end < before]
        for job in old[:FORGET]:
            with suppress(JobNotFoundError, JobEndedError):  # somebody else was quicker
                self._calls(partial(self.client.begin_delete_job, job))

    def submit(self, plan: Plan, sender: str, others: int) -> None:
        """Add the job and all its tasks, whatever of them isn't there yet; the job ends by itself once they are done.

        `others` is how many jobs its sender has at work. Raises BatchError; BusyError where the account's quota is used up.
        """
        job = self._make_job(plan, sender, others)
        if job is not None:
            self.share_slots()  # before there are tasks that would take more
            self._fill(plan, job)

    def finish(self, plan: Plan) -> None:
        """Add the tasks that the job is missing; nothing where there is no such job at work. Raises BatchError."""
        job = self._find(plan.job)
        if job is not None and job.state == batch.BatchJobState.ACTIVE:
            check_plan(job, plan)
            with suppress(JobNotFoundError):  # it was deleted meanwhile
                self._fill(plan, job)

    def _fill(self, plan: Plan, job: batch.BatchJob) -> None:
        """Add all tasks of the job that there is: as many as it was begun with, however many nodes there may be by now."""
        if workers := workers_of(job):
            count = replace(count_tasks(plan, self.deployment), all=workers)
            tasks = [worker_task(plan, number, count, self.deployment) for number in range(workers)]
        else:
            tasks = [chunk_task(plan, chunk, self.deployment) for chunk in plan.chunks]
        try:
            for first in range(0, len(tasks), COLLECTION):
                self._add(plan.job, tasks[first : first + COLLECTION])
            self._add(plan.job, [merge_task(plan, len(tasks), self.deployment)])
            # Not before: a job without tasks would end at once.
            ends = batch.BatchJobUpdateOptions(all_tasks_complete_mode=batch.BatchAllTasksCompleteMode.TERMINATE_JOB)
            self._calls(lambda: self.client.update_job(plan.job, ends))
        except JobEndedError:
            return

    def _make_job(self, plan: Plan, sender: str, others: int) -> batch.BatchJob | None:
        """The job, made where there is none; None where no tasks may be added to it."""
        job = self._find(plan.job)
        if job is None:
            with suppress(AlreadyExistsError):  # an answer got lost, or somebody else was quicker
                self._calls(lambda: self.client.create_job(job_body(plan, self.deployment, sender, others)))
            job = self._find(plan.job)
        if job is None or job.state != batch.BatchJobState.ACTIVE:
            return None
        check_plan(job, plan)
        return job

    def _find(self, job: str) -> batch.BatchJob | None:
        try:
            return self._calls(lambda: self.client.get_job(job, select=["id", "state", "metadata"]))
        except JobNotFoundError:
            return None

    def _add(self, job: str, tasks: Sequence[batch.BatchTaskCreateOptions]) -> None:
        """Add tasks; those that are there already stay as they are."""
        left = list(tasks)
        for attempt in self._calls.tries():
            with attempt:
                group = batch.BatchTaskGroup(task_values=left)
                results = self._calls.once(partial(self.client.create_task_collection, job, group)).result_values or []
                failed = {result.task_id: result for result in results if not _is_there(result)}
                left = [task for task in left if task.id in failed]
                if left:
                    raise _refusal(next(iter(failed.values())))


def check_plan(job: batch.BatchJob, plan: Plan) -> None:
    """Raise ChangedError where the job was begun with another plan: it was read back from where nodes may write."""
    if digest_of(job) not in ("", plan.digest):
        raise ChangedError(f"The plan of job '{plan.job}' isn't the one that it was begun with: 'scorer restart {plan.job}'.")


def _is_there(result: batch.BatchTaskCreateResult) -> bool:
    return result.status == batch.BatchTaskAddStatus.SUCCESS or _result_code(result) == "TaskExists"


def _result_code(result: batch.BatchTaskCreateResult) -> str:
    return (result.error.code or "") if result.error else ""


def _refusal(result: batch.BatchTaskCreateResult) -> BatchError:
    code = _result_code(result)
    text = f"Azure Batch refused task '{result.task_id}' ({code})."
    if code in ENDED:
        return JobEndedError(text)
    return RetryableError(text) if result.status == batch.BatchTaskAddStatus.SERVER_ERROR else BatchError(text)
