"""Settings that are good each, and don't fit together."""

import json

import pytest

from stacks.settings import parse
from tests.stacks.refused import ACCOUNT, GROUP, KEY_USER, NETWORK, PRIVATE, PROVIDERS, REGISTRY, refusals

OLD_AND_NEW = "{old} is the old name of {new}, and both are set: remove it with 'pulumi config rm {old}'."


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"nodesMin": "5", "nodesMax": "2"}, "nodesMin is 5, more than nodesMax, 2: raise nodesMax or lower nodesMin."),
        ({"networkIsolation": "private-endpoints"}, "registrySku is 'Basic': private endpoints need Premium."),
        ({"zoneRedundant": "true"}, "registrySku is 'Basic': a zone-redundant registry needs Premium."),
        (
            {"customerKey": "https://vault.vault.azure.net/keys/k"},
            "customerKey and customerKeyIdentity belong together: set both or neither.",
        ),
        (
            {"egressIps": '["20.1.2.3"]'},
            "egressIps is '20.1.2.3', of a VNet that exists: set existingVirtualNetworkResourceId, too.",
        ),
        (
            {"submitterSubnetName": "aci"},
            "submitterSubnetName is 'aci', of a VNet that exists: set existingVirtualNetworkResourceId, too.",
        ),
        (
            {"existingVirtualNetworkResourceId": NETWORK},
            "existingVirtualNetworkResourceId is set, and a Batch account lets in only addresses that it knows: "
            "set egressIps to those of the VNet's way out, or networkIsolation to private-endpoints.",
        ),
        (
            {"existingVirtualNetworkResourceId": NETWORK, "egressIps": '["20.1.2.3"]', "submitterSubnetName": "Nodes"},
            "nodesSubnetName, submitterSubnetName, endpointsSubnetName are nodes, Nodes, endpoints: "
            "each takes a subnet of its own.",
        ),
        (
            {"existingVirtualNetworkResourceId": NETWORK, "egressIps": '["20.1.2.3"]', "flowLogs": "true"},
            "flowLogs is set, and the flow logs of existingVirtualNetworkResourceId are its owner's: leave it out.",
        ),
        (
            {"existingVirtualNetworkResourceId": NETWORK, "egressIps": '["20.1.2.3"]', "addressSpace": "10.80.0.0/16"},
            "addressSpace is '10.80.0.0/16', and existingVirtualNetworkResourceId has addresses of its own: leave it out.",
        ),
        (
            {"existingVirtualNetworkResourceId": NETWORK, "egressIps": '["20.1.2.3"]', "submitterEgress": "azure-cloud"},
            "submitterEgress is 'azure-cloud', and the rules of existingVirtualNetworkResourceId are its owner's: leave it out.",
        ),
        (
            {
                "existingRegistryResourceId": f"{PROVIDERS}/Microsoft.ContainerRegistry/registries/images",
                "registrySku": "Premium",
            },
            "registrySku is 'Premium', and existingRegistryResourceId is of the kind that its owner chose: leave it out.",
        ),
        (
            {"blobPrivateDnsZoneResourceId": "none"},
            "blobPrivateDnsZoneResourceId is 'none': only networkIsolation private-endpoints has use for it.",
        ),
        (
            {"blobPrivateDnsZoneResourceId": "none", "networkIsolation": "private-endpoints", "registrySku": "Premium"},
            "blobPrivateDnsZoneResourceId is 'none', and its owner links it to VNets that exist: "
            "set existingVirtualNetworkResourceId, too.",
        ),
        (
            {
                "existingResourceGroupResourceId": GROUP,
                "existingBatchAccountResourceId": f"{PROVIDERS}/Microsoft.Batch/batchAccounts/b".replace("01/", "02/"),
            },
            "What exists is in several subscriptions (existingResourceGroupResourceId in 00000000-0000-0000-0000-000000000001, "
            "existingBatchAccountResourceId in 00000000-0000-0000-0000-000000000002): name what is in "
            "the one that is deployed to.",
        ),
        (
            {"customerKey": "https://vault.vault.azure.cn/keys/k", "customerKeyIdentity": KEY_USER},
            "customerKey is 'https://vault.vault.azure.cn/keys/k', and the vaults of location 'westeurope' end with "
            ".vault.azure.net.",
        ),
        ({"jobsMax": "5", "maxActiveJobs": "100"}, OLD_AND_NEW.format(old="jobsMax", new="maxActiveJobs")),
        ({"jobsAtOnce": "5", "maxSubmitters": "6"}, OLD_AND_NEW.format(old="jobsAtOnce", new="maxSubmitters")),
        (
            {
                "existingRegistryResourceId": REGISTRY,
                "existingVirtualNetworkResourceId": NETWORK,
                "networkIsolation": "private-endpoints",
                "registryPrivateDnsZoneResourceId": "none",
            },
            "registryPrivateDnsZoneResourceId is 'none', and existingRegistryResourceId has the endpoints that its owner gave "
            "it: leave it out.",
        ),
        (
            {
                "existingBatchAccountResourceId": ACCOUNT,
                "existingVirtualNetworkResourceId": NETWORK,
                "registrySku": "Premium",
                "networkIsolation": "private-endpoints",
                "batchPrivateDnsZoneResourceId": "none",
            },
            "batchPrivateDnsZoneResourceId is 'none', and existingBatchAccountResourceId has the endpoints that its owner gave "
            "it: leave it out.",
        ),
        (
            {**PRIVATE, "tags": '{"cost center": "1"}'},
            "tags have 'cost center', and a private DNS zone takes no tag whose name has spaces, parentheses or other than plain "
            "letters, or begins with a digit: name it otherwise.",
        ),
        (
            {**PRIVATE, "tags": json.dumps({f"tag{number}": "" for number in range(16)})},
            "tags are 16, and a private DNS zone takes 15: take some out.",
        ),
        (
            {"outputDays": "3", "inputDays": "6"},
            "outputDays is 3, and by workDays a job may last 6 days: set 6 or more, or workDays to 4 or less.",
        ),
        (
            {"inputDays": "1", "workDays": "30"},
            "inputDays is 1, and by workDays a job may last 14 days: set 14 or more, or workDays to 2 or less.",
        ),
        ({"monthlyBudget": "5"}, "monthlyBudget is 5, but nobody would hear of it: set alertAddress too."),
    ],
)
def test_values_that_do_not_fit_together_are_told(raw: dict[str, str], said: str) -> None:
    assert refusals(**raw) == [said]


def addresses(first: int, count: int) -> str:
    return json.dumps([f"203.{first}.{number // 250}.{number % 250}" for number in range(count)])


def test_the_addresses_of_people_and_senders_fit_into_a_storage_account_together() -> None:
    location = {"location": "westeurope"}
    assert parse({**location, "allowedIps": addresses(1, 150), "senderIps": addresses(2, 250)})
    assert parse({**location, "allowedIps": addresses(1, 150), "senderIps": addresses(1, 400)}), "who is in both counts once"
    assert refusals(allowedIps=addresses(1, 150), senderIps=addresses(2, 251)) == [
        "allowedIps and senderIps are 401 addresses together, and a storage account takes 400: "
        "write ranges instead of single addresses."
    ]


@pytest.mark.parametrize(("key", "most"), [("allowedIps", 199), ("senderIps", 400)])
def test_a_list_of_addresses_fits_into_every_firewall(key: str, most: int) -> None:
    """A Batch account takes 200, one of which is the NAT gateway's; a storage account takes 400."""
    assert parse({"location": "westeurope", key: addresses(1, most)})
    assert f"at most {most} items" in refusals(**{key: addresses(1, most + 1)})[0]


def test_a_batch_account_lets_in_people_and_a_vnet_s_ways_out_together() -> None:
    network = {"location": "westeurope", "existingVirtualNetworkResourceId": NETWORK, "egressIps": addresses(1, 100)}
    assert parse({**network, "allowedIps": addresses(2, 100)})
    assert parse({**network, "allowedIps": addresses(1, 199)}), "who is in both counts once"
    assert refusals(**network, allowedIps=addresses(2, 101)) == [
        "allowedIps and egressIps are 201 addresses together, and a Batch account takes 200: "
        "write ranges instead of single addresses."
    ]


def test_tags_that_no_dns_zone_gets_are_taken() -> None:
    """Where zones exist, or a policy has them, and where there are no private endpoints."""
    odd = {"location": "westeurope", "tags": json.dumps({"cost center": "1", "2nd": "x", "(a)": "", "Ä": ""})}
    assert parse(odd)
    zones = {f"{kind}PrivateDnsZoneResourceId": "none" for kind in ("blob", "registry", "batch")}
    assert parse({**odd, **PRIVATE, **zones, "existingVirtualNetworkResourceId": NETWORK})


def test_a_region_without_zones_is_told_of_where_they_are_asked_for() -> None:
    spread = {"zoneRedundant": "true", "registrySku": "Premium"}
    assert parse({"location": "westeurope", **spread}).doubts == []
    assert parse({"location": "westus"}).doubts == []
    (doubt,) = parse({"location": "westus", **spread}).doubts
    assert doubt.startswith("zoneRedundant: westus has no availability zones, as far as is known here")


def test_no_more_memory_than_there_is() -> None:
    said = refusals(taskMemoryGb="13", slotsPerGpu="2")
    assert said == ["taskMemoryGb is 13: Standard_NC4as_T4_v3 has room for 2 tasks of 12 GiB; set that or less."]
