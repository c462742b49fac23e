"""The Azure Machine Learning engine: workers of one node each, which take a job's chunks by claims in its store.

A job is what its workers and its files make it: Azure Machine Learning knows the workers alone, each as a command job of its own,
and the job's status says whether it has ended. Whoever submits may die at any call and be called again: workers have ids that
follow from the job, and one that is there already is success. A worker that ends while its job goes on, since its node was taken
away or broke, is begun anew at the next poll under the next id: Azure Machine Learning itself may or may not start it again, by
what is known, so it is counted by nobody.
Sources: https://learn.microsoft.com/rest/api/azureml/jobs, https://learn.microsoft.com/azure/machine-learning/how-to-manage-quotas
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from scorer.documents.deployment import Deployment
from scorer.documents.plan import Plan, read_plan
from scorer.documents.status import StatusWriter
from scorer.engines.base import Cluster, JobLine, Tasks
from scorer.engines.machine_learning.bodies import JOB, Worker, read_worker, worker_body, worker_id
from scorer.engines.machine_learning.calls import AlreadyExistsError, Calls, JobNotFoundError, job_path
from scorer.engines.machine_learning.compute import held_up
from scorer.engines.machine_learning.ends import MOST_LOST, Ends
from scorer.engines.machine_learning.progress import count
from scorer.engines.task_count import count_tasks
from scorer.engines.turns import admit, slot_shares
from scorer.errors import BatchError, ChangedError, MissingError
from scorer.job.remaining import Remaining
from scorer.store import Stores

# A worker for which Spot has no node goes to the dedicated cluster, where there is one.
SPOT_PATIENCE = timedelta(minutes=15)
# Of jobs that ended, workers that are deleted in one go: writes are counted, some 200 a minute.
FORGET = 50
DELETE_SECONDS, POLL_SECONDS = 300.0, 2.0

Workers = Mapping[str, list[Worker]]
"""By job, each job's in the order of their tries."""


@dataclass
class MachineLearningEngine(Cluster):
    """The Cluster that is one deployment's workspace and its clusters."""

    deployment: Deployment
    stores: Stores
    interactive: bool = False
    """Whether a person waits for the answers, who would rather hear at once that there is none."""
    _ends: Ends = field(init=False)
    _plans: dict[str, Plan] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._ends = Ends(self.stores, self.deployment.job_days)

    @property
    def _calls(self) -> Calls:
        return Calls(self.deployment.workspace, self.interactive)

    # What there is

    def _all(self) -> Workers:
        return _by_job(self._calls.list("/jobs", properties=JOB, listViewType="ActiveOnly"))

    def _of(self, job: str) -> list[Worker]:
        found = _by_job(self._calls.list("/jobs", properties=f"{JOB}={job}", listViewType="ActiveOnly"))
        return found.get(job, [])

    def jobs(self) -> list[JobLine]:
        lines = [
            JobLine(
                job, "active" if self._ends.find(job, workers) is None else "completed", workers[0].sender, 0,
                min(each.created for each in workers).timestamp(),
            )
            for job, workers in self._all().items()
        ]  # fmt: skip
        return sorted(lines, key=lambda line: -line.created)

    def tasks_of(self, job: str) -> tuple[Tasks | None, str | None]:
        """The job's chunks and its merge, as the store tells of them; why it has ended, if it has. Raises StoreError, too."""
        workers = self._of(job)
        if not workers:
            return None, None
        end = self._ends.find(job, workers)
        try:
            plan = self._plans.get(job) or read_plan(job, self.stores, workers[-1].plan)
        except (MissingError, ChangedError):  # work/ is kept for some days, or it is about to begin anew
            return Tasks(0, 0, 0, 0), end and end[1]
        self._plans[job] = plan
        at_work = any(not each.has_ended and not each.is_waiting for each in workers)
        counts = count(plan, self.stores, self.deployment.task_retries + 1, at_work=at_work and end is None)
        return counts, end and end[1]

    def pages(self, job: str) -> dict[str, str]:
        workers = self._of(job)
        live = [each for each in workers if not each.has_ended]
        return {each.id: each.page for each in live or workers[-1:] if each.page}

    def held_up(self) -> str:
        return "; ".join(held_up(self._calls, self.deployment))

    def has(self, job: str) -> bool:
        return bool(self._of(job))

    def admit(self, sender: str) -> int:
        return admit(sender, self.at_work(), self.deployment.jobs_max)

    def at_work(self) -> Counter[str]:
        return Counter(self._senders(self._all()).values())

    def _senders(self, all_workers: Workers) -> dict[str, str]:
        """Whose each job is that is at work."""
        return {job: workers[0].sender for job, workers in all_workers.items() if self._ends.find(job, workers) is None}

    def unfinished(self) -> list[str]:
        """Jobs at work that may want for workers: those have ended, or wait, or there may be room for more of them."""
        all_workers = self._all()
        shares = slot_shares(self._senders(all_workers), self.deployment.nodes_max)
        return [
            job
            for job, most in shares.items()
            if sum(not each.has_ended for each in all_workers[job]) < most or any(map(self._is_kept_waiting, all_workers[job]))
        ]

    def ends(self) -> dict[str, tuple[datetime, str]]:
        found = {job: self._ends.find(job, workers) for job, workers in self._all().items()}
        return {job: end for job, end in found.items() if end is not None}

    # What is to be done

    def submit(self, plan: Plan, sender: str, _: int) -> None:
        """Begin as many workers as the job may have, as far as they aren't there. Raises BatchError.

        How many jobs its sender has at work counts for nothing: Azure Machine Learning has no priorities.
        """
        self._fill(plan, sender, self._all())
        self.share_slots()

    def finish(self, plan: Plan) -> None:
        """Begin the workers that the job wants for; nothing where there is no such job at work. Raises BatchError."""
        all_workers = self._all()
        if own := all_workers.get(plan.job):
            self._fill(plan, own[0].sender, all_workers)

    def _fill(self, plan: Plan, sender: str, all_workers: Workers) -> None:
        own = all_workers.get(plan.job, [])
        for each in own:
            check_plan(each, plan)
        if own and self._ends.find(plan.job, own) is not None:
            return
        waited = [each for each in own if self._is_kept_waiting(each)]
        for each in waited:
            self._cancel(each)
        latest = {each.index: each for each in own}
        live = {each.index for each in own if not each.has_ended and each not in waited}
        wanted = self._wanted(plan, sender, all_workers) - len(live)
        free = (index for index in range(self.deployment.nodes_max) if index not in live)
        on_spot = sum(each.compute == self.deployment.spot_compute.lower() for each in _live(all_workers))
        for index in [index for index, _ in zip(free, range(wanted), strict=False)]:
            compute = self._compute(latest.get(index), on_spot)
            on_spot += compute == self.deployment.spot_compute
            self._begin(plan, sender, index, latest.get(index), compute)

    def _wanted(self, plan: Plan, sender: str, all_workers: Workers) -> int:
        """How many workers the job may have: others' jobs keep theirs, as far as these are their share."""
        senders = self._senders(all_workers) | {plan.job: sender}
        shares = slot_shares(senders, self.deployment.nodes_max)
        others = sum(min(shares[job], sum(not each.has_ended for each in all_workers[job])) for job in senders if job != plan.job)
        left = Remaining(plan, self.stores, self.deployment.task_retries + 1)
        left.poll()
        worth = count_tasks(plan, self.deployment).at_once
        of_use = math.ceil(min(len(left.open), worth) / self.deployment.slots_per_node)
        return max(1, min(of_use, shares[plan.job], self.deployment.nodes_max - others))

    def _compute(self, last: Worker | None, on_spot: int) -> str:
        """The cluster for a worker: Spot, for its part of the nodes, unless Spot has just had none for it, or lost it."""
        spot, dedicated = self.deployment.spot_compute, self.deployment.dedicated_compute
        if not (spot and dedicated):
            return spot or dedicated
        most = max(1, round(self.deployment.nodes_max * self.deployment.spot_percent / 100))
        lost = last is not None and last.compute == spot.lower()
        return dedicated if lost or on_spot >= most else spot

    def _is_kept_waiting(self, worker: Worker) -> bool:
        """Whether Spot has had no node for it for so long that it is moved."""
        both = self.deployment.spot_compute and self.deployment.dedicated_compute
        spot = worker.compute == self.deployment.spot_compute.lower()
        return bool(both) and spot and worker.is_waiting and datetime.now(UTC) - worker.created > SPOT_PATIENCE

    def _begin(self, plan: Plan, sender: str, index: int, last: Worker | None, compute: str) -> None:
        """Begin a worker under the next id that nobody ever had."""
        body = worker_body(plan, self.deployment, sender, index, compute)
        first = last.attempt + 1 if last else 0
        for attempt in range(first, first + MOST_LOST):
            if self._put(worker_id(plan.job, index, attempt), plan, body):
                return
        raise BatchError(f"Azure Machine Learning takes no worker of job '{plan.job}': hand the request in under another name.")

    def _put(self, worker: str, plan: Plan, body: dict[str, object]) -> bool:
        """Whether a worker of that id is at work, be it made now or by somebody who was quicker."""
        found = self._calls.find(job_path(worker))
        if found is None:
            try:
                self._calls.put(job_path(worker), body)
            except AlreadyExistsError:  # the answer to an earlier try got lost, somebody was quicker, or it was deleted
                found = self._calls.find(job_path(worker))
            else:
                return True
        known = read_worker(found) if found else None
        if known is None:
            return False
        check_plan(known, plan)
        return not known.has_ended

    def share_slots(self) -> None:
        """Take nodes from workers whose jobs are over, and from senders with more than their share while others' workers wait.

        Raises BatchError. What such a worker is at, another one begins anew.
        """
        all_workers = self._all()
        senders = self._senders(all_workers)
        for job, workers in all_workers.items():
            if job not in senders:
                for each in workers:
                    # Those that run find out by themselves that it is done, and end well.
                    if not each.has_ended and (each.is_waiting or not self._ends.is_done(job)):
                        self._cancel(each)
        shares = slot_shares(senders, self.deployment.nodes_max)
        over = len(_live(all_workers)) - self.deployment.nodes_max
        for sender in set(senders.values()):
            waiting = sum(each.is_waiting for job in senders if senders[job] != sender for each in all_workers[job])
            for job in [job for job in senders if senders[job] == sender]:
                live = [each for each in all_workers[job] if not each.has_ended]
                surplus = max(0, min(len(live) - shares[job], waiting, over))
                for each in sorted(live, key=lambda each: (not each.is_waiting, -each.index))[:surplus]:
                    self._cancel(each)
                waiting, over = waiting - surplus, over - surplus

    def end(self, job: str) -> None:
        """End the job: its status says so first, as what goes by it would begin its workers anew."""
        workers = self._of(job)
        status = StatusWriter.resume(job, self.stores)
        if not workers or status.status.state == "done":
            return
        status.state("cancelled", seconds_left=None)
        for each in workers:
            self._cancel(each)

    def _cancel(self, worker: Worker) -> None:
        if worker.has_ended:
            return
        try:
            self._calls.post(f"{job_path(worker.id)}/cancel")
        except JobNotFoundError:
            return
        except BatchError:  # it may have ended meanwhile
            found = self._calls.find(job_path(worker.id))
            known = read_worker(found) if found else None
            if known is not None and not known.has_ended and known.state != "CancelRequested":
                raise

    def end_unprepared(self, _: datetime) -> dict[str, str]:
        """None: a worker that can't begin ends by itself, and keeps no node; `ends` tells of jobs that none could begin."""
        return {}

    def delete(self, job: str) -> None:
        deadline = time.monotonic() + DELETE_SECONDS
        workers = self._of(job)
        while workers:
            for each in workers:
                if each.has_ended:
                    with suppress(JobNotFoundError):  # somebody else was quicker
                        self._calls.delete(job_path(each.id))
                elif each.state != "CancelRequested":
                    self._cancel(each)
            if time.monotonic() > deadline:
                raise BatchError(f"Azure Machine Learning still ends job '{job}': try again in some minutes.")
            if workers := self._of(job):
                time.sleep(POLL_SECONDS)
        self._ends.forget(job)
        self._plans.pop(job, None)

    def forget(self, before: datetime) -> None:
        """Delete what is left of jobs that ended before that time, FORGET workers at most. Raises BatchError."""
        all_workers = self._all()
        old = [
            job for job, workers in all_workers.items() if (end := self._ends.find(job, workers)) is not None and end[0] < before
        ]
        for each in [each for job in old for each in all_workers[job] if each.has_ended][:FORGET]:
            with suppress(JobNotFoundError):
                self._calls.delete(job_path(each.id))


def _by_job(documents: Iterable[dict[str, object]]) -> dict[str, list[Worker]]:
    """The workers among a workspace's jobs: others' may be there, and a service that doesn't filter lists them too."""
    found: dict[str, list[Worker]] = {}
    for each in filter(None, map(read_worker, documents)):
        found.setdefault(each.job, []).append(each)
    return {job: sorted(workers, key=lambda each: (each.attempt, each.index)) for job, workers in found.items()}


def _live(all_workers: Workers) -> list[Worker]:
    return [each for workers in all_workers.values() for each in workers if not each.has_ended]


def check_plan(worker: Worker, plan: Plan) -> None:
    """Raise ChangedError where the job was begun with another plan: it was read back from where nodes may write."""
    if worker.plan != plan.digest:
        raise ChangedError(f"The plan of job '{plan.job}' isn't the one that it was begun with: 'scorer restart {plan.job}'.")
