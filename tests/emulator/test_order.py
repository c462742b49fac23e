"""What needs something else first is refused before, and made after."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from emulator.arm import outputs
from emulator.arm.cloud import Resource
from emulator.arm.requests import Json
from tests.emulator.sample_resources import CONTRIBUTE, LETTERS, PULL, READ, Ground, refused, role, subscribe, topic, workflow


def test_what_stands_in_nothing(ground: Ground) -> None:
    with refused("InvalidResourceReference", "storageAccounts/nowhere"):
        ground.make("storage:BlobContainer", accountName="nowhere", containerName="work")
    with refused("InvalidResourceReference", "resourceGroups/nowhere"):
        ground.make("managedidentity:UserAssignedIdentity", resourceGroupName="nowhere", resourceName="nodes")


@pytest.mark.parametrize("missing", ["subnet", "identity"])
def test_what_a_pool_refers_to(missing: str, ground: Ground) -> None:
    inputs: dict[str, Json] = {
        "subnet": {"networkConfiguration": {"subnetId": f"{ground.network.id}/subnets/nowhere"}},
        "identity": {
            "identity": {"type": "UserAssigned", "userAssignedIdentities": [ground.identity.id.replace("nodes", "nobody")]}
        },
    }
    with refused("InvalidResourceReference", "nowhere|nobody"):
        ground.pool(**inputs[missing])


def test_nodes_pull_only_with_the_role(ground: Ground) -> None:
    reference = {"resourceId": ground.identity.id}
    server = {"registryServer": "images.azurecr.io", "identityReference": reference}
    machine = {"containerConfiguration": {"type": "DockerCompatible", "containerRegistries": [server]}}
    principal = outputs.principal(ground.identity)
    with refused("AccessDenied", "images.azurecr.io"):
        ground.pool(machine=machine)
    ground.assign(PULL, principal, ground.account.id)  # the right role in the wrong place
    ground.assign(READ, principal, ground.registry.id)  # the wrong role in the right place
    with refused("AccessDenied", "images.azurecr.io"):
        ground.pool(machine=machine)
    ground.assign(PULL, principal, ground.group.id)
    ground.pool(machine=machine)


def test_nodes_mount_only_with_the_role(ground: Ground) -> None:
    mount = {
        "azureBlobFileSystemConfiguration": {
            "accountName": "films",
            "containerName": "work",
            "relativeMountPath": "work",
            "identityReference": {"resourceId": ground.identity.id},
        }
    }
    ground.assign(READ, outputs.principal(ground.identity), ground.container.id)
    with refused("AccessDenied", "work"):
        ground.pool(mountConfiguration=[mount])
    ground.assign(CONTRIBUTE, outputs.principal(ground.identity), ground.account.id)
    ground.pool(mountConfiguration=[mount])


@pytest.mark.parametrize(
    "closed",
    [
        {"publicNetworkAccess": "Disabled"},
        {"networkProfile": {"nodeManagementAccess": {"defaultAction": "Deny", "ipRules": []}}},
    ],
    ids=["disabled", "nobody is named"],
)
def test_a_private_batch_account_needs_a_way_for_its_nodes(closed: Json, ground: Ground) -> None:
    ground.change(ground.batch, **closed)
    with refused("NodesCannotReachBatch"):
        ground.pool()
    connection = {"name": "b", "privateLinkServiceId": ground.batch.id, "groupIds": ["nodeManagement"]}
    ground.make(
        "network:PrivateEndpoint",
        privateEndpointName="end",
        subnet={"id": ground.subnet},
        privateLinkServiceConnections=[connection],
    )
    ground.pool()


def test_roles_go_to_who_exists_and_are_what_exists(ground: Ground) -> None:
    with refused("PrincipalNotFound"):
        ground.assign(READ, outputs.guid("nobody"), ground.account.id)
    with refused("RoleDefinitionDoesNotExist"):
        ground.assign(outputs.guid("no role"), outputs.principal(ground.identity), ground.account.id)


def test_events_go_only_to_the_address_of_a_workflow(ground: Ground) -> None:
    topic(ground)
    flow = workflow(ground)
    for wrong in ("https://example.org/?sig=1", outputs.callback_url(flow.id + "2")):
        with refused("Url validation"):
            subscribe(ground, wrong)
    subscribe(ground, outputs.callback_url(flow.id))


def test_dead_letters_need_the_topics_role(ground: Ground) -> None:
    source = topic(ground)
    url = outputs.callback_url(workflow(ground).id)
    where = {"endpointType": "StorageBlob", "resourceId": ground.account.id, "blobContainerName": "work"}
    letters = {"identity": LETTERS, "deadLetterDestination": where}
    with refused("Managed Identity Authorization Error", "work"):
        subscribe(ground, url, deadLetterWithResourceIdentity=letters)
    ground.given(CONTRIBUTE, outputs.principal(source), ground.container.id)
    subscribe(ground, url, deadLetterWithResourceIdentity=letters)


@pytest.mark.parametrize("missing", ["groups", "subnet", "identity"])
def test_events_come_only_when_the_workflow_may_act(missing: str, ground: Ground) -> None:
    topic(ground)
    submitter = ground.make("managedidentity:UserAssignedIdentity", resourceName="submitter")
    principal = outputs.principal(ground.identity)
    flow = workflow(ground)
    flow = ground.change(
        flow,
        identity={"type": "UserAssigned", "userAssignedIdentities": [ground.identity.id]},
        parameters={"containerGroup": {"value": {"subnetIds": [{"id": ground.subnet}], "identity": {submitter.id: {}}}}},
    )
    grants: dict[str, Callable[[], Resource]] = {
        "groups": lambda: ground.assign(
            role(ground, ["Microsoft.ContainerInstance/containerGroups/write"], 1).id, principal, ground.group.id
        ),
        "subnet": lambda: ground.assign(
            role(ground, ["Microsoft.Network/virtualNetworks/subnets/join/action"], 2).id, principal, ground.subnet
        ),
        "identity": lambda: ground.assign("f1a07417-d97a-45cb-824c-7a7467783830", principal, submitter.id),
    }
    for name, grant in grants.items():
        if name != missing:
            grant()
    with refused("AuthorizationFailed"):
        subscribe(ground, outputs.callback_url(flow.id))
    grants[missing]()
    subscribe(ground, outputs.callback_url(flow.id))


def test_flows_are_logged_only_by_an_identity_with_the_role(ground: Ground) -> None:
    account = ground.change(ground.account, allowSharedKeyAccess=False)
    container = ground.make("storage:BlobContainer", accountName="films", containerName="insights-logs-flowlogflowevent")
    own = {"type": "UserAssigned", "userAssignedIdentities": [ground.identity.id]}

    def log(**more: Json) -> Resource:
        return ground.cloud.create(
            "azure-native:network:FlowLog",
            {
                "resourceGroupName": "NetworkWatcherRG", "networkWatcherName": "NetworkWatcher_westeurope",
                "flowLogName": "flows", "location": "westeurope", "targetResourceId": ground.network.id, "storageId": account.id,
                **more,
            },
        )  # fmt: skip

    with refused("FlowLogStorageAccessDenied"):
        log()
    with refused("FlowLogStorageAccessDenied"):
        log(identity=own)
    ground.assign(CONTRIBUTE, outputs.principal(ground.identity), container.id)
    log(identity=own)
