"""What the emulator refuses of Azure Machine Learning's resources because Azure does."""

from __future__ import annotations

import pytest

from emulator.arm.cloud import Resource
from emulator.arm.outputs import principal
from emulator.arm.requests import TENANT, Json
from emulator.arm.rules import DAY
from emulator.rbac.access import allowed
from emulator.rbac.definitions import WORKSPACE
from tests.emulator.sample_resources import CONTRIBUTE, SampleResources, refused

CONTRIBUTOR, ADMINISTRATOR = "b24988ac-6180-42a0-ab88-20f7382dd24c", "00482a5a-887f-4fb3-b363-3b7fe8e74483"
SCIENTIST = "f6c7c914-8db3-469d-8ca1-694a8f32e121"
NODES: Json = {
    "vmSize": "Standard_NC4as_T4_v3", "vmPriority": "LowPriority", "enableNodePublicIp": False,
    "scaleSettings": {"maxNodeCount": 4},
}  # fmt: skip


@pytest.fixture
def parts(samples: SampleResources) -> dict[str, str]:
    """What a workspace is made of, and the roles of its identity, which count."""
    vault = make_vault(samples)
    insights = samples.make("applicationinsights:Component", resourceName="insights", kind="other", applicationType="other")
    who = principal(samples.identity)
    for each in (samples.account, vault, insights):
        samples.assign(CONTRIBUTOR, who, each.id)
    samples.given(CONTRIBUTE, who, samples.account.id)
    return {"storageAccount": samples.account.id, "keyVault": vault.id, "applicationInsights": insights.id}


def make_vault(samples: SampleResources, name: str = "secrets") -> Resource:
    properties = {"sku": {"family": "A", "name": "standard"}, "tenantId": TENANT, "enablePurgeProtection": True}
    return samples.make("keyvault:Vault", vaultName=name, properties=properties)


def make_workspace(samples: SampleResources, parts: dict[str, str], **more: object) -> Resource:
    known = {
        "identity": {"type": "UserAssigned", "userAssignedIdentities": [samples.identity.id]},
        "primaryUserAssignedIdentity": samples.identity.id,
        **parts,
        **more,
    }
    return samples.make("machinelearningservices:Workspace", workspaceName="films", **known)


def make_cluster(samples: SampleResources, **nodes: object) -> Resource:
    properties = {"computeType": "AmlCompute", "properties": {**NODES, **nodes}}
    return samples.make("machinelearningservices:Compute", workspaceName="films", computeName="spot", properties=properties)


def make_endpoint(samples: SampleResources, workspace: Resource) -> None:
    connection = {"name": "w", "privateLinkServiceId": workspace.id, "groupIds": ["amlworkspace"]}
    samples.make(
        "network:PrivateEndpoint",
        privateEndpointName="ways",
        subnet={"id": samples.subnet},
        privateLinkServiceConnections=[connection],
    )


def test_a_workspace_with_all_that_it_needs(samples: SampleResources, parts: dict[str, str]) -> None:
    make_endpoint(samples, make_workspace(samples, parts))
    assert make_cluster(samples, subnet={"id": samples.subnet})


@pytest.mark.parametrize("missing", ["storageAccount", "keyVault", "applicationInsights"])
def test_a_workspace_without_one_of_its_parts(missing: str, samples: SampleResources, parts: dict[str, str]) -> None:
    with refused("ValidationError", missing):
        make_workspace(samples, {**parts, missing: ""})


def test_a_workspace_whose_roles_do_not_count_yet(samples: SampleResources, parts: dict[str, str]) -> None:
    samples.cloud.renew("Microsoft.Authorization/roleAssignments")
    with refused("FailedIdentityOperation", "yet"):
        make_workspace(samples, parts)


def test_a_workspace_that_acts_as_somebody_else(samples: SampleResources, parts: dict[str, str]) -> None:
    other = samples.make("managedidentity:UserAssignedIdentity", resourceName="other")
    with refused("ValidationError", "primaryUserAssignedIdentity"):
        make_workspace(samples, parts, primaryUserAssignedIdentity=other.id)


def test_an_account_without_keys_is_used_by_identity(samples: SampleResources, parts: dict[str, str]) -> None:
    samples.account.body["properties"] = {"allowSharedKeyAccess": False}
    with refused("ValidationError", "systemDatastoresAuthMode"):
        make_workspace(samples, parts)
    assert make_workspace(samples, parts, systemDatastoresAuthMode="Identity")


def test_a_hierarchical_account_is_no_workspaces(samples: SampleResources, parts: dict[str, str]) -> None:
    samples.account.body["properties"] = {"isHnsEnabled": True}
    with refused("ValidationError", "hierarchical"):
        make_workspace(samples, parts)


def test_nodes_without_addresses_need_a_way_to_the_workspace(samples: SampleResources, parts: dict[str, str]) -> None:
    workspace = make_workspace(samples, parts)
    with refused("BadRequest", "private endpoint"):
        make_cluster(samples, subnet={"id": samples.subnet})
    make_endpoint(samples, workspace)
    with refused("BadRequest", "subnet"):
        make_cluster(samples)
    with refused("BadRequest", "minNodeCount"):
        make_cluster(samples, subnet={"id": samples.subnet}, scaleSettings={"minNodeCount": 5, "maxNodeCount": 4})


@pytest.mark.parametrize(("key", "value"), [("vmSize", "Standard_NC24ads_A100_v4"), ("vmPriority", "Dedicated")])
def test_a_cluster_is_of_one_kind_for_good(key: str, value: str, samples: SampleResources, parts: dict[str, str]) -> None:
    make_endpoint(samples, make_workspace(samples, parts))
    cluster = make_cluster(samples, subnet={"id": samples.subnet})
    nodes = cluster.inputs["properties"]["properties"]
    with refused("PropertyCannotBeUpdated", key):
        samples.change(cluster, properties={"computeType": "AmlCompute", "properties": {**nodes, key: value}})
    assert samples.change(
        cluster, properties={"computeType": "AmlCompute", "properties": {**nodes, "scaleSettings": {"maxNodeCount": 9}}}
    )


def test_a_version_of_an_environment_is_never_changed(samples: SampleResources, parts: dict[str, str]) -> None:
    make_workspace(samples, parts)
    version = samples.cloud.create(
        "azure-native:machinelearningservices:EnvironmentVersion",
        {"resourceGroupName": "g", "workspaceName": "films", "name": "scorer", "version": "1", "properties": {"image": "a:1"}},
    )
    with refused("PropertyCannotBeUpdated", "image"):
        samples.change(version, properties={"image": "a:2"})


@pytest.mark.parametrize(("what", "days"), [("workspace", 14), ("vault", 7)])
def test_the_name_of_what_was_deleted_stays_taken(what: str, days: int, samples: SampleResources, parts: dict[str, str]) -> None:
    def make() -> Resource:
        return make_workspace(samples, parts) if what == "workspace" else make_vault(samples, "others")

    samples.cloud.delete(make().id)
    samples.cloud.clock.wait((days - 1) * DAY)
    with refused("ConflictError", "purge it"):
        make()
    samples.cloud.clock.wait(2 * DAY)
    assert make()


def test_names_outlive_a_group_that_goes_as_a_whole(samples: SampleResources, parts: dict[str, str]) -> None:
    make_workspace(samples, parts)
    samples.cloud.delete(samples.group.id)
    assert len(samples.cloud.kept_names) == 2


@pytest.mark.parametrize(
    ("action", "may"),
    [
        ("jobs/write", True),
        ("computes/read", True),
        ("write", False),
        ("delete", False),
        ("computes/write", False),
        ("listKeys/action", False),
    ],
)
def test_a_data_scientist_may_run_jobs_and_no_more(
    action: str, may: bool, samples: SampleResources, parts: dict[str, str]
) -> None:
    workspace = make_workspace(samples, parts)
    samples.given(SCIENTIST, principal(samples.identity), workspace.id)
    assert allowed(samples.cloud, principal(samples.identity), f"{WORKSPACE}/{action}", workspace.id) == may
