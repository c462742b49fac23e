"""Jobs and tasks as Batch keeps them, and what it refuses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from emulator.batch.options import OptionsError, of_body

Json = dict[str, Any]

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
COLLECTION = 100
_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:([\d.]+)S)?)?")


def seconds(duration: str | None) -> float:
    """An ISO 8601 duration in seconds; without one, for ever."""
    match = _DURATION.fullmatch(duration or "")
    if not duration or match is None:
        return float("inf")
    days, hours, minutes, rest = (float(each or 0) for each in match.groups())
    return days * 86400 + hours * 3600 + minutes * 60 + rest


class RefusalError(Exception):
    """What Batch answers instead of doing it."""

    def __init__(self, status: int, code: str, message: str = "") -> None:
        super().__init__(message or code)
        self.status, self.code = status, code


@dataclass
class Task:
    """One task, and how it went so far."""

    body: Json
    state: str = "active"
    retries: int = 0
    requeues: int = 0
    exit_code: int | None = None
    failure: Json | None = None
    runs: int = 0
    node: str | None = None
    user: int | None = None
    """Whom its last try ran as."""

    @property
    def id(self) -> str:
        return str(self.body["id"])

    @property
    def slots(self) -> int:
        return int(self.body.get("requiredSlots") or 1)

    @property
    def succeeded(self) -> bool:
        return self.state == "completed" and self.failure is None

    def exit_option(self, name: str, default: str) -> str:
        """What its exit conditions say of how it ended."""
        conditions = self.body.get("exitConditions") or {}
        for each in conditions.get("exitCodes") or []:
            if each["code"] == self.exit_code:
                return str(each["exitOptions"].get(name) or default)
        code = (self.failure or {}).get("code")
        kind = {"FileUploadError": "fileUploadError", "PreProcessingError": "preProcessingError"}.get(str(code), "default")
        return str((conditions.get(kind) or {}).get(name) or default)

    def end_try(self, code: int, problem: str | None) -> bool:
        """Take in how a try ended, `problem` where its files weren't uploaded; whether it was the last one."""
        self.exit_code = code
        retries = (self.body.get("constraints") or {}).get("maxTaskRetryCount", 0)
        if code and (retries == -1 or self.retries < retries):
            self.retries += 1
            self.state = "active"
            return False
        self.state = "completed"
        self.failure = None
        if code:
            self.failure = {"category": "usererror", "code": "FailureExitCode", "message": f"The task exited with {code}."}
        elif problem:
            self.failure = {"category": "usererror", "code": "FileUploadError", "message": problem}
        return True

    def shown(self) -> Json:
        """As the service shows it."""
        info: Json = {"retryCount": self.retries, "requeueCount": self.requeues}
        if self.exit_code is not None:
            info["exitCode"] = self.exit_code
        if self.state == "completed":
            info["result"] = "success" if self.succeeded else "failure"
        if self.failure:
            info["failureInfo"] = self.failure
        node = {"nodeInfo": {"nodeId": self.node, "affinityId": f"TVM:{self.node}"}} if self.node else {}
        return {**self.body, "state": self.state, "executionInfo": info, **node}


def wall_time() -> str:
    """Now, as Batch writes it."""
    return datetime.now(UTC).isoformat()


@dataclass
class Job:
    """One job, its tasks, and the nodes that prepared for it."""

    body: Json
    number: int
    began: float
    state: str = "active"
    tasks: dict[str, Task] = field(default_factory=dict)
    """By id in lower case, in the order that they came."""
    prepared: dict[str, str] = field(default_factory=dict)
    """'running', 'completed' or 'failed', by node; of those that have left, too, as Batch tells of them."""
    prepared_at: dict[str, str] = field(default_factory=dict)
    """When each node's last try began, by the wall's clock."""
    preparations: dict[str, Json] = field(default_factory=dict)
    """How each node's last one ended."""
    tries: dict[str, int] = field(default_factory=dict)
    """How often each node has prepared."""
    reason: str | None = None
    created: str = field(default_factory=wall_time)
    ended: str | None = None
    """By the wall's clock, as programs that look at jobs have no other."""

    @property
    def id(self) -> str:
        return str(self.body["id"])

    @property
    def priority(self) -> int:
        return int(self.body.get("priority") or 0)

    def check_open(self) -> None:
        """Raise RefusalError where the job takes no more tasks or changes."""
        if self.state != "active":
            code = "JobCompleted" if self.state == "completed" else "JobTerminating"
            raise RefusalError(409, code, f"Job '{self.id}' is {self.state}.")

    def in_state(self, *states: str) -> list[Task]:
        """The tasks in one of these states."""
        return [task for task in self.tasks.values() if task.state in states]

    def ready(self, task: Task) -> bool:
        """Whether all that the task waits for is done."""
        return all(self._lets_go(each) for each in self._needed(task))

    def _needed(self, task: Task) -> Iterator[str]:
        depends = task.body.get("dependsOn") or {}
        yield from (str(each).lower() for each in depends.get("taskIds") or [])
        for bounds in depends.get("taskIdRanges") or []:
            yield from map(str, range(bounds["start"], bounds["end"] + 1))

    def _lets_go(self, task_id: str) -> bool:
        needed = self.tasks.get(task_id)
        if needed is None or needed.state != "completed":
            return False
        return needed.succeeded or needed.exit_option("dependencyAction", "block") == "satisfy"

    def shown(self) -> Json:
        """As the service shows it."""
        info = {"poolId": self.body["poolInfo"]["poolId"], "startTime": self.created}
        info |= {"terminateReason": self.reason} if self.reason else {}
        info |= {"endTime": self.ended} if self.ended else {}
        return {**self.body, "state": self.state, "creationTime": self.created, "executionInfo": info}

    def end_preparation(self, node: str, code: int, failure: Json | None) -> None:
        """The node's preparation has ended: it is tried again, or the node runs the job's tasks, or never will."""
        body = self.body["jobPreparationTask"]
        self.preparations[node] = {"exitCode": code} if failure is None else {"failureInfo": failure}
        tries = self.tries[node] = self.tries.get(node, 0) + 1
        if code == 0 or not body.get("waitForSuccess", True):
            self.prepared[node] = "completed"
        elif failure is None and tries <= int((body.get("constraints") or {}).get("maxTaskRetryCount") or 0):
            del self.prepared[node]
        else:
            self.prepared[node] = "failed"

    def why_ended(self, now: float) -> str | None:
        """Why it is to end by itself, if it is."""
        if self.state == "active" and now - self.began > seconds((self.body.get("constraints") or {}).get("maxWallClockTime")):
            return "MaxWallClockTimeExpiry"
        done = all(task.state == "completed" for task in self.tasks.values())
        return "AllTasksComplete" if done and self.body.get("onAllTasksComplete") == "terminatejob" else None

    def complete(self) -> None:
        """Its end has come."""
        self.state, self.ended = "completed", wall_time()


class Ledger:
    """All jobs of an account."""

    def __init__(self, quota: int = 300) -> None:
        self.jobs: dict[str, Job] = {}
        self.quota = quota

    def get(self, job_id: str) -> Job:
        """Raises RefusalError."""
        if (job := self.jobs.get(job_id.lower())) is None:
            raise RefusalError(404, "JobNotFound", f"There is no job '{job_id}'.")
        return job

    def task(self, job_id: str, task_id: str) -> Task:
        """Raises RefusalError."""
        if (task := self.get(job_id).tasks.get(task_id.lower())) is None:
            raise RefusalError(404, "TaskNotFound", f"There is no task '{task_id}'.")
        return task

    def active(self) -> list[Job]:
        """Jobs that count towards the quota."""
        return [job for job in self.jobs.values() if job.state != "completed"]

    def add_job(self, body: Json, now: float, pools: set[str]) -> Job:
        """Raises RefusalError."""
        _check_id(body.get("id"))
        if body["id"].lower() in self.jobs:
            raise RefusalError(409, "JobExists", f"The job '{body['id']}' exists already.")
        if body.get("poolInfo", {}).get("poolId") not in pools:
            raise RefusalError(404, "PoolNotFound", f"There is no pool '{body.get('poolInfo', {}).get('poolId')}'.")
        if not -1000 <= int(body.get("priority") or 0) <= 1000:
            raise RefusalError(400, "InvalidPropertyValue", "priority: -1000 to 1000.")
        if len(self.active()) >= self.quota:
            raise RefusalError(409, "ActiveJobAndScheduleQuotaReached", f"{self.quota} jobs are active.")
        for name in ("jobPreparationTask", "jobReleaseTask"):
            if name in body:
                _check_command(body[name])
        job = self.jobs[body["id"].lower()] = Job(body, len(self.jobs), now)
        return job

    def add_task(self, job_id: str, body: Json) -> Task:
        """Raises RefusalError."""
        job = self.get(job_id)
        job.check_open()
        _check_id(body.get("id"))
        if body["id"].lower() in job.tasks:
            raise RefusalError(409, "TaskExists", f"The task '{body['id']}' exists already.")
        _check_task(job, body)
        task = job.tasks[body["id"].lower()] = Task(body)
        return task

    def add_tasks(self, job_id: str, bodies: list[Json]) -> list[Json]:
        """One result a task. Raises RefusalError where the whole call is."""
        if len(bodies) > COLLECTION:
            raise RefusalError(400, "InvalidPropertyValue", f"{len(bodies)} tasks: {COLLECTION} at most.")
        self.get(job_id).check_open()
        results: list[Json] = []
        for body in bodies:
            try:
                self.add_task(job_id, body)
                results.append({"taskId": body["id"], "status": "success"})
            except RefusalError as refusal:
                error = {"code": refusal.code, "message": {"lang": "en-US", "value": str(refusal)}}
                results.append({"taskId": body.get("id"), "status": "clienterror", "error": error})
        return results


def _check_id(text: object) -> None:
    if not isinstance(text, str) or not _ID.fullmatch(text):
        raise RefusalError(400, "InvalidPropertyValue", f"'{text}' is no id: 1 to 64 letters, digits, hyphens and underscores.")


def _check_command(body: Json) -> None:
    if not body.get("commandLine"):
        raise RefusalError(400, "RequiredPropertyMissing", "commandLine is empty.")
    if not (body.get("containerSettings") or {}).get("imageName"):
        raise RefusalError(400, "InvalidPropertyValue", "On a container pool every task needs containerSettings with an image.")
    try:
        of_body(body)
    except OptionsError as error:  # Batch would find it out where the task begins
        raise RefusalError(400, "InvalidPropertyValue", f"containerRunOptions: {error}") from error


def _check_task(job: Job, body: Json) -> None:
    _check_command(body)
    depends = body.get("dependsOn") or {}
    if depends and not job.body.get("usesTaskDependencies"):
        raise RefusalError(400, "TaskDependenciesNotSpecifiedOnJob", "The job doesn't use task dependencies.")
    conditions = body.get("exitConditions") or {}
    options = [each for each in conditions.values() if isinstance(each, dict)]
    if job.body.get("onTaskFailure", "noaction") == "noaction" and any("jobAction" in each for each in options):
        raise RefusalError(400, "InvalidPropertyValue", "jobAction: the job's onTaskFailure is noaction.")
    for file in body.get("outputFiles") or []:
        if not file["destination"]["container"].get("identityReference"):
            raise RefusalError(
                400, "InvalidPropertyValue", "outputFiles: a container address without a signature needs an identity."
            )
