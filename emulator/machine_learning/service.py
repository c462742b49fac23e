"""A workspace at Azure Resource Manager's address: its jobs and clusters. Source: https://learn.microsoft.com/rest/api/azureml/"""

from __future__ import annotations

import json
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from emulator.arm import outputs
from emulator.arm.cloud import Cloud, Resource
from emulator.arm.rest import ARM, Reply
from emulator.batch.pool import ALLOCATION, Event
from emulator.batch.quota import Quota
from emulator.entra import Identities, TokenError
from emulator.folders import open_folder
from emulator.forked import HASTE, SCORER
from emulator.machine_learning.cluster import Cluster
from emulator.machine_learning.jobs import API_VERSION, PAGE, Job, Ledger, RefusalError, refusal
from emulator.rbac.access import allowed
from emulator.tls import Authority
from emulator.waiting import TICK, wait_until

Json = dict[str, Any]

WORKSPACE = "Microsoft.MachineLearningServices/workspaces"
COMPUTE, VERSION = f"{WORKSPACE}/computes", f"{WORKSPACE}/environments/versions"
# Of so many requests the service wants one later: https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling
THROTTLE_EVERY = 15

# What somebody must be allowed to do to the workspace who gives it a job:
# https://learn.microsoft.com/azure/machine-learning/how-to-assign-roles
_TO_SUBMIT = ("jobs/write", "environments/read", "environments/readSecrets/action", "computes/read", "metadata/artifacts/write")

Fault = Callable[[str, str], int | None]
"""Asked at each request, with its method and path: a status instead of an answer; 0: the line drops before anything is done, -1:
it drops once it is done; or None."""


@dataclass
class MachineLearning:
    """One workspace that works."""

    cloud: Cloud
    workspace: Resource
    identities: Identities
    ledger: Ledger
    minute: float
    """Wall seconds of a simulated minute."""
    endpoint: str = ""
    """Where Azure Resource Manager is."""
    clusters: dict[str, Cluster] = field(default_factory=dict)
    """By their names."""
    timeline: list[Event] = field(default_factory=list)
    fault: Fault | None = None
    page: int = PAGE
    stands_still: bool = False
    """Whether nothing happens to jobs and nodes but what is asked for."""
    throttle_every: int = THROTTLE_EVERY
    requests: list[tuple[str, str]] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)
    _began: float = field(default_factory=time.monotonic)

    @property
    def now(self) -> float:
        """Simulated seconds since the beginning."""
        return (time.monotonic() - self._began) / self.minute * 60

    @property
    def quota(self) -> Quota:
        """Azure Machine Learning's own, which its clusters share."""
        return next(iter(self.clusters.values())).quota

    @quota.setter
    def quota(self, quota: Quota) -> None:
        for cluster in self.clusters.values():
            cluster.quota = quota

    def workers(self, job: str) -> list[Job]:
        """The jobs that are workers of this one."""
        return [each for each in self.ledger.jobs.values() if each.own.get("scorer_job") == job]

    def is_over(self, job: str) -> bool:
        """Whether one of its workers has brought it to its end, or none is left."""
        workers = self.workers(job)
        return any(each.state == "Completed" for each in workers) or all(each.has_ended for each in workers)

    def wait(self, condition: Callable[[], bool], seconds: float = 300) -> None:
        """Until something has come true. Raises TimeoutError."""
        wait_until(condition, self.lock, self.told, seconds)

    def told(self) -> str:
        """How things stand, and what happened last, for people."""
        with self.lock:
            jobs = [f"{job.name} {job.state} {job.node} {job.code} {job.printed[-500:]}" for job in self.ledger.jobs.values()]
            return "\n".join(jobs + list(map(str, self.timeline[-40:])))

    def serves(self, path: str) -> bool:
        """Whether a request is about jobs or clusters of the workspace."""
        return path.lower().startswith((f"{self.workspace.id.lower()}/jobs", f"{self.workspace.id.lower()}/computes"))

    def handle(
        self, method: str, path: str, query: Mapping[str, str], authorization: str | None, data: bytes
    ) -> Reply:  # fmt: skip
        """What is answered to a request."""
        below = path[len(self.workspace.id) :]
        fault = self.fault(method, below) if self.fault is not None else None
        if fault is not None and fault >= 0:
            return _refused(fault, "TooManyRequests" if fault == 429 else "ServiceError") if fault else Reply(0)
        with self.lock:
            self.requests.append((method, below))
            try:
                if len(self.requests) % self.throttle_every == 0:
                    raise refusal(429, "TooManyRequests")
                self._authorize(method, below, authorization)
                if query.get("api-version") != API_VERSION:
                    raise refusal(400, "UnsupportedApiVersion", f"This is {API_VERSION}.")
                answer = self._answer(method, below, query, json.loads(data) if data else {})
            except RefusalError as refused:
                answer = Reply(refused.status, refused.document, {"Retry-After": "0"} if refused.status == 429 else {})
        return Reply(0) if fault is not None else answer

    def _authorize(self, method: str, below: str, authorization: str | None) -> None:
        try:
            who = self.identities.principal(authorization, ARM)
        except TokenError as error:
            raise refusal(401, "InvalidAuthenticationToken", str(error)) from error
        for what in _actions(method, below):
            if not allowed(self.cloud, who, f"{WORKSPACE}/{what}", self.workspace.id):
                raise refusal(403, "AuthorizationFailed", f"The client '{who}' may not {what}.")

    def _answer(self, method: str, below: str, query: Mapping[str, str], body: Json) -> Reply:
        match = re.fullmatch(r"/(jobs|computes)(?:/([^/]+))?(/cancel)?", below)
        if match is None:
            raise refusal(404, "NotFound", below)
        kind, name, cancel = match.groups()
        if kind == "computes":
            return self._compute(name)
        if name is None:
            return self._list(query)
        if method == "PUT":
            self._check(body)
            return Reply(201, self.ledger.add(name, body).shown())
        if method == "DELETE":
            self.ledger.delete(name)
            return Reply(202, None, {"Location": f"{self.endpoint}{self.workspace.id}/operations/{name}"})
        if cancel and method == "POST":
            return self._cancel(self.ledger.get(name))
        return Reply(200, self.ledger.get(name).shown())

    def _list(self, query: Mapping[str, str]) -> Reply:
        first = int(query.get("$skip", "0"))
        found, more = self.ledger.listed(query.get("properties", ""), first, self.page)
        content: Json = {"value": found}
        if more:
            onward = {**query, "$skip": str(first + self.page)}
            content["nextLink"] = f"{self.endpoint}{quote(self.workspace.id)}/jobs?{urlencode(onward)}"
        return Reply(200, content)

    def _compute(self, name: str | None) -> Reply:
        cluster = self.clusters.get(name or "")
        if cluster is None:
            raise refusal(404, "ResourceNotFound", f"There is no cluster '{name}'.")
        return Reply(200, {"id": cluster.id, "name": name, "type": COMPUTE, "properties": cluster.shown()})

    def _check(self, body: Json) -> None:
        """Raise RefusalError where a job names what isn't there, or acts as whom its cluster can't be."""
        properties = body.get("properties") or {}
        cluster = self.cloud.find(str(properties.get("computeId")))
        if cluster is None or cluster.request.name not in self.clusters:
            raise refusal(400, "UserError", f"There is no cluster '{properties.get('computeId')}'.")
        if self.cloud.find(str(properties.get("environmentId"))) is None:
            raise refusal(400, "UserError", f"There is no environment '{properties.get('environmentId')}'.")
        client = (properties.get("identity") or {}).get("clientId")
        if client is not None and client not in self._clients(cluster):
            raise refusal(400, "UserError", f"The cluster has no identity of client id '{client}'.")

    def _clients(self, cluster: Resource) -> dict[str, str]:
        """The identities of a cluster, by their client ids."""
        given = (cluster.body.get("identity") or {}).get("userAssignedIdentities") or {}
        return {outputs.guid("client", each): each for each in given}

    def identity(self, job: Job) -> dict[str, str]:
        """What a job's processes need to act as its identity."""
        client = (job.properties.get("identity") or {}).get("clientId")
        (cluster,) = (each for each in self.clusters.values() if each.id.lower() == job.compute)
        known = self._clients(self.cloud.get(cluster.id))
        if client is None:  # a token of the workspace's, which storage doesn't take
            return {}
        return self.identities.machine_learning(outputs.guid("principal", known[client]), client)

    def image_is_there(self, job: Job) -> bool:
        """Whether the image that the job's environment names was built, or is another registry's."""
        environment = self.cloud.find(job.properties["environmentId"])
        server, _, image = str(environment.body["properties"]["image"]).partition("/") if environment else ("", "", "")
        registries = self.cloud.of_type("Microsoft.ContainerRegistry/registries")
        own = [each.request.name for each in registries if outputs.login_server(each) == server]
        built = {each.lower() for each in self.cloud.images}
        return environment is not None and (not own or f"{own[0]}/{image}".lower() in built)

    def _cancel(self, job: Job) -> Reply:
        if job.has_ended:
            raise refusal(400, "UserError", f"Job '{job.name}' is {job.state}: it can't be cancelled.")
        job.state = "CancelRequested"
        if job.node:
            return Reply(202, None, {"Location": f"{self.endpoint}{self.workspace.id}/operations/{job.name}"})
        return Reply(200)

    def clear(self) -> None:
        """As if there had never been any jobs or nodes."""
        with self.lock:
            for cluster in self.clusters.values():
                cluster.stop()
            self.ledger.clear()

    def tick(self) -> None:
        """All that happened up to now."""
        with self.lock:
            for cluster in [] if self.stands_still else self.clusters.values():
                cluster.tick(self.now)


def _actions(method: str, below: str) -> Sequence[str]:
    if below.startswith("/computes"):
        return ("computes/read",)
    if below.endswith("/cancel"):
        return ("jobs/cancel/action",)
    return {"PUT": _TO_SUBMIT, "DELETE": ("jobs/delete",)}.get(method, ("jobs/read",))


def _refused(status: int, code: str) -> Reply:
    headers = {"Retry-After": "0"} if status in (429, 503) else {}
    return Reply(status, {"error": {"code": code, "message": code}}, headers)


@contextmanager
def serve(
    cloud: Cloud,
    identities: Identities,
    authority: Authority,
    endpoint: str,
    *,
    minute: float = 0.2,
    allocation: float = ALLOCATION,
    launcher: Sequence[str] = SCORER,
    environment: Mapping[str, str] | None = None,
    haste: float = 40.0,
) -> Iterator[MachineLearning]:
    """The cloud's workspace, at work until the block ends; `endpoint` is where Azure Resource Manager answers.

    Workers renew their claims so many times faster than in Azure (`haste`), as their nodes come so many times faster, too.
    """
    (workspace,) = cloud.of_type(WORKSPACE)
    service = MachineLearning(cloud, workspace, identities, Ledger(workspace.id), minute, endpoint)
    stop = threading.Event()

    def schedule() -> None:
        while not stop.wait(TICK):
            service.tick()

    thread = threading.Thread(target=schedule, name="machine learning", daemon=True)
    with open_folder("aml-") as folder:
        bundle = shutil.copy(authority.bundle, folder)
        known = {**authority.trusting(bundle), HASTE: str(haste), **(environment or {})}
        for each in cloud.of_type(COMPUTE):
            service.clusters[each.request.name] = _make(service, each, folder, allocation, launcher, known)
        thread.start()
        try:
            yield service
        finally:
            stop.set()
            thread.join()
            for cluster in service.clusters.values():
                cluster.stop()


def _make(
    service: MachineLearning, declared: Resource, folder: Path, allocation: float, launcher: Sequence[str],
    environment: Mapping[str, str],
) -> Cluster:  # fmt: skip
    return Cluster(
        id=declared.id,
        declared=lambda: service.cloud.get(declared.id).body,
        ledger=service.ledger,
        timeline=service.timeline,
        folder=folder,
        environment=lambda: environment,
        identity=service.identity,
        image_is_there=service.image_is_there,
        launcher=launcher,
        allocation=allocation,
    )
