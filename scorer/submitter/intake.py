"""Taking requests in, for one deployment: each becomes a job of the cluster, or is refused with a reason.

A request waits in the input store until it is answered. What couldn't be taken in, because as many jobs run as may, because a
service was away or an event was lost, is found there by the next poll of all that wait.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from scorer.boundary import typed
from scorer.documents.deployment import Deployment
from scorer.documents.paths import REJECTED
from scorer.documents.plan import Plan, read_plan
from scorer.documents.request import Request, parse_request
from scorer.documents.status import ENDED, StatusWriter, find_status
from scorer.engines.base import CANCELLED, Cluster
from scorer.errors import BusyError, MissingError, RequestError, ScanError, ScorerError, SenderLimitError, TaskError
from scorer.job.claims import clear_claims
from scorer.job.dispatch import cluster_chunk_length, dispatch
from scorer.job.failures import clear_failures
from scorer.job.finish import close_job, done_before
from scorer.job.merge import forget_failed
from scorer.packages.manifest import find_package
from scorer.store import Entry, Store, Stores
from scorer.store.errors import is_unsafe_name
from scorer.submitter.attempts import attempt
from scorer.submitter.ledger import charge, cost_of
from scorer.submitter.malware import PATIENCE, check_same, scanned
from scorer.submitter.pending import DAY, is_handled, mark_handled, sender, unread_id, waiting
from scorer.submitter.rejection import REFUSALS, job_of, reject
from scorer.submitter.senders import check_digest, check_media, check_path, check_revoked
from scorer.telemetry import Telemetry

# Jobs that ended so long ago have had their last word.
RECENT = timedelta(days=1)


@dataclass(frozen=True)
class Intake:
    """Takes requests in."""

    target: Deployment
    stores: Stores
    scripts: Store
    quarantine: Store
    cluster: Cluster
    telemetry: Telemetry
    log: Callable[[str], None]
    """Told of each request, for the log."""

    def take(self, path: str) -> str:
        """Give the request at `path` to the cluster, unless it has it; the job's id.

        Raises one of REFUSALS, having written down why; BusyError, ScanError, StoreError, BatchError: try again later.
        """
        return self._take(Entry(path, 0, "") if is_unsafe_name(path) else self.stores.input.head(path), PATIENCE)

    def _take(self, entry: Entry, patience: float) -> str:
        address = f"{self.stores.input.url}/{entry.path}"
        job, data = unread_id(address, entry), None
        try:
            self._check(entry)
            data = self.stores.input.get(entry.path, entry.etag)
            job = job_of(address, data)
            check_digest(entry.path, data)
            check_revoked(entry.path, job, self.stores.input)
            self._check_age(entry)
            request = parse_request(data, self.target.limits)
            check_media(request, sender(entry.path))
            self.target.sender_limits.check_priority(request, sender(entry.path))
            with self.telemetry.step(job, "dispatch"):
                self._submit(job, request, entry, patience)
        except REFUSALS as error:
            reject(job, entry, data, error, self.stores.output, self.quarantine)
            mark_handled(entry, self.stores)
            raise
        self.stores.output.delete(f"{job}/{REJECTED}")
        mark_handled(entry, self.stores)
        return job

    def _check(self, entry: Entry) -> None:
        """Refuse what isn't even read. Raises RequestError."""
        if is_unsafe_name(entry.path):
            raise RequestError(
                f"Request {entry.path!r} has an empty part, '.', '..' or a control character in its name: give it a plain one."
            )
        check_path(entry.path, sender(entry.path))
        most = self.target.limits.request_bytes
        if entry.size > most:
            raise RequestError(f"Request '{entry.path}' has {entry.size} bytes: it may have {most} at most.")

    def _check_age(self, entry: Entry) -> None:
        if entry.modified and entry.modified < time.time() - self.target.job_days * DAY:
            raise RequestError(
                f"Request '{entry.path}' has waited for {self.target.job_days} days, and what it needs is kept no longer: "
                "upload it again."
            )

    def _submit(self, job: str, request: Request, entry: Entry, patience: float) -> None:
        """Plan the job and give it to the cluster. Where the cluster has it, its tasks go by the plan that there is."""
        path, others, has = entry.path, 0, self.cluster.has(job)
        status = find_status(job, self.stores)
        if status is not None and (status.state == "cancelled" or (has and status.state in ENDED)):
            well = status.state == "done" and not status.failed
            self.log(f"job {job} is {status.state}" + ("" if well else "; 'scorer restart' begins it anew"))
            return
        if has and status is None and self._is_wanted_anew(job, entry):
            self.cluster.delete(job)
            has = False
        if has:
            plan = read_plan(job, self.stores)
        else:
            others = self.cluster.admit(sender(path))
            with attempt(entry, self.stores):
                plan = self._plan(job, request, patience)
            if done_before(plan, self.stores) is not None:
                return
            self._charge(plan, sender(path))
            if not self._begin(plan, path):
                return
        self.cluster.submit(plan, sender(path), others)
        if self._is_cancelled(job):  # meanwhile, when Batch had no such job to end
            self.cluster.end(job)
            return
        self.telemetry.event("job.started", job, "dispatch", frames=plan.frames, chunks=len(plan.chunks))
        self.log(f"{plan.frames} frames in {len(plan.chunks)} chunks")

    def _is_wanted_anew(self, job: str, entry: Entry) -> bool:
        """Whether a job of which nothing is there has ended, and its request was uploaded again: no event that comes again."""
        return self.cluster.tasks_of(job)[1] is not None and not is_handled(entry, self.stores)

    def _charge(self, plan: Plan, sender: str) -> None:
        """Count what a sender's job takes; operators' own isn't counted. Raises RequestError where it is too much for today."""
        if sender:
            cost = cost_of(plan, self.target.pixels_per_second)
            charge(self.stores.work, sender, plan.job, cost, self.target.sender_limits)

    def _begin(self, plan: Plan, path: str) -> bool:
        """Make ready for the job's tasks; whether it is still wanted."""
        if self.cluster.has(plan.job):  # somebody else was quicker, and its tasks may be at work
            return True
        clear_failures(plan, self.stores)  # a job that was restarted may fail anew
        clear_claims(plan.job, self.stores.work)  # of tasks that it had before, and may not have again
        forget_failed(plan, self.stores)
        if self._is_cancelled(plan.job):  # right before this would be overwritten
            return False
        # Before there are tasks, which might end before this is written.
        StatusWriter(plan.job, self.stores).state("scoring", frames=plan.frames, chunks=len(plan.chunks), request=path)
        return True

    def _is_cancelled(self, job: str) -> bool:
        status = find_status(job, self.stores)
        return status is not None and status.state == "cancelled"

    def _plan(self, job: str, request: Request, patience: float) -> Plan:
        self.target.check(request)
        minutes = self.target.malware_scan_minutes
        clean = scanned(request, self.stores.input, minutes, patience) if minutes else None
        if request.package is not None:
            find_package(request.package, self.scripts).check(request)
        limits, slots = self.target.limits, self.target.slots
        plan = dispatch(
            job, self.target.fill_in(request), self.stores, "auto", limits, lambda frames: cluster_chunk_length(frames, slots),
            self.target.batch_size,
        )  # fmt: skip
        for path, etag in plan.shared_inputs:  # the video was fetched to be probed
            self.stores.input.release(path, etag)
        if clean is not None:
            check_same(plan, clean)
        return plan

    def poll(self, until: float) -> int:
        """Finish what was begun, and take in all requests that wait, as far as there is room.

        Ends at `until` (of time.monotonic); how many requests are left. Raises the first error that isn't a request's own, once
        all were tried.
        """
        errors = [*self._finish(), *self._end_unprepared(), *self._close(), *self._forget(), *self._share_slots()]
        try:
            at_work = self.cluster.at_work()
        except ScorerError as error:  # what is refused needs no cluster
            errors, at_work = [*errors, error], {}
        left = waiting(self.stores, self.target.work_days, at_work)
        full: set[str] = set()
        kept = 0
        for place, entry in enumerate(left):
            if time.monotonic() > until:
                kept += len(left) - place
                break
            if sender(entry.path) in full:
                kept += 1
                continue
            try:
                self._told(entry, errors)
            except ScanError as error:
                self.log(f"{entry.path}: {error}")
                kept += 1
            except SenderLimitError:
                full.add(sender(entry.path))
                kept += 1
            except BusyError:
                kept += len(left) - place
                break
        if errors:
            raise errors[0]
        return kept

    def _told(self, entry: Entry, errors: list[ScorerError]) -> None:
        """Take one request in, and say what came of it: what is wrong with one keeps no other waiting.

        Raises BusyError, and ScanError at once: while it waited, so would all others.
        """
        try:
            with typed():
                self.log(f"{entry.path}: job {self._take(entry, patience=0.0)}")
        except (BusyError, ScanError):
            raise
        except REFUSALS as error:
            self.log(f"{entry.path}: {error}")
        except ScorerError as error:
            self.log(f"{entry.path}: {error}")
            errors.append(error)

    def _finish(self) -> Iterator[ScorerError]:
        """Give jobs the tasks that are missing: whoever dispatched them was stopped, and without an end they keep their place."""
        try:
            begun = self.cluster.unfinished()
        except ScorerError as error:
            yield error
            return
        for job in begun:
            try:
                self.cluster.finish(read_plan(job, self.stores))  # a restart may just have deleted it
                self.log(f"job {job} has all its tasks now")
            except MissingError as error:  # not one of ours, or its plan is gone: Batch ends it when its time is over
                self.log(f"job {job}: {error}")
            except ScorerError as error:
                yield error
            except Exception as error:  # a plan of another version
                yield TaskError(f"Job '{job}' can't be finished ({type(error).__name__}): end it, then 'scorer restart {job}'.")

    def _end_unprepared(self) -> Iterator[ScorerError]:
        """Jobs that wait for nodes in vain end, and say why: nodes would be kept, and paid for, as long as they wait."""
        try:
            for job, why in self.cluster.end_unprepared(datetime.now(UTC)).items():
                self.log(f"job {job} is ended: {why}")
        except ScorerError as error:
            yield error

    def _share_slots(self) -> Iterator[ScorerError]:
        """Slots of senders whose jobs have ended since the last poll are for others."""
        try:
            self.cluster.share_slots()
        except ScorerError as error:
            yield error

    def _close(self) -> Iterator[ScorerError]:
        """Say of jobs that have ended why they failed, where they couldn't say so themselves."""
        try:
            ends = self.cluster.ends()
        except ScorerError as error:
            yield error
            return
        for job, (end, reason) in ends.items():
            try:
                with typed():
                    recent = end > datetime.now(UTC) - RECENT
                    if recent and close_job(job, end.timestamp(), None if reason == CANCELLED else reason, self.stores):
                        self.log(f"job {job} was ended ({reason}) before it could say why")
            except ScorerError as error:
                yield error

    def _forget(self) -> Iterator[ScorerError]:
        """Jobs leave Batch when their plans go: it would keep them, and list them, for ever."""
        try:
            self.cluster.forget(datetime.now(UTC) - timedelta(days=self.target.work_days))
        except ScorerError as error:
            yield error
