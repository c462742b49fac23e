"""A company's own network, registry, Batch account, logs and group: used as they are, refused in a sentence, never changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from emulator.arm.cloud import Cloud
from emulator.arm.requests import SUBSCRIPTION, Json
from emulator.pulumi import provider
from emulator.pulumi.engine import Deployment, EngineError
from stacks import existing
from stacks.identity import Role
from stacks.settings import Settings, parse

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/existing-network"
GROUPS = f"/subscriptions/{SUBSCRIPTION}/resourceGroups"
SETTINGS: Json = {
    key.removeprefix("batch-scoring:"): value
    for key, value in yaml.safe_load((EXAMPLE / "Pulumi.films.yaml").read_text())["config"].items()
}
KEY_USER = f"{GROUPS}/keys/providers/Microsoft.ManagedIdentity/userAssignedIdentities/storage-key"
POOL = "Microsoft.Batch/batchAccounts/pools"
OPERATOR, BATCH_PRINCIPAL = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"


@dataclass
class Company:
    """What the platform team has, and the folder and port of what is deployed into it."""

    azure: Cloud
    port: int
    folder: Path
    platform: Deployment
    theirs: dict[str, Json]

    def films(self, name: str, **settings: Any) -> Deployment:
        """The film team's stack."""
        return Deployment(folder=self.folder / name, port=self.port, stack="films", settings={**SETTINGS, **settings})

    def now(self) -> dict[str, Json]:
        """All that stands in the cloud."""
        return {each.id: each.body for each in self.azure}


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    azure, folder = Cloud(), tmp_path_factory.mktemp("company")
    with provider.serve(azure) as port:
        platform = Deployment(folder=folder / "platform", port=port, stack="platform", program=EXAMPLE / "__main__.py")
        platform.up()
        _give(azure)
        yield Company(azure, port, folder, platform, {each.id: each.body for each in azure})


def _give(azure: Cloud) -> None:
    """What owners have given already of what they share, or another deployment has: Azure gives a role on a scope once."""
    azure.people |= {OPERATOR, BATCH_PRINCIPAL}
    given = (
        (OPERATOR, Role.BATCH_CONTRIBUTOR, SETTINGS["existingBatchAccountResourceId"]),
        (BATCH_PRINCIPAL, Role.NETWORK_CONTRIBUTOR, SETTINGS["existingVirtualNetworkResourceId"]),
    )
    for number, (principal, role, scope) in enumerate(given):
        definition = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{role}"
        named = {"roleAssignmentName": f"00000000-0000-0000-0000-{number:012d}", "scope": scope}
        azure.create(
            "azure-native:authorization:RoleAssignment", {**named, "principalId": principal, "roleDefinitionId": definition}
        )


def test_the_example_comes_stays_and_goes_and_leaves_what_was_there(company: Company) -> None:
    films, azure = company.films("films", operators=[OPERATOR], batchPrincipal=BATCH_PRINCIPAL), company.azure
    films.up()
    assert films.up().is_unchanged
    ours = {each: body for each, body in company.now().items() if each not in company.theirs}
    assert {each: company.now()[each] for each in company.theirs} == company.theirs
    outside = [each for each in ours if not each.startswith(f"{GROUPS}/films/")]
    # In the company's groups: the pool where the quota is, and what lets our identities use what is there.
    assert {each.split("/providers/")[-1].rsplit("/", 1)[0] for each in outside} == {
        "Microsoft.Batch/batchAccounts/examplecompanybatch/pools",
        "Microsoft.Authorization/roleAssignments",
        "Microsoft.Authorization/roleDefinitions",
    }
    (pool,) = azure.of_type(POOL)
    subnet = pool.body["properties"]["networkConfiguration"]["subnetId"]
    assert subnet == f"{SETTINGS['existingVirtualNetworkResourceId']}/subnets/gpu-nodes"
    _are_named_by_the_pattern(ours)
    films.destroy()
    assert company.now() == company.theirs
    assert company.platform.up().is_unchanged


def test_settings_of_all_kinds_work_together(company: Company) -> None:
    """What no example has: an account of one's own in a VNet of others, reached from where people come from, too."""
    office = "203.0.113.99"
    mixed = company.films(
        "mixed", networkIsolation=None, blobPrivateDnsZoneResourceId=None, existingBatchAccountResourceId=None,
        egressIps=[office], allowedIps=[office, "198.51.100.0/24"], senderIps=[office], namePattern="{stack}{type}{kind}",
        customerKey="https://example-vault.vault.azure.net/keys/storage", customerKeyIdentity=KEY_USER, zoneRedundant=True,
        infrastructureEncryption=True, malwareScanGb=100, trigger="polling", pollMinutes=1440, maxSubmitters=27, mount="nfs",
        filePrivateDnsZoneResourceId="none",  # whose tags one of ours couldn't have
        alertAddress="films@example.com", monthlyBudget=100, logDays=730, tags={"cost center": "films", "2nd": "x"},
    )  # fmt: skip
    mixed.up()
    (account,) = (each for each in company.azure.of_type("Microsoft.Batch/batchAccounts") if each.id not in company.theirs)
    rules = account.body["properties"]["networkProfile"]["accountAccess"]["ipRules"]
    assert [rule["value"] for rule in rules] == [office, "198.51.100.0/24"]
    # Another deployment in the same group neither finds its names taken nor takes anything along.
    neighbour = replace(company.films("neighbour"), stack="ads")
    neighbour.up()
    neighbour.destroy()
    assert mixed.up().is_unchanged
    mixed.destroy()
    assert company.now() == company.theirs


def _are_named_by_the_pattern(ours: dict[str, Json]) -> None:
    """Whatever stands in the group by itself, but for DNS zones and what alerts people."""
    names = {tuple(each.split("/")[-2:]) for each in ours if len(each.split("/")) == 9 and each.startswith(f"{GROUPS}/films/")}
    free = {"metricAlerts", "scheduledQueryRules", "workbooks", "roleDefinitions", "roleAssignments"}
    assert {name for kind, name in names if kind not in free} == {
        "stacmefilmsdata", "stacmefilmsops", "id-acme-films-nodes", "id-acme-films-submitter", "id-acme-films-workflow",
        "appi-acme-films-insights", "logic-acme-films", "logic-acme-films-looks", "egst-acme-films", "pep-acme-films-data",
        "pep-acme-films-ops",
    }  # fmt: skip


def test_what_fails_while_images_are_built_ends_the_update(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine waits for what is at work, which must come to its end, however few threads it gave the program."""
    monkeypatch.setenv("PULUMI_PARALLEL", "3")
    company.azure.fail("Microsoft.Authorization/roleDefinitions", "AuthorizationFailed", "may not define roles", times=9)
    films = company.films("failed")
    with pytest.raises(EngineError, match="AuthorizationFailed"):
        films.up()
    company.azure.faults.clear()
    films.destroy()
    assert company.now() == company.theirs


def test_what_lacks_is_told_before_anything_is_made(company: Company) -> None:
    """All of it through the engine once; each kind by itself below."""
    before = len(company.azure.events)
    with pytest.raises(EngineError) as refused:
        company.films(
            "refused",
            nodesSubnetName="containers",
            submitterSubnetName="nothing",
            endpointsSubnetName="gpu-nodes",
            nodesMax=100,
            existingRegistryResourceId=NOWHERE["existingRegistryResourceId"][1],
        ).up()
    said = str(refused.value)
    for sentence in (
        "The VNet 'hub' can't be used: its subnet 'containers' is delegated to a service: nodes need one that isn't.",
        "The VNet 'hub' can't be used: its subnet 'containers' has room for 27 nodes, and nodesMax is 100: widen it, or lower",
        "The VNet 'hub' can't be used: its subnet 'nothing' doesn't exist: its owner makes it.",
        "The registry 'nobodys' can't be used: there is none by the id",
    ):
        assert sentence in said
    assert "Traceback" not in said
    assert len(company.azure.events) == before


NOWHERE = {
    "existingResourceGroupResourceId": ("resource group", f"{GROUPS}/fims"),
    "existingRegistryResourceId": ("registry", f"{GROUPS}/shared/providers/Microsoft.ContainerRegistry/registries/nobodys"),
}


@pytest.mark.parametrize("setting", NOWHERE)
def test_what_does_not_exist_is_told_in_a_sentence(setting: str, company: Company) -> None:
    what, nowhere = NOWHERE[setting]
    before = len(company.azure.events)
    with pytest.raises(EngineError) as refused:
        company.films(setting, **{setting: nowhere}).up()
    said = str(refused.value)
    named = (
        f"The {what} '{nowhere.rpartition('/')[2]}' can't be used: there is none by the id '{nowhere}' that whoever deploys may"
    )
    assert named in said
    assert "ResourceNotFound" in said
    assert "Traceback" not in said
    assert len(company.azure.events) == before


SUBNETS: list[Json] = [
    {"name": "nodes", "address_prefix": "10.0.0.0/26", "service_endpoints": [{"service": "Microsoft.Storage"}]},
    {
        "name": "submitter", "address_prefix": "10.0.1.0/28", "service_endpoints": [{"service": "Microsoft.Storage.Global"}],
        "delegations": [{"service_name": "Microsoft.ContainerInstance/containerGroups"}],
    },
    {"name": "endpoints", "address_prefix": "10.0.2.0/28"},
]  # fmt: skip


def a_network(location: str = "westeurope", **changed: Json) -> Any:
    """As a look-up finds one; `changed` are subnets by their names."""
    found = [{**subnet, **changed.get(str(subnet["name"]), {})} for subnet in SUBNETS]
    return _found({"location": location, "subnets": found})


class Found(SimpleNamespace):
    """Like the SDK's answers: what isn't there is None."""

    def __getattr__(self, name: str) -> None:
        return None


def _found(answer: Any) -> Any:
    if isinstance(answer, dict):
        return Found(**{key: _found(each) for key, each in answer.items()})
    return [_found(each) for each in answer] if isinstance(answer, list) else answer


def chosen(**raw: str) -> Settings:
    network = f"{GROUPS}/hub/providers/Microsoft.Network/virtualNetworks/hub"
    return parse({"location": "westeurope", "existingVirtualNetworkResourceId": network, "egressIps": '["20.1.2.3"]', **raw})


PRIVATE = {"networkIsolation": "private-endpoints", "registrySku": "Premium"}


@pytest.mark.parametrize(
    ("raw", "there", "said"),
    [
        ({}, a_network(), []),
        (PRIVATE, a_network(nodes={"service_endpoints": []}, submitter={"service_endpoints": None}), []),
        ({}, a_network("northeurope"), ["it is in northeurope, and location is westeurope"]),
        ({}, a_network("West Europe"), []),
        ({"maxSubmitters": "12"}, a_network(), ["its subnet 'submitter' has room for 11 container groups, and maxSubmitters is"]),
        ({"maxSubmitters": "11"}, a_network(), []),
        ({}, a_network(nodes={"name": "gpu"}), ["its subnet 'nodes' doesn't exist"]),
        ({}, a_network(nodes={"service_endpoints": []}), ["its subnet 'nodes' has no service endpoint Microsoft.Storage"]),
        ({}, a_network(submitter={"service_endpoints": None}), ["its subnet 'submitter' has no service endpoint"]),
        ({}, a_network(submitter={"delegations": []}), ["its subnet 'submitter' isn't delegated to Microsoft.ContainerInstance"]),
        ({}, a_network(nodes={"delegations": [{"service_name": "Microsoft.Web/x"}]}), ["its subnet 'nodes' is delegated"]),
        ({"nodesMax": "60"}, a_network(), ["its subnet 'nodes' has room for 59 nodes, and nodesMax is 60"]),
        ({"nodesMax": "59"}, a_network(), []),
        ({}, a_network(nodes={"address_prefix": "172.17.4.0/24"}), ["its subnet 'nodes' overlaps 172.17.0.0/16"]),
        (
            {},
            a_network(nodes={"private_endpoint_network_policies": "Enabled", "private_link_service_network_policies": "Enabled"}),
            ["its subnet 'nodes' has network policies for private endpoints", "its subnet 'nodes' has network policies for"],
        ),
        (PRIVATE, a_network(endpoints={"delegations": [{"service_name": "x"}]}), ["its subnet 'endpoints' is delegated"]),
        ({}, a_network(endpoints={"name": "other"}), []),
        ({"mount": "nfs"}, a_network(endpoints={"name": "other"}), ["its subnet 'endpoints' doesn't exist"]),
        (
            {"engine": "machine-learning", "egressIps": "[]"}, a_network(endpoints={"name": "other"}),
            ["its subnet 'endpoints' doesn't exist"],
        ),
    ],
)  # fmt: skip
def test_what_a_vnet_lacks(raw: dict[str, str], there: Any, said: list[str]) -> None:
    lacks = existing.network_lacks(chosen(**raw), there)
    assert len(lacks) == len(said)
    assert all(found.startswith(begins) for found, begins in zip(lacks, said, strict=True)), lacks


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ({}, []),
        ({"allowed_authentication_modes": None}, []),
        ({"location": "northeurope"}, ["it is in northeurope, and location is westeurope"]),
        ({"location": "West Europe"}, []),
        ({"pool_allocation_mode": "UserSubscription"}, ["its pools are allocated by UserSubscription"]),
        ({"allowed_authentication_modes": ["SharedKey"]}, ["it lets nobody in by Microsoft Entra ID (SharedKey alone)"]),
    ],
)
def test_what_a_batch_account_lacks(there: Json, said: list[str]) -> None:
    usual = {"location": "westeurope", "pool_allocation_mode": "BatchService", "allowed_authentication_modes": ["AAD"]}
    lacks = existing.account_lacks(chosen(), _found({**usual, **there}))
    assert [found[: len(begins)] for found, begins in zip(lacks, said, strict=True)] == said


def test_nothing_is_built_in_a_closed_registry() -> None:
    closed = _found({"public_network_access": "Disabled"})
    ready = {"image": "images.example/scorer:1", "submitterImage": "images.example/scorer-submitter:1"}
    assert existing.registry_lacks(chosen(**ready), closed) == []
    assert existing.registry_lacks(chosen(), _found({"public_network_access": "Enabled"})) == []
    (said,) = existing.registry_lacks(chosen(), closed)
    assert said.startswith("it is closed to the internet, so nothing can be built in it")


def test_a_hub_s_policies_make_the_records_that_it_says(company: Company) -> None:
    """'none' makes neither a zone nor its records, and what a policy adds to an endpoint stays."""
    films = company.films(
        "policies", existingBatchAccountResourceId=None, existingRegistryResourceId=None, registrySku="Premium",
        batchPrivateDnsZoneResourceId="none", registryPrivateDnsZoneResourceId="none",
    )  # fmt: skip
    films.up()
    endpoints = company.azure.of_type("Microsoft.Network/privateEndpoints")
    records = company.azure.of_type("Microsoft.Network/privateEndpoints/privateDnsZoneGroups")
    assert (len(endpoints), len(records)) == (5, 2)
    configs = [config for each in records for config in each.body["properties"]["privateDnsZoneConfigs"]]
    assert {each["properties"]["privateDnsZoneId"] for each in configs} == {SETTINGS["blobPrivateDnsZoneResourceId"]}
    (batch,) = (each for each in endpoints if each.request.name == "pep-acme-films-batch-nodes")
    batch.inputs["customDnsConfigs"] = [{"fqdn": "batch.example", "ipAddresses": ["10.200.2.9"]}]
    films.refresh()
    assert films.up().is_unchanged
