"""Azure's container groups as the workflow sees them, and an event that makes one."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator.logic_app.engine import Json
from emulator.logic_app.runner import Call
from stacks import submitter

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

GROUP = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/scoring-dev"
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/scoringdata"
IDENTITIES = f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities"
PREFIX = "/blobServices/default/containers/input/blobs/"
# Of the version before: what the body has is the same in the one that the workflow asks for.
# https://github.com/Azure/azure-resource-manager-schemas/blob/main/schemas/2025-09-01/Microsoft.ContainerInstance.json
SCHEMA = "Microsoft.ContainerInstance.containerGroups@2024-05-01-preview.json"

BODY = submitter.body(
    location="westeurope",
    image="scoring.azurecr.io/submitter:0123456789abcdef",
    registry_server="scoring.azurecr.io",
    identity_id=f"{IDENTITIES}/submitter",
    subnet_id=f"{GROUP}/providers/Microsoft.Network/virtualNetworks/scoring/subnets/submitter",
    environment={"SCORER_DEPLOYMENT": json.dumps({"pool": "gpu"}), "AZURE_CLIENT_ID": "2" * 8},
    tags={"team": "post-production"},
)
PARAMETERS: Json = {
    "armEndpoint": "https://management.azure.com",
    "resourceGroupId": GROUP,
    "apiVersion": submitter.API_VERSION,
    "identity": f"{IDENTITIES}/workflow",
    "dataAccountId": ACCOUNT,
    "inputUrl": "az://scoringdata/input",
    "containerGroup": BODY,
    "timeLimitMinutes": 30,
}


def event(blob: str = "requests/waves.json", **changes: Any) -> Json:
    """What storage sends: https://learn.microsoft.com/azure/event-grid/event-schema-blob-storage."""
    return {
        "topic": ACCOUNT,
        "subject": PREFIX + blob,
        "eventType": "Microsoft.Storage.BlobCreated",
        "eventTime": "2026-11-24T10:00:00.1234567Z",
        "id": "831e1650-001e-001b-66ab-eeb76e069631",
        "data": {"api": "PutBlob", "eTag": "0x8D4BCC2E4835CD0", "blobType": "BlockBlob", "contentLength": 524},
        "dataVersion": "",
        "metadataVersion": "1",
    } | changes


@dataclass
class Containers:
    """Container groups as ARM shows them: each ends with `exit_code` after `looks` looks at it."""

    exit_code: int | None = 0
    looks: int = 2
    refusals: list[int] = field(default_factory=list)
    """Statuses that the first creations are answered with."""
    deletes: int = 200
    broken: dict[str, Any] = field(default_factory=dict)
    """Properties of every group that is looked at, over its own."""
    calls: list[Call] = field(default_factory=list)
    groups: dict[str, Json] = field(default_factory=dict)

    def __call__(self, call: Call) -> tuple[int, Any]:
        self.calls.append(call)
        assert call.uri.startswith("https://management.azure.com" + GROUP + "/providers/Microsoft.ContainerInstance/")
        assert call.queries["api-version"] == submitter.API_VERSION
        name, _, rest = call.uri.partition("/containerGroups/")[2].partition("/")
        if rest:
            assert (call.method, rest) == ("GET", "containers/submitter/logs")
            return (200, {"content": "what dispatch wrote"}) if name in self.groups else (404, {})
        return {"PUT": self._put, "GET": self._get, "DELETE": self._delete}[call.method](name, call.body)

    def _put(self, name: str, body: Json) -> tuple[int, Any]:
        if self.refusals:
            return self.refusals.pop(0), {"error": {"code": "No"}}
        assert list(validator().iter_errors(body)) == []
        self.groups[name] = copy.deepcopy(body) | {"looks": 0}
        return 201, body

    def _get(self, name: str, _body: object) -> tuple[int, Any]:
        if name not in self.groups:
            return 404, {"error": {"code": "ResourceNotFound"}}
        group = self.groups[name]
        group["looks"] += 1
        ended = self.exit_code is not None and group["looks"] >= self.looks
        state = ("Failed" if self.exit_code else "Succeeded") if ended else "Running"
        current = {"state": "Terminated", "exitCode": self.exit_code} if ended else {"state": "Running"}
        container = copy.deepcopy(group["properties"]["containers"][0])
        container["properties"]["instanceView"] = {"currentState": current}
        properties = {**group["properties"], "provisioningState": "Succeeded", "instanceView": {"state": state}}
        return 200, {"tags": group["tags"], "properties": {**properties, "containers": [container], **self.broken}}

    def _delete(self, name: str, _body: object) -> tuple[int, Any]:
        if self.deletes < 300:
            self.groups.pop(name, None)
        return self.deletes, None

    @property
    def methods(self) -> list[str]:
        return [call.method for call in self.calls]


def validator() -> Draft202012Validator:
    from jsonschema import Draft202012Validator

    folder = Path(__file__).parents[1] / "arm" / "arm-schemas"
    return Draft202012Validator(json.loads((folder / SCHEMA).read_text()))
