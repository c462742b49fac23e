"""What the stand-in refuses because Azure does: names that are taken, changes in place, and what is still in use."""

from __future__ import annotations

import pytest

from emulator.arm import outputs
from emulator.arm.requests import Json
from tests.emulator.sample_resources import MACHINE, READ, Ground, refused, role, topic


def test_a_name_that_is_taken(ground: Ground) -> None:
    with refused("Conflict", "films"):
        ground.make("storage:StorageAccount", accountName="films", kind="StorageV2", sku={"name": "Standard_LRS"})


def test_a_name_that_breaks_azures_rules(ground: Ground) -> None:
    with refused("InvalidRequestContent", "Films-1"):
        ground.make("storage:StorageAccount", accountName="Films-1", kind="StorageV2", sku={"name": "Standard_LRS"})


# What can't be changed: https://learn.microsoft.com/rest/api/batchmanagement/pool/update
@pytest.mark.parametrize(
    ("path", "inputs"),
    [
        ("vmSize", {"vmSize": "Standard_NC24ads_A100_v4"}),
        ("networkConfiguration", {"networkConfiguration": {"dynamicVnetAssignmentScope": "job"}}),
        (
            "deploymentConfiguration",
            {"deploymentConfiguration": {"virtualMachineConfiguration": {**MACHINE, "licenseType": "Windows_Server"}}},
        ),
        (
            "mountConfiguration",
            {
                "mountConfiguration": [
                    {
                        "azureBlobFileSystemConfiguration": {
                            "accountName": "films",
                            "containerName": "work",
                            "relativeMountPath": "work",
                        }
                    }
                ]
            },
        ),
    ],
)
def test_a_pool_cannot_be_changed_in(path: str, inputs: Json, ground: Ground) -> None:
    pool = ground.pool()
    with refused("PropertyCannotBeUpdated", path):
        ground.change(pool, **inputs)
    assert ground.cloud.get(pool.id).body == pool.body


def test_a_pools_identity_cannot_be_changed(ground: Ground) -> None:
    pool = ground.pool()
    with refused("PropertyCannotBeUpdated", "identity"):
        ground.change(pool, identity={"type": "UserAssigned", "userAssignedIdentities": [ground.identity.id]})


@pytest.mark.parametrize(
    "inputs",
    [
        {"kind": "BlockBlobStorage"},
        {"location": "northeurope"},
        {"sku": {"name": "Standard_ZRS"}},
        {"encryption": {"requireInfrastructureEncryption": True}},
    ],
    ids=lambda inputs: next(iter(inputs)),
)
def test_an_account_cannot_be_changed_in(inputs: Json, ground: Ground) -> None:
    with refused("PropertyCannotBeUpdated"):
        ground.change(ground.account, **inputs)


def test_an_address_stays_in_its_zones(ground: Ground) -> None:
    address = ground.make("network:PublicIPAddress", publicIpAddressName="way-out", sku={"name": "Standard"})
    with refused("PropertyCannotBeUpdated", "zones"):
        ground.change(address, zones=["1", "2", "3"])


def test_an_account_can_be_changed_in_other_ways(ground: Ground) -> None:
    ground.change(ground.account, sku={"name": "Standard_GRS"})
    ground.change(ground.account, minimumTlsVersion="TLS1_2")
    assert ground.cloud.get(ground.account.id).body["properties"]["minimumTlsVersion"] == "TLS1_2"


def test_what_a_change_of_an_account_leaves_out_stays(ground: Ground) -> None:
    ground.change(ground.account, publicNetworkAccess="Disabled")
    ground.change(ground.account, minimumTlsVersion="TLS1_2")
    assert ground.cloud.get(ground.account.id).body["properties"]["publicNetworkAccess"] == "Disabled"
    ground.change(ground.account, publicNetworkAccess="Enabled")
    assert ground.cloud.get(ground.account.id).body["properties"]["publicNetworkAccess"] == "Enabled"


def test_a_pool_takes_another_start_task(ground: Ground) -> None:
    """https://learn.microsoft.com/rest/api/batchservice/pools/replace-pool-properties: nodes that come later run it."""
    pool = ground.pool(startTask={"commandLine": "nvidia-smi", "waitForSuccess": False})
    ground.change(pool, startTask={"commandLine": "nvidia-smi", "waitForSuccess": True})
    assert ground.cloud.get(pool.id).body["properties"]["startTask"]["waitForSuccess"] is True


def test_a_network_stays_while_something_is_in_it(ground: Ground) -> None:
    pool = ground.pool(networkConfiguration={"subnetId": ground.subnet})
    with refused("InUse", "gpu"):
        ground.cloud.delete(ground.network.id)
    ground.cloud.delete(pool.id)
    ground.cloud.delete(ground.network.id)
    assert ground.cloud.find(ground.network.id) is None


def test_a_group_takes_all_that_is_in_it_along(ground: Ground) -> None:
    ground.pool(networkConfiguration={"subnetId": ground.subnet})
    ground.assign(READ, outputs.principal(ground.identity), ground.account.id)
    ground.cloud.delete(ground.group.id)
    assert len(ground.cloud) == 0


def test_a_role_stays_while_it_is_assigned_and_when_its_group_goes(ground: Ground) -> None:
    definition = role(ground, ["Microsoft.Network/virtualNetworks/subnets/join/action"], 1)
    assignment = ground.assign(definition.id, outputs.principal(ground.identity), ground.subnet)
    with refused("InUse", assignment.id):
        ground.cloud.delete(definition.id)
    ground.cloud.delete(ground.group.id)
    assert [each.id for each in ground.cloud] == [definition.id]
    ground.cloud.delete(definition.id)
    assert len(ground.cloud) == 0


def test_a_name_of_the_whole_world_is_taken_in_another_group_too(ground: Ground) -> None:
    ground.cloud.create("azure-native:resources:ResourceGroup", {"resourceGroupName": "other", "location": "westeurope"})
    with refused("AlreadyInUse", "films"):
        ground.make(
            "storage:StorageAccount",
            resourceGroupName="other",
            accountName="films",
            kind="StorageV2",
            sku={"name": "Standard_LRS"},
        )


def test_an_account_has_one_topic(ground: Ground) -> None:
    first = topic(ground)
    with refused("InvalidRequest", "only one system topic"):
        ground.make("eventgrid:SystemTopic", **{**first.inputs, "systemTopicName": "second"})


def test_a_subnet_stays_while_something_is_in_it(ground: Ground) -> None:
    pool = ground.pool(networkConfiguration={"subnetId": ground.subnet})
    other = [{"name": "others", "addressPrefix": "10.0.1.0/24"}]
    with refused("InUseSubnetCannotBeDeleted", "subnets/nodes"):
        ground.change(ground.network, subnets=other)
    ground.cloud.delete(pool.id)
    ground.change(ground.network, subnets=other)


def test_what_a_subnet_uses_stays(ground: Ground) -> None:
    rules = ground.make("network:NetworkSecurityGroup", networkSecurityGroupName="rules")
    ground.change(
        ground.network, subnets=[{"name": "nodes", "addressPrefix": "10.0.0.0/24", "networkSecurityGroup": {"id": rules.id}}]
    )
    with refused("InUse", "virtualNetworks/net"):
        ground.cloud.delete(rules.id)
    ground.change(ground.network, subnets=[])
    ground.cloud.delete(rules.id)


def test_what_is_locked_stays_with_its_roles_and_its_group(ground: Ground) -> None:
    role = ground.assign(READ, outputs.principal(ground.identity), ground.account.id)
    lock = ground.cloud.create(
        "azure-native:authorization:ManagementLockByScope",
        {"scope": ground.account.id, "lockName": "keep", "level": "CanNotDelete"},
    )
    for each in (ground.account, ground.container, role, ground.group):
        with refused("ScopeLocked", "remove the lock first"):
            ground.cloud.delete(each.id)
    ground.cloud.delete(ground.registry.id)  # beside it
    ground.cloud.delete(lock.id)
    ground.cloud.delete(ground.group.id)
    assert len(ground.cloud) == 0


def test_an_account_has_one_topic_be_it_defenders(ground: Ground) -> None:
    ground.cloud.create(
        "azure-native:security:DefenderForStorage",
        {"resourceId": ground.account.id, "settingName": "current", "properties": {"isEnabled": True}},
    )
    with refused("InvalidRequest", "only one system topic|Microsoft Defender has made one"):
        topic(ground)
