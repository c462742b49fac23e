"""Who reaches what: the firewalls of the accounts, and the ways out of the nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from stacks.network import NetworkArgs, _nodes_outbound, _submitter_outbound
from tests.azure.arm import Json
from tests.azure.cloud import Cloud
from tests.azure.fixtures import Deploy

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
    assert firewall(azure, "data") == ("Enabled", [PERSON, SENDERS])
    assert firewall(azure, "ops") == ("Enabled", [PERSON])
    state, submitters, nodes = batch(azure)
    assert (state, nodes) == ("Enabled", ANYBODY)
    assert [rule["value"] for rule in submitters["ipRules"]][1:] == [PERSON]
    for workflow in azure.of_type("Microsoft.Logic/workflows"):
        assert SENDERS not in str(workflow.body["properties"]["accessControl"])


def ways(**changes: Any) -> dict[str, tuple[str, Sequence[str]]]:
    """The nodes' ways out: where to, on which ports."""
    args = NetworkArgs(resource_group_name="g", location="westeurope", address_space="10.0.0.0/16", **changes)
    return {name: (target, ports) for name, target, ports in _nodes_outbound(args)}


USUAL = {
    "batch": ("BatchNodeManagement.westeurope", ("443",)),
    "storage": ("Storage.westeurope", ("443",)),
    "registry": ("AzureContainerRegistry.westeurope", ("443",)),
    "sign-in": ("AzureActiveDirectory", ("443",)),
    "telemetry": ("AzureMonitor", ("443",)),
}
ENDPOINTS = {"private-endpoints": ("VirtualNetwork", ("443",))}


@pytest.mark.parametrize(
    ("changes", "more"),
    [
        ({}, {}),
        ({"private": True}, ENDPOINTS),
        ({"foreign_registry": True}, {"foreign-registry": ("Internet", ("443",))}),
        ({"mount": "blob"}, {"packages": ("Internet", ("80", "443"))}),
        ({"mount": "blob", "private": True}, {**ENDPOINTS, "packages": ("Internet", ("80", "443"))}),
    ],
    ids=str,
)
def test_nodes_go_where_they_must_and_nowhere_else(changes: dict[str, Any], more: dict[str, Any]) -> None:
    assert ways(**changes) == USUAL | more


def test_the_submitter_needs_no_packages() -> None:
    args = NetworkArgs(resource_group_name="g", location="westeurope", address_space="10.0.0.0/16", mount="blob")
    assert "Internet" not in [target for _, target, _ in _submitter_outbound(args)]
