"""From what Pulumi sends azure-native to what azure-native sends Azure: ids and bodies of ARM requests.

azure-native's inputs leave `properties` out at every level and call some things otherwise; ARM's schemas say where they belong.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

Json = dict[str, Any]

SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
TENANT = "00000000-0000-0000-0000-000000000002"
SCHEMAS = Path(__file__).with_name("arm-schemas")

TEACH = "emulator/README.md says how to teach it a resource type"

GROUP = "resourceGroupName"
# By Pulumi's type: ARM's type, and the inputs that make the id, the name's last.
_TYPES: dict[str, tuple[str, tuple[str, ...]]] = {
    "applicationinsights:Component": ("Microsoft.Insights/components", (GROUP, "resourceName")),
    "applicationinsights:Workbook": ("Microsoft.Insights/workbooks", (GROUP, "resourceName")),
    "authorization:ManagementLockByScope": ("Microsoft.Authorization/locks", ("scope", "lockName")),
    "authorization:RoleAssignment": ("Microsoft.Authorization/roleAssignments", ("scope", "roleAssignmentName")),
    "authorization:RoleDefinition": ("Microsoft.Authorization/roleDefinitions", ("scope", "roleDefinitionId")),
    "batch:BatchAccount": ("Microsoft.Batch/batchAccounts", (GROUP, "accountName")),
    "batch:Pool": ("Microsoft.Batch/batchAccounts/pools", (GROUP, "accountName", "poolName")),
    "consumption:Budget": ("Microsoft.Consumption/budgets", ("scope", "budgetName")),
    "containerregistry:Registry": ("Microsoft.ContainerRegistry/registries", (GROUP, "registryName")),
    "containerregistry:TaskRun": ("Microsoft.ContainerRegistry/registries/taskRuns", (GROUP, "registryName", "taskRunName")),
    "eventgrid:SystemTopic": ("Microsoft.EventGrid/systemTopics", (GROUP, "systemTopicName")),
    "eventgrid:SystemTopicEventSubscription": (
        "Microsoft.EventGrid/systemTopics/eventSubscriptions",
        (GROUP, "systemTopicName", "eventSubscriptionName"),
    ),
    "keyvault:Vault": ("Microsoft.KeyVault/vaults", (GROUP, "vaultName")),
    "logic:Workflow": ("Microsoft.Logic/workflows", (GROUP, "workflowName")),
    "machinelearningservices:Compute": (
        "Microsoft.MachineLearningServices/workspaces/computes",
        (GROUP, "workspaceName", "computeName"),
    ),
    "machinelearningservices:EnvironmentVersion": (
        "Microsoft.MachineLearningServices/workspaces/environments/versions",
        (GROUP, "workspaceName", "name", "version"),
    ),
    "machinelearningservices:Workspace": ("Microsoft.MachineLearningServices/workspaces", (GROUP, "workspaceName")),
    "managedidentity:UserAssignedIdentity": ("Microsoft.ManagedIdentity/userAssignedIdentities", (GROUP, "resourceName")),
    "monitor:ActionGroup": ("Microsoft.Insights/actionGroups", (GROUP, "actionGroupName")),
    "monitor:DiagnosticSetting": ("Microsoft.Insights/diagnosticSettings", ("resourceUri", "name")),
    "monitor:MetricAlert": ("Microsoft.Insights/metricAlerts", (GROUP, "ruleName")),
    "monitor:ScheduledQueryRule": ("Microsoft.Insights/scheduledQueryRules", (GROUP, "ruleName")),
    "network:FlowLog": ("Microsoft.Network/networkWatchers/flowLogs", (GROUP, "networkWatcherName", "flowLogName")),
    "network:NatGateway": ("Microsoft.Network/natGateways", (GROUP, "natGatewayName")),
    "network:NetworkSecurityGroup": ("Microsoft.Network/networkSecurityGroups", (GROUP, "networkSecurityGroupName")),
    "network:PrivateDnsZoneGroup": (
        "Microsoft.Network/privateEndpoints/privateDnsZoneGroups",
        (GROUP, "privateEndpointName", "privateDnsZoneGroupName"),
    ),
    "network:PrivateEndpoint": ("Microsoft.Network/privateEndpoints", (GROUP, "privateEndpointName")),
    "network:PublicIPAddress": ("Microsoft.Network/publicIPAddresses", (GROUP, "publicIpAddressName")),
    "network:VirtualNetwork": ("Microsoft.Network/virtualNetworks", (GROUP, "virtualNetworkName")),
    "operationalinsights:Workspace": ("Microsoft.OperationalInsights/workspaces", (GROUP, "workspaceName")),
    "privatedns:PrivateZone": ("Microsoft.Network/privateDnsZones", (GROUP, "privateZoneName")),
    "privatedns:VirtualNetworkLink": (
        "Microsoft.Network/privateDnsZones/virtualNetworkLinks",
        (GROUP, "privateZoneName", "virtualNetworkLinkName"),
    ),
    "resources:ResourceGroup": ("Microsoft.Resources/resourceGroups", (GROUP,)),
    "security:DefenderForStorage": ("Microsoft.Security/defenderForStorageSettings", ("resourceId", "settingName")),
    "storage:BlobContainer": (
        "Microsoft.Storage/storageAccounts/blobServices/containers",
        (GROUP, "accountName", "containerName"),
    ),
    "storage:BlobServiceProperties": (
        "Microsoft.Storage/storageAccounts/blobServices",
        (GROUP, "accountName", "blobServicesName"),
    ),
    "storage:FileShare": ("Microsoft.Storage/storageAccounts/fileServices/shares", (GROUP, "accountName", "shareName")),
    "storage:ManagementPolicy": (
        "Microsoft.Storage/storageAccounts/managementPolicies",
        (GROUP, "accountName", "managementPolicyName"),
    ),
    "storage:StorageAccount": ("Microsoft.Storage/storageAccounts", (GROUP, "accountName")),
}
# What the SDK calls otherwise than ARM, beyond case and punctuation.
_RENAMED = {
    "networkRuleSet": "networkAcls",
    "enableHttpsTrafficOnly": "supportsHttpsTrafficOnly",
    "virtualNetworkResourceId": "id",
    "iPAddressOrRange": "value",
    "roleType": "type",
    "encryptionIdentity": "identity",
    "encryptionUserAssignedIdentity": "userAssignedIdentity",
}


class ArmError(Exception):
    """Azure's refusal."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One resource type."""

    token: str
    type: str
    api_version: str
    address: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ArmRequest:
    """A PUT of one resource."""

    id: str
    type: str
    api_version: str
    name: str
    body: Json


@cache
def kind(token: str) -> Kind:
    """The type that Pulumi calls `token`. Raises ArmError for one that isn't known here."""
    known = _TYPES.get(token.removeprefix("azure-native:"))
    if known is None:
        raise ArmError("NoRegisteredProviderFound", f"The emulator doesn't know '{token}': {TEACH}.")
    arm_type, address = known
    return Kind(token=token, type=arm_type, api_version=_schema_file(arm_type).stem.partition("@")[2], address=address)


def _schema_file(arm_type: str) -> Path:
    """Raises ArmError where there is none."""
    found = list(SCHEMAS.glob(f"{arm_type.replace('/', '.')}@*.json"))
    if len(found) != 1:
        raise ArmError("InvalidResourceType", f"The emulator has {len(found)} schemas of '{arm_type}' instead of one: {TEACH}.")
    return found[0]


@cache
def schema(arm_type: str) -> Json:
    """ARM's JSON Schema of a type."""
    loaded: Json = json.loads(_schema_file(arm_type).read_text())
    return loaded


def takes_location(kind: Kind) -> bool:
    """Whether the type has a location."""
    root = schema(kind.type)
    return "location" in _follow(root, root)["properties"]


def takes_tags(kind: Kind) -> bool:
    """Whether the type has tags."""
    root = schema(kind.type)
    return "tags" in _follow(root, root)["properties"]


def named(kind: Kind, inputs: Json, logical_name: str, random: str) -> Json:
    """The inputs with a name: the given one, or the logical one and random letters, as Pulumi names things."""
    key = kind.address[-1]
    return inputs if inputs.get(key) else {**inputs, key: logical_name + random}


def arm_request(kind: Kind, inputs: Json) -> ArmRequest:
    """The request that makes a resource of `inputs`."""
    own = {key: value for key, value in inputs.items() if key not in kind.address}
    root = schema(kind.type)
    return ArmRequest(
        id=_id(kind, inputs),
        type=kind.type,
        api_version=kind.api_version,
        name=str(inputs[kind.address[-1]]),
        body=_shape(own, root, root),
    )


def references(body: Any) -> list[str]:
    """Every resource id in a body, except those of built-in roles."""
    if isinstance(body, dict):
        return [found for key, value in body.items() for part in (key, value) for found in references(part)]
    if isinstance(body, list):
        return [found for value in body for found in references(value)]
    if isinstance(body, str) and re.fullmatch(r"/subscriptions/[^\s/]+(/[^\s/]+)+", body) and "/roleDefinitions/" not in body:
        return [body]
    return []


def _id(kind: Kind, inputs: Json) -> str:
    names = [str(inputs[key]) for key in kind.address]
    if kind.address[0] in ("scope", "resourceUri", "resourceId"):
        return f"/{names[0].strip('/')}/providers/{kind.type}/{names[1]}"
    group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{names[0]}"
    if len(names) == 1:
        return group
    namespace, *types = kind.type.split("/")
    if kind.type.endswith(("/blobServices/containers", "/fileServices/shares")):
        names.insert(2, "default")
    return f"{group}/providers/{namespace}/" + "/".join(f"{each}/{name}" for each, name in zip(types, names[1:], strict=True))


def _shape(value: Any, rule: Json, root: Json) -> Any:
    """`value` as ARM's rule wants it."""
    rule = _follow(rule, root, value)
    if isinstance(value, list):
        if rule.get("type") == "object":  # userAssignedIdentities
            return {str(each): {} for each in value}
        return [_shape(each, rule.get("items", {}), root) for each in value]
    if isinstance(value, dict):
        return _object(value, rule, root)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _object(value: Json, rule: Json, root: Json) -> Json:
    known: Json = rule.get("properties", {})
    flat = "properties" in known and "properties" not in value
    inner = _follow(known["properties"], root, value).get("properties", {}) if flat else {}
    shaped: Json = {}
    nested: Json = {}
    for key, each in value.items():
        if (name := _name(key, known)) is not None:
            shaped[name] = _shape(each, known[name], root)
        elif (name := _name(key, inner)) is not None:
            nested[name] = each
        else:
            other = rule.get("additionalProperties")
            shaped[key] = _shape(each, other if isinstance(other, dict) else {}, root)
    if nested:
        shaped["properties"] = _shape(nested, known["properties"], root)
    return shaped


def _name(key: str, known: Json) -> str | None:
    """What ARM calls `key`, if the rule knows it."""
    renamed = _RENAMED.get(key, key)
    for each in (key, renamed):
        if each in known:
            return each
    return next((each for each in known if _bare(each) == _bare(renamed)), None)


def _bare(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _follow(rule: Json, root: Json, value: Any = None) -> Json:
    """What a rule refers to; of alternatives the one whose constants the value has."""
    while "$ref" in rule:
        rule = root["$defs"][rule["$ref"].rpartition("/")[2]]
    if "oneOf" in rule and isinstance(value, dict):
        for each in rule["oneOf"]:
            branch = _follow(each, root)
            given = {_bare(key): inner for key, inner in value.items()}
            constants = {_bare(key): _follow(inner, root).get("const") for key, inner in branch.get("properties", {}).items()}
            if all(given.get(key) == const for key, const in constants.items() if const is not None):
                return branch
    return rule


def at(body: Json, path: str) -> object:
    """The value at a dotted path, None where there is none."""
    value: object = body
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value
