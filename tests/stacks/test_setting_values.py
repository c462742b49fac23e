"""Values of settings: what Azure would refuse is refused before anything is made, in a sentence that says what would be right."""

import pytest

from autoscale import gpu_sizes
from stacks import regions
from stacks.settings import Settings, parse
from tests.stacks.refused import GROUP, GUID, PROVIDERS, refusals


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
        ("mount", "smb", "mount 'smb' is not 'none', 'blob' or 'nfs'."),
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


@pytest.mark.parametrize("image", ["registry.azurecr.io/scorer:1", "acme/scorer:1.4", "a.example:5000/a/b__c--d.e/f_g:V1"])
def test_an_image_is_named_as_docker_names_it(image: str) -> None:
    assert parse({"location": "westeurope", "image": image}).image == image


@pytest.mark.parametrize("setting", ["image", "submitterImage", "baseImage"])
def test_a_registry_s_name_has_small_letters(setting: str) -> None:
    """As Azure tells it: who pulls takes the sign-in of the registry of that very name."""
    chosen = parse({"location": "westeurope", setting: "Films.AzureCR.io/scorer:V1"})
    assert chosen.model_dump(by_alias=True)[setting] == "films.azurecr.io/scorer:V1"


def test_a_value_is_quoted_without_what_a_terminal_obeys_and_not_for_pages() -> None:
    (said,) = refusals(location="\x1b[31mred")
    assert said.startswith("location 'red' is not")
    (said,) = refusals(nodeImageVersion="x" * 5000)
    assert len(said) < 800


@pytest.mark.parametrize("size", gpu_sizes.SIZES)
def test_every_size_offered_is_taken(size: str) -> None:
    assert Settings(location="westeurope", gpu_size=size).gpus >= 1


def test_a_region_that_azure_opens_is_taken() -> None:
    for name in ("eastus3", "belgiumsouth", "denmarkwest", *regions.REGIONS):
        assert parse({"location": name}).location == name
