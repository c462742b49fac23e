"""Settings: what a person may choose is checked before anything is made, all at once, each in a sentence."""

import json
from contextvars import ContextVar
from pathlib import Path

import pulumi
import pytest
import yaml
from pydantic.alias_generators import to_camel

from autoscale import gpu_sizes
from stacks import regions
from stacks.setting_documents import documents
from stacks.settings import FIELDS, RENAMED, Settings, load, parse

ROOT = Path(__file__).parents[2]
PULUMI_YAML = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())
README = (ROOT / "stacks/README.md").read_text()
GROUP = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/hub"
PROVIDERS = f"{GROUP}/providers"
NETWORK = f"{PROVIDERS}/Microsoft.Network/virtualNetworks/hub"
GUID = "aaaaaaaa-1111-1111-1111-111111111111"
REGISTRY = f"{PROVIDERS}/Microsoft.ContainerRegistry/registries/images"
ACCOUNT = f"{PROVIDERS}/Microsoft.Batch/batchAccounts/b"
PRIVATE = {"networkIsolation": "private-endpoints", "registrySku": "Premium"}
KEY_USER = f"{PROVIDERS}/Microsoft.ManagedIdentity/userAssignedIdentities/key"


def refusals(**raw: str) -> list[str]:
    with pytest.raises(pulumi.RunError) as refused:
        parse({"location": "westeurope", **raw})
    first, *sentences = str(refused.value).splitlines()
    assert first == "These settings need another value:"
    return [sentence.removeprefix("  - ") for sentence in sentences]


def test_a_location_is_all_that_must_be_set() -> None:
    assert parse({"location": "westeurope"}) == Settings(location="westeurope")


def test_values_come_as_pulumi_keeps_them() -> None:
    raw = {"nodesMax": "7", "protect": "true", "allowedIps": '["203.0.113.7"]', "tags": '{"team":"film"}'}
    chosen = parse({"location": "westeurope", **raw})
    assert (chosen.nodes_max, chosen.protect, chosen.allowed_ips, chosen.tags) == (7, True, ("203.0.113.7",), {"team": "film"})


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("location", "West Europe", "location 'West Europe' is not a location's short name, such as westeurope."),
        ("gpuSize", "Standard_NC6s_v3", "gpuSize 'Standard_NC6s_v3' was retired by Azure: take Standard_NC4as_T4_v3."),
        ("gpuSize", "Standard_NC24", "gpuSize 'Standard_NC24' was retired by Azure: take Standard_NC64as_T4_v3."),
        ("gpuSize", "standard_nc4as_t4_v3", "gpuSize 'standard_nc4as_t4_v3' is written Standard_NC4as_T4_v3 by Azure."),
        (
            "gpuSize",
            "Standard_NV36ads_A10_v5",
            "gpuSize 'Standard_NV36ads_A10_v5' has an A10, whose driver the nodes' image lacks",
        ),
        ("gpuSize", "Standard_D4s_v5", "gpuSize 'Standard_D4s_v5' is no GPU size that the cluster can be made of: take one of"),
        ("nodesMax", "0", "nodesMax 0 is no whole number from 1 to 1000."),
        ("nodesMax", "many", "nodesMax 'many' is no whole number from 1 to 1000."),
        ("spotPercent", "101", "spotPercent 101 is no whole number from 0 to 100."),
        ("keepWarmMinutes", "-1", "keepWarmMinutes -1 is no whole number from 0"),
        ("batchSize", "0", "batchSize 0 is no whole number from 1"),
        ("nodeImageVersion", "newest", "nodeImageVersion 'newest' is not 'latest' or a version"),
        (
            "nodeImageVersion",
            "24.04.2025090801",
            "nodeImageVersion '24.04.2025090801' is older than 2026, so its NVIDIA driver is too old for CUDA 13: 'az vm",
        ),
        # Digits, but of other scripts.
        ("nodeImageVersion", "24.04.٢٠٢٦٠١٢٣٠١", "nodeImageVersion '24.04.٢٠٢٦٠١٢٣٠١' is not 'latest' or a version"),
        ("containerOptions", "--pids-limit ٤٠٩٦", "containerOptions '--pids-limit ٤٠٩٦' has '٤٠٩٦' for '--pids-limit', which"),
        ("containerOptions", "--cap-drop ÄLL", "containerOptions '--cap-drop ÄLL' has 'ÄLL' for '--cap-drop', which it can't be"),
        ("containerOptions", "--privileged", "containerOptions '--privileged' has '--privileged', which is no option that"),
        ("containerOptions", "-v /etc:/node", "containerOptions '-v /etc:/node' has '-v', which is no option that containers"),
        (
            "containerOptions",
            "--security-opt seccomp=unconfined",
            "containerOptions '--security-opt seccomp=unconfined' has 'seccomp=unconfined' for '--security-opt', which",
        ),
        (
            "containerOptions",
            "--read-only --memory-swap {memory}",
            "containerOptions '--read-only --memory-swap {memory}' has '--memory-swap' without '--memory', which Docker refuses",
        ),
        ("containerOptions", "--memory", "containerOptions '--memory' has '' for '--memory', which it can't be"),
        ("containerOptions", "--read-only=no", "containerOptions '--read-only=no' has a value for '--read-only', which takes"),
        ("containerOptions", "--tmpfs '/tmp", "containerOptions '--tmpfs '/tmp' can't be read: a quotation mark lacks"),
        ("nodesMax", "true", "nodesMax 'true' is no whole number from 1 to 1000."),
        ("maxPixels", "false", "maxPixels 'false' is no whole number from "),
        ("location", "", "location '' is no region of Azure: write a short name such as westeurope."),
        ("nodeDiskGb", "64", "nodeDiskGb 64 is no whole number from 128 to 4095."),
        ("nodeDiskGb", "4096", "nodeDiskGb 4096 is no whole number from 128 to 4095."),
        ("image", "docker.io/acme/scorer:latest", "image 'docker.io/acme/scorer:latest' is not an image: write 'build', or"),
        ("image", "scorer", "image 'scorer' is not an image"),
        *(
            ("image", reference, f"image '{reference}' is not an image: write 'build', or")
            for reference in (
                "-a.example/scorer:1",
                "a.example/../scorer:1",
                "a.example/scorer:.1",
                "a.example/scorer:-1",
                "a.example//scorer:1",
                "a.example/_scorer:1",
                "a.example/sco..rer:1",
                "a..example/scorer:1",
            )
        ),
        ("baseImage", "python:3.11", "baseImage 'python:3.11' is not an image: write a reference such as mirror.example/python:"),
        ("baseImage", "mirror.example/python@sha256:1", "baseImage 'mirror.example/python@sha256:1' is not an image"),
        ("rebuildDays", "-1", "rebuildDays -1 is no whole number from 0 to 365."),
        ("registrySku", "Free", "registrySku 'Free' is not 'Basic', 'Standard' or 'Premium'."),
        (
            "networkIsolation",
            "open",
            "networkIsolation 'open' is not 'service-endpoints' or 'private-endpoints'.",
        ),
        ("addressSpace", "172.16.0.0/12", "addressSpace '172.16.0.0/12' overlaps 172.17.0.0/16"),
        ("addressSpace", "10.0.0.0/24", "addressSpace '10.0.0.0/24' is not a private range of /8 to /20"),
        ("addressSpace", "8.8.0.0/16", "addressSpace '8.8.0.0/16' is not a private range"),
        ("addressSpace", "10.1.2.3/16", "addressSpace '10.1.2.3/16' is not an address range: write one such as 10.1.0.0/16."),
        # Python reads these, and Azure doesn't.
        ("addressSpace", "10.64.0.0/255.255.0.0", "addressSpace '10.64.0.0/255.255.0.0' is not an address range: write one such"),
        ("addressSpace", "10.64.0.0/0.0.255.255", "addressSpace '10.64.0.0/0.0.255.255' is not an address range: write one such"),
        ("addressSpace", "10.64.0.0/016", "addressSpace '10.64.0.0/016' is not an address range: write one such as 10.64.0.0/16"),
        ("addressSpace", "10.64.0.0", "addressSpace '10.64.0.0' is not an address range: write one such as 10.64.0.0/16."),
        ("allowedIps", '["203.0.113.0/255.255.255.0"]', "allowedIps[0] '203.0.113.0/255.255.255.0' is not an address or a"),
        ("senderIps", '["203.0.113.0/024"]', "senderIps[0] '203.0.113.0/024' is not an address or a range: write one such as"),
        ("allowedIps", '["203.0.113.7/255.255.255.255"]', "allowedIps[0] '203.0.113.7/255.255.255.255' is not an address or a"),
        ("allowedIps", '["168.63.129.16"]', "allowedIps[0] '168.63.129.16' is an address that nobody comes from"),
        ("allowedIps", '["198.18.0.0/24"]', "allowedIps[0] '198.18.0.0/24' is an address that nobody comes from"),
        ("allowedIps", '["10.0.0.1"]', "allowedIps[0] '10.0.0.1' is a private address"),
        ("allowedIps", '["203.0.113.7","2001:db8::1"]', "allowedIps[1] '2001:db8::1' is no IPv4 address"),
        ("allowedIps", '["203.0.113.6/31"]', "allowedIps[0] '203.0.113.6/31' is a /31"),
        ("senderIps", '["192.168.0.7"]', "senderIps[0] '192.168.0.7' is a private address"),
        ("workDays", "1", "workDays 1 is no whole number from 2 to 365."),
        ("mount", "smb", "mount 'smb' is not 'none' or 'blob'."),
        ("customerKey", "https://example.com/key", "customerKey 'https://example.com/key' is not a key's address"),
        ("customerKey", "https://-a-.vault.azure.net/keys/k", "customerKey 'https://-a-.vault.azure.net/keys/k' is not a key's"),
        (
            "batchPrincipal",
            "ddbf3205-c6bd-46ae-8127-60eb93363864",
            "batchPrincipal 'ddbf3205-c6bd-46ae-8127-60eb93363864' is MicrosoftAzureBatch's application id, the same in every "
            "tenant: take the object id, from 'az ad sp show --id ddbf3205-c6bd-46ae-8127-60eb93363864 --query id'.",
        ),
        (
            "eventAppId",
            "4962773B-9cdb-44cf-a8bf-237846a00ab7",
            "eventAppId '4962773B-9cdb-44cf-a8bf-237846a00ab7' is Event Grid's own application: make one for it,",
        ),
        ("logDays", "7", "logDays 7 is no whole number from 30 to 730."),
        ("alertAddress", "somebody", "alertAddress 'somebody' is not an e-mail address."),
        *(
            ("alertAddress", address, f"alertAddress '{address}' is not an e-mail address.")
            for address in (
                "a@example.com.",
                "a@b..com",
                "<a@example.com>",
                "a;b@example.com",
                "a,b@example.com",
                "a@-example.com",
                "mailto:a@example.com",
                "a@example.com, b",
                "a@bücher.example",
                f"{'a' * 65}@example.com",
            )
        ),
        ("operators", '["ann"]', "operators[0] 'ann' is not an object id: take it from 'az ad user show'"),
        ("maxSubmitters", "1000", "maxSubmitters 1000 is no whole number from 1 to 90."),
        ("tags", '{"a<b":"c"}', "tags.a<b 'a<b' is not a tag's name"),
        ("location", "weseurope", "location 'weseurope' is no region of Azure: did you mean 'westeurope'?"),
        ("location", "esatus2", "location 'esatus2' is no region of Azure: did you mean 'eastus2'?"),
        ("operators", "me", "operators 'me' is no list: set each of its values by its place, with \"pulumi config set --path"),
        ("allowedIps", "203.0.113.7", "allowedIps '203.0.113.7' is no list: set each of its values by its place"),
        ("allowedIps", '["0.0.0.0/0"]', "allowedIps[0] '0.0.0.0/0' is nearly everybody's address: write those that people"),
        (
            "allowedIps",
            '["203.0.113.7/24"]',
            "allowedIps[0] '203.0.113.7/24' is not an address or a range: write one such as 203.0.113.0/24.",
        ),
        ("tags", "team=film", "tags 'team=film' is no list of names and values: set each with \"pulumi config set --path 'tags."),
        ("protect", "maybe", "protect 'maybe' is neither 'true' nor 'false'."),
        ("spotPercent", "80%", "spotPercent '80%' is no whole number from 0 to 100."),
        ("gpuSise", "x", "gpuSise is no setting of this project: did you mean 'gpuSize'? Set that, and remove it with"),
        ("nodes_max", "4", "nodes_max is no setting of this project: did you mean 'nodesMax'?"),
        ("colour", "x", "colour is no setting of this project: see the README, or remove it with 'pulumi config rm colour'."),
        (
            "existingVirtualNetworkResourceId",
            "hub",
            "existingVirtualNetworkResourceId 'hub' is not a virtual network's resource id",
        ),
        (
            "existingBatchAccountResourceId",
            f"{PROVIDERS}/Microsoft.Storage/storageAccounts/films",
            f"existingBatchAccountResourceId '{PROVIDERS}/Microsoft.Storage/storageAccounts/films' is not a Batch account's",
        ),
        (
            "existingResourceGroupResourceId",
            f"{GROUP}/x",
            f"existingResourceGroupResourceId '{GROUP}/x' is not a resource group's",
        ),
        (
            "namePattern",
            "{stack}",
            "namePattern '{stack}' needs {type} and {kind}: without them two resources would have one name.",
        ),
        ("nodesSubnetName", "", "nodesSubnetName '' is not a subnet's name: 'az network vnet subnet list"),
        (
            "blobPrivateDnsZoneResourceId",
            f"{PROVIDERS}/Microsoft.Network/privateDnsZones/example.com",
            f"blobPrivateDnsZoneResourceId '{PROVIDERS}/Microsoft.Network/privateDnsZones/example.com' is another zone than",
        ),
        ("batchPrivateDnsZoneResourceId", "no", "batchPrivateDnsZoneResourceId 'no' is not a private DNS zone's resource id"),
        ("image", "", "image '' is not an image: write 'build', or"),
        ("submitterImage", "", "submitterImage '' is not an image: write 'build', or"),
        ("image", "docker.io/Acme/scorer:1", "image 'docker.io/Acme/scorer:1' is not an image"),
        ("nodesMax", "NaN", "nodesMax NaN is no whole number from 1 to 1000."),
        ("nodesMax", "1e999", "nodesMax Infinity is no whole number from 1 to 1000."),
        ("nodesMax", "null", "nodesMax null is no whole number from 1 to 1000."),
        ("operators", '[""]', "operators[0] '' is not an object id"),
        ("operators", "[7]", "operators[0] 7 is no text: write it in quotation marks."),
        ("operators", f'["{GUID}","{GUID.upper()}"]', f'operators ["{GUID}", "{GUID.upper()}"] has {GUID} twice: a role is'),
        ("allowedIps", "[7]", "allowedIps[0] 7 is no text: write it in quotation marks."),
        ("allowedIps", '["0.0.0.0"]', "allowedIps[0] '0.0.0.0' is an address that nobody comes from: write the one that the"),
        ("senderIps", '["224.0.0.0/8"]', "senderIps[0] '224.0.0.0/8' is an address that nobody comes from"),
        ("allowedIps", '["255.255.255.255"]', "allowedIps[0] '255.255.255.255' is an address that nobody comes from"),
        ("addressSpace", "127.0.0.0/16", "addressSpace '127.0.0.0/16' is not a private range of /8 to /20"),
        ("addressSpace", "169.254.0.0/16", "addressSpace '169.254.0.0/16' is not a private range of /8 to /20"),
        ("addressSpace", "240.0.0.0/8", "addressSpace '240.0.0.0/8' is not a private range of /8 to /20"),
        ("tags", '{"":"c"}', "tags. '' is not a tag's name"),
        (
            "tags",
            '{"azure-team":"c"}',
            "tags.azure-team 'azure-team' is not a tag's name: it may not hold < > % & \\ ? or /, nor",
        ),
        ("tags", '{"Team":"a","team":"b"}', 'tags {"Team": "a", "team": "b"} have \'Team\' twice, as Azure doesn\'t tell'),
        ("tags", '{"team":1.5}', "tags.team 1.5 is no text: write it in quotation marks."),
        ("customerKeyIdentity", f"{PROVIDERS}/x", f"customerKeyIdentity '{PROVIDERS}/x' is not a user-assigned identity's"),
        ("gpusize", "x", "gpusize is no setting of this project: did you mean 'gpuSize'? Set that, and remove it with"),
    ],
)
def test_a_bad_value_is_quoted_with_what_would_be_right(key: str, value: str, said: str) -> None:
    (sentence,) = refusals(**{key: value})
    assert sentence.startswith(said)
    assert sentence.endswith((".", "?"))


@pytest.mark.parametrize("setting", ["image", "submitterImage", "baseImage"])
@pytest.mark.parametrize("end", [":1.4", ":latest@sha256:", ":1.4@sha256:", "@sha256:"])
def test_an_image_is_named_by_tag_by_digest_or_by_both(setting: str, end: str) -> None:
    reference = f"mirror.example:5000/acme/scorer{end}" + "0" * 64 * end.endswith("sha256:")
    assert parse({"location": "westeurope", setting: reference}).model_dump(by_alias=True)[setting] == reference


@pytest.mark.parametrize(
    "text", ["", "--read-only", "--memory=4g --user 10001:10001", "--tmpfs /tmp:rw,size=1g --ulimit nofile=1024:2048 --cpus 1.5"]
)
def test_containers_may_be_locked_in_less_or_otherwise(text: str) -> None:
    assert parse({"location": "westeurope", "containerOptions": text}).container_options == text


@pytest.mark.parametrize("version", ["latest", "24.04.2026012301", "24.04.3"])
def test_newer_nodes_are_taken(version: str) -> None:
    assert parse({"location": "westeurope", "nodeImageVersion": version}).node_image_version == version


def test_all_bad_values_are_told_at_once() -> None:
    assert len(refusals(nodesMax="x", spotPercent="-3", mount="smb", nonsense="1")) == 4


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


@pytest.mark.parametrize("image", ["registry.azurecr.io/scorer:1", "acme/scorer:1.4", "a.example:5000/a/b__c--d.e/f_g:V1"])
def test_an_image_is_named_as_docker_names_it(image: str) -> None:
    assert parse({"location": "westeurope", "image": image}).image == image


@pytest.mark.parametrize("setting", ["image", "submitterImage", "baseImage"])
def test_a_registry_s_name_has_small_letters(setting: str) -> None:
    """As Azure tells it: who pulls takes the sign-in of the registry of that very name."""
    chosen = parse({"location": "westeurope", setting: "Films.AzureCR.io/scorer:V1"})
    assert chosen.model_dump(by_alias=True)[setting] == "films.azurecr.io/scorer:V1"


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_an_old_name_is_taken_with_a_sentence_that_has_the_new_one(
    old: str, new: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert parse({"location": "westeurope", old: "7"}) == parse({"location": "westeurope", new: "7"})
    said = f"The setting {old} is called {new}: the old name is taken in this version only."
    assert capsys.readouterr().err == f"warning: {said}\n"
    # Pulumi hands over the defaults of Pulumi.yaml as well.
    given = {"location": "westeurope", old: "7", new: str(FIELDS[new].default)}
    config = {f"batch-scoring:{key}": text for key, text in given.items()}
    monkeypatch.setattr("stacks.settings.CONFIG", ContextVar("config", default=config))
    assert load() == parse({"location": "westeurope", new: "7"})
    (sentence,) = refusals(**{old: "many"})
    assert sentence.startswith(f"{new} 'many' is no whole number from 1 to ")


def test_addresses_count_once_and_tags_are_text_as_pulumi_writes_them() -> None:
    raw = {"allowedIps": '["203.0.113.7","203.0.113.7/32","203.0.113.8"]', "tags": '{"center":1234,"billed":true}'}
    chosen = parse({"location": "westeurope", **raw})
    assert chosen.allowed_ips == ("203.0.113.7", "203.0.113.8")
    assert chosen.tags == {"center": "1234", "billed": "true"}


def test_a_value_is_quoted_without_what_a_terminal_obeys_and_not_for_pages() -> None:
    (said,) = refusals(location="\x1b[31mred")
    assert said.startswith("location 'red' is not")
    (said,) = refusals(nodeImageVersion="x" * 5000)
    assert len(said) < 800


def test_a_missing_location_is_asked_for() -> None:
    with pytest.raises(pulumi.RunError, match=r"location is not set: Azure region .* 'pulumi config set location VALUE'\."):
        parse({})


def test_several_gpus_make_several_slots() -> None:
    chosen = Settings(location="westeurope", gpu_size="Standard_NC64as_T4_v3", slots_per_gpu=2)
    assert (chosen.gpus, chosen.slots_per_node) == (4, 8)


@pytest.mark.parametrize("size", gpu_sizes.SIZES)
def test_every_size_offered_is_taken(size: str) -> None:
    assert Settings(location="westeurope", gpu_size=size).gpus >= 1


@pytest.mark.parametrize("path", documents(), ids=str)
def test_what_is_checked_in_is_what_make_settings_writes(path: Path) -> None:
    assert (ROOT / path).read_text() == documents()[path], "run 'make settings'"


def test_pulumi_reads_the_settings_as_they_are_declared() -> None:
    """Pulumi.yaml by a YAML reader, held against the class: types, defaults, and what must be set."""
    kinds: dict[str, type] = {"string": str, "integer": int, "boolean": bool, "array": list, "object": dict}
    smallest = Settings(location="westeurope").model_dump(by_alias=True, mode="json")
    assert list(PULUMI_YAML["config"]) == list(smallest)
    for key, told in PULUMI_YAML["config"].items():
        assert isinstance(smallest[key], kinds[told["type"]]), key
        assert told.get("default", "westeurope") == smallest[key], key
        assert f"| `{key}` |" in README
    assert [key for key, told in PULUMI_YAML["config"].items() if "default" not in told] == ["location"]


def test_the_readme_has_every_gpu_size() -> None:
    for name, size in gpu_sizes.SIZES.items():
        spot = "-" if size.spot_price is None else f"{size.spot_price:.3f}"
        assert f"| `{name}` | {size.gpus} x {size.gpu} | {size.cores} | {size.on_demand:.3f} | {spot} |" in README


@pytest.mark.parametrize("stack", ["dev", "prod", "example"])
def test_the_environments_that_ship_are_valid(stack: str) -> None:
    config = yaml.safe_load((ROOT / f"stacks/Pulumi.{stack}.yaml").read_text())["config"]
    raw = {
        key.removeprefix("batch-scoring:"): value if isinstance(value, str) else json.dumps(value)
        for key, value in config.items()
    }
    chosen = parse(raw)
    if stack == "example":
        assert {to_camel(name) for name in chosen.model_fields_set} == set(PULUMI_YAML["config"])
    if stack == "prod":
        assert chosen.private
        assert chosen.protect


@pytest.mark.parametrize(
    ("raw", "memory"),
    [
        ({}, 24),
        ({"slotsPerGpu": "2"}, 12),
        ({"gpuSize": "Standard_NC64as_T4_v3", "slotsPerGpu": "2"}, 54),
        ({"taskMemoryGb": "10"}, 10),
    ],
)
def test_a_task_has_its_share_of_a_nodes_memory(raw: dict[str, str], memory: int) -> None:
    assert parse({"location": "westeurope", **raw}).memory_per_task == memory


def test_no_more_memory_than_there_is() -> None:
    said = refusals(taskMemoryGb="13", slotsPerGpu="2")
    assert said == ["taskMemoryGb is 13: Standard_NC4as_T4_v3 has room for 2 tasks of 12 GiB; set that or less."]


def test_a_region_that_azure_opens_is_taken() -> None:
    for name in ("eastus3", "belgiumsouth", "denmarkwest", *regions.REGIONS):
        assert parse({"location": name}).location == name
