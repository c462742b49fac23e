"""Azure Machine Learning in place of Batch: one deployment, looked at, changed and destroyed; and the others' previews."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from pydantic.alias_generators import to_camel

from emulator.arm.cloud import Cloud, Resource
from emulator.arm.outputs import guid, login_server
from emulator.arm.rules import KEEP_THEIR_NAME
from emulator.pulumi import provider
from emulator.pulumi.engine import Deployment, Outcome
from emulator.rbac.access import holds
from emulator.rbac.definitions import WORKSPACE
from stacks import engine_misfits
from stacks.chosen import read_settings
from stacks.cost import at_rest
from tests.azure_fixtures import Deploy
from tests.policies.engine import PACK, starter

ROOT = Path(__file__).parents[2]
PERSON = "11111111-1111-1111-1111-111111111111"
COMPUTE, VERSION = f"{WORKSPACE}/computes", f"{WORKSPACE}/environments/versions"
ROLE = "Microsoft.Authorization/roleAssignments"
ENDPOINT = "Microsoft.Network/privateEndpoints"


@dataclass(frozen=True)
class Made:
    """A deployment that is there."""

    azure: Cloud
    deployment: Deployment
    first: Outcome

    def only(self, arm_type: str) -> Resource:
        (found,) = self.azure.of_type(arm_type)
        return found

    def identity(self, kind: str) -> str:
        """The principal of one of the stack's identities."""
        identities = self.azure.of_type("Microsoft.ManagedIdentity/userAssignedIdentities")
        (found,) = (each for each in identities if f"-{kind}" in each.request.name)
        return guid("principal", found.id)

    def account(self, kind: str) -> Resource:
        (found,) = (e for e in self.azure.of_type("Microsoft.Storage/storageAccounts") if kind in e.request.name)
        return found


@pytest.fixture(scope="module")
def hardened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    azure = Cloud()
    azure.people |= {PERSON}
    with provider.serve(azure) as port:
        settings = {"engine": "machine-learning", "operators": [PERSON]}
        deployment = Deployment(folder=tmp_path_factory.mktemp("ml"), port=port, stack="prod", settings=settings)
        yield Made(azure, deployment, deployment.up())


def test_nothing_of_batch_is_made_and_a_second_up_changes_nothing_and_breaks_no_rule(
    hardened: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", os.pathsep.join([str(starter(tmp_path / "bin")), os.environ["PATH"]]))
    judged = replace(hardened.deployment, policies=[PACK])
    assert judged.up().is_unchanged
    assert "\u2705 batch-scoring@" in judged.log
    assert not [each.id for each in hardened.azure if each.request.type.startswith("Microsoft.Batch")]


def test_software_and_people_are_told_where_it_is(hardened: Made) -> None:
    told = hardened.first.outputs["deployment"]
    assert (told["engine"], told["batchAccount"], told["batchEndpoint"], told["pool"]) == ("machine-learning", "", "", "")
    workspace, version = hardened.only(WORKSPACE), hardened.only(VERSION)
    assert told["workspace"] == workspace.id
    assert told["environment"] == version.id
    clusters = {each.id: each for each in hardened.azure.of_type(COMPUTE)}
    kinds = {
        key: clusters[told[key]].body["properties"]["properties"]["vmPriority"] for key in ("spotCompute", "dedicatedCompute")
    }
    assert kinds == {"spotCompute": "LowPriority", "dedicatedCompute": "Dedicated"}
    # The image that jobs run is the service's own, built on the one that Batch's tasks run.
    assert version.body["properties"]["image"] == told["image"] == hardened.first.outputs["images"]["image"]
    server = login_server(hardened.only("Microsoft.ContainerRegistry/registries"))
    assert told["image"].startswith(f"{server}/scorer-ml:")
    assert hardened.first.outputs["workspace"] == workspace.request.name
    assert hardened.first.outputs["portal"]["workspace"].endswith(workspace.id)
    assert "batch" not in hardened.first.outputs["portal"]


def test_the_workspace_knows_no_key_and_is_closed(hardened: Made) -> None:
    workspace = hardened.only(WORKSPACE).body
    properties = workspace["properties"]
    assert properties["systemDatastoresAuthMode"] == "Identity"
    assert properties["publicNetworkAccess"] == "Disabled"
    assert workspace["identity"]["type"] == "UserAssigned"
    assert properties["storageAccount"] == hardened.account("ml").id
    vault = hardened.only("Microsoft.KeyVault/vaults").body["properties"]
    assert (vault["enableRbacAuthorization"], vault["enablePurgeProtection"]) == (True, True)
    assert (vault["publicNetworkAccess"], vault["networkAcls"]["defaultAction"]) == ("Disabled", "Deny")
    account = hardened.account("ml").body["properties"]
    assert (account["allowSharedKeyAccess"], account["publicNetworkAccess"]) == (False, "Disabled")


def test_clusters_are_nodes_without_addresses_or_passwords(hardened: Made) -> None:
    for each in hardened.azure.of_type(COMPUTE):
        cluster = each.body["properties"]
        inner = cluster["properties"]
        assert cluster["disableLocalAuth"] is True
        assert (inner["enableNodePublicIp"], inner["remoteLoginPortPublicAccess"]) == (False, "Disabled")
        assert inner["subnet"]["id"].endswith("/subnets/nodes")
        assert inner["scaleSettings"] == {"minNodeCount": 0, "maxNodeCount": 20, "nodeIdleTimeBeforeScaleDown": "PT15M"}


def test_nodes_wait_for_their_roles_and_their_way_to_the_workspace(hardened: Made) -> None:
    order = [event.id for event in hardened.azure.events]
    first = min(order.index(each.id) for each in hardened.azure.of_type(COMPUTE))
    before = set(order[:first])
    nodes = hardened.identity("nodes")
    roles = [each.id for each in hardened.azure.of_type(ROLE) if each.body["properties"]["principalId"] == nodes]
    assert len(roles) == 8
    assert set(roles) <= before
    groups = hardened.azure.of_type(f"{ENDPOINT}/privateDnsZoneGroups")
    assert {each.id for each in groups} <= before
    zones = [len(each.body["properties"]["privateDnsZoneConfigs"]) for each in groups]
    assert sorted(zones) == [1, 1, 1, 1, 2], "the workspace's names are in two zones"


@pytest.mark.parametrize(
    ("who", "action", "may"),
    [
        ("submitter", "jobs/write", True),
        ("submitter", "jobs/cancel/action", True),
        ("submitter", "computes/read", True),
        ("submitter", "computes/write", False),
        ("submitter", "write", False),
        ("submitter", "delete", False),
        ("submitter", "listKeys/action", False),
        ("nodes", "read", False),
        ("nodes", "jobs/write", False),
        ("workflow", "jobs/write", False),
        ("workspace", "write", True),
        (PERSON, "jobs/delete", True),
        (PERSON, "computes/write", False),
        (PERSON, "listKeys/action", False),
    ],
)
def test_who_may_do_what_with_the_workspace(who: str, action: str, may: bool, hardened: Made) -> None:
    principal = who if who == PERSON else hardened.identity(who)
    assert holds(hardened.azure, principal, f"{WORKSPACE}/{action}", hardened.only(WORKSPACE).id) == may


def test_the_workspaces_identity_may_do_nothing_beside_what_belongs_to_it(hardened: Made) -> None:
    who = hardened.identity("workspace")
    write = "Microsoft.Storage/storageAccounts/write"
    assert holds(hardened.azure, who, write, hardened.account("ml").id)
    scopes = {
        each.id.partition("/providers/Microsoft.Authorization/")[0].rpartition("/providers/")[2].rpartition("/")[0]
        for each in hardened.azure.of_type(ROLE)
        if each.body["properties"]["principalId"] == who
    }
    assert scopes == {
        WORKSPACE, "Microsoft.Storage/storageAccounts", "Microsoft.KeyVault/vaults", "Microsoft.Insights/components",
    }  # fmt: skip
    for kind in ("data", "ops"):
        assert not holds(hardened.azure, who, write, hardened.account(kind).id)


def test_it_is_logged_watched_and_in_the_bill(hardened: Made) -> None:
    azure = hardened.azure
    settings = azure.of_type("Microsoft.Insights/diagnosticSettings")
    logged = {each.id.partition("/providers/Microsoft.Insights/")[0] for each in settings}
    ours = {hardened.only(WORKSPACE).id, hardened.only("Microsoft.KeyVault/vaults").id}
    assert ours | {f"{hardened.account('ml').id}/blobServices/default"} <= logged
    watched = [each.body["properties"]["scopes"] for each in azure.of_type("Microsoft.Insights/metricAlerts")]
    assert watched.count([hardened.only(WORKSPACE).id]) == 4
    chosen = read_settings(ROOT / "stacks/Pulumi.prod.yaml")
    bill = at_rest(chosen.model_copy(update={"engine": "machine-learning"}))
    for part, kind, dollars, more in (
        ("alert rules", "Microsoft.Insights/metricAlerts", 0.10, 1.50),
        ("private endpoints", ENDPOINT, 7.30, 0),
        ("private DNS zones", "Microsoft.Network/privateDnsZones", 0.50, 0),
    ):
        assert bill[part] == pytest.approx(len(azure.of_type(kind)) * dollars + more), part


def test_changes_keep_what_jobs_at_work_need_and_destroy_leaves_names_alone(hardened: Made) -> None:
    """The last of the tests of this deployment."""
    azure, deployment = hardened.azure, hardened.deployment
    old = hardened.only(VERSION)
    with azure.fresh_record() as events:
        deployment.settings |= {"image": "docker.io/acme/scorer-ml:2", "gpuSize": "Standard_NC24ads_A100_v4"}
        deployment.up()
    done = [(event.verb, event.type) for event in events if event.type.startswith(WORKSPACE)]
    assert done.count(("create", COMPUTE)) == done.count(("delete", COMPUTE)) == 2
    assert max(index for index, each in enumerate(done) if each[0] == "create") < done.index(("delete", COMPUTE))
    assert ("delete", VERSION) not in done, "jobs that wait name it"
    assert azure.find(old.id)
    deployment.settings |= {"image": "build", "protect": False}
    told = deployment.up().outputs["deployment"]
    assert told["environment"] != old.id, "a version is never changed, so the image came back under another one"
    assert azure.get(told["environment"]).body["properties"]["image"] == old.body["properties"]["image"]

    deployment.destroy()
    assert [each.id for each in azure] == []
    assert len(azure.kept_names) == len(KEEP_THEIR_NAME)


# The example's settings that Batch alone has use for, and what belongs to one of them.
OF_BATCH = {to_camel(name): None for name in (*engine_misfits.OF_BATCH, "nfs_gb")}


def test_the_example_is_previewed_without_asking_azure(azure: Cloud, deploy: Deploy) -> None:
    preview = deploy("example", engine="machine-learning", **OF_BATCH).preview()
    assert set(preview.changes) == {"create"}
    assert not azure.calls
    clusters = re.findall(r"machinelearningservices:Compute scoring[a-z]*?(spot|dedicated)\b", preview.log)
    assert set(clusters) == {"dedicated", "spot"}
