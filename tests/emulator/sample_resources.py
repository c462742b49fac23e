"""Resources that tests of the emulator begin with: a group with accounts, a network, an identity and a registry."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from emulator.arm.cloud import Cloud, Resource
from emulator.arm.requests import SUBSCRIPTION, ArmError, Json

PULL = "7f951dda-4ed3-4680-a7ca-43fe172d538d"
CONTRIBUTE = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
READ = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"
ROLES = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions"
NAME = "0b8f6b0e-5f7e-4f6d-9b7a-0e5c1d3a2b{:02x}"
MACHINE: Json = {
    "imageReference": {"publisher": "microsoft-dsvm", "offer": "ubuntu-hpc", "sku": "2404", "version": "latest"},
    "nodeAgentSkuId": "batch.node.ubuntu 24.04",
}
LETTERS = {"type": "SystemAssigned"}


class SampleResources:
    """A group with accounts, a network, an identity and a registry, to try things on."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.assignments = 0
        self.group = cloud.create("azure-native:resources:ResourceGroup", {"resourceGroupName": "g", "location": "westeurope"})
        self.account = self.make("storage:StorageAccount", accountName="films", kind="StorageV2", sku={"name": "Standard_LRS"})
        self.container = self.make("storage:BlobContainer", accountName="films", containerName="work")
        self.network = self.make(
            "network:VirtualNetwork",
            virtualNetworkName="net",
            addressSpace={"addressPrefixes": ["10.0.0.0/16"]},
            subnets=[{"name": "nodes", "addressPrefix": "10.0.0.0/24"}],
        )
        self.subnet = f"{self.network.id}/subnets/nodes"
        self.identity = self.make("managedidentity:UserAssignedIdentity", resourceName="nodes")
        self.registry = self.make("containerregistry:Registry", registryName="images", sku={"name": "Basic"})
        self.batch = self.make("batch:BatchAccount", accountName="batch")

    def make(self, token: str, **inputs: Any) -> Resource:
        placed = {"resourceGroupName": "g", **inputs}
        if not token.endswith(("Container", "FileShare", "Pool", "Subscription", "TaskRun")):
            placed.setdefault("location", "westeurope")
        return self.cloud.create(f"azure-native:{token}", placed)

    def assign(self, role: str, principal: str, scope: str, **more: str) -> Resource:
        self.cloud.settle()
        self.assignments += 1
        role_id = (
            role
            if role.startswith("/")
            else f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{role}"
        )
        return self.cloud.create(
            "azure-native:authorization:RoleAssignment",
            {
                "scope": scope,
                "roleAssignmentName": NAME.format(self.assignments),
                "principalId": principal,
                "principalType": "ServicePrincipal",
                "roleDefinitionId": role_id,
                **more,
            },
        )

    def given(self, role: str, principal: str, scope: str, **more: str) -> Resource:
        """Like `assign`, and waited until it counts."""
        made = self.assign(role, principal, scope, **more)
        self.cloud.settle()
        return made

    def pool(self, **more: Any) -> Resource:
        machine = {**MACHINE, **more.pop("machine", {})}
        return self.make(
            "batch:Pool",
            accountName="batch",
            poolName=more.pop("poolName", "gpu"),
            vmSize="Standard_NC4as_T4_v3",
            deploymentConfiguration={"virtualMachineConfiguration": machine},
            **more,
        )

    def change(self, resource: Resource, **inputs: Any) -> Resource:
        """Change some inputs in place."""
        return self.cloud.update(resource.id, resource.kind.token, {**copy.deepcopy(resource.inputs), **inputs})


def refused(code: str, words: str | None = None) -> pytest.RaisesExc[ArmError]:
    return pytest.raises(ArmError, match=words, check=lambda error: error.code == code)


def topic(samples: SampleResources) -> Resource:
    return samples.make(
        "eventgrid:SystemTopic",
        systemTopicName="topic",
        source=samples.account.id,
        topicType="Microsoft.Storage.StorageAccounts",
        identity=LETTERS,
    )


def workflow(samples: SampleResources) -> Resource:
    schema = "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#"
    definition = {"$schema": schema, "contentVersion": "1.0.0.0", "triggers": {"request": {"type": "Request"}}, "actions": {}}
    return samples.make("logic:Workflow", workflowName="flow", definition=definition)


def subscribe(samples: SampleResources, url: str, **more: Any) -> Resource:
    destination = {"endpointType": "WebHook", "endpointUrl": url}
    return samples.make(
        "eventgrid:SystemTopicEventSubscription",
        systemTopicName="topic",
        eventSubscriptionName="requests",
        destination=destination,
        **more,
    )


def role(samples: SampleResources, actions: list[str], number: int) -> Resource:
    return samples.cloud.create(
        "azure-native:authorization:RoleDefinition",
        {
            "scope": samples.group.id,
            "roleDefinitionId": NAME.format(200 + number),
            "roleName": f"role {number}",
            "roleType": "CustomRole",
            "assignableScopes": [samples.group.id],
            "permissions": [{"actions": actions}],
        },
    )
