"""Calls to an Azure Machine Learning workspace: asked again where that may help, and what it refuses as our own errors.

Plain REST: azure-ai-ml can't be installed beside what is pinned here, and azure-mgmt-machinelearningservices 1.0 knows no jobs.
Source: https://learn.microsoft.com/rest/api/azureml/jobs (API 2025-12-01)
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from azure.core.exceptions import AzureError, HttpResponseError

from scorer.azure import resource_manager
from scorer.azure.retries import patience, retrying
from scorer.errors import BatchError
from scorer.store.errors import ACCESS_HINT, is_refusal
from scorer.text import clean

API_VERSION = "2025-12-01"
# What is said of an id that another job has, or had: on the surface it is a UserError, of one status or another.
# https://github.com/microsoft/ai4s-jobq tells of it.
_TAKEN = "JobPropertyImmutable"

Json = dict[str, Any]


class RetryableError(BatchError):
    """Worth asking again."""


class AlreadyExistsError(BatchError):
    """A job has the id, or had it: none is used twice."""


class JobNotFoundError(BatchError):
    """There is no such job."""


@dataclass(frozen=True)
class Calls:
    """Calls to the workspace of that resource id."""

    workspace: str
    interactive: bool
    """Whether somebody waits for the answer: then few tries are enough."""

    def find(self, path: str) -> Json | None:
        """What is at `path` in the workspace, if anything is. Raises BatchError, as all calls do."""
        try:
            found: Json = self._call("GET", path)
        except JobNotFoundError:
            return None
        return found

    def put(self, path: str, body: Json) -> None:
        """Make what is at `path`. Raises AlreadyExistsError."""
        self._call("PUT", path, body)

    def post(self, path: str) -> None:
        """Ask for an action. Raises JobNotFoundError."""
        self._call("POST", path)

    def delete(self, path: str) -> None:
        """Delete what is at `path`. Raises JobNotFoundError."""
        self._call("DELETE", path)

    def list(self, path: str, **query: str) -> Iterator[Json]:
        """All that a list has, page by page."""
        found = self._call("GET", f"{path}?{urlencode(query)}")
        yield from found["value"]
        while link := found.get("nextLink"):
            found = self._call("GET", self._below(link))
            yield from found["value"]

    def _below(self, link: str) -> str:
        """The path in the workspace of an address that it gave: a token goes to no other server."""
        parts = urlsplit(link)
        query = [(name, value) for name, value in parse_qsl(parts.query) if name.lower() != "api-version"]
        if not parts.path.lower().startswith(f"{self.workspace.lower()}/"):
            raise BatchError(
                f"Azure Machine Learning names '{clean(link, 300)}' as the next page of a list, which is none of its own."
            )
        return f"{parts.path[len(self.workspace) :]}?{urlencode(query)}"

    def _call(self, method: str, path: str, body: Json | None = None) -> Any:
        again = retrying(lambda error: isinstance(error, RetryableError), 1 if self.interactive else None)
        return again(self._once, method, path, body)

    def _once(self, method: str, path: str, body: Json | None) -> Any:
        def call() -> Any:
            return resource_manager.call(method, f"{self.workspace}{path}", API_VERSION, body)

        try:
            return patience.granted(call, is_refusal)
        except HttpResponseError as error:
            raise self._typed(error) from error
        except AzureError as error:
            raise RetryableError(f"Azure Machine Learning at '{self.workspace}' didn't answer: {error.message}") from error

    def _typed(self, error: HttpResponseError) -> BatchError:
        codes, status = list(_codes(error)), error.status_code or 0
        text = f"Azure Machine Learning at '{self.workspace}' refused ({' '.join(map(str, [status, *codes[:1]]))})"
        if _TAKEN in codes:
            return AlreadyExistsError(text)
        if status == 404:
            return JobNotFoundError(text)
        if status in (408, 409, 429) or status >= 500:
            return RetryableError(f"{text}: try again later.")
        if status in (401, 403):
            return BatchError(f"{text}: {ACCESS_HINT if self.interactive else 'the identity needs a role on jobs there'}.")
        return BatchError(f"{text}: {(error.message or '').splitlines()[0] if error.message else 'no reason given'}")


def job_path(worker: str) -> str:
    """Where in the workspace the job of that id is."""
    return f"/jobs/{quote(worker, safe='')}"


def _codes(error: HttpResponseError) -> Iterator[str]:
    """What the service calls the error, the outermost name first."""
    try:
        document = json.loads(error.response.text()) if error.response is not None else None
    except ValueError:  # no JSON: something on the way answered
        return
    yield from _codes_in(document)


def _codes_in(document: object) -> Iterator[str]:
    if isinstance(document, dict):
        if isinstance(code := document.get("code"), str):
            yield code
        for each in document.values():
            yield from _codes_in(each)
    elif isinstance(document, list):
        for each in document:
            yield from _codes_in(each)
