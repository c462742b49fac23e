"""What starts jobs in the emulator: Event Grid's deliveries, the declared workflows, and container groups as processes.

Which events are delivered, where to, which workflow runs with which parameters, and what a container group is: all of it is what
`pulumi up` declared. Event Grid delivers at least once and in any order, and so does this, if it is told to.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emulator.arm import outputs
from emulator.arm.cloud import Resource
from emulator.arm.needs import answers_hook
from emulator.forked import SCORER, Process, start
from emulator.local_azure import LocalAzure, container_environment
from emulator.logic_app.engine import Engine, Json
from emulator.logic_app.runner import Call, Run
from emulator.rbac.access import allowed

PREFIX = "/blobServices/default/containers/{container}/blobs/{blob}"
GROUPS = "Microsoft.ContainerInstance/containerGroups"
NEEDED = {"PUT": "write", "GET": "read", "DELETE": "delete"}


@dataclass
class Group:
    """One container group."""

    name: str
    body: Json
    log: Path
    process: Process | None
    """None: it never starts."""

    @property
    def exit_code(self) -> int | None:
        return self.process.poll() if self.process else None

    def shown(self) -> Json:
        """As ARM shows it."""
        ended = self.exit_code is not None
        state = ("Failed" if self.exit_code else "Succeeded") if ended else ("Running" if self.process else "Pending")
        current: Json = (
            {"state": "Terminated", "exitCode": self.exit_code}
            if ended
            else {"state": "Waiting" if self.process is None else "Running"}
        )
        (container,) = self.body["properties"]["containers"]
        seen = {**container, "properties": {**container["properties"], "instanceView": {"currentState": current}}}
        properties = {"provisioningState": "Succeeded", "instanceView": {"state": state}, "containers": [seen]}
        return {**self.body, "properties": {**self.body["properties"], **properties}}


@dataclass(frozen=True)
class Happening:
    """Something that a person who watches wants to know."""

    second: float
    what: str
    about: str


@dataclass
class Trigger:
    """At work until it is stopped."""

    azure: LocalAzure
    engine: Engine
    folder: Path
    pause: float = 0.01
    """Seconds of the wall's clock that stand for one that a workflow waits."""
    deliveries: Callable[[Json], list[float]] = lambda _: [0.0]
    """After how many seconds an event is delivered, once for each."""
    starts: Callable[[str], bool] = lambda _: True
    """Whether a container group of that name gets its machine."""
    overrides: Callable[[Json], Json] = lambda _: {}
    """Parameters of the workflow's run for an event instead of those that were declared."""
    runs: list[Run] = field(default_factory=list)
    groups: dict[str, Group] = field(default_factory=dict)
    """Those that are there."""
    put: list[str] = field(default_factory=list)
    """The names of all that ever were."""
    happenings: list[Happening] = field(default_factory=list)
    on_happening: Callable[[Happening], None] = lambda _: None
    _of: list[str] = field(default_factory=list)
    """Which workflow each of the runs is of."""
    _threads: list[threading.Thread] = field(default_factory=list)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def created(self, account: str, container: str, blob: str, etag: str) -> None:
        """A blob is there: storage tells Event Grid, which tells whoever subscribed to it."""
        topic = next(iter(self.azure.cloud.of_type("Microsoft.EventGrid/systemTopics")), None)
        if topic is None or not topic.body["properties"]["source"].endswith(f"/{account}"):
            return
        event = {
            "id": outputs.guid(f"{account}/{container}/{blob}/{etag}"), "topic": topic.body["properties"]["source"],
            "subject": PREFIX.format(container=container, blob=blob), "eventType": "Microsoft.Storage.BlobCreated",
            "eventTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "data": {"api": "PutBlob", "eTag": etag},
            "dataVersion": "", "metadataVersion": "1",
        }  # fmt: skip
        for each in self.azure.cloud.of_type("Microsoft.EventGrid/systemTopics/eventSubscriptions"):
            chosen = each.body["properties"]["filter"]
            begins, ends = chosen["subjectBeginsWith"], chosen["subjectEndsWith"]
            if event["subject"].startswith(begins) and event["subject"].endswith(ends):
                self._tell("event", blob)
                hook = each.body["properties"]["destination"]["properties"]
                for later in self.deliveries(event):
                    self._begin(self._deliver, event, hook, later)

    def _deliver(self, event: Json, hook: Json, later: float) -> None:
        time.sleep(later)
        flow = self._workflow("Request")
        if answers_hook(self.azure.cloud, flow, hook):  # else it is refused, and becomes a dead letter
            self._run(flow, event)

    def poll(self) -> Run:
        """The schedule starts the workflow that polls for waiting requests; its run, once it has ended."""
        return self._run(self._workflow("Recurrence"), {})

    def _workflow(self, kind: str) -> Resource:
        """The workflow with a trigger of that kind."""
        for each in self.azure.cloud.of_type("Microsoft.Logic/workflows"):
            (trigger,) = each.body["properties"]["definition"]["triggers"].values()
            if trigger["type"] == kind:
                return each
        raise LookupError(kind)

    def _run(self, workflow: Resource, event: Json) -> Run:
        body = workflow.body
        declared = {name: each["value"] for name, each in body["properties"]["parameters"].items()}
        name = f"0858528755417733495685365{next(self._numbers):04}CU00"
        identity = next(iter(body["identity"]["userAssignedIdentities"]))
        run = Run(
            self.engine, body["properties"]["definition"], {**declared, **self.overrides(event)},
            lambda call: self._arm(identity, call), name,
            wait=self._pause,
        )  # fmt: skip
        with self._lock:
            self.runs.append(run)
            self._of.append(workflow.request.name)
        if run.start(event):
            self._tell("workflow", f"{run.status} {run.error.get('code', '')}".strip())
        return run

    def _pause(self, seconds: float) -> None:
        self.azure.cloud.clock.wait(seconds)
        time.sleep(seconds * self.pause)

    def _begin(self, target: Callable[..., object], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def shown(self, workflow: str) -> Iterator[Json]:
        """The runs of a workflow as Azure shows them, the latest first."""
        for number, (run, name) in reversed(list(enumerate(zip(self.runs, self._of, strict=True)))):
            if name == workflow:
                error = {"error": run.error} if run.error else {}
                yield {
                    "name": f"run-{number}",
                    "properties": {"status": run.status, "startTime": "2026-01-05T00:00:00Z", **error},
                }

    def wait(self) -> None:
        """Until all that was delivered is worked off."""
        for thread in list(self._threads):
            thread.join(120)
            if thread.is_alive():
                raise TimeoutError("A workflow doesn't end.")

    def _tell(self, what: str, about: str) -> None:
        happening = Happening(time.monotonic(), what, about)
        self.happenings.append(happening)
        self.on_happening(happening)

    # Azure Resource Manager, as the workflow calls it

    def _arm(self, identity: str, call: Call) -> tuple[int, Any]:
        who = outputs.principal(self.azure.cloud.get(identity))
        group_id, _, rest = call.uri.partition("https://management.azure.com")[2].partition(f"/providers/{GROUPS}/")
        name, _, log = rest.partition("/")
        action = f"{GROUPS}/{'containers/logs/read' if log else NEEDED[call.method]}"
        if not allowed(self.azure.cloud, who, action, group_id):
            return 403, {"error": {"code": "AuthorizationFailed"}}
        with self._lock:
            if call.method == "PUT":
                return self._put(name, call.body)
            group = self.groups.get(name)
            if group is None:
                return (204 if call.method == "DELETE" else 404), {"error": {"code": "ResourceNotFound"}}
            if log:
                return 200, {"content": group.log.read_text(errors="replace")}
            if call.method == "DELETE":
                return self._delete(self.groups.pop(name))
            return 200, group.shown()

    def _put(self, name: str, body: Json) -> tuple[int, Any]:
        if name in self.groups:
            self.groups[name].body = body
            return 200, body
        log = self.folder / f"{name}.log"
        (container,) = body["properties"]["containers"]
        command = container["properties"]["command"]
        if command[0] != "scorer":
            raise AssertionError("The image has no other program.")
        (identity,) = body["identity"]["userAssignedIdentities"]
        principal = outputs.principal(self.azure.cloud.get(identity))
        log.write_text("")
        process = None
        if self.starts(name):
            variables = container_environment(container["properties"]["environmentVariables"])
            environment = {**variables, **self.azure.environment(principal)}
            process = start([*SCORER, *command[1:]], environment, self.azure.folder, log, log)
        self.groups[name] = Group(name, body, log, process)
        self.put.append(name)
        self._tell("container", name)
        return 201, body

    def _delete(self, group: Group) -> tuple[int, Any]:
        if group.process is not None:
            group.process.kill()
            group.process.wait()
        return 200, group.body


@contextmanager
def serve(azure: LocalAzure, engine: Engine, folder: Path) -> Iterator[Trigger]:
    """Requests that are uploaded become jobs until the block ends."""
    folder.mkdir(exist_ok=True)
    trigger = Trigger(azure, engine, folder)
    azure.blobs.manager.runs = trigger.shown
    azure.blobs.on_created = trigger.created
    try:
        yield trigger
    finally:
        azure.blobs.on_created = None
        trigger.wait()
