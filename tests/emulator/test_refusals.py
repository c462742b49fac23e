"""What the emulator refuses because Azure does: names that are taken, changes in place, and what is still in use."""

from __future__ import annotations

import pytest

from emulator.arm import outputs
from emulator.arm.requests import Json
from tests.emulator.sample_resources import MACHINE, READ, SampleResources, refused, role, topic


def test_a_name_that_is_taken(samples: SampleResources) -> None:
    with refused("Conflict", "films"):
        samples.make("storage:StorageAccount", accountName="films", kind="StorageV2", sku={"name": "Standard_LRS"})


def test_a_name_that_breaks_azures_rules(samples: SampleResources) -> None:
    with refused("InvalidRequestContent", "Films-1"):
        samples.make("storage:StorageAccount", accountName="Films-1", kind="StorageV2", sku={"name": "Standard_LRS"})


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
def test_a_pool_cannot_be_changed_in(path: str, inputs: Json, samples: SampleResources) -> None:
    pool = samples.pool()
    with refused("PropertyCannotBeUpdated", path):
        samples.change(pool, **inputs)
    assert samples.cloud.get(pool.id).body == pool.body


def test_a_pools_identity_cannot_be_changed(samples: SampleResources) -> None:
    pool = samples.pool()
    with refused("PropertyCannotBeUpdated", "identity"):
        samples.change(pool, identity={"type": "UserAssigned", "userAssignedIdentities": [samples.identity.id]})


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
def test_an_account_cannot_be_changed_in(inputs: Json, samples: SampleResources) -> None:
    with refused("PropertyCannotBeUpdated"):
        samples.change(samples.account, **inputs)


def test_a_share_is_of_its_account_and_speaks_one_protocol_for_good(samples: SampleResources) -> None:
    with refused("InvalidRequestPropertyValue", "FileStorage alone"):
        samples.make("storage:FileShare", accountName="films", shareName="parts", enabledProtocols="NFS")
    for kind, sku in (("FileStorage", "Standard_LRS"), ("StorageV2", "Premium_LRS")):
        with refused("InvalidRequestPropertyValue", "premium"):
            samples.make("storage:StorageAccount", accountName="parts", kind=kind, sku={"name": sku})
    samples.make("storage:StorageAccount", accountName="parts", kind="FileStorage", sku={"name": "Premium_LRS"})
    with refused("InvalidHeaderValue", "99 GiB"):
        samples.make("storage:FileShare", accountName="parts", shareName="parts", enabledProtocols="NFS", shareQuota=99)
    share = samples.make("storage:FileShare", accountName="parts", shareName="parts", enabledProtocols="NFS", shareQuota=100)
    with refused("PropertyCannotBeUpdated", "enabledProtocols"):
        samples.change(share, enabledProtocols="SMB")


@pytest.mark.parametrize(
    ("addresses", "named"),
    [
        (["203.0.113.7", "203.0.113.7"], "two rules for '203.0.113.7'"),
        (["203.0.113.0/255.255.255.0"], "'203.0.113.0/255.255.255.0' is no IPv4 address"),
        (["203.0.113.6/31"], "'203.0.113.6/31' is no IPv4 address"),
        ([f"203.0.{number // 250}.{number % 250}" for number in range(401)], "401 rules"),
    ],
    ids=["twice", "mask", "pair", "many"],
)
def test_a_firewall_takes_so_many_addresses_each_once(addresses: list[str], named: str, samples: SampleResources) -> None:
    with refused("InvalidValuesForRequestParameters", named):
        rules = [{"iPAddressOrRange": each} for each in addresses]
        samples.change(samples.account, networkRuleSet={"defaultAction": "Deny", "ipRules": rules})
    with refused("InvalidValuesForRequestParameters", named):
        allowed = [{"action": "Allow", "value": each} for each in addresses]
        profile = {"accountAccess": {"defaultAction": "Deny", "ipRules": allowed}}
        samples.make("batch:BatchAccount", accountName="other", networkProfile=profile)


@pytest.mark.parametrize("names", [["cost center"], ["2nd"], ["a(b)"], ["Ä"], [f"tag{number}" for number in range(16)]])
def test_a_dns_zone_takes_few_tags_of_plain_names(names: list[str], samples: SampleResources) -> None:
    with refused("BadRequest", "tags"):
        samples.make("privatedns:PrivateZone", privateZoneName="films.example", location="global", tags=dict.fromkeys(names, "x"))


def test_an_address_stays_in_its_zones(samples: SampleResources) -> None:
    address = samples.make("network:PublicIPAddress", publicIpAddressName="way-out", sku={"name": "Standard"})
    with refused("PropertyCannotBeUpdated", "zones"):
        samples.change(address, zones=["1", "2", "3"])


def test_an_account_can_be_changed_in_other_ways(samples: SampleResources) -> None:
    samples.change(samples.account, sku={"name": "Standard_GRS"})
    samples.change(samples.account, minimumTlsVersion="TLS1_2")
    assert samples.cloud.get(samples.account.id).body["properties"]["minimumTlsVersion"] == "TLS1_2"


def test_what_a_change_of_an_account_leaves_out_stays(samples: SampleResources) -> None:
    samples.change(samples.account, publicNetworkAccess="Disabled")
    samples.change(samples.account, minimumTlsVersion="TLS1_2")
    assert samples.cloud.get(samples.account.id).body["properties"]["publicNetworkAccess"] == "Disabled"
    samples.change(samples.account, publicNetworkAccess="Enabled")
    assert samples.cloud.get(samples.account.id).body["properties"]["publicNetworkAccess"] == "Enabled"


def test_a_pool_takes_another_start_task(samples: SampleResources) -> None:
    """https://learn.microsoft.com/rest/api/batchservice/pools/replace-pool-properties: nodes that come later run it."""
    pool = samples.pool(startTask={"commandLine": "nvidia-smi", "waitForSuccess": False})
    samples.change(pool, startTask={"commandLine": "nvidia-smi", "waitForSuccess": True})
    assert samples.cloud.get(pool.id).body["properties"]["startTask"]["waitForSuccess"] is True


def test_a_network_stays_while_something_is_in_it(samples: SampleResources) -> None:
    pool = samples.pool(networkConfiguration={"subnetId": samples.subnet})
    with refused("InUse", "gpu"):
        samples.cloud.delete(samples.network.id)
    samples.cloud.delete(pool.id)
    samples.cloud.delete(samples.network.id)
    assert samples.cloud.find(samples.network.id) is None


def test_a_group_takes_all_that_is_in_it_along(samples: SampleResources) -> None:
    samples.pool(networkConfiguration={"subnetId": samples.subnet})
    samples.assign(READ, outputs.principal(samples.identity), samples.account.id)
    samples.cloud.delete(samples.group.id)
    assert len(samples.cloud) == 0


def test_a_role_stays_while_it_is_assigned_and_when_its_group_goes(samples: SampleResources) -> None:
    definition = role(samples, ["Microsoft.Network/virtualNetworks/subnets/join/action"], 1)
    assignment = samples.assign(definition.id, outputs.principal(samples.identity), samples.subnet)
    with refused("InUse", assignment.id):
        samples.cloud.delete(definition.id)
    samples.cloud.delete(samples.group.id)
    assert [each.id for each in samples.cloud] == [definition.id]
    samples.cloud.delete(definition.id)
    assert len(samples.cloud) == 0


def test_a_name_of_the_whole_world_is_taken_in_another_group_too(samples: SampleResources) -> None:
    samples.cloud.create("azure-native:resources:ResourceGroup", {"resourceGroupName": "other", "location": "westeurope"})
    with refused("AlreadyInUse", "films"):
        samples.make(
            "storage:StorageAccount",
            resourceGroupName="other",
            accountName="films",
            kind="StorageV2",
            sku={"name": "Standard_LRS"},
        )


def test_an_account_has_one_topic(samples: SampleResources) -> None:
    first = topic(samples)
    with refused("InvalidRequest", "only one system topic"):
        samples.make("eventgrid:SystemTopic", **{**first.inputs, "systemTopicName": "second"})


def test_a_subnet_stays_while_something_is_in_it(samples: SampleResources) -> None:
    pool = samples.pool(networkConfiguration={"subnetId": samples.subnet})
    other = [{"name": "others", "addressPrefix": "10.0.1.0/24"}]
    with refused("InUseSubnetCannotBeDeleted", "subnets/nodes"):
        samples.change(samples.network, subnets=other)
    samples.cloud.delete(pool.id)
    samples.change(samples.network, subnets=other)


def test_what_a_subnet_uses_stays(samples: SampleResources) -> None:
    rules = samples.make("network:NetworkSecurityGroup", networkSecurityGroupName="rules")
    samples.change(
        samples.network, subnets=[{"name": "nodes", "addressPrefix": "10.0.0.0/24", "networkSecurityGroup": {"id": rules.id}}]
    )
    with refused("InUse", "virtualNetworks/net"):
        samples.cloud.delete(rules.id)
    samples.change(samples.network, subnets=[])
    samples.cloud.delete(rules.id)


def test_what_is_locked_stays_with_its_roles_and_its_group(samples: SampleResources) -> None:
    role = samples.assign(READ, outputs.principal(samples.identity), samples.account.id)
    lock = samples.cloud.create(
        "azure-native:authorization:ManagementLockByScope",
        {"scope": samples.account.id, "lockName": "keep", "level": "CanNotDelete"},
    )
    for each in (samples.account, samples.container, role, samples.group):
        with refused("ScopeLocked", "remove the lock first"):
            samples.cloud.delete(each.id)
    samples.cloud.delete(samples.registry.id)  # beside it
    samples.cloud.delete(lock.id)
    samples.cloud.delete(samples.group.id)
    assert len(samples.cloud) == 0


def test_an_account_has_one_topic_be_it_defenders(samples: SampleResources) -> None:
    samples.cloud.create(
        "azure-native:security:DefenderForStorage",
        {"resourceId": samples.account.id, "settingName": "current", "properties": {"isEnabled": True}},
    )
    with refused("InvalidRequest", "only one system topic|Microsoft Defender has made one"):
        topic(samples)
