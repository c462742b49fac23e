"""Calls to Azure Batch: asked again where that may help, and what it refuses as our own errors.

Source: https://learn.microsoft.com/rest/api/batchservice/batch-status-and-error-codes
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from azure.batch import BatchClient
from azure.core.exceptions import HttpResponseError, ServiceRequestError, ServiceResponseError
from tenacity import Retrying

from scorer.azure.clouds import current
from scorer.azure.identity import credential
from scorer.azure.retries import patience, retrying
from scorer.errors import BatchError, BusyError
from scorer.store.errors import ACCESS_HINT, is_refusal

T = TypeVar("T")

# The job has ended, or is about to, because all its tasks were there and are done.
ENDED = {"JobCompleted", "JobTerminating", "JobBeingTerminated", "JobBeingDeleted"}
_QUOTA = {"ActiveJobAndScheduleQuotaReached", "ActiveJobQuotaReached"}


def open_client(endpoint: str) -> BatchClient:
    """A client of the account at `endpoint`, signed in as this process is."""
    return BatchClient(endpoint, credential(), credential_scopes=[current().batch_scope])


class RetryableError(BatchError):
    """Worth asking again."""


class AlreadyExistsError(BatchError):
    """It is there already."""


class JobNotFoundError(BatchError):
    """There is no such job."""


class JobEndedError(BatchError):
    """The job takes no more tasks, since it has all and they are done."""


_PLAIN = {
    "JobExists": AlreadyExistsError, "TaskExists": AlreadyExistsError, "JobNotFound": JobNotFoundError,
    **dict.fromkeys(ENDED, JobEndedError),
}  # fmt: skip


@dataclass(frozen=True)
class Calls:
    """Calls to the Batch account at `endpoint`."""

    endpoint: str
    interactive: bool
    """Whether somebody waits for the answer: then the SDK's own tries are enough."""

    def __call__(self, call: Callable[[], T]) -> T:
        """What `call` gives. Raises BatchError, BusyError."""
        return self.tries()(lambda: self.once(call))

    def tries(self) -> Retrying:
        """As many as are worth it."""
        return retrying(lambda error: isinstance(error, RetryableError), 1 if self.interactive else None)

    def once(self, call: Callable[[], T]) -> T:
        """`call`, its errors as ours."""
        try:
            return patience.granted(call, is_refusal)
        except HttpResponseError as error:
            raise self._typed(error) from error
        except (ServiceRequestError, ServiceResponseError) as error:
            raise RetryableError(f"Azure Batch at '{self.endpoint}' didn't answer: {error.message}") from error

    def _typed(self, error: HttpResponseError) -> BatchError | BusyError:
        code, status = _code(error), error.status_code or 0
        text = f"Azure Batch at '{self.endpoint}' refused ({status} {code})"
        if code in _PLAIN:
            return _PLAIN[code](text)
        if code in _QUOTA:
            return BusyError("The Batch account has as many active jobs as its quota allows: this one waits.")
        if status in (408, 429) or status >= 500:
            return RetryableError(f"{text}: try again later.")
        if status in (401, 403):
            role = "the identity needs the role Batch Job Submitter there, and the account's firewall has to let the machine in"
            return BatchError(f"{text}: {ACCESS_HINT if self.interactive else role}.")
        return BatchError(f"{text}: {(error.message or '').splitlines()[0] if error.message else 'no reason given'}")


def _code(error: HttpResponseError) -> str:
    """Batch's own name for what went wrong."""
    model = getattr(error, "model", None)
    return str(getattr(model, "code", None) or getattr(getattr(error, "error", None), "code", None) or "")
