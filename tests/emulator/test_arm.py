"""Bodies and ids against what Microsoft's template reference writes: https://learn.microsoft.com/azure/templates/."""

from __future__ import annotations

import inspect
import re
from importlib import import_module

import pytest

from emulator.arm import names, requests, schemas
from emulator.arm.requests import ArmError, ArmRequest, Json, arm_request, kind

GROUP = f"/subscriptions/{requests.SUBSCRIPTION}/resourceGroups/g"
NODES = f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/nodes"
SUBNET = f"{GROUP}/providers/Microsoft.Network/virtualNetworks/v/subnets/nodes"


def request(token: str, **inputs: object) -> ArmRequest:
    return arm_request(kind(f"azure-native:{token}"), {"resourceGroupName": "g", **inputs})


ACCOUNT: Json = {
    "accountName": "films1",
    "location": "westeurope",
    "kind": "StorageV2",
    "sku": {"name": "Standard_LRS"},
    "enableHttpsTrafficOnly": True,
    "networkRuleSet": {
        "bypass": "AzureServices",
        "defaultAction": "Deny",
        "ipRules": [{"iPAddressOrRange": "20.1.2.3"}],
        "virtualNetworkRules": [{"virtualNetworkResourceId": SUBNET}],
    },
    "identity": {"type": "UserAssigned", "userAssignedIdentities": [NODES]},
}


def test_a_storage_account() -> None:
    made = request("storage:StorageAccount", **ACCOUNT)
    assert made.id == f"{GROUP}/providers/Microsoft.Storage/storageAccounts/films1"
    assert made.api_version == "2024-01-01"
    assert made.body == {
        "location": "westeurope",
        "kind": "StorageV2",
        "sku": {"name": "Standard_LRS"},
        "identity": {"type": "UserAssigned", "userAssignedIdentities": {NODES: {}}},
        "properties": {
            "supportsHttpsTrafficOnly": True,
            "networkAcls": {
                "bypass": "AzureServices",
                "defaultAction": "Deny",
                "ipRules": [{"value": "20.1.2.3"}],
                "virtualNetworkRules": [{"id": SUBNET}],
            },
        },
    }
    assert schemas.body_errors(made) == []


def test_nested_objects_get_their_properties_back() -> None:
    made = request(
        "network:VirtualNetwork",
        virtualNetworkName="v",
        location="westeurope",
        addressSpace={"addressPrefixes": ["10.0.0.0/16"]},
        subnets=[
            {
                "name": "submitter",
                "addressPrefix": "10.0.1.0/24",
                "delegations": [{"name": "groups", "serviceName": "Microsoft.ContainerInstance/containerGroups"}],
            }
        ],
    )
    assert made.body == {
        "location": "westeurope",
        "properties": {
            "addressSpace": {"addressPrefixes": ["10.0.0.0/16"]},
            "subnets": [
                {
                    "name": "submitter",
                    "properties": {
                        "addressPrefix": "10.0.1.0/24",
                        "delegations": [
                            {"name": "groups", "properties": {"serviceName": "Microsoft.ContainerInstance/containerGroups"}}
                        ],
                    },
                }
            ],
        },
    }
    assert schemas.body_errors(made) == []


def test_alternatives_are_told_apart_by_their_constants() -> None:
    made = request(
        "eventgrid:SystemTopicEventSubscription",
        systemTopicName="topic",
        eventSubscriptionName="requests",
        destination={"endpointType": "WebHook", "endpointUrl": "https://example.org/?sig=1", "maxEventsPerBatch": 1.0},
        filter={"advancedFilters": [{"operatorType": "StringNotIn", "key": "data.api", "values": ["CreateFile"]}]},
    )
    assert made.id == f"{GROUP}/providers/Microsoft.EventGrid/systemTopics/topic/eventSubscriptions/requests"
    assert made.body == {
        "properties": {
            "destination": {
                "endpointType": "WebHook",
                "properties": {"endpointUrl": "https://example.org/?sig=1", "maxEventsPerBatch": 1},
            },
            "filter": {"advancedFilters": [{"operatorType": "StringNotIn", "key": "data.api", "values": ["CreateFile"]}]},
        }
    }
    assert schemas.body_errors(made) == []


def test_whole_numbers_are_whole_again() -> None:
    made = request("batch:Pool", accountName="b", poolName="p", vmSize="Standard_NC4as_T4_v3", taskSlotsPerNode=2.0)
    slots = made.body["properties"]["taskSlotsPerNode"]
    assert (slots, type(slots)) == (2, int)


@pytest.mark.parametrize(
    ("token", "inputs", "expected"),
    [
        ("resources:ResourceGroup", {}, GROUP),
        (
            "storage:BlobContainer",
            {"accountName": "a", "containerName": "input"},
            f"{GROUP}/providers/Microsoft.Storage/storageAccounts/a/blobServices/default/containers/input",
        ),
        (
            "storage:BlobServiceProperties",
            {"accountName": "a", "blobServicesName": "default"},
            f"{GROUP}/providers/Microsoft.Storage/storageAccounts/a/blobServices/default",
        ),
        (
            "network:PrivateDnsZoneGroup",
            {"privateEndpointName": "e", "privateDnsZoneGroupName": "default"},
            f"{GROUP}/providers/Microsoft.Network/privateEndpoints/e/privateDnsZoneGroups/default",
        ),
        (
            "authorization:RoleAssignment",
            {"scope": SUBNET, "roleAssignmentName": "1"},
            f"{SUBNET}/providers/Microsoft.Authorization/roleAssignments/1",
        ),
        (
            "monitor:DiagnosticSetting",
            {"resourceUri": NODES, "name": "all"},
            f"{NODES}/providers/Microsoft.Insights/diagnosticSettings/all",
        ),
    ],
)
def test_ids(token: str, inputs: Json, expected: str) -> None:
    assert request(token, **inputs).id == expected


@pytest.mark.parametrize("token", sorted(requests._TYPES))
def test_the_sdk_addresses_each_type_likewise(token: str) -> None:
    module, _, resource = token.partition(":")
    sdk = import_module(f"pulumi_azure_native.{module}")
    getter = getattr(sdk, "get_" + re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", resource).lower())
    asked = [name for name in inspect.signature(getter).parameters if name not in ("opts", "expand", "api_version")]
    address = kind(f"azure-native:{token}").address
    snake = [re.sub(r"(?=[A-Z])", "_", name).lower() for name in address]
    # Names that would hide an attribute of every Pulumi resource end in an underscore.
    assert {name.rstrip("_") for name in snake} <= {name.rstrip("_") for name in asked}
    source = inspect.getsource(getattr(sdk, resource)._internal_init)
    for name in snake:
        assert re.search(rf'__props__\.__dict__\["{name}_?"\]', source), name


WRONG: list[tuple[Json, str]] = [
    ({"colour": "red"}, "colour"),
    ({"kind": None}, "kind"),
    ({"kind": "StorageV9"}, "kind"),
    ({"sku": {"name": "Standard_LRZ"}}, "sku"),
    ({"minimumTlsVersion": "TLS9_9"}, "minimumTlsVersion"),
    ({"allowBlobPublicAccess": "no"}, "allowBlobPublicAccess"),
    ({"networkRuleSet": {"defaultAction": "Refuse"}}, "defaultAction"),
    ({"networkRuleSet": {"defaultAction": "Deny", "ipRule": []}}, "ipRule"),
    ({"encryption": {"services": {"blob": {"enabled": "yes"}}}}, "enabled"),
]


@pytest.mark.parametrize(("wrong", "named"), WRONG)
def test_a_wrong_body_is_refused_by_its_property(wrong: Json, named: str) -> None:
    inputs = {key: value for key, value in {**ACCOUNT, **wrong}.items() if value is not None}
    errors = schemas.body_errors(request("storage:StorageAccount", **inputs))
    assert len(errors) == 1
    assert named in errors[0]


# By hand from https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules
NAMES: list[tuple[str, list[str], list[str]]] = [
    ("Microsoft.Storage/storageAccounts", ["abc", "a" * 24], ["ab", "a" * 25, "Abc", "a-b"]),
    ("Microsoft.Storage/storageAccounts/blobServices/containers", ["input", "dead-letters"], ["ab", "a--b", "-ab", "ab-", "A"]),
    ("Microsoft.Batch/batchAccounts", ["abc", "a1" * 12], ["ab", "a" * 25, "a-b", "ABC"]),
    ("Microsoft.Batch/batchAccounts/pools", ["p", "gpu_A-1", "p" * 64], ["", "p" * 65, "a.b", "a/b"]),
    ("Microsoft.ContainerRegistry/registries", ["abcde", "A" * 50], ["abcd", "a" * 51, "abc-de"]),
    ("Microsoft.ManagedIdentity/userAssignedIdentities", ["abc", "a_b-c", "a" * 128], ["ab", "-abc", "a" * 129, "a.b"]),
    ("Microsoft.Logic/workflows", ["w", "a(b).c_d-e", "w" * 43], ["w" * 44, "a b", "a/b"]),
    ("Microsoft.EventGrid/systemTopics", ["abc", "a" * 50], ["ab", "a" * 51, "a_b"]),
    ("Microsoft.EventGrid/systemTopics/eventSubscriptions", ["abc", "a" * 64], ["ab", "a" * 65, "a.b"]),
    ("Microsoft.Network/virtualNetworks", ["ab", "a.b_"], ["a", "_ab", "ab-", "a" * 65]),
    ("Microsoft.Network/natGateways", ["a", "a" * 80], ["a" * 81, "a-", "-a"]),
    ("Microsoft.Network/privateEndpoints", ["ab", "a" * 64], ["a", "a" * 65, "a-"]),
    ("Microsoft.OperationalInsights/workspaces", ["abcd", "a" * 63], ["abc", "a" * 64, "-abcd", "abcd-", "a_bcd"]),
    ("Microsoft.Resources/resourceGroups", ["g", "a(b)", "g" * 90], ["g.", "g" * 91, "a/b"]),
    ("Microsoft.Authorization/roleAssignments", ["0b8f6b0e-5f7e-4f6d-9b7a-0e5c1d3a2b4c"], ["reader", "0b8f6b0e"]),
]


@pytest.mark.parametrize(("arm_type", "good", "bad"), NAMES)
def test_names(arm_type: str, good: list[str], bad: list[str]) -> None:
    def refused(name: str) -> bool:
        return bool(names.name_errors(ArmRequest(id="", type=arm_type, api_version="", name=name, body={})))

    assert [name for name in good if refused(name)] == []
    assert [name for name in bad if not refused(name)] == []


def test_what_the_emulator_was_not_taught_says_where_that_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever adds a resource is led from one step to the next."""
    token = "azure-native:search:Service"
    with pytest.raises(ArmError, match=r"doesn't know 'azure-native:search:Service': emulator/README\.md says how"):
        kind.__wrapped__(token)
    monkeypatch.setitem(
        requests._TYPES, "search:Service", ("Microsoft.Search/searchServices", (requests.GROUP, "searchServiceName"))
    )
    with pytest.raises(
        ArmError, match=r"has 0 schemas of 'Microsoft\.Search/searchServices' instead of one: emulator/README\.md"
    ):
        kind.__wrapped__(token)
    with pytest.raises(ArmError, match=r"doesn't know the names of 'Microsoft\.Search/searchServices': emulator/README\.md"):
        names.name_errors(ArmRequest(id="", type="Microsoft.Search/searchServices", api_version="", name="v", body={}))


def test_every_type_has_a_rule_for_names_and_a_schema() -> None:
    types = {kind(f"azure-native:{token}").type for token in requests._TYPES}
    assert types == set(names.RULES)
    assert all(requests.schema(arm_type) for arm_type in types)
