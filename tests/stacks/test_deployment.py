"""The real engine runs the real program of each environment, against a cloud that refuses what Azure refuses."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from autoscale.gpu_sizes import SIZES
from emulator.arm.cloud import Cloud
from emulator.arm.outputs import SIGNATURE, guid, login_server
from emulator.arm.requests import ArmError, takes_tags
from emulator.local_azure import container_environment
from emulator.pulumi import provider
from emulator.pulumi.engine import PROGRAM, Deployment, EngineError
from stacks.chosen import read_settings
from stacks.cost import at_rest
from stacks.defaults import OUTLIVE_THEIR_GROUP
from tests.azure_fixtures import Deploy

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = ["dev", "prod", "example"]
OPERATOR = "11111111-1111-1111-1111-111111111111"
BATCH_PRINCIPAL = "22222222-2222-2222-2222-222222222222"

POOL = "Microsoft.Batch/batchAccounts/pools"
WORKFLOW = "Microsoft.Logic/workflows"
SUBSCRIPTION = "Microsoft.EventGrid/systemTopics/eventSubscriptions"
# What a key, a token or a signed address looks like.
SECRETS = [
    re.compile(pattern)
    for pattern in (
        r"AccountKey=",
        r"SharedAccessSignature",
        r"[?&]sig=(?!\*)",
        r"-----BEGIN [A-Z ]*PRIVATE KEY",
        r"(?<![A-Za-z0-9+/=])[A-Za-z0-9+/]{86}==",
        r"eyJ[A-Za-z0-9_-]{20,}\.eyJ",
        SIGNATURE,
    )
]


@pytest.fixture(autouse=True)
def tenant(azure: Cloud) -> None:
    """The people and service principals that the settings name."""
    azure.people |= {OPERATOR, BATCH_PRINCIPAL}


@dataclass(frozen=True)
class Made:
    """A deployment that is there."""

    azure: Cloud
    deployment: Deployment


@pytest.fixture(scope="module")
def hardened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    azure = Cloud()
    azure.people |= {OPERATOR, BATCH_PRINCIPAL}
    with provider.serve(azure) as port:
        settings = {"batchPrincipal": BATCH_PRINCIPAL}
        deployment = Deployment(folder=tmp_path_factory.mktemp("prod"), port=port, stack="prod", settings=settings)
        deployment.up()
        yield Made(azure, deployment)


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """One for tests that change it, each from where the one before left it."""
    azure = Cloud()
    with provider.serve(azure) as port:
        deployment = Deployment(folder=tmp_path_factory.mktemp("dev"), port=port, stack="dev")
        deployment.up()
        yield Made(azure, deployment)


@pytest.mark.parametrize(
    ("stack", "program"),
    [*((stack, PROGRAM) for stack in ENVIRONMENTS), ("test", ROOT / "examples/own_project/__main__.py")],
    ids=[*ENVIRONMENTS, "own_project"],
)
def test_an_environment_or_an_example_comes_stays_and_goes(stack: str, program: Path, azure: Cloud, deploy: Deploy) -> None:
    """But for `examples/existing-network`, whose ground must be there before: see test_existing.py."""
    deployment = deploy(stack, program=program)
    preview = deployment.preview()
    assert set(preview.changes) == {"create"}
    assert not azure.events

    first = deployment.up()
    assert first.changes == preview.changes
    assert "update" not in {event.verb for event in azure.events}

    uploads = len(azure.uploads)
    assert deployment.up().is_unchanged
    assert deployment.refresh().is_unchanged
    assert deployment.up().is_unchanged
    assert len(azure.uploads) == uploads

    assert program == PROGRAM or first.outputs["films"].endswith("/input"), "somebody else's project goes on with it"
    shown = deployment.state() + str(first.outputs) + deployment.log
    for secret in SECRETS:
        assert not secret.search(shown), secret.pattern

    if stack == "prod":
        with pytest.raises(EngineError, match=r"protect|ScopeLocked"):  # whichever of Pulumi and Azure comes first
            deployment.destroy()
        deployment.settings["protect"] = False
        deployment.up()
    deployment.destroy()
    assert [each.id for each in azure] == []


def test_a_preview_asks_azure_for_nothing(azure: Cloud, deploy: Deploy) -> None:
    deploy("dev").preview()
    assert not azure.calls


def test_what_the_submitter_is_told_changes_the_workflows_alone(dev: Made) -> None:
    azure, deployment = dev.azure, dev.deployment
    told = {"batchSize": 4, "chunkFrames": 100, "maxFrames": 1000, "taskRetries": 1, "submitMinutes": 5}
    # What both workflows tell, and what one of the two alone has.
    for settings, workflows in [(told, 2), ({"jobsAtOnce": 2}, 1), ({"pollMinutes": 3}, 1)]:
        with azure.fresh_record() as events:
            deployment.settings |= settings
            outcome = deployment.up()
        assert [(event.verb, event.type) for event in events] == [("update", WORKFLOW)] * workflows, settings
        assert "replace" not in outcome.changes
    for workflow in azure.of_type(WORKFLOW):
        (container,) = workflow.body["properties"]["parameters"]["containerGroup"]["value"]["properties"]["containers"]
        known = json.loads(container_environment(container["properties"]["environmentVariables"])["SCORER_DEPLOYMENT"])
        assert (known["batchSize"], known["chunkFrames"], known["taskRetries"]) == (4, 100, 1)
        assert (known["limits"]["maxFrames"], known["limits"]["probeSeconds"]) == (1000, 150)


def test_more_nodes_change_the_pool_in_place(dev: Made) -> None:
    azure, deployment = dev.azure, dev.deployment
    with azure.fresh_record() as events:
        deployment.settings["nodesMax"] = 9
        deployment.up()
    assert sorted((event.verb, event.type) for event in events) == [("update", POOL), ("update", WORKFLOW), ("update", WORKFLOW)]


def test_where_events_arent_allowed_a_clock_looks_for_requests(azure: Cloud, deploy: Deploy) -> None:
    deployment = deploy("dev", trigger="polling", pollMinutes=2)
    deployment.up()
    assert not azure.of_type(SUBSCRIPTION)
    assert not azure.of_type("Microsoft.EventGrid/systemTopics")
    (workflow,) = azure.of_type(WORKFLOW)
    (trigger,) = workflow.body["properties"]["definition"]["triggers"].values()
    assert (trigger["type"], trigger["recurrence"]["interval"]) == ("Recurrence", 2)
    assert deployment.up().is_unchanged
    deployment.settings["trigger"] = "events"
    deployment.up()
    assert len(azure.of_type(WORKFLOW)) == 2
    assert len(azure.of_type(SUBSCRIPTION)) == 1


def test_bad_settings_are_all_told_before_anything_is_made(azure: Cloud, deploy: Deploy) -> None:
    with pytest.raises(EngineError) as refused:
        deploy("dev", gpuSize="Standard_NC6", mount="smb", nodesMin=5, image="scorer:latest", addressSpace="10.0.0.0/30").up()
    said = str(refused.value)
    for sentence in (
        "gpuSize 'Standard_NC6' was retired by Azure: take Standard_NC4as_T4_v3.",
        "mount 'smb' is not 'none', 'blob' or 'nfs'.",
        "image 'scorer:latest' is not an image: write 'build', or",
        "addressSpace '10.0.0.0/30' is not a private range",
    ):
        assert sentence in said
    assert "Traceback" not in said
    assert not azure.events


def test_an_update_that_failed_goes_on_where_it_stopped(azure: Cloud, deploy: Deploy) -> None:
    """However often: each of the updates comes further than the one before."""
    deployment = deploy("dev")
    done = 0
    for failing in ("Microsoft.Storage/storageAccounts", POOL, SUBSCRIPTION):
        azure.fail(failing, "QuotaExceeded", "The quota of the family is 0.")
        with pytest.raises(EngineError, match="The quota of the family is 0"):
            deployment.up()
        assert len(azure) > done, failing
        done = len(azure)
    deployment.up()
    assert deployment.up().is_unchanged
    assert len(set(azure.done("create"))) == len({each.request.type for each in azure})
    deployment.destroy()
    assert len(azure) == 0


def test_what_someone_changed_by_hand_is_found_and_put_back(dev: Made) -> None:
    azure, deployment = dev.azure, dev.deployment
    account = azure.of_type("Microsoft.Storage/storageAccounts")[0]
    account.inputs["allowSharedKeyAccess"] = True
    assert deployment.refresh().changes["update"] == 1
    with azure.fresh_record() as events:
        deployment.up()
    assert [(event.verb, event.id) for event in events] == [("update", account.id)]
    assert azure.get(account.id).body["properties"]["allowSharedKeyAccess"] is False


def test_outputs_tell_software_and_people_where_everything_is(azure: Cloud, deploy: Deploy) -> None:
    outputs = deploy("example").up().outputs
    told = outputs["deployment"]
    for kind in ("input", "output", "scripts", "work", "logs", "quarantine"):
        account, container = told[kind].removeprefix("az://").split("/")
        assert container == kind
        assert account in {each.request.name for each in azure.of_type("Microsoft.Storage/storageAccounts")}
    (pool,) = azure.of_type(POOL)
    assert told["pool"] == pool.request.name
    assert told["batchEndpoint"].endswith(".westeurope.batch.azure.com")
    assert (told["batchSize"], told["chunkFrames"], told["taskRetries"], told["slotsPerNode"]) == (32, 120, 2, 2)
    assert azure.find(told["batchAccount"])
    assert set(told["workflows"]) == {each.id for each in azure.of_type(WORKFLOW)}
    (registry,) = azure.of_type("Microsoft.ContainerRegistry/registries")
    assert told["registryServer"] == login_server(registry)
    assert told["submitterImage"]
    assert (told["gpuCores"], told["gpuFamily"]) == (SIZES[told["gpuSize"]].cores, SIZES[told["gpuSize"]].family)
    for link in outputs["portal"].values():
        assert azure.find(link.removeprefix("https://portal.azure.com/#resource"))


def test_every_resource_has_a_component_tags_and_leaves_with_its_group(dev: Made) -> None:
    resources = {each["urn"]: each for each in dev.deployment.resources()}
    (group,) = [urn for urn in resources if "::azure-native:resources:ResourceGroup::" in urn]
    stay = tuple(each.__name__ for each in OUTLIVE_THEIR_GROUP)
    for urn, each in resources.items():
        kind = each["type"]
        if kind.startswith("pulumi:") or urn == group:
            continue
        if kind.startswith("batch-scoring:"):
            assert re.fullmatch(r"batch-scoring:stacks:[A-Z]\w+", kind)
            continue
        assert "batch-scoring:stacks:" in each["parent"] or "azure-native:" in each["parent"], urn
        assert (each.get("deletedWith") == group) == (not kind.endswith(stay)), urn
    for made in dev.azure:
        if takes_tags(made.kind):
            assert made.body["tags"] == {"environment": "dev"}, made.id


def test_nodes_wait_for_their_roles_and_endpoints(hardened: Made) -> None:
    azure = hardened.azure
    order = [event.id for event in azure.events]
    (pool,) = azure.of_type(POOL)
    before = order[: order.index(pool.id)]
    identity = guid("principal", pool.inputs["identity"]["userAssignedIdentities"][0])
    roles = [
        each.id
        for each in azure.of_type("Microsoft.Authorization/roleAssignments")
        if each.body["properties"]["principalId"] in (identity, BATCH_PRINCIPAL)
    ]
    assert len(roles) == 8
    assert set(roles) <= set(before)
    zone_groups = [each.id for each in azure.of_type("Microsoft.Network/privateEndpoints/privateDnsZoneGroups")]
    assert len(zone_groups) == 5
    assert set(zone_groups) <= set(before)


def test_endpoints_of_one_account_are_made_one_after_another(hardened: Made) -> None:
    resources = hardened.deployment.resources()
    made = {each["urn"].rpartition("::")[2]: each for each in resources if "PrivateEndpoint::" in each["urn"]}
    (waits,) = (each["dependencies"] for name, each in made.items() if name.endswith("-batch-nodes"))
    assert any("PrivateDnsZoneGroup::" in urn and urn.endswith("-batch") for urn in waits)


def test_no_request_comes_before_the_submitter_may_take_it(hardened: Made) -> None:
    azure = hardened.azure
    order = [event.id for event in azure.events]
    (subscription,) = azure.of_type(SUBSCRIPTION)
    before = order[: order.index(subscription.id)]
    submitter = guid(
        "principal", next(each.id for each in azure if "-submitter" in each.request.name and "userAssigned" in each.id)
    )
    roles = [
        each.id
        for each in azure.of_type("Microsoft.Authorization/roleAssignments")
        if each.body["properties"]["principalId"] == submitter
    ]
    assert len(roles) == 9
    assert set(roles) <= set(before)


def test_the_cloud_refuses_a_pool_without_its_roles(azure: Cloud, deploy: Deploy) -> None:
    """The order above is proved by refusals: so a refusal is proved here."""
    deployment = deploy("dev")
    deployment.up()
    (pool,) = azure.of_type(POOL)
    for each in azure.of_type("Microsoft.Authorization/roleAssignments"):
        azure.delete(each.id)
    azure.delete(pool.id)
    with pytest.raises(ArmError, match="may not pull"):
        azure.create("azure-native:batch:Pool", pool.inputs)


def test_the_hardened_environment_is_closed(hardened: Made) -> None:
    azure = hardened.azure
    for account in azure.of_type("Microsoft.Storage/storageAccounts"):
        properties = account.body["properties"]
        assert properties["publicNetworkAccess"] == "Disabled"
        assert properties["networkAcls"]["virtualNetworkRules"] == []
        assert properties["encryption"]["requireInfrastructureEncryption"] is True
        assert account.body["sku"]["name"] == "Standard_ZRS"
    (batch,) = azure.of_type("Microsoft.Batch/batchAccounts")
    assert batch.body["properties"]["publicNetworkAccess"] == "Disabled"
    assert azure.of_type("Microsoft.Consumption/budgets")


def test_the_bill_counts_what_is_there(hardened: Made) -> None:
    bill = at_rest(read_settings(ROOT / "stacks/Pulumi.prod.yaml"))
    for part, kind, dollars, more in (
        ("alert rules", "Microsoft.Insights/metricAlerts", 0.10, 1.50),
        ("private endpoints", "Microsoft.Network/privateEndpoints", 7.30, 0),
        ("private DNS zones", "Microsoft.Network/privateDnsZones", 0.50, 0),
    ):
        assert bill[part] == pytest.approx(len(hardened.azure.of_type(kind)) * dollars + more), part


# Below the tests that look at what was made first.
@pytest.mark.parametrize("made", ["dev", "hardened"])
def test_another_gpu_size_replaces_the_pool_and_only_what_must_be(made: str, request: pytest.FixtureRequest) -> None:
    there: Made = request.getfixturevalue(made)
    (old,) = there.azure.of_type(POOL)
    with there.azure.fresh_record() as events:
        there.deployment.settings["gpuSize"] = "Standard_NC24ads_A100_v4"
        there.deployment.up()
    assert [(event.verb, event.type) for event in events] == [
        ("create", POOL), ("update", WORKFLOW), ("update", WORKFLOW), ("delete", POOL),
    ]  # fmt: skip
    (new,) = there.azure.of_type(POOL)
    assert new.id != old.id
    assert new.body["properties"]["vmSize"] == "Standard_NC24ads_A100_v4"
