"""What roles permit, by Azure's own words for it, and that nothing of the one kind grants the other."""

from __future__ import annotations

import pytest

from emulator.arm import outputs
from emulator.batch.rights import action
from emulator.rbac.access import allowed, holds
from emulator.rbac.definitions import BUILT_IN, Role
from stacks import identity
from tests.emulator.sample_resources import SampleResources, role

BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
SIGN = "Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action"
BATCH = "Microsoft.Batch/batchAccounts"
IDENTITIES = "Microsoft.ManagedIdentity/userAssignedIdentities"


def test_every_role_that_a_deployment_gives_is_known() -> None:
    assert set(BUILT_IN) >= {role.value for role in identity.Role}


@pytest.mark.parametrize(
    ("name", "may", "may_not"),
    [
        ("Storage Blob Data Reader", [f"{BLOBS}/read", SIGN], [f"{BLOBS}/write", f"{BLOBS}/delete", f"{BLOBS}/tags/read"]),
        (
            "Storage Blob Data Contributor",
            [f"{BLOBS}/{each}" for each in ("read", "write", "delete", "add/action", "move/action")],
            [f"{BLOBS}/tags/read", f"{BLOBS}/tags/write", f"{BLOBS}/manageOwnership/action"],
        ),
        ("Storage Blob Delegator", [SIGN], [f"{BLOBS}/read"]),
        ("AcrPull", ["Microsoft.ContainerRegistry/registries/pull/read"], ["Microsoft.ContainerRegistry/registries/push/write"]),
        (
            "Azure Batch Job Submitter",
            [f"{BATCH}/jobs/read", f"{BATCH}/jobs/write", f"{BATCH}/jobs/delete", f"{BATCH}/pools/read"],
            [f"{BATCH}/read", f"{BATCH}/pools/write", f"{BATCH}/pools/delete", f"{BATCH}/listKeys/action"],
        ),
        (
            "Azure Batch Data Contributor",
            [f"{BATCH}/read", f"{BATCH}/jobs/write", f"{BATCH}/pools/write"],
            [f"{BATCH}/write", f"{BATCH}/listKeys/action"],
        ),
        ("Managed Identity Operator", [f"{IDENTITIES}/assign/action", f"{IDENTITIES}/read"], [f"{IDENTITIES}/write"]),
        ("Monitoring Metrics Publisher", ["Microsoft.Insights/Telemetry/Write"], ["Microsoft.Insights/components/read"]),
        (
            "Network Contributor",
            ["Microsoft.Network/virtualNetworks/subnets/join/action"],
            ["Microsoft.Batch/batchAccounts/read"],
        ),
    ],
)
def test_a_role_permits_what_azure_says_and_no_more(name: str, may: list[str], may_not: list[str]) -> None:
    (found,) = (each for each in BUILT_IN.values() if each.name == name)
    assert [each for each in may if not found.allows(each)] == []
    assert [each for each in may_not if found.allows(each)] == []
    assert found.allows(may[0].lower()), "Azure doesn't tell upper from lower case"


def test_a_permission_of_the_resource_manager_is_none_on_data() -> None:
    assert not Role("all", actions=("*",)).allows(f"{BLOBS}/read")
    assert not Role("all", data_actions=("*",)).allows(f"{BATCH}/read")


@pytest.mark.parametrize(
    ("method", "path", "needed"),
    [
        ("GET", "/jobs", "jobs/read"), ("POST", "/jobs", "jobs/write"), ("PATCH", "/jobs/a", "jobs/write"),
        ("DELETE", "/jobs/a", "jobs/delete"), ("POST", "/jobs/a/terminate", "jobs/write"),
        ("GET", "/jobs/a/tasks/1", "jobs/read"), ("GET", "/pools/gpu/nodes", "pools/read"),
        ("POST", "/pools/gpu/resize", "pools/write"), ("GET", "/supportedimages", "read"),
    ],
)  # fmt: skip
def test_what_a_request_of_batch_needs(method: str, path: str, needed: str) -> None:
    assert action(method, path) == f"{BATCH}/{needed}"


def test_a_role_of_ones_own_is_held_at_once_and_counts_later(samples: SampleResources) -> None:
    join = "Microsoft.Network/virtualNetworks/subnets/join/action"
    made = role(samples, [join], 1)
    who = outputs.principal(samples.identity)
    samples.assign(made.id, who, samples.group.id)
    assert holds(samples.cloud, who, join, samples.subnet)
    assert not allowed(samples.cloud, who, join, samples.subnet)
    samples.cloud.settle()
    assert allowed(samples.cloud, who, join, samples.subnet)
    assert not allowed(samples.cloud, who, "Microsoft.Network/virtualNetworks/write", samples.network.id)
    assert not holds(samples.cloud, "somebody else", join, samples.subnet)
