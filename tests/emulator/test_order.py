"""What needs something else first is refused before, and made after."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from emulator.arm import outputs
from emulator.arm.cloud import Resource
from emulator.arm.requests import Json
from tests.emulator.sample_resources import (
    CONTRIBUTE,
    LETTERS,
    PULL,
    READ,
    SampleResources,
    refused,
    role,
    subscribe,
    topic,
    workflow,
)


def test_what_stands_in_nothing(samples: SampleResources) -> None:
    with refused("InvalidResourceReference", "storageAccounts/nowhere"):
        samples.make("storage:BlobContainer", accountName="nowhere", containerName="work")
    with refused("InvalidResourceReference", "resourceGroups/nowhere"):
        samples.make("managedidentity:UserAssignedIdentity", resourceGroupName="nowhere", resourceName="nodes")


@pytest.mark.parametrize("missing", ["subnet", "identity"])
def test_what_a_pool_refers_to(missing: str, samples: SampleResources) -> None:
    inputs: dict[str, Json] = {
        "subnet": {"networkConfiguration": {"subnetId": f"{samples.network.id}/subnets/nowhere"}},
        "identity": {
            "identity": {"type": "UserAssigned", "userAssignedIdentities": [samples.identity.id.replace("nodes", "nobody")]}
        },
    }
    with refused("InvalidResourceReference", "nowhere|nobody"):
        samples.pool(**inputs[missing])


def test_nodes_pull_only_with_the_role(samples: SampleResources) -> None:
    reference = {"resourceId": samples.identity.id}
    server = {"registryServer": "images.azurecr.io", "identityReference": reference}
    machine = {"containerConfiguration": {"type": "DockerCompatible", "containerRegistries": [server]}}
    principal = outputs.principal(samples.identity)
    with refused("AccessDenied", "images.azurecr.io"):
        samples.pool(machine=machine)
    samples.assign(PULL, principal, samples.account.id)  # the right role in the wrong place
    samples.assign(READ, principal, samples.registry.id)  # the wrong role in the right place
    with refused("AccessDenied", "images.azurecr.io"):
        samples.pool(machine=machine)
    samples.assign(PULL, principal, samples.group.id)
    samples.pool(machine=machine)


def test_nodes_mount_only_with_the_role(samples: SampleResources) -> None:
    mount = {
        "azureBlobFileSystemConfiguration": {
            "accountName": "films",
            "containerName": "work",
            "relativeMountPath": "work",
            "identityReference": {"resourceId": samples.identity.id},
        }
    }
    samples.assign(READ, outputs.principal(samples.identity), samples.container.id)
    with refused("AccessDenied", "work"):
        samples.pool(mountConfiguration=[mount])
    samples.assign(CONTRIBUTE, outputs.principal(samples.identity), samples.account.id)
    samples.pool(mountConfiguration=[mount])


def test_nodes_mount_a_share_only_where_they_reach_it(samples: SampleResources) -> None:
    files = samples.make("storage:StorageAccount", accountName="parts", kind="FileStorage", sku={"name": "Premium_LRS"})

    def pool(source: str = "parts.file.core.windows.net:/parts/parts", **more: str) -> Resource:
        mount = {"nfsMountConfiguration": {"source": source, "relativeMountPath": "parts"}}
        return samples.pool(networkConfiguration={"subnetId": samples.subnet}, mountConfiguration=[mount], **more)

    with refused("MountConfigurationError", "is no share of NFS"):
        pool("parts.file.core.windows.net:/parts")
    with refused("ResourceNotFound", "shares/parts"):
        pool()
    share = samples.make("storage:FileShare", accountName="parts", shareName="parts", enabledProtocols="SMB")
    with refused("MountConfigurationError", "speaks SMB"):
        pool()
    samples.cloud.delete(share.id)
    samples.make("storage:FileShare", accountName="parts", shareName="parts", enabledProtocols="NFS")
    with refused("MountConfigurationError", "secure transfer"):
        pool()
    samples.change(files, enableHttpsTrafficOnly=False)
    with refused("MountConfigurationError", "Nothing leads"):
        pool()
    connection = {"name": "p", "privateLinkServiceId": files.id, "groupIds": ["file"]}
    samples.make(
        "network:PrivateEndpoint", privateEndpointName="parts", subnet={"id": samples.subnet},
        privateLinkServiceConnections=[connection],
    )  # fmt: skip
    pool()
    guard = samples.make("network:NetworkSecurityGroup", networkSecurityGroupName="guard", securityRules=[])
    samples.change(
        samples.network, subnets=[{"name": "nodes", "addressPrefix": "10.0.0.0/24", "networkSecurityGroup": {"id": guard.id}}]
    )
    with refused("MountConfigurationError", "port 2049"):
        pool(poolName="other")


@pytest.mark.parametrize(
    "closed",
    [
        {"publicNetworkAccess": "Disabled"},
        {"networkProfile": {"nodeManagementAccess": {"defaultAction": "Deny", "ipRules": []}}},
    ],
    ids=["disabled", "nobody is named"],
)
def test_a_private_batch_account_needs_a_way_for_its_nodes(closed: Json, samples: SampleResources) -> None:
    samples.change(samples.batch, **closed)
    with refused("NodesCannotReachBatch"):
        samples.pool()
    connection = {"name": "b", "privateLinkServiceId": samples.batch.id, "groupIds": ["nodeManagement"]}
    samples.make(
        "network:PrivateEndpoint",
        privateEndpointName="end",
        subnet={"id": samples.subnet},
        privateLinkServiceConnections=[connection],
    )
    samples.pool()


def test_roles_go_to_who_exists_and_are_what_exists(samples: SampleResources) -> None:
    with refused("PrincipalNotFound"):
        samples.assign(READ, outputs.guid("nobody"), samples.account.id)
    with refused("RoleDefinitionDoesNotExist"):
        samples.assign(outputs.guid("no role"), outputs.principal(samples.identity), samples.account.id)


def test_events_go_only_to_the_address_of_a_workflow(samples: SampleResources) -> None:
    topic(samples)
    flow = workflow(samples)
    for wrong in ("https://example.org/?sig=1", outputs.callback_url(flow.id + "2")):
        with refused("Url validation"):
            subscribe(samples, wrong)
    subscribe(samples, outputs.callback_url(flow.id))


def test_dead_letters_need_the_topics_role(samples: SampleResources) -> None:
    source = topic(samples)
    url = outputs.callback_url(workflow(samples).id)
    where = {"endpointType": "StorageBlob", "resourceId": samples.account.id, "blobContainerName": "work"}
    letters = {"identity": LETTERS, "deadLetterDestination": where}
    with refused("Managed Identity Authorization Error", "work"):
        subscribe(samples, url, deadLetterWithResourceIdentity=letters)
    samples.given(CONTRIBUTE, outputs.principal(source), samples.container.id)
    subscribe(samples, url, deadLetterWithResourceIdentity=letters)


@pytest.mark.parametrize("missing", ["groups", "subnet", "identity"])
def test_events_come_only_when_the_workflow_may_act(missing: str, samples: SampleResources) -> None:
    topic(samples)
    submitter = samples.make("managedidentity:UserAssignedIdentity", resourceName="submitter")
    principal = outputs.principal(samples.identity)
    flow = workflow(samples)
    flow = samples.change(
        flow,
        identity={"type": "UserAssigned", "userAssignedIdentities": [samples.identity.id]},
        parameters={"containerGroup": {"value": {"subnetIds": [{"id": samples.subnet}], "identity": {submitter.id: {}}}}},
    )
    grants: dict[str, Callable[[], Resource]] = {
        "groups": lambda: samples.assign(
            role(samples, ["Microsoft.ContainerInstance/containerGroups/write"], 1).id, principal, samples.group.id
        ),
        "subnet": lambda: samples.assign(
            role(samples, ["Microsoft.Network/virtualNetworks/subnets/join/action"], 2).id, principal, samples.subnet
        ),
        "identity": lambda: samples.assign("f1a07417-d97a-45cb-824c-7a7467783830", principal, submitter.id),
    }
    for name, grant in grants.items():
        if name != missing:
            grant()
    with refused("AuthorizationFailed"):
        subscribe(samples, outputs.callback_url(flow.id))
    grants[missing]()
    subscribe(samples, outputs.callback_url(flow.id))


def test_flows_are_logged_only_by_an_identity_with_the_role(samples: SampleResources) -> None:
    account = samples.change(samples.account, allowSharedKeyAccess=False)
    container = samples.make("storage:BlobContainer", accountName="films", containerName="insights-logs-flowlogflowevent")
    own = {"type": "UserAssigned", "userAssignedIdentities": [samples.identity.id]}

    def log(**more: Json) -> Resource:
        return samples.cloud.create(
            "azure-native:network:FlowLog",
            {
                "resourceGroupName": "NetworkWatcherRG", "networkWatcherName": "NetworkWatcher_westeurope",
                "flowLogName": "flows", "location": "westeurope", "targetResourceId": samples.network.id, "storageId": account.id,
                **more,
            },
        )  # fmt: skip

    with refused("FlowLogStorageAccessDenied"):
        log()
    with refused("FlowLogStorageAccessDenied"):
        log(identity=own)
    samples.assign(CONTRIBUTE, outputs.principal(samples.identity), container.id)
    log(identity=own)
