"""The registries' build service, as Azure Resource Manager shows it, and the storage that build contexts are uploaded to."""

from __future__ import annotations

import hashlib
import http.server
import itertools
import json
import os
import re
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from emulator import clock
from emulator.arm import outputs, schemas
from emulator.arm.cloud import Cloud, declared
from emulator.arm.requests import ArmError, Json
from stacks.image_build import ENDPOINT_VARIABLE

RUNS = "Microsoft.ContainerRegistry/registries/runs"
API = "2019-06-01-preview"
BASE_DIGEST = f"sha256:{hashlib.sha256(b'base').hexdigest()}"
# The end of a good run's log: https://learn.microsoft.com/azure/container-registry/container-registry-tutorial-quick-task
LOG = f"""Successfully built 4f1c2d3e4a5b
2026/11/24 10:00:00 The following dependencies were found:
2026/11/24 10:00:00
- image:
    registry: small.azurecr.io
    repository: scorer
    tag: made
    digest: sha256:{"0" * 64}
  runtime-dependency:
    registry: registry.hub.docker.com
    repository: library/python
    tag: 3.11.15-slim-bookworm
    digest: {BASE_DIGEST}
  git: {{}}

Run ID: cb1 was successful after 9m31s
"""
# Faults of these codes end a run instead of refusing it.
ENDS = {"Failed", "Timeout", "Canceled", "Error"}


@dataclass
class Build:
    """One run."""

    image: str
    status: str
    log: str
    looks: Iterator[int] = field(default_factory=itertools.count)

    @property
    def seen(self) -> str:
        """Its status, to one who looks again and again."""
        return ("Queued", "Running")[look] if (look := next(self.looks)) < 2 else self.status


class BuildService:
    """What the calls answer."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.address = ""
        self._runs: dict[str, Build] = {}

    def post(self, registry: str, call: str, body: Json) -> Json:
        """A call on a registry. Raises ArmError."""
        self.cloud.calls.append(f"{RUNS}:{call.rpartition('/')[2]}")
        self.cloud.get(registry)
        if call == "listBuildSourceUploadUrl":
            path = f"source/{uuid.uuid4().hex}/context.tar.gz"
            return {"relativePath": path, "uploadUrl": f"{self.address}/{path}?sv=2021&sig={outputs.SIGNATURE}"}
        if call == "scheduleRun":
            return self._schedule(registry, body)
        if log := re.fullmatch(r"runs/(\w+)/listLogSasUrl", call):
            return {"logLink": f"{self.address}/log/{log[1]}?sig={outputs.SIGNATURE}"}
        raise ArmError("NotFound", f"There is no call '{call}'.")

    def look(self, run: str) -> Json:
        """A run's status."""
        return {"properties": {"runId": run, "status": self._runs[run].seen}}

    def log(self, run: str) -> str:
        """What a run printed."""
        return self._runs[run].log

    def _schedule(self, registry: str, body: Json) -> Json:
        group, name = registry.split("/")[4], registry.rpartition("/")[2]
        inputs = {"resourceGroupName": group, "registryName": name, "taskRunName": "run", "runRequest": body}
        # The same body as a resource's, for which there is a schema.
        if errors := schemas.body_errors(declared("azure-native:containerregistry:TaskRun", inputs).request):
            raise ArmError("InvalidRequestContent", "; ".join(errors))
        run = Build(body["imageNames"][0], "Succeeded", "")
        try:
            self.cloud.fault(RUNS)
            self._check(registry, body)
        except ArmError as error:
            if error.code not in ENDS:
                raise
            run.status, run.log = error.code, f"Step 1/9 : FROM\n{error}\n"
        number = f"cb{len(self._runs) + 1}"
        self._runs[number] = run
        if run.status == "Succeeded":
            run.log = LOG
            self.cloud.images.append(f"{name}/{run.image}")
        return {"properties": {"runId": number, "status": "Queued"}}

    def _check(self, registry: str, body: Json) -> None:
        archive = self.cloud.uploads.get(body["sourceLocation"])
        if archive is None:
            raise ArmError("Failed", f"Nothing was uploaded to '{body['sourceLocation']}'.")
        if body["dockerFilePath"] not in outputs.archived(archive):
            raise ArmError("Failed", f"The context has no '{body['dockerFilePath']}'.")
        server = outputs.login_server(self.cloud.get(registry))
        for argument in body.get("arguments", []):
            host, _, image = str(argument["value"]).partition("/")
            if host == server and f"{registry.rpartition('/')[2]}/{image}" not in self.cloud.images:
                raise ArmError("Failed", f"manifest for '{argument['value']}' not found: manifest unknown.")
        if not all(":" in image for image in body["imageNames"]):
            raise ArmError("Failed", f"An image of {body['imageNames']} has no tag.")


class _Handler(http.server.BaseHTTPRequestHandler):
    service: BuildService

    def do_PUT(self) -> None:
        path, _, query = self.path.lstrip("/").partition("?")
        signed = f"sig={outputs.SIGNATURE}" in query and self.headers["x-ms-blob-type"] == "BlockBlob"
        sent = self._body()
        if signed:
            self.service.cloud.uploads[path] = sent
        self._answer(201 if signed else 403, b"")

    def do_POST(self) -> None:
        sent = self._body()
        if self.path.startswith("/clock?"):
            self.service.cloud.clock.wait(float(self.path.partition("=")[2]))
            self._answer(200, b"")
            return
        registry, call = self._target()
        self._arm(lambda: self.service.post(registry, call, json.loads(sent or b"{}")))

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        if path.startswith("/log/"):
            signed = f"sig={outputs.SIGNATURE}" in query
            self._answer(200 if signed else 403, self.service.log(path.rpartition("/")[2]).encode() if signed else b"")
        else:
            _, call = self._target()
            self._arm(lambda: self.service.look(call.rpartition("/")[2]))

    def _target(self) -> tuple[str, str]:
        """The registry's id, and what is asked of it."""
        path = self.path.partition("?")[0]
        found = re.fullmatch(r"(.*/registries/[^/]+)/(.+)", path)
        return (found[1], found[2]) if found else (path, "")

    def _arm(self, answer: Any) -> None:
        try:
            if self.headers["Authorization"] != f"Bearer {outputs.TOKEN}":
                raise ArmError("InvalidAuthenticationToken", "The access token is invalid.")
            if f"api-version={API}" not in self.path:
                raise ArmError("InvalidApiVersionParameter", "The api-version is invalid.")
            self._answer(200, json.dumps(answer()).encode())
        except ArmError as error:
            self._answer(400, json.dumps({"error": {"code": error.code, "message": str(error)}}).encode())

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers["Content-Length"] or 0))

    def _answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serve(cloud: Cloud) -> Iterator[BuildService]:
    """The service, where programs that are started meanwhile look for Azure Resource Manager."""
    service = BuildService(cloud)
    handler = type("Handler", (_Handler,), {"service": service})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    service.address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
    own = {ENDPOINT_VARIABLE: service.address, clock.VARIABLE: f"{service.address}/clock"}
    before = {name: os.environ.get(name) for name in own}
    os.environ |= own
    try:
        yield service
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        server.shutdown()
        server.server_close()
