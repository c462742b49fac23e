"""Taking requests in, for one deployment: each becomes a job of the cluster, or is refused with a reason.

A request waits in the input store until it is answered. What couldn't be taken in, because as many jobs run as may, because a
service was away or an event was lost, is found there by the next look at all that wait. Senders are told apart by the first
folder below requests/, and take turns.
"""

from __future__ import annotations

import hashlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Protocol

from scorer.deployment import Deployment
from scorer.errors import BusyError, RequestError, ScorerError, ShareError
from scorer.failure import clear_failures
from scorer.merge import find_result
from scorer.package import find_package
from scorer.plan import Plan, cluster_chunk_length, dispatch, read_plan
from scorer.refusal import REFUSALS, REJECTED, reject, unread_job_id
from scorer.request import Request, job_id, parse_request
from scorer.status import StatusWriter
from scorer.store import Entry, Store, Stores
from scorer.telemetry import Telemetry

REQUESTS = "requests"


class Cluster(Protocol):
    """Where jobs go: the Azure Batch engine."""

    def has(self, job: str) -> bool:
        """Whether there is such a job, be it at work or ended."""

    def place(self, sender: str) -> int:
        """How many jobs the sender has at work. Raises BusyError, ShareError where it may have no more now."""

    def submit(self, plan: Plan, sender: str, place: int) -> None:
        """Add the plan's job and tasks, as far as they aren't there."""


@dataclass(frozen=True)
class Intake:
    """Takes requests in."""

    target: Deployment
    stores: Stores
    scripts: Store
    quarantine: Store
    engine: Cluster
    said: Telemetry
    tell: Callable[[str], None]
    """Told of each request, for the log."""

    def take(self, path: str) -> str:
        """Give the request at `path` to the cluster, unless it has it; the job's id.

        Raises one of REFUSALS, having written down why; BusyError, StoreError, BatchError: try again later.
        """
        entry = self.stores.input.head(path)
        job, data = unread_job_id(self._address(path), entry.etag.encode()), None
        try:
            data = self._read(entry)
            job = unread_job_id(self._address(path), data)
            request = parse_request(data, self.target.request_limits)
            job = job_id(request, self._address(path), data)
            with self.said.step(job, "dispatch"):
                self._submit(job, request, path)
        except REFUSALS as error:
            reject(job, entry, data, error, self.stores.output, self.quarantine)
            self._mark(entry)
            raise
        self.stores.output.delete(f"{job}/{REJECTED}")
        self._mark(entry)
        return job

    def _address(self, path: str) -> str:
        return f"{self.stores.input.url}/{path}"

    def _read(self, entry: Entry) -> bytes:
        most = self.target.limits.request_bytes
        if entry.size > most:
            raise RequestError(f"Request '{entry.path}' has {entry.size} bytes: it may have {most} at most.")
        return self.stores.input.get(entry.path, entry.etag)

    def _submit(self, job: str, request: Request, path: str) -> None:
        """Plan the job and give it to the cluster. Where the cluster has it, its tasks go by the plan that there is."""
        place = 0
        if self.engine.has(job):
            plan = read_plan(job, self.stores)
        else:
            place = self.engine.place(sender(path))
            plan = self._plan(job, request)
            if find_result(plan, self.stores) is not None:
                return
            clear_failures(plan, self.stores)  # a job that was restarted may fail anew
            # Before there are tasks, which might end before this is written.
            StatusWriter(job, self.stores).state("scoring", frames=plan.frames, request=path)
        self.engine.submit(plan, sender(path), place)
        self.said.event("job.started", job, "dispatch", frames=plan.frames, chunks=len(plan.chunks))
        self.tell(f"{plan.frames} frames in {len(plan.chunks)} chunks")

    def _plan(self, job: str, request: Request) -> Plan:
        if request.package is not None:
            find_package(request.package, self.scripts).check(request)
        limits, slots = self.target.request_limits, self.target.slots
        plan = dispatch(
            job, self.target.fill_in(request), self.stores, "auto", limits, lambda frames: cluster_chunk_length(frames, slots)
        )
        for path, etag in plan.shared_inputs:  # the video was fetched to be probed
            self.stores.input.release(path, etag)
        return plan

    def sweep(self, until: float) -> int:
        """Take in all requests that wait, as far as there is room, and time until `until` (of time.monotonic); how many are left.

        Raises the first error that isn't a request's own, once all were tried.
        """
        left = list(take_turns(self._waiting()))
        first: ScorerError | None = None
        full: set[str] = set()
        waiting = 0
        for place, entry in enumerate(left):
            if time.monotonic() > until:
                return waiting + len(left) - place
            if sender(entry.path) in full:
                waiting += 1
                continue
            try:
                self.tell(f"{entry.path}: job {self.take(entry.path)}")
            except ShareError:
                full.add(sender(entry.path))
                waiting += 1
            except BusyError:
                return waiting + len(left) - place
            except REFUSALS as error:
                self.tell(f"{entry.path}: {error}")
            except ScorerError as error:
                self.tell(f"{entry.path}: {error}")
                first = first or error
        if first is not None:
            raise first
        return waiting

    def _waiting(self) -> Iterator[Entry]:
        # Marks go with the plans, after workDays. What is older was answered, or given up.
        oldest = time.time() - self.target.work_days * 86400 + 3600
        answered = {entry.path for entry in self.stores.work.list("answered")}
        for entry in self.stores.input.walk(REQUESTS):
            if entry.path.endswith(".json") and entry.modified > oldest and _mark_path(entry) not in answered:
                yield entry

    def _mark(self, entry: Entry) -> None:
        """The request is answered: no look at those that wait sees it again, unless it is uploaded anew."""
        self.stores.work.put(_mark_path(entry), b"")


def _mark_path(entry: Entry) -> str:
    return "answered/" + hashlib.sha256(f"{entry.path}\0{entry.etag}".encode()).hexdigest()[:32]


def sender(path: str) -> str:
    """Whose request is at `path`: the first folder below requests/, '' where it is right inside."""
    folders = path.split("/")[1:-1]
    return folders[0] if folders else ""


def take_turns(entries: Iterable[Entry]) -> Iterator[Entry]:
    """One of each sender, again and again; a sender's own in the order of their upload."""
    by_sender: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in sorted(entries, key=lambda entry: (entry.modified, entry.path)):
        by_sender[sender(entry.path)].append(entry)
    rounds = zip_longest(*(by_sender[name] for name in sorted(by_sender)))
    return (entry for entry in chain.from_iterable(rounds) if entry is not None)
