"""The real engine with small programs, against the emulator: it makes, keeps, replaces, refuses and forgets as Azure does."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from emulator.arm.cloud import Cloud
from emulator.pulumi.engine import Deployment, EngineError
from tests.azure_fixtures import Deploy

ACCOUNT = "Microsoft.Storage/storageAccounts"
CONTAINER = "Microsoft.Storage/storageAccounts/blobServices/containers"
GROUP = "Microsoft.Resources/resourceGroups"
IDENTITY = "Microsoft.ManagedIdentity/userAssignedIdentities"
POOL = "Microsoft.Batch/batchAccounts/pools"
ASSIGNMENT = "Microsoft.Authorization/roleAssignments"

STORAGE = """
    import pulumi
    from pulumi_azure_native import authorization, managedidentity, resources, storage

    group = resources.ResourceGroup("trial", location="westeurope")
    account = storage.StorageAccount(
        "films", resource_group_name=group.name, kind="StorageV2", sku={"name": "Standard_LRS"},
        allow_blob_public_access=False, location=LOCATION, tags={"owner": pulumi.Output.secret("hunter2-the-owner")},
    )
    container = storage.BlobContainer(
        "input", resource_group_name=group.name, account_name=account.name, container_name="input"
    )
    identity = managedidentity.UserAssignedIdentity("nodes", resource_group_name=group.name)
    authorization.RoleAssignment(
        "reads", role_assignment_name="0b8f6b0e-5f7e-4f6d-9b7a-0e5c1d3a2b4c", scope=container.id,
        principal_id=identity.principal_id, principal_type="ServicePrincipal",
        role_definition_id="/subscriptions/00000000-0000-0000-0000-000000000001/providers/Microsoft.Authorization"
        "/roleDefinitions/2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
    )
    pulumi.export("account", account.name)
    pulumi.export("blob", account.primary_endpoints.blob)
"""

BATCH = """
    import pulumi
    from pulumi_azure_native import batch, resources

    group = resources.ResourceGroup("trial", location="westeurope")
    account = batch.BatchAccount("trial", resource_group_name=group.name)
    batch.Pool(
        "gpu", resource_group_name=group.name, account_name=account.name, vm_size=SIZE,
        deployment_configuration={"virtual_machine_configuration": {
            "image_reference": {"publisher": "microsoft-dsvm", "offer": "ubuntu-hpc", "sku": "2404", "version": "latest"},
            "node_agent_sku_id": "batch.node.ubuntu 24.04",
        }},
        scale_settings={"fixed_scale": {"target_dedicated_nodes": NODES}},
        opts=pulumi.ResourceOptions(replace_on_changes=REPLACE),
    )
"""


class Trial:
    """A program that a test writes, and writes anew."""

    def __init__(self, folder: Path, deploy: Deploy) -> None:
        self._folder, self._deploy = folder / "program", deploy
        self._deployment: Deployment | None = None

    def __call__(self, source: str, **values: object) -> Deployment:
        self._folder.mkdir(exist_ok=True)
        source = textwrap.dedent(source)
        for name, value in values.items():
            source = source.replace(name, repr(value))
        (self._folder / "Pulumi.yaml").write_text("name: trial\nruntime: python\n")
        (self._folder / "__main__.py").write_text(source)
        if self._deployment is None:
            self._deployment = self._deploy("trial", program=self._folder / "__main__.py")
        return self._deployment


@pytest.fixture
def trial(tmp_path: Path, deploy: Deploy) -> Trial:
    return Trial(tmp_path, deploy)


def test_resources_come_in_order_stay_and_go(azure: Cloud, trial: Trial) -> None:
    deployment = trial(STORAGE, LOCATION="westeurope")
    assert deployment.preview().changes == {"create": 6}  # the stack is one
    assert len(azure) == 0

    made = deployment.up()
    created = azure.done("create")
    assert sorted(created) == sorted([GROUP, ACCOUNT, CONTAINER, IDENTITY, ASSIGNMENT])
    assert created[0] == GROUP
    assert created[-1] == ASSIGNMENT
    assert created.index(ACCOUNT) < created.index(CONTAINER)
    name = made.outputs["account"]
    assert name.startswith("films")
    assert len(name) == len("films") + 8
    assert made.outputs["blob"] == f"https://{name}.blob.core.windows.net/"

    assert deployment.preview().changes == {"same": 6}
    with azure.fresh_record() as events:
        assert deployment.up().changes == {"same": 6}
        assert deployment.refresh().changes == {"same": 6}
    assert not events

    deployment.destroy()
    assert len(azure) == 0


def test_secrets_of_inputs_reach_azure_but_not_the_state(azure: Cloud, trial: Trial) -> None:
    deployment = trial(STORAGE, LOCATION="westeurope")
    deployment.up()
    (account,) = azure.of_type(ACCOUNT)
    assert account.body["tags"] == {"owner": "hunter2-the-owner"}
    assert "hunter2" not in deployment.state() + deployment.log


def test_another_location_replaces_the_account_and_what_is_in_it(azure: Cloud, trial: Trial) -> None:
    trial(STORAGE, LOCATION="westeurope").up()
    (old,) = azure.of_type(ACCOUNT)
    with azure.fresh_record() as events:
        outcome = trial(STORAGE, LOCATION="northeurope").up()
    assert outcome.changes["replace"] == 3
    assert {event.type for event in events} == {ACCOUNT, CONTAINER, ASSIGNMENT}
    (new,) = azure.of_type(ACCOUNT)
    assert new.id != old.id
    assert new.body["location"] == "northeurope"
    verbs = [event.verb for event in events if event.type == ACCOUNT]
    assert verbs == ["create", "delete"]


def test_a_missing_location_is_the_groups(azure: Cloud, trial: Trial) -> None:
    deployment = trial(STORAGE, LOCATION=None)
    deployment.up()
    (account,) = azure.of_type(ACCOUNT)
    assert account.body["location"] == "westeurope"
    assert set(deployment.up().changes) == {"same"}


def test_what_azure_refuses_to_change_is_refused(azure: Cloud, trial: Trial) -> None:
    trial(BATCH, SIZE="Standard_NC4as_T4_v3", NODES=0, REPLACE=[]).up()
    with pytest.raises(EngineError, match=r"PropertyCannotBeUpdated[\s\S]*vmSize"):
        trial(BATCH, SIZE="Standard_NC24ads_A100_v4", NODES=0, REPLACE=[]).up()
    (pool,) = azure.of_type(POOL)
    assert pool.body["properties"]["vmSize"] == "Standard_NC4as_T4_v3"

    trial(BATCH, SIZE="Standard_NC24ads_A100_v4", NODES=0, REPLACE=["vmSize"]).up()
    (new,) = azure.of_type(POOL)
    assert new.id != pool.id


def test_what_can_be_changed_is_changed_in_place(azure: Cloud, trial: Trial) -> None:
    trial(BATCH, SIZE="Standard_NC4as_T4_v3", NODES=0, REPLACE=["vmSize"]).up()
    with azure.fresh_record() as events:
        trial(BATCH, SIZE="Standard_NC4as_T4_v3", NODES=3, REPLACE=["vmSize"]).up()
    assert [(event.verb, event.type) for event in events] == [("update", POOL)]
    nodes = events[0].body["properties"]["scaleSettings"]["fixedScale"]["targetDedicatedNodes"]
    assert nodes == 3
    assert isinstance(nodes, int)  # on the provider's wire it is a float


def test_a_body_that_arm_does_not_know_names_resource_and_property(trial: Trial) -> None:
    source = STORAGE.replace('kind="StorageV2"', 'kind="StorageV9"')
    with pytest.raises(EngineError) as refused:
        trial(source, LOCATION="westeurope").up()
    said = str(refused.value)
    assert "StorageV9" in said
    assert "kind" in said
    assert ACCOUNT in said
    assert "films" in said


def remove_account(azure: Cloud) -> None:
    azure.delete(azure.of_type(ACCOUNT)[0].id)


def open_account(azure: Cloud) -> None:
    azure.of_type(ACCOUNT)[0].inputs["allowBlobPublicAccess"] = True


@pytest.mark.parametrize(
    ("by_hand", "found", "fixed"), [(open_account, "update", "update"), (remove_account, "delete", "create")]
)
def test_what_was_changed_by_hand_is_found_and_mended(
    by_hand: Callable[[Cloud], None], found: str, fixed: str, azure: Cloud, trial: Trial
) -> None:
    deployment = trial(STORAGE, LOCATION="westeurope")
    deployment.up()
    by_hand(azure)
    assert deployment.refresh().changes[found] >= 1
    with azure.fresh_record() as events:
        deployment.up()
    assert fixed in {event.verb for event in events if event.type == ACCOUNT}
    assert set(deployment.up().changes) == {"same"}
    assert azure.of_type(ACCOUNT)[0].body["properties"]["allowBlobPublicAccess"] is False


def test_a_creation_that_failed_is_made_by_the_next_update(azure: Cloud, trial: Trial) -> None:
    deployment = trial(STORAGE, LOCATION="westeurope")
    azure.fail(CONTAINER, "OperationInProgress", "Try again later.", times=1)
    with pytest.raises(EngineError, match=r"OperationInProgress[\s\S]*Try again later"):
        deployment.up()
    assert azure.of_type(ACCOUNT)
    assert not azure.of_type(CONTAINER)
    with azure.fresh_record() as events:
        deployment.up()
    assert [event.type for event in events] == [CONTAINER, ASSIGNMENT]
    deployment.destroy()
    assert len(azure) == 0
