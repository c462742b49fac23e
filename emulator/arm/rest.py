"""What a person reads of Azure Resource Manager and of a registry, by plain REST: resources as they stand, and images.

Sources: https://learn.microsoft.com/rest/api/batchmanagement/batch-account/get, https://learn.microsoft.com/rest/api/logic/workflow-runs/list,
https://github.com/Azure/acr/blob/main/docs/AAD-OAuth.md
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from emulator.arm import outputs
from emulator.arm.cloud import Cloud, Resource
from emulator.entra import Identities, TokenError
from emulator.rbac.access import allowed, holds
from emulator.rbac.definitions import PULL

Json = dict[str, Any]
Answer = tuple[int, Json]

ARM = "https://management.azure.com"
REGISTRY = "https://containerregistry.azure.net"
BATCH, WORKFLOW = "Microsoft.Batch/batchAccounts", "Microsoft.Logic/workflows"
RUNS = 5


@dataclass(frozen=True)
class Reply:
    """What goes over the line; a status of 0 is that nothing does, and the line drops."""

    status: int
    content: Json | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Service(Protocol):
    """What lives at Azure Resource Manager's address, and answers for itself."""

    def serves(self, path: str) -> bool:
        """Whether a request to that path is its own."""

    def handle(self, method: str, path: str, query: Mapping[str, str], authorization: str | None, data: bytes) -> Reply:
        """What it answers."""


@dataclass
class ResourceManager:
    """One subscription, for whoever may read it."""

    cloud: Cloud
    identities: Identities
    readers: set[str] = field(default_factory=set)
    """Object ids of people with the role Reader on all of it, as whoever deploys has."""
    quota: Callable[[], Json] = dict
    """The Batch account's."""
    runs: Callable[[str], Iterable[Json]] = lambda _: ()
    """A workflow's runs by its name, the latest first."""
    services: list[Service] = field(default_factory=list)

    def read(self, path: str, authorization: str | None) -> Answer:
        """A GET of a resource, or of a workflow's runs."""
        try:
            who = self.identities.principal(authorization, ARM)
        except TokenError as error:
            return _error(401, "InvalidAuthenticationToken", str(error))
        resource = self.cloud.find(path.removesuffix("/runs"))
        if resource is None:
            return _error(404, "ResourceNotFound", f"The Resource '{path}' was not found.")
        if who not in self.readers and not allowed(self.cloud, who, f"{resource.request.type}/read", resource.id):
            return _error(403, "AuthorizationFailed", f"The client '{who}' may not read '{path}'.")
        if path.endswith("/runs"):
            return 200, {"value": list(self.runs(resource.request.name))[:RUNS]}
        return 200, self._shown(resource)

    def _shown(self, resource: Resource) -> Json:
        properties = {**resource.body.get("properties", {})}
        if resource.request.type == BATCH:
            properties |= self.quota()
        shown = {"id": resource.id, "name": resource.request.name, "type": resource.request.type, "properties": properties}
        return shown | ({"location": resource.inputs["location"]} if "location" in resource.inputs else {})

    def registry(self, method: str, path: str, headers: Mapping[str, str], form: Mapping[str, str]) -> Answer:
        """A registry's answer; `path` begins with its address."""
        server, _, rest = path.lstrip("/").partition("/")
        if rest == "oauth2/exchange":
            return self._exchange(server, form)
        if rest == "oauth2/token":
            return 200, {"access_token": f"{form['scope']} for {form['refresh_token']}"}
        match = re.fullmatch("v2/([^/]+)/manifests/([^/]+)", rest)
        if method != "HEAD" or match is None:
            return _error(404, "NOT_FOUND", path)
        if headers.get("Authorization") != f"Bearer repository:{match[1]}:pull for refresh of {server}":
            return _error(401, "UNAUTHORIZED", "authentication required")
        name = server.partition(".")[0]
        there = any(each.lower() == f"{name}/{match[1]}:{match[2]}".lower() for each in self.cloud.images)
        return (200, {}) if there else _error(404, "MANIFEST_UNKNOWN", f"manifest tagged by '{match[2]}' is not found")

    def _exchange(self, server: str, form: Mapping[str, str]) -> Answer:
        try:
            who = self.identities.principal(f"Bearer {form['access_token']}", REGISTRY)
        except TokenError as error:
            return _error(401, "UNAUTHORIZED", str(error))
        for each in self.cloud.of_type("Microsoft.ContainerRegistry/registries"):
            if outputs.login_server(each) == server and (who in self.readers or holds(self.cloud, who, PULL, each.id)):
                return 200, {"refresh_token": f"refresh of {server}"}
        return _error(401, "UNAUTHORIZED", "authentication required")


def _error(status: int, code: str, message: str) -> Answer:
    return status, {"error": {"code": code, "message": message}}


def to_bytes(content: Json) -> bytes:
    """As it goes over the line."""
    return json.dumps(content).encode()
