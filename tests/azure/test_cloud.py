"""The stand-in for Azure refuses what Azure refuses; a proof is worth as much as its judge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.azure import answers
from tests.azure.arm import SUBSCRIPTION, ArmError, Json, arm_request, kind
from tests.azure.cloud import Cloud, Resource
from tests.azure.provider import _differences

GROUP = {"resourceGroupName": "films"}
CONTRIBUTOR = (
    f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/ba92f5b4-2d11-453d-a403-e96b0029c9fe"
)
ACCOUNT = {
    **GROUP,
    "accountName": "filmsdata",
    "location": "westeurope",
    "kind": "StorageV2",
    "sku": {"name": "Standard_LRS"},
    "enableHttpsTrafficOnly": True,
    "networkRuleSet": {
        "defaultAction": "Deny",
        "ipRules": [{"iPAddressOrRange": "203.0.113.7"}],
        "virtualNetworkRules": [],
    },
}


@pytest.fixture
def cloud() -> Cloud:
    cloud = Cloud()
    cloud.create("azure-native:resources:ResourceGroup", {**GROUP, "location": "westeurope"})
    return cloud


def identity(cloud: Cloud, name: str = "nodes") -> Resource:
    inputs = {**GROUP, "resourceName": name, "location": "westeurope"}
    return cloud.create("azure-native:managedidentity:UserAssignedIdentity", inputs)


def vnet(cloud: Cloud) -> Resource:
    subnets = [{"name": "nodes", "addressPrefix": "10.0.0.0/24"}]
    inputs = {**GROUP, "virtualNetworkName": "films", "location": "westeurope", "subnets": subnets}
    return cloud.create("azure-native:network:VirtualNetwork", {**inputs, "addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}})


def pool(cloud: Cloud, **changes: Any) -> tuple[str, Json]:
    """An account with a pool in a subnet, and the pool's inputs."""
    cloud.create("azure-native:batch:BatchAccount", {**GROUP, "accountName": "films", "location": "westeurope"})
    network, nodes = vnet(cloud), identity(cloud)
    inputs: Json = {
        **GROUP,
        "accountName": "films",
        "poolName": "gpu",
        "vmSize": "Standard_NC4as_T4_v3",
        "identity": {"type": "UserAssigned", "userAssignedIdentities": [nodes.id]},
        "networkConfiguration": {"subnetId": f"{network.id}/subnets/nodes"},
        "deploymentConfiguration": {
            "virtualMachineConfiguration": {
                "imageReference": {"publisher": "microsoft-dsvm", "offer": "ubuntu-hpc", "sku": "2404"},
                "nodeAgentSkuId": "batch.node.ubuntu 24.04",
            }
        },
        **changes,
    }
    return cloud.create("azure-native:batch:Pool", inputs).id, inputs


def refused(make: Callable[[], object], *said: str) -> None:
    with pytest.raises(ArmError) as error:
        make()
    for words in said:
        assert words in f"{error.value.code}: {error.value}"


def test_inputs_become_the_body_that_arm_documents() -> None:
    request = arm_request(kind("azure-native:storage:StorageAccount"), ACCOUNT)
    assert (
        request.id == f"/subscriptions/{SUBSCRIPTION}/resourceGroups/films/providers/Microsoft.Storage/storageAccounts/filmsdata"
    )
    assert request.body == {
        "location": "westeurope",
        "kind": "StorageV2",
        "sku": {"name": "Standard_LRS"},
        "properties": {
            "supportsHttpsTrafficOnly": True,
            "networkAcls": {"defaultAction": "Deny", "ipRules": [{"value": "203.0.113.7"}], "virtualNetworkRules": []},
        },
    }


def test_flattened_properties_go_back_at_every_depth() -> None:
    rule = {"name": "out", "priority": 100.0, "direction": "Outbound", "access": "Allow", "protocol": "Tcp"}
    inputs = {**GROUP, "networkSecurityGroupName": "nodes", "location": "westeurope", "securityRules": [rule]}
    (sent,) = arm_request(kind("azure-native:network:NetworkSecurityGroup"), inputs).body["properties"]["securityRules"]
    assert sent == {
        "name": "out",
        "properties": {"priority": 100, "direction": "Outbound", "access": "Allow", "protocol": "Tcp"},
    }
    assert isinstance(sent["properties"]["priority"], int)


def test_a_container_is_in_its_accounts_blob_service() -> None:
    inputs = {**GROUP, "accountName": "filmsdata", "containerName": "input"}
    request = arm_request(kind("azure-native:storage:BlobContainer"), inputs)
    assert request.id.endswith("/storageAccounts/filmsdata/blobServices/default/containers/input")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"allowSharedKeyAcess": True}, "allowSharedKeyAcess"),
        ({"networkRuleSet": {"defaultAction": "Maybe"}}, "networkAcls"),
        ({"kind": None}, "kind"),
        ({"enableHttpsTrafficOnly": "yes"}, "supportsHttpsTrafficOnly"),
        ({"accountName": "Films-Data"}, "'Films-Data' is no name"),
        ({"accountName": "f" * 25}, "is no name"),
    ],
)
def test_a_body_that_breaks_arms_rules_is_refused(cloud: Cloud, change: Json, said: str) -> None:
    inputs = {key: value for key, value in {**ACCOUNT, **change}.items() if value is not None}
    refused(lambda: cloud.create("azure-native:storage:StorageAccount", inputs), "InvalidRequestContent", said)


def test_nothing_stands_on_what_is_not_there(cloud: Cloud) -> None:
    container = {**GROUP, "accountName": "filmsdata", "containerName": "input"}
    refused(lambda: cloud.create("azure-native:storage:BlobContainer", container), "filmsdata", "doesn't exist")
    refused(lambda: pool(Cloud()), "doesn't exist")


def test_a_name_is_given_once(cloud: Cloud) -> None:
    cloud.create("azure-native:storage:StorageAccount", ACCOUNT)
    refused(lambda: cloud.create("azure-native:storage:StorageAccount", ACCOUNT), "Conflict")


@pytest.mark.parametrize(
    "change",
    [
        {"vmSize": "Standard_NC16as_T4_v3"},
        {"taskSlotsPerNode": 4},
        {"interNodeCommunication": "Enabled"},
        {"networkConfiguration": {}},
    ],
)
def test_what_a_pool_is_made_of_stays(cloud: Cloud, change: Json) -> None:
    made, inputs = pool(cloud)
    refused(lambda: cloud.update(made, "azure-native:batch:Pool", {**inputs, **change}), "PropertyCannotBeUpdated")


def test_a_pools_formula_can_change(cloud: Cloud) -> None:
    made, inputs = pool(cloud)
    scale = {"autoScale": {"formula": "$TargetDedicatedNodes = 1;", "evaluationInterval": "PT5M"}}
    cloud.update(made, "azure-native:batch:Pool", {**inputs, "scaleSettings": scale})
    assert cloud.get(made).body["properties"]["scaleSettings"] == scale


def test_a_network_with_a_pool_in_it_stays(cloud: Cloud) -> None:
    made, _ = pool(cloud)
    network = cloud.of_type("Microsoft.Network/virtualNetworks")[0]
    refused(lambda: cloud.delete(network.id), "InUse")
    cloud.delete(made)
    cloud.delete(network.id)
    assert cloud.find(network.id) is None


def test_a_group_takes_along_all_that_is_in_it(cloud: Cloud) -> None:
    pool(cloud)
    cloud.delete(answers.group_id("films"))
    assert len(cloud) == 0


def assignment(scope: str, principal: str, role: str = CONTRIBUTOR) -> Json:
    name = answers.guid(scope, principal, role)
    return {"scope": scope, "roleAssignmentName": name, "principalId": principal, "roleDefinitionId": role}


def test_roles_are_for_principals_that_exist(cloud: Cloud) -> None:
    scope, token = answers.group_id("films"), "azure-native:authorization:RoleAssignment"
    refused(lambda: cloud.create(token, assignment(scope, answers.guid("nobody"))), "PrincipalNotFound")
    someone = answers.principal(identity(cloud))
    unknown = CONTRIBUTOR[:-4] + "0000"
    refused(lambda: cloud.create(token, assignment(scope, someone, unknown)), "RoleDefinitionDoesNotExist")
    cloud.create(token, assignment(scope, someone))


def test_nodes_may_mount_only_what_their_identity_may_write(cloud: Cloud) -> None:
    account = cloud.create("azure-native:storage:StorageAccount", ACCOUNT)
    cloud.create("azure-native:storage:BlobContainer", {**GROUP, "accountName": "filmsdata", "containerName": "work"})
    made, inputs = pool(cloud)
    cloud.delete(made)
    nodes = cloud.of_type("Microsoft.ManagedIdentity/userAssignedIdentities")[0]
    blobfuse = {
        "accountName": "filmsdata",
        "containerName": "work",
        "relativeMountPath": "work",
        "identityReference": {"resourceId": nodes.id},
    }
    inputs["mountConfiguration"] = [{"azureBlobFileSystemConfiguration": blobfuse}]
    refused(lambda: cloud.create("azure-native:batch:Pool", inputs), "AccessDenied", "may not write")
    cloud.create("azure-native:authorization:RoleAssignment", assignment(account.id, answers.principal(nodes)))
    cloud.create("azure-native:batch:Pool", inputs)


def test_nfs_needs_an_account_that_was_made_for_it(cloud: Cloud) -> None:
    cloud.create("azure-native:storage:StorageAccount", ACCOUNT)
    mount = {"source": "filmsdata.blob.core.windows.net:/filmsdata/work", "relativeMountPath": "work"}
    refused(lambda: pool(cloud, mountConfiguration=[{"nfsMountConfiguration": mount}]), "MountFailed")


def test_an_image_is_built_of_what_was_uploaded(cloud: Cloud) -> None:
    cloud.create(
        "azure-native:containerregistry:Registry",
        {**GROUP, "registryName": "filmsimages", "location": "westeurope", "sku": {"name": "Basic"}},
    )
    run = {
        "type": "DockerBuildRequest",
        "sourceLocation": "nowhere",
        "dockerFilePath": "Dockerfile",
        "imageNames": ["scorer:1"],
        "platform": {"os": "Linux"},
    }
    inputs = {**GROUP, "registryName": "filmsimages", "taskRunName": "build", "runRequest": run}
    refused(lambda: cloud.create("azure-native:containerregistry:TaskRun", inputs), "SourceNotFound")


def test_faults_come_as_often_as_they_were_asked_for(cloud: Cloud) -> None:
    cloud.fail("Microsoft.Storage/storageAccounts", "QuotaExceeded", "no more", times=1)
    refused(lambda: cloud.create("azure-native:storage:StorageAccount", ACCOUNT), "QuotaExceeded: no more")
    cloud.create("azure-native:storage:StorageAccount", ACCOUNT)


def test_a_type_without_schema_is_refused(cloud: Cloud) -> None:
    refused(lambda: cloud.create("azure-native:compute:VirtualMachine", GROUP), "doesn't know")


def test_differences_are_named_as_pulumi_names_them() -> None:
    old = {"a": 1, "b": {"c": [{"d": 1}, {"d": 2}]}, "e": [1]}
    new = {"a": 1, "b": {"c": [{"d": 1}, {"d": 3}]}, "e": [1, 2], "f": 0}
    assert list(_differences(old, new)) == ["b.c[1].d", "e", "f"]
