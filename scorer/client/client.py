"""A person's view of one deployment: requests go in, jobs are looked at, stopped and begun anew, results come out."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from azure.storage.blob import BlobServiceClient

from scorer.azure.identity import credential
from scorer.client.placed import Placed
from scorer.client.placing import images, place
from scorer.documents import MOST_BYTES, unbelievable
from scorer.documents.deployment import Deployment
from scorer.documents.paths import REJECTED, REPORT, REQUESTS, STATUS
from scorer.documents.status import ENDED, Status, StatusWriter, read_status
from scorer.engines import open_cluster
from scorer.engines.base import CANCELLED, JobLine, Tasks
from scorer.errors import BatchError, ChangedError, DocumentError, MissingError, RequestError, ScorerError, TaskError
from scorer.job.failures import ended_by_batch, error_of
from scorer.job.parts import count_parts
from scorer.store import Entry, Stores
from scorer.store.blob import blob_endpoint
from scorer.store.errors import is_unsafe_name
from scorer.submitter.pending import unread_id, waiting
from scorer.submitter.rejection import Rejection, job_of, read_rejection

# Requests that wait are small, and may be many.
READ_AT_ONCE = 16


@dataclass(frozen=True)
class QueuePosition:
    """The place in line of a request that waits."""

    path: str
    """In the input store."""
    number: int
    """From 1."""
    of: int


@dataclass(frozen=True)
class Standing:
    """Where a job stands."""

    job: str
    status: Status | None
    """None while its request waits."""
    rejection: Rejection | None
    tasks: Tasks | None
    """None where Batch has no such job."""
    ended: str | None = None
    """Why Batch has ended the job, where it has."""
    position: QueuePosition | None = None
    """None where its request has its answer."""
    damaged: ScorerError | None = None
    """What is wrong with the status or the rejection that is there, if anything: then it counts for nothing."""
    parts: int | None = None
    """Chunks that are scored, while a cluster scores them."""
    held_up: str = ""
    """Why its tasks wait for nodes, where Azure says why there are none: no quota, no machine."""

    @property
    def is_known(self) -> bool:
        """Whether anybody has heard of it."""
        return any(each is not None for each in (self.status, self.rejection, self.tasks, self.position, self.damaged))

    @property
    def is_lost(self) -> bool:
        """Whether it was begun, and neither Batch nor the line has it."""
        begun = self.status is not None and self.status.state not in ENDED
        return begun and self.rejection is None and self.tasks is None and self.position is None

    @property
    def request(self) -> str | None:
        """Where in the input store the request is that asked for it, if that was written down, which any node may have done.

        Raises DocumentError where no request is taken from.
        """
        path = self.status.request if self.status is not None else None
        path = path or (self.rejection.request if self.rejection is not None else None)
        if path and (is_unsafe_name(path) or not path.startswith(f"{REQUESTS}/")):
            raise unbelievable(f"{self.job}/{STATUS if self.status else REJECTED}", f"its request is {path!r}")
        return path

    @property
    def error(self) -> ScorerError | None:
        """Why it ended, where it didn't end well."""
        if self.damaged is not None:
            return self.damaged
        status = self.status
        if self.rejection is not None and (status is None or self.rejection.time > status.started):
            return error_of(self.rejection.exit_code, self.rejection.error)
        if status is not None and status.state == "done":
            return None
        if status is not None and status.state == "failed":
            return error_of(status.exit_code or 1, status.error or "It failed without a word.")
        return self._cut_off()

    def _cut_off(self) -> ScorerError | None:
        """What ended it before it could say so itself."""
        goes_on = f"'scorer restart {self.job}' goes on"
        if (self.status is not None and self.status.state == "cancelled") or self.ended == CANCELLED:
            return RequestError(f"Job '{self.job}' was cancelled: {goes_on}.")
        if self.ended is not None and self.status is not None and self.status.error:  # its merge was tried as often as it may
            return error_of(self.status.exit_code or 1, self.status.error)
        if self.ended is not None:  # its merge would have said more
            return ended_by_batch(self.job, self.ended)
        if self.is_lost:
            return TaskError(f"Azure has no job '{self.job}' any more, and no request for it waits: {goes_on}.")
        return None


class Client:
    """One deployment, as the person who is logged in may use it."""

    def __init__(self, target: Deployment) -> None:
        self.target = target
        self.stores: Stores = target.stores()
        self._jobs: dict[tuple[str, str], str] = {}
        self._cluster = open_cluster(target, interactive=True)
        account, self.container = target.input.removeprefix("az://").split("/")
        self.account = account
        self.blobs = BlobServiceClient(blob_endpoint(account), credential=credential())

    def find(self, job: str) -> Standing:
        """Where the job stands. Raises StoreError, BatchError."""
        found = self._look(job)
        # Between two of the questions it may have been taken in, or have got its answer.
        return found if found.is_known and not found.is_lost else self._look(job)

    def _look(self, job: str) -> Standing:
        tasks, ended = self._cluster.tasks_of(job)  # first: a task that has ended has written its status before
        status = rejection = damaged = None
        try:
            with suppress(MissingError):
                status = read_status(job, self.stores)
            with suppress(MissingError):
                rejection = read_rejection(job, self.stores.output)
        except DocumentError as error:
            damaged = error
        answered = tasks is not None or rejection is not None or (status is not None and status.state in ENDED)
        position = None if answered else self._position(job)
        at_work = ended is None and tasks is not None and status is not None and status.state == "scoring" and status.chunks
        parts = count_parts(job, self.stores) if at_work else None
        held_up = self._held_up(tasks) if ended is None else ""
        return Standing(job, status, rejection, tasks, ended, position, damaged, parts, held_up)

    def _held_up(self, tasks: Tasks | None) -> str:
        if tasks is None or tasks.running or not tasks.waiting:
            return ""
        with suppress(BatchError):  # where the job stands is known without it
            return self._cluster.held_up()
        return ""

    def pages(self, job: str) -> Mapping[str, str]:
        """Where a person sees the job's machines in a browser, by their names; none where nobody shows that."""
        return self._cluster.pages(job)

    def known(self, job: str) -> Standing:
        """Like `find`; raises MissingError where nobody has heard of such a job."""
        found = self.find(job)
        if not found.is_known:
            raise MissingError(f"There is no job '{job}': 'scorer status' lists those that there are.")
        return found

    def standings(self) -> tuple[list[tuple[str, Entry]], list[JobLine]]:
        """All requests that wait, the next first, each behind the id of the job that it will be; and all jobs, the newest first.

        Raises StoreError, BatchError.
        """
        jobs = self._cluster.jobs()
        return self._line(Counter(line.sender for line in jobs if line.is_at_work)), jobs

    def _line(self, at_work: Mapping[str, int]) -> list[tuple[str, Entry]]:
        left = waiting(self.stores, self.target.work_days, at_work)
        with ThreadPoolExecutor(READ_AT_ONCE) as pool:
            return list(zip(pool.map(self._job_of, left), left, strict=True))

    def _position(self, job: str) -> QueuePosition | None:
        line = self._line(self._cluster.at_work())
        found = (QueuePosition(entry.path, place, len(line)) for place, (each, entry) in enumerate(line, 1) if each == job)
        return next(found, None)

    def _job_of(self, entry: Entry) -> str:
        """The id of the job that the request asks for. What it says is read once."""
        key = entry.path, entry.etag
        if key not in self._jobs:
            self._jobs[key] = self._read_job(entry)
        return self._jobs[key]

    def _read_job(self, entry: Entry) -> str:
        address = f"{self.stores.input.url}/{entry.path}"
        if not is_unsafe_name(entry.path) and entry.size <= self.target.limits.request_bytes:
            with suppress(MissingError, ChangedError):  # it is gone by now
                return job_of(address, self.stores.input.get(entry.path, entry.etag, self.target.limits.request_bytes))
        return unread_id(address, entry)

    def follow(self, job: str, every: float, on_look: Callable[[Standing], None]) -> Status:
        """Wait for the job's end. Raises the error that it ended with."""
        while True:
            standing = self.known(job)
            on_look(standing)
            if error := standing.error:
                raise error
            if standing.status is not None and standing.status.state == "done":
                return standing.status
            time.sleep(every)

    def fetch(self, status: Status, target: Path, placed: Placed, *, photo: bool = False) -> Iterator[Path]:
        """Copy the result and its report to `target`, a folder, a video or one image; each path as it is there, whole.

        Raises OutputError, before anything is copied, where something stands there that `placed` doesn't let go.
        """
        if status.result is None:
            raise MissingError(f"Job '{status.job}' has no result: it is {status.state}.")
        source, output = f"{status.job}/{status.result}", self.stores.output
        found = {source: target}
        if source.endswith("/"):
            names = dict(images(output, source, min(status.frames, self.target.limits.max_frames)))
            found = {path: target / name for path, name in names.items()}
        if photo:  # whose name says of what kind it is
            found = {
                path: target if target.suffix else target.with_name(target.name + each.suffix) for path, each in found.items()
            }
        # By this name the report knows what its result is called here.
        beside = target.parent / f"{target.name if source.endswith('/') and not photo else target.stem}-{REPORT}"
        for path in (*found.values(), beside):
            placed.check(path)
        for name, path in found.items():
            place(output, name, path, placed)
            yield path
        with suppress(MissingError):
            place(output, f"{status.job}/{REPORT}", beside, placed)
            yield beside

    def cancel(self, job: str) -> None:
        """End the job, be it at work or in line; what is scored stays. Raises MissingError where it is neither."""
        found = self.known(job)
        if found.damaged is None and (found.error or (found.status and found.status.state == "done")):
            raise MissingError(f"Job '{job}' isn't at work: there is nothing to cancel.")
        self._cluster.end(job)
        status = StatusWriter.resume(job, self.stores)
        if status.status.state == "done":  # meanwhile
            raise MissingError(f"Job '{job}' is done by now: there is nothing to cancel.")
        # A request in line is answered by this: whoever takes requests in leaves it.
        request = {"request": found.position.path} if found.position else {}
        status.state("cancelled", seconds_left=None, **request)

    def delete(self, job: str) -> None:
        """Take the job out of Batch, where it is there; what it wrote stays. Raises BatchError."""
        self._cluster.delete(job)

    def restart(self, job: str, request: str = "") -> None:
        """Hand in the job's request again: what is missing or failed is done, nothing else that is there is done again.

        `request` is its path in the input store, where the person knows it. Raises MissingError, BatchError; RequestError where
        there is nothing to do; DocumentError where what is kept of the job doesn't hold.
        """
        found = self.known(job)
        if found.status is not None and found.status.state == "done" and not found.status.failed:
            raise RequestError(f"Job '{job}' is done: 'scorer fetch {job}' brings its result.")
        if found.position is not None:
            where = f"number {found.position.number} of {found.position.of}"
            raise RequestError(f"Job '{job}' is in line, {where}: it begins by itself.")
        path = request or found.request
        if not path:
            raise found.damaged or MissingError(f"Nobody wrote down which request asked for job '{job}': upload it again.")
        entry = self.stores.input.head(path)
        if self._job_of(entry) != job:  # its sender used the name again, or it isn't this job's at all
            raise MissingError(f"The request of job '{job}' was replaced by another at '{path}': upload it again.")
        most = max(MOST_BYTES, self.target.limits.request_bytes)  # it may have been refused for its size
        data = self.stores.input.get(path, entry.etag, most)
        self._cluster.delete(job)  # the new one will have its id
        if found.status is not None or found.damaged is not None:
            StatusWriter.resume(job, self.stores).state("planned", error=None, exit_code=None)
        self.stores.output.delete(f"{job}/{REJECTED}")
        self.stores.input.put(path, data)
