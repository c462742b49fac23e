"""A workspace of Azure Machine Learning alone, at work: no stack, no storage; its jobs' processes only wait."""

from __future__ import annotations

import http.server
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from emulator import entra
from emulator.arm import outputs
from emulator.arm.cloud import Cloud, Resource
from emulator.arm.requests import SUBSCRIPTION, ArmRequest, Kind
from emulator.machine_learning import service
from emulator.machine_learning.jobs import Job
from emulator.machine_learning.service import COMPUTE, VERSION, WORKSPACE, MachineLearning
from emulator.tls import Authority
from scorer.documents.deployment import Deployment, read_deployment
from scorer.documents.plan import Plan
from scorer.documents.request import make_request
from scorer.documents.status import StatusWriter
from scorer.engines.machine_learning.engine import MachineLearningEngine
from scorer.job.dispatch import dispatch
from tests.conftest import write_images
from tests.folders import FolderStores
from tests.scorer.documents.test_deployment import DOCUMENT

GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/films"
IDENTITY = f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/nodes"
PLACE = f"{GROUP}/providers/{WORKSPACE}/films"
ENVIRONMENT = f"{PLACE}/environments/scorer/versions/1"
SUBMITTER = "5f0c3f55-9b1a-4a51-9d52-2f0f3a0b7c11"
# Whatever the job's command is.
WAITS = ("/bin/sh", "-c", "exec sleep 600", "sh")


def compute(kind: str) -> str:
    """The id of a cluster."""
    return f"{PLACE}/computes/{kind}"


@dataclass
class Workspace:
    """One, and who may submit there."""

    azure: MachineLearning
    identities: entra.Identities
    authority: Authority
    environment: dict[str, str] = field(default_factory=dict)


def put(cloud: Cloud, arm_type: str, resource_id: str, body: dict[str, Any]) -> None:
    """A resource that nobody asks how it came."""
    kind = Kind(token="", type=arm_type, api_version="", address=())
    name = resource_id.rpartition("/")[2]
    request = ArmRequest(id=resource_id, type=arm_type, api_version="", name=name, body=body)
    cloud._resources[resource_id.lower()] = Resource(kind, request, {})


def cluster_body(priority: str, most: int) -> dict[str, Any]:
    scale = {"minNodeCount": 0, "maxNodeCount": most, "nodeIdleTimeBeforeScaleDown": "PT10M"}
    known = {"vmSize": "Standard_NC4as_T4_v3", "vmPriority": priority, "scaleSettings": scale}
    identity = {"type": "UserAssigned", "userAssignedIdentities": {IDENTITY: {}}}
    return {"identity": identity, "properties": {"computeType": "AmlCompute", "properties": known}}


@contextmanager
def working(folder: Path, most: int = 4) -> Iterator[Workspace]:
    """The workspace, with a cluster of each kind."""
    cloud = Cloud()
    role = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/own"
    permissions = [{"actions": [f"{WORKSPACE}/*"], "dataActions": []}]
    put(cloud, "Microsoft.Authorization/roleDefinitions", role, {"properties": {"permissions": permissions}})
    given = {"principalId": SUBMITTER, "roleDefinitionId": role}
    assignment = f"{PLACE}/providers/Microsoft.Authorization/roleAssignments/1"
    put(cloud, "Microsoft.Authorization/roleAssignments", assignment, {"properties": given})
    put(cloud, WORKSPACE, PLACE, {"properties": {}})
    put(cloud, VERSION, ENVIRONMENT, {"properties": {"image": "docker.io/acme/scorer-ml:1"}})
    put(cloud, COMPUTE, compute("spot"), cluster_body("LowPriority", most))
    put(cloud, COMPUTE, compute("dedicated"), cluster_body("Dedicated", most))
    cloud.settle()
    authority = Authority.make(folder / "tls")
    with entra.serve(cloud.clock) as identities, _serving(authority) as server:
        address = f"https://127.0.0.1:{server.server_address[1]}"
        # A second of Azure's clock is a hundredth of the wall's: what it does within minutes is there at once.
        with service.serve(cloud, identities, authority, address, minute=0.01, launcher=WAITS) as azure:
            server.azure = azure
            known = {**authority.environment(), "SCORER_ARM_ENDPOINT": address}
            yield Workspace(azure, identities, authority, known)


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    azure: MachineLearning


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _serve(self) -> None:
        parts, data = urlsplit(self.path), self.rfile.read(int(self.headers.get("Content-Length") or 0))
        reply = self.server.azure.handle(
            self.command, unquote(parts.path), dict(parse_qsl(parts.query)), self.headers.get("Authorization"), data
        )
        if reply.status == 0:
            self.close_connection = True
            return
        content = json.dumps(reply.content).encode() if reply.content is not None else b""
        self.send_response(reply.status)
        for name, value in {**reply.headers, "Content-Length": str(len(content)), "Content-Type": "application/json"}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_DELETE = _serve  # noqa: N815  # names that the library asks for

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def _serving(authority: Authority) -> Iterator[_Server]:
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.socket = authority.server_context().wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


def client_id() -> str:
    """Of the identity that nodes have."""
    return outputs.guid("client", IDENTITY)


ML = {
    **DOCUMENT, "engine": "machine-learning", "workspace": PLACE, "environment": ENVIRONMENT, "spotCompute": compute("spot"),
    "dedicatedCompute": "", "nodeClientId": client_id(), "nodesMax": 4, "slotsPerNode": 2, "gpuSize": "Standard_NC4as_T4_v3",
    "batchEndpoint": "", "pool": "", "jobsMax": 4, "taskRetries": 2,
}  # fmt: skip


def deployment(**more: object) -> Deployment:
    return read_deployment(json.dumps({**ML, **more}))


def engine(stores: FolderStores, **more: object) -> MachineLearningEngine:
    return MachineLearningEngine(deployment(**more), stores)


def plan_of(stores: FolderStores, job: str = "film", images: int = 8, sender: str = "") -> Plan:
    """A job whose chunks are an image each."""
    folder = f"frames/{job}"
    write_images(Path(stores.input.where(folder)), [f"{number:03d}.png" for number in range(images)])
    request = make_request({"name": job, "input": f"{folder}/", "model": "invert", "chunk_frames": 1, "batch_size": 1})
    plan = dispatch(job, request, stores, "cpu", deployment().limits)
    StatusWriter(job, stores).state("scoring", frames=plan.frames, request=f"requests/{sender}/{job}.json")
    return plan


def states(azure: Workspace, job: str = "film") -> dict[str, str]:
    with azure.azure.lock:
        return {each.name: each.state for each in azure.azure.workers(job)}


def until(azure: Workspace, expected: dict[str, int], job: str = "film") -> None:
    """So many of the job's workers are in each of these states."""
    azure.azure.wait(lambda: Counter(each.state for each in azure.azure.workers(job)) == expected, 30)


def end(azure: Workspace, state: str, *names: str) -> None:
    """Workers end in that state, all if none is named."""
    with azure.azure.lock:
        for each in azure.azure.ledger.jobs.values():
            if each.name in names or not names:
                for cluster in azure.azure.clusters.values():
                    cluster._end(each, state)


def worker(azure: Workspace, name: str) -> Job:
    with azure.azure.lock:
        return azure.azure.ledger.get(name)
