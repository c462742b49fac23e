"""Who reaches what: the firewalls of the accounts, and the ways out of the nodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from emulator.arm.cloud import Cloud
from emulator.arm.requests import Json
from stacks.network import NetworkArgs, Outbound, _nodes_outbound, _submitter_outbound
from tests.azure_fixtures import Deploy

Outbounds = Callable[[NetworkArgs], list[Outbound]]

PERSON = "203.0.113.7"
SENDERS = "198.51.100.0/24"
ACCOUNTS = "Microsoft.Storage/storageAccounts"
BATCH = "Microsoft.Batch/batchAccounts"


def firewall(azure: Cloud, kind: str) -> tuple[str, list[str]]:
    """Whether an account is open to the internet at all, and for whom."""
    (found,) = (each for each in azure.of_type(ACCOUNTS) if kind in each.request.name)
    properties = found.body["properties"]
    assert properties["networkAcls"]["defaultAction"] == "Deny"
    return properties["publicNetworkAccess"], [rule["value"] for rule in properties["networkAcls"]["ipRules"]]


def batch(azure: Cloud) -> tuple[str, Json, Json]:
    """Whether the Batch account is open to the internet at all, and for whom: those who submit jobs, and nodes."""
    (found,) = azure.of_type(BATCH)
    properties = found.body["properties"]
    profile = properties["networkProfile"]
    return properties["publicNetworkAccess"], profile["accountAccess"], profile["nodeManagementAccess"]


def allow(*addresses: str) -> Json:
    return {"defaultAction": "Deny", "ipRules": [{"action": "Allow", "value": address} for address in addresses]}


NOBODY = allow()
ANYBODY = {"defaultAction": "Allow", "ipRules": []}


def test_what_is_private_opens_to_those_who_are_named_and_closes_again(azure: Cloud, deploy: Deploy) -> None:
    deployment = deploy("prod")
    deployment.up()
    assert [firewall(azure, kind) for kind in ("data", "ops")] == [("Disabled", [])] * 2
    assert batch(azure) == ("Disabled", NOBODY, NOBODY)
    assert storage_ways(azure) == (0, 0)

    deployment.settings["allowedIps"] = [PERSON]
    deployment.up()
    assert [firewall(azure, kind) for kind in ("data", "ops")] == [("Enabled", [PERSON])] * 2
    assert batch(azure) == ("Enabled", allow(PERSON), NOBODY)  # nodes come by their private endpoint
    assert set(deployment.up().changes) == {"same"}

    deployment.settings |= {"allowedIps": [], "senderIps": [SENDERS]}
    deployment.up()
    assert firewall(azure, "data") == ("Enabled", [SENDERS])
    assert firewall(azure, "ops") == ("Disabled", [])
    assert batch(azure)[0] == "Disabled"


def test_who_comes_by_endpoints_waits_until_names_lead_there(deploy: Deploy) -> None:
    deployment = deploy("prod")
    deployment.up()
    resources = deployment.resources()
    needed = {each["urn"] for each in resources if each["type"].endswith(("VirtualNetworkLink", "PrivateDnsZoneGroup"))}
    assert len(needed) == 3 + 5
    waiting = [each for each in resources if each["type"].endswith(("batch:Pool", "SystemTopicEventSubscription"))]
    assert len(waiting) == 2
    for each in waiting:
        assert needed <= set(each["dependencies"]), each["urn"]


def test_senders_reach_the_data_account_alone(azure: Cloud, deploy: Deploy) -> None:
    deploy("dev", allowedIps=[PERSON], senderIps=[SENDERS, PERSON]).up()
    assert storage_ways(azure) == (2, 2)
    assert firewall(azure, "data") == ("Enabled", [PERSON, SENDERS])
    assert firewall(azure, "ops") == ("Enabled", [PERSON])
    state, submitters, nodes = batch(azure)
    assert (state, nodes) == ("Enabled", ANYBODY)
    assert [rule["value"] for rule in submitters["ipRules"]][1:] == [PERSON]
    for workflow in azure.of_type("Microsoft.Logic/workflows"):
        assert SENDERS not in str(workflow.body["properties"]["accessControl"])


def ways(outbound: Outbounds = _nodes_outbound, **changes: Any) -> dict[str, tuple[str, Sequence[str]]]:
    """The ways out of the nodes, or of the submitter: where to, on which ports."""
    args = NetworkArgs(resource_group_name="g", location="westeurope", address_space="10.0.0.0/16", **changes)
    return {each.name: (each.target, each.ports) for each in outbound(args)}


USUAL = {
    "batch": ("BatchNodeManagement.westeurope", ("443",)),
    "registry": ("AzureContainerRegistry.westeurope", ("443",)),
    "sign-in": ("AzureActiveDirectory", ("443",)),
    "telemetry": ("AzureMonitor", ("443",)),
}
STORAGE = {"storage": ("Storage.westeurope", ("443",))}
ENDPOINTS = {"private-endpoints": ("VirtualNetwork", ("443",))}
SHARE = {"parts": ("VirtualNetwork", ("2049",))}
PACKAGES = {"packages": ("Internet", ("80", "443"))}


@pytest.mark.parametrize(
    ("changes", "more"),
    [
        ({}, STORAGE),
        ({"private": True}, ENDPOINTS),
        ({"foreign_registry": True}, {**STORAGE, "foreign-registry": ("Internet", ("443",))}),
        ({"mount": "blob"}, {**STORAGE, **PACKAGES}),
        ({"mount": "blob", "private": True}, {**ENDPOINTS, **PACKAGES}),
        ({"mount": "nfs"}, {**STORAGE, **SHARE, **PACKAGES}),
        ({"mount": "nfs", "private": True}, {**ENDPOINTS, **SHARE, **PACKAGES}),
        ({"any_azure": True}, STORAGE),
    ],
    ids=str,
)
def test_nodes_go_where_they_must_and_nowhere_else(changes: dict[str, Any], more: dict[str, Any]) -> None:
    assert ways(**changes) == USUAL | more


@pytest.mark.parametrize(
    ("changes", "more"),
    [
        ({}, STORAGE),
        ({"mount": "blob"}, STORAGE),  # what only nodes install
        ({"mount": "nfs"}, STORAGE),  # what only nodes mount
        ({"foreign_registry": True}, {**STORAGE, "foreign-registry": ("Internet", ("443",))}),
    ],
    ids=str,
)
def test_the_submitter_calls_named_services(changes: dict[str, Any], more: dict[str, Any]) -> None:
    assert ways(_submitter_outbound, **changes) == USUAL | more


def test_a_private_submitter_reaches_batch_and_storage_inside_the_vnet_alone() -> None:
    expected = {name: way for name, way in USUAL.items() if name != "batch"} | ENDPOINTS
    assert ways(_submitter_outbound, private=True) == expected
    assert ways(_submitter_outbound, private=True, any_azure=True) == expected


# https://learn.microsoft.com/azure/machine-learning/how-to-secure-training-vnet
SERVICE = {
    "machine-learning": ("AzureMachineLearning", ("443",)),
    "machine-learning-udp": ("AzureMachineLearning", ("5831",)),
    "resource-manager": ("AzureResourceManager", ("443",)),
    "service-images": ("MicrosoftContainerRegistry", ("443",)),
    "front-door": ("AzureFrontDoor.FirstParty", ("443",)),
}


def test_nodes_of_azure_machine_learning_go_where_that_says_in_either_isolation() -> None:
    assert ways(machine_learning=True) == USUAL | ENDPOINTS | STORAGE | SERVICE
    assert ways(machine_learning=True, private=True) == USUAL | ENDPOINTS | SERVICE | {"service-storage": STORAGE["storage"]}
    args = NetworkArgs(resource_group_name="g", location="westeurope", address_space="10.0.0.0/16", machine_learning=True)
    assert {each.name: each.protocol.value for each in _nodes_outbound(args) if each.protocol.value != "Tcp"} == {
        "batch": "*", "machine-learning-udp": "Udp",
    }  # fmt: skip


@pytest.mark.parametrize(("private", "storage"), [(False, STORAGE), (True, {})])
def test_the_submitter_of_azure_machine_learning_calls_the_resource_manager_alone(private: bool, storage: dict[str, Any]) -> None:
    usual = {name: way for name, way in USUAL.items() if name != "batch"}
    found = ways(_submitter_outbound, machine_learning=True, private=private)
    assert found == usual | ENDPOINTS | storage | {"resource-manager": SERVICE["resource-manager"]}


def test_a_switch_lets_the_submitter_call_all_of_the_regions_azure() -> None:
    found = ways(_submitter_outbound, any_azure=True)
    assert found["any-azure"] == ("AzureCloud.westeurope", ("443",))
    assert "batch" not in found


def storage_ways(azure: Cloud) -> tuple[int, int]:
    """How many rules of the stack's security groups name a tag of storage, and how many of its subnets a service endpoint."""
    groups = azure.of_type("Microsoft.Network/networkSecurityGroups")
    rules = [rule["properties"] for each in groups for rule in each.body["properties"]["securityRules"]]
    (network,) = azure.of_type("Microsoft.Network/virtualNetworks")
    subnets = [subnet["properties"] for subnet in network.body["properties"]["subnets"]]
    return (
        sum(str(rule.get("destinationAddressPrefix", "")).startswith(("Storage", "AzureCloud")) for rule in rules),
        sum(bool(subnet.get("serviceEndpoints")) for subnet in subnets),
    )
