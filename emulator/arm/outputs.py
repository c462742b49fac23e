"""What the emulator answers: the properties that Azure adds to a resource, and calls that make nothing."""

from __future__ import annotations

import io
import tarfile
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

from emulator.arm.requests import SUBSCRIPTION, TENANT, ArmError, Json
from scorer.azure import clouds

if TYPE_CHECKING:
    from emulator.arm.cloud import Cloud, Resource

_NAMESPACE = uuid.UUID("7d9f5f0e-5e46-4f3e-8a57-0d3ce7b0b5aa")
SIGNATURE = "5TandInSignature-0123456789abcdefghijklmnop"
"""The secret in every signed address that the emulator gives out: it must be found nowhere else."""
TOKEN = "eyJhbGciOiJub25lIn0StandInHeader.eyJvaWQiOiJkZXBsb3llciJ9StandInBody.signature"
"""What whoever deploys shows to Azure Resource Manager: it, too, must be found nowhere else."""


def group_id(name: str) -> str:
    """The id of a resource group."""
    return f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{name}"


def guid(*words: str) -> str:
    """A GUID that depends on the words alone."""
    return str(uuid.uuid5(_NAMESPACE, "|".join(words).lower()))


def principal(resource: Resource) -> str:
    """The principal id of an identity, or of a resource's own identity."""
    return guid("principal", resource.id)


def principals(cloud: Cloud) -> set[str]:
    """All principals that resources are."""
    return {
        principal(each)
        for each in cloud
        if each.request.type == "Microsoft.ManagedIdentity/userAssignedIdentities"
        or "SystemAssigned" in str(each.body.get("identity", ""))
    }


def _cloud(resource: Resource) -> clouds.Cloud:
    """Which of Azure's clouds it is in."""
    return clouds.of_region(resource.inputs["location"])


def login_server(registry: Resource) -> str:
    """A registry's address."""
    return registry.request.name.lower() + _cloud(registry).registries


def callback_url(workflow_id: str, trigger: str = "request", key: int = 0) -> str:
    """The signed address of a workflow's trigger; `key` counts how often its key was made anew."""
    host = f"prod-00.westeurope.logic.azure.com/workflows/{guid(workflow_id)}/triggers/{trigger}/paths/invoke"
    signature = SIGNATURE + f"{key:04}" * bool(key)
    return f"https://{host}?api-version=2016-10-01&sp=%2Ftriggers%2F{trigger}%2Frun&sv=1.0&sig={signature}"


def archived(archive: bytes) -> set[str]:
    """The files in a build context."""
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as files:
        return set(files.getnames())


def outputs(resource: Resource) -> Json:
    """A resource as the SDK reads it: its inputs, and what Azure adds."""
    name, inputs = resource.request.name, resource.inputs
    known: Json = {
        **inputs,
        "name": name,
        "type": resource.request.type,
        "azureApiVersion": resource.request.api_version,
        "provisioningState": "Succeeded",
    }
    if isinstance(inputs.get("identity"), dict):
        known["identity"] = _identity(resource)
    added = _ADDED.get(resource.request.type)
    return known | added(resource) if added else known


def _identity(resource: Resource) -> Json:
    asked = resource.inputs["identity"]
    answer: Json = {"type": asked["type"]}
    if "SystemAssigned" in asked["type"]:
        answer |= {"principalId": principal(resource), "tenantId": TENANT}
    if asked.get("userAssignedIdentities"):
        answer["userAssignedIdentities"] = {
            each: {"principalId": guid("principal", each), "clientId": guid("client", each)}
            for each in asked["userAssignedIdentities"]
        }
    return answer


_ADDED: dict[str, Callable[[Resource], Json]] = {
    "Microsoft.ManagedIdentity/userAssignedIdentities": lambda each: {
        "principalId": principal(each),
        "clientId": guid("client", each.id),
        "tenantId": TENANT,
    },
    "Microsoft.Storage/storageAccounts": lambda each: {
        "primaryEndpoints": {
            service: f"{_cloud(each).blobs.format(account=each.request.name).replace('.blob.', f'.{service}.')}/"
            for service in (("file",) if each.body.get("kind") == "FileStorage" else ("blob", "file"))
        },
    },
    "Microsoft.ContainerRegistry/registries": lambda each: {"loginServer": login_server(each)},
    "Microsoft.Batch/batchAccounts": lambda each: {
        "accountEndpoint": f"{each.request.name}.{each.inputs['location']}"
        + _cloud(each).zones["batch"].removeprefix("privatelink"),
    },
    "Microsoft.OperationalInsights/workspaces": lambda each: {"customerId": guid("customer", each.id)},
    "Microsoft.Insights/components": lambda each: {
        "instrumentationKey": guid("instrumentation", each.id),
        "connectionString": f"InstrumentationKey={guid('instrumentation', each.id)};IngestionEndpoint=https://{each.inputs['location']}-1.in.applicationinsights.azure.com/",
    },
    "Microsoft.Logic/workflows": lambda each: {
        "accessEndpoint": f"https://prod-00.westeurope.logic.azure.com/workflows/{guid(each.id)}"
    },
    "Microsoft.Network/publicIPAddresses": lambda _: {"ipAddress": "20.50.60.70"},
}


# Look-ups of what others made: the type that each is of, and the argument that has its name.
_LOOKED_UP = {
    "azure-native:resources:getResourceGroup": ("", ""),
    "azure-native:network:getVirtualNetwork": ("Microsoft.Network/virtualNetworks", "virtualNetworkName"),
    "azure-native:batch:getBatchAccount": ("Microsoft.Batch/batchAccounts", "accountName"),
    "azure-native:containerregistry:getRegistry": ("Microsoft.ContainerRegistry/registries", "registryName"),
}


def _read(found: Resource) -> Json:
    """A resource as whoever looks it up reads it."""
    return outputs(found) | {"id": found.id}


def invoke(cloud: Cloud, token: str, args: Json) -> Json:
    """The answer to a call. Raises ArmError for one that isn't known."""
    group = f"{group_id(args.get('resourceGroupName', ''))}/providers"
    if token == "azure-native:authorization:getClientConfig":
        return {"clientId": guid("cli"), "objectId": guid("deployer"), "subscriptionId": SUBSCRIPTION, "tenantId": TENANT}
    if token == "azure-native:authorization:getClientToken":
        return {"token": TOKEN}
    if token == "azure-native:logic:listWorkflowTriggerCallbackUrl":
        workflow = cloud.get(f"{group}/Microsoft.Logic/workflows/{args['workflowName']}")
        if args["triggerName"] not in workflow.body["properties"]["definition"]["triggers"]:
            raise ArmError("WorkflowTriggerNotFound", f"The workflow has no trigger '{args['triggerName']}'.")
        key = cloud.new_keys[workflow.id.lower()]
        return {"value": callback_url(workflow.id, args["triggerName"], key), "method": "POST"}
    if token in _LOOKED_UP:
        arm_type, name = _LOOKED_UP[token]
        path = f"{group}/{arm_type}/{args[name]}" if name in args else group_id(args["resourceGroupName"])
        return _read(cloud.get(path))
    raise ArmError("NotFound", f"There is no call '{token}'.")
