"""The jobs of a workspace, and what Azure Machine Learning refuses of them.

Source: https://learn.microsoft.com/rest/api/azureml/jobs (API 2025-12-01); of bodies, the published Bicep types.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from emulator.arm.requests import TENANT, ArmRequest
from emulator.arm.schemas import body_errors
from emulator.batch.nodes import Run

Json = dict[str, Any]

TYPE = "Microsoft.MachineLearningServices/workspaces/jobs"
API_VERSION = "2025-12-01"
WAITING = ("NotStarted", "Starting", "Provisioning", "Queued", "Paused", "Preparing")
ENDED = ("Completed", "Failed", "Canceled")
# Of jobs' names, as of all assets': the published types of registries' and workspaces' assets have this pattern.
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,254}")
PAGE = 10


class RefusalError(Exception):
    """What is answered instead of doing it."""

    def __init__(self, status: int, document: Json) -> None:
        super().__init__(str(document))
        self.status, self.document = status, document


def refusal(status: int, code: str, message: str = "") -> RefusalError:
    """One without anything special."""
    return RefusalError(status, {"error": {"code": code, "message": message or code}})


@dataclass
class Job:
    """A command job, and its runs."""

    id: str
    """ARM id."""
    name: str
    body: Json
    state: str = "NotStarted"
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    """By the wall's clock, as programs that look at jobs have no other."""
    queued_at: float = 0.0
    node: str = ""
    ready_at: float = 0.0
    """Once it has a node, when its container is there."""
    run: Run | None = None
    code: int | None = None
    runs: int = 0
    """How often it was begun."""
    printed: str = ""
    """What its processes said, which Azure keeps as user_logs/std_log.txt."""

    @property
    def properties(self) -> Json:
        """As its body has them."""
        known: Json = self.body["properties"]
        return known

    @property
    def compute(self) -> str:
        """Its cluster's id, in small letters."""
        return str(self.properties["computeId"]).lower()

    @property
    def own(self) -> Mapping[str, str]:
        """Properties that whoever made it gave it."""
        return self.properties.get("properties") or {}

    @property
    def has_ended(self) -> bool:
        return self.state in ENDED

    def shown(self) -> Json:
        """As the service shows it."""
        workspace = self.id.rpartition("/jobs/")[0]
        studio = {"jobServiceType": "Studio", "endpoint": f"https://ml.azure.com/runs/{self.name}?wsid={workspace}&tid={TENANT}"}
        moment = self.created.strftime("%Y-%m-%dT%H:%M:%S.%f") + "3Z"  # seven digits
        return {
            "id": self.id,
            "name": self.name,
            "type": TYPE,
            "properties": {**self.properties, "status": self.state, "services": {"Studio": studio}},
            "systemData": {"createdAt": moment, "createdByType": "Application"},
        }


class Ledger:
    """All jobs of a workspace."""

    def __init__(self, workspace: str) -> None:
        self.workspace = workspace
        self.jobs: dict[str, Job] = {}
        """By name, the oldest first."""
        self._burnt: set[str] = set()
        self._answers: Iterator[Callable[[str], RefusalError]] = itertools.cycle((_nested, _listed))

    def get(self, name: str) -> Job:
        """Raises RefusalError."""
        if name not in self.jobs:
            raise refusal(404, "UserError", f"Job '{name}' was not found.")
        return self.jobs[name]

    def add(self, name: str, body: Json) -> Job:
        """Raises RefusalError: for a body that isn't one, and for a name that a job has, or had."""
        job_id = f"{self.workspace}/jobs/{name}"
        if not _NAME.fullmatch(name):
            raise refusal(400, "UserError", f"'{name}' is no name of a job.")
        errors = body_errors(ArmRequest(id=job_id, type=TYPE, api_version=API_VERSION, name=name, body=body))
        if errors:
            raise refusal(400, "UserError", "; ".join(errors))
        if name in self.jobs or name in self._burnt:
            raise next(self._answers)(name)
        job = self.jobs[name] = Job(job_id, name, body)
        return job

    def delete(self, name: str) -> None:
        """Raises RefusalError. Nobody has said whether a name may be used again: here it may not."""
        job = self.get(name)
        if not job.has_ended:
            raise refusal(409, "UserError", f"Job '{name}' is {job.state}: only jobs that have ended can be deleted.")
        self._burnt.add(name)
        del self.jobs[name]

    def clear(self) -> None:
        """As if there had never been any."""
        self.jobs.clear()
        self._burnt.clear()

    def listed(self, properties: str, first: int, count: int) -> tuple[list[Json], bool]:
        """A page of jobs, the newest first, with all of these properties, `name` or `name=value`; whether there are more."""
        wanted = [each.partition("=") for each in properties.split(",") if each]
        found = [
            job for job in reversed(self.jobs.values())
            if all(name in job.own and (not equals or job.own[name] == value) for name, equals, value in wanted)
        ]  # fmt: skip
        return [job.shown() for job in found[first : first + count]], first + count < len(found)


def _nested(name: str) -> RefusalError:
    inner = {"code": "Immutable", "innerError": {"code": "JobPropertyImmutable", "innerError": None}}
    more = [{"type": "ComponentName", "info": {"value": "managementfrontend"}}, {"type": "InnerError", "info": {"value": inner}}]
    message = f"A job with this name already exists: {name}"
    return RefusalError(400, {"error": {"code": "UserError", "message": message, "details": [], "additionalInfo": more}})


def _listed(name: str) -> RefusalError:
    details = [{"code": "JobPropertyImmutable", "message": f"A property of job {name} can't be changed."}]
    return RefusalError(409, {"error": {"code": "UserError", "message": "The request is invalid.", "details": details}})
