"""A person's view of one deployment: requests go in, jobs are looked at, stopped and begun anew, results come out."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from azure.batch import BatchClient
from azure.batch.models._models import BatchJobTerminateOptions  # the SDK asks for it, and forgot to make it public
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError, ServiceRequestError, ServiceResponseError
from azure.storage.blob import BlobServiceClient

from scorer.deployment import Deployment
from scorer.engines.batch_bodies import sender_of
from scorer.errors import BatchError, MissingError, RequestError, ScorerError
from scorer.failure import error_of
from scorer.identity import credential
from scorer.refusal import REJECTED, Rejection
from scorer.status import Status, StatusWriter, read_status
from scorer.store import Stores, storage_errors
from scorer.store.blob import blob_endpoint
from scorer.summary import REPORT

# Batch deletes a job in the background.
DELETE_SECONDS = 300.0


@dataclass(frozen=True)
class Tasks:
    """How many of a job's tasks are where."""

    waiting: int
    running: int
    done: int
    failed: int

    @property
    def all(self) -> int:
        """The merge among them."""
        return self.waiting + self.running + self.done


@dataclass(frozen=True)
class Standing:
    """Where a job stands."""

    job: str
    status: Status | None
    """None while its request waits."""
    rejection: Rejection | None
    tasks: Tasks | None
    """None where Batch has no such job."""

    @property
    def error(self) -> ScorerError | None:
        """Why it ended, where it didn't end well."""
        if self.rejection is not None and (self.status is None or self.rejection.time > self.status.started):
            return error_of(self.rejection.exit_code, self.rejection.error)
        if self.status is not None and self.status.state == "failed":
            return error_of(self.status.exit_code or 1, self.status.error or "It failed without a word.")
        if self.status is not None and self.status.state == "cancelled":
            return RequestError(f"Job '{self.job}' was cancelled: 'scorer restart {self.job}' goes on.")
        return None


@dataclass(frozen=True)
class JobLine:
    """A job as a list shows it."""

    job: str
    state: str
    sender: str
    priority: int
    created: float


class Client:
    """One deployment, as the person who is logged in may use it."""

    def __init__(self, target: Deployment) -> None:
        self.target = target
        self.stores: Stores = target.stores()
        self._batch = BatchClient(target.batch_endpoint, credential())
        account, self.container = target.input.removeprefix("az://").split("/")
        self.account = account
        self.blobs = BlobServiceClient(blob_endpoint(account), credential=credential())

    def find(self, job: str) -> Standing:
        """Where the job stands. Raises StoreError, BatchError."""
        status = rejection = None
        with suppress(MissingError):
            status = read_status(job, self.stores)
        with suppress(MissingError):
            rejection = Rejection.model_validate_json(self.stores.output.get(f"{job}/{REJECTED}"))
        return Standing(job, status, rejection, self._tasks(job))

    def known(self, job: str) -> Standing:
        """Like `find`; raises MissingError where nobody has heard of such a job."""
        found = self.find(job)
        if found.status is None and found.rejection is None and found.tasks is None:
            raise MissingError(
                f"There is no job '{job}': 'scorer status' lists those that there are; a request that waits has none yet."
            )
        return found

    def jobs(self) -> list[JobLine]:
        """The jobs that Batch has, the newest first."""
        with _batch_errors(self.target):
            found = list(self._batch.list_jobs(select=["id", "state", "metadata", "priority", "creationTime"]))
        lines = [
            JobLine(
                str(job.id), getattr(job.state, "value", None) or "", sender_of(job), job.priority or 0,
                job.creation_time.timestamp() if job.creation_time else 0.0,
            )
            for job in found
        ]  # fmt: skip
        return sorted(lines, key=lambda line: -line.created)

    def _tasks(self, job: str) -> Tasks | None:
        with _batch_errors(self.target):
            try:
                counts = self._batch.get_job_task_counts(job).task_counts
            except ResourceNotFoundError:
                return None
        return Tasks(counts.active, counts.running, counts.completed, counts.failed)

    def follow(self, job: str, every: float, on_look: Callable[[Standing], None]) -> Status:
        """Wait for the job's end. Raises the error that it ended with."""
        while True:
            standing = self.find(job)
            on_look(standing)
            if error := standing.error:
                raise error
            if standing.status is not None and standing.status.state == "done":
                return standing.status
            time.sleep(every)

    def fetch(self, status: Status, target: Path) -> Iterator[Path]:
        """Copy the result and its report to `target`, a folder or a video; each path as it is there, whole."""
        if status.result is None:
            raise MissingError(f"Job '{status.job}' has no result: it is {status.state}.")
        source = f"{status.job}/{status.result}"
        if source.endswith("/"):
            for entry in self.stores.output.list(source):
                yield self._copy(entry.path, target / entry.path.rpartition("/")[2])
        else:
            yield self._copy(source, target)
        beside = target.parent / f"{target.stem}-{REPORT}"
        with suppress(MissingError):
            yield self._copy(f"{status.job}/{REPORT}", beside)

    def _copy(self, path: str, target: Path) -> Path:
        etag = self.stores.output.head(path).etag
        local = self.stores.output.fetch(path, etag)
        with storage_errors(str(target), writing=True):
            target.parent.mkdir(parents=True, exist_ok=True)
            unfinished = target.with_name(f".{target.name}.part")
            shutil.copyfile(local, unfinished)
            unfinished.replace(target)
        self.stores.output.release(path, etag)
        return target

    def cancel(self, job: str) -> None:
        """End the job; what is scored stays. Raises MissingError where it isn't at work."""
        found = self.known(job)
        if found.tasks is None or found.error or (found.status and found.status.state == "done"):
            raise MissingError(f"Job '{job}' isn't at work: there is nothing to cancel.")
        with _batch_errors(self.target), suppress(ResourceNotFoundError):
            self._batch.begin_terminate_job(job, BatchJobTerminateOptions(termination_reason="Cancelled"))
        StatusWriter.resume(job, self.stores).state("cancelled", seconds_left=None)

    def restart(self, job: str) -> None:
        """Hand in the job's request again: whatever is missing is done, nothing that is there is done again.

        Raises MissingError, BatchError.
        """
        found = self.known(job)
        if found.status is not None and found.status.state == "done":
            raise RequestError(f"Job '{job}' is done: 'scorer fetch {job}' brings its result.")
        path = (found.status and found.status.request) or (found.rejection and found.rejection.request)
        if not path:
            raise MissingError(f"Nobody wrote down which request asked for job '{job}': upload it again.")
        data = self.stores.input.get(path)
        self._forget(job)
        if found.status is not None:
            StatusWriter.resume(job, self.stores).state("planned", error=None, exit_code=None)
        self.stores.output.delete(f"{job}/{REJECTED}")
        self.stores.input.put(path, data)

    def _forget(self, job: str) -> None:
        """Delete the Batch job, whose id the new one will have."""
        deadline = time.monotonic() + DELETE_SECONDS
        with _batch_errors(self.target), suppress(ResourceNotFoundError):
            self._batch.begin_delete_job(job)
            while time.monotonic() < deadline:
                self._batch.get_job(job, select=["id"])  # raises once it is gone
                time.sleep(1)
            raise BatchError(f"Azure Batch still deletes job '{job}': try again in some minutes.")


@contextmanager
def _batch_errors(target: Deployment) -> Iterator[None]:
    try:
        yield
    except ResourceNotFoundError:
        raise
    except (HttpResponseError, ServiceRequestError, ServiceResponseError) as error:
        status = getattr(error, "status_code", None)
        what = "your account needs to be among 'operators'" if status in (401, 403) else "try again"
        raise BatchError(f"Azure Batch at '{target.batch_endpoint}' refused or didn't answer ({status}): {what}.") from error
