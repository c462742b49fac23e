"""Azure's own policies, as far as they are about what a stack makes: what each refuses, and which environments it would refuse.

What they refuse is told after their definitions in https://github.com/Azure/azure-policy, in the folder built-in-policies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from emulator.arm.requests import at

Json = dict[str, Any]
Bodies = Sequence[Json]

BATCH = "Microsoft.Batch/batchAccounts"
POOL = "Microsoft.Batch/batchAccounts/pools"
ACCOUNT = "Microsoft.Storage/storageAccounts"
REGISTRY = "Microsoft.ContainerRegistry/registries"
VNET = "Microsoft.Network/virtualNetworks"
WORKSPACE = "Microsoft.MachineLearningServices/workspaces"
CLUSTER = f"{WORKSPACE}/computes"
VAULT = "Microsoft.KeyVault/vaults"
GROUP = "Microsoft.ContainerInstance/containerGroups"
WORKFLOW = "Microsoft.Logic/workflows"


@dataclass(frozen=True)
class BuiltIn:
    """One policy: its id, the type that it is about, which bodies it refuses, and which environments break it on purpose."""

    id: str
    demands: str
    type: str
    refuses: Callable[[Json], bool]
    fails: frozenset[str] = frozenset()
    reason: str = ""


def _all(path: str, wanted: object) -> Callable[[Json], bool]:
    return lambda body: at(body, f"properties.{path}") != wanted


def _other_sign_ins(body: Json) -> bool:
    return at(body, "properties.allowedAuthenticationModes") != ["AAD"]


def _unencrypted_inside(body: Json) -> bool:
    machine = "properties.deploymentConfiguration.virtualMachineConfiguration"
    return "TemporaryDisk" not in (at(body, f"{machine}.diskEncryptionConfiguration.targets") or [])  # type: ignore[operator]  # a list


def _default_way_out(body: Json) -> bool:
    return any(subnet["properties"].get("defaultOutboundAccess") is not False for subnet in body["properties"]["subnets"])


ENVIRONMENTS = frozenset({"dev", "example", "prod"})
POLICIES = [
    BuiltIn("6f68b69f-05fe-49cd-b361-777ee9ca7e35", "Batch takes Entra ID alone.", BATCH, _other_sign_ins),
    BuiltIn(
        "74c5a0ae-5e48-4738-b093-65e23a060488", "Batch has no public access.", BATCH, _all("publicNetworkAccess", "Disabled"),
        frozenset({"example"}), "Without private endpoints the submitter and people come by named public addresses.",
    ),
    BuiltIn(
        "1760f9d4-7206-436e-a28f-d9f3a5c8a227", "Nodes are encrypted inside.", POOL, _unencrypted_inside,
        frozenset({"example", "prod"}),
        "Batch encrypts few Linux images inside; encryption at the host, which is of all disks, the policy misses.",
    ),
    BuiltIn(
        "8af8f826-edcb-4178-b35f-851ea6fea615", "Container groups are in a VNet.", GROUP,
        lambda body: at(body, "properties.networkProfile.id") is None,
        ENVIRONMENTS, "The policy looks for network profiles, which Azure retired; the groups name their subnet instead.",
    ),
    BuiltIn(
        "8c6a50c6-9ffd-4ae7-986f-5fa6111f9a54", "Accounts take no key.", ACCOUNT, _all("allowSharedKeyAccess", False),
    ),
    BuiltIn(
        "34c877ad-507e-4c82-993e-3452a6e0ad3c", "Accounts name who may come in.", ACCOUNT,
        _all("networkAcls.defaultAction", "Deny"),
    ),
    BuiltIn(
        "dc921057-6b28-4fbe-9b83-f7bec05db6c2", "The registry has no admin user.", REGISTRY,
        lambda body: bool(at(body, "properties.adminUserEnabled")),
    ),
    BuiltIn(
        "438c38d2-3772-465a-a9cc-7a6666a275ce", "Workspaces have no public access.", WORKSPACE,
        _all("publicNetworkAccess", "Disabled"),
        frozenset({"dev"}), "Without private endpoints for all people open Studio from the internet, by Entra ID.",
    ),
    BuiltIn(
        "5f0c7d88-c7de-45b8-ac49-db49e72eaa78", "Workspaces act as an identity of ours.", WORKSPACE,
        lambda body: at(body, "identity.type") != "UserAssigned",
    ),
    BuiltIn("e96a9a5f-07ca-471b-9bc5-6a0f33cbd68f", "Clusters take Entra ID alone.", CLUSTER, _all("disableLocalAuth", True)),
    BuiltIn(
        "7804b5c7-01dc-4723-969b-ae300cc07ff1", "Clusters are in a VNet.", CLUSTER,
        lambda body: not at(body, "properties.properties.subnet.id"),
    ),
    BuiltIn("12d4fa5e-1f9f-4c21-97a9-b99b3c6611b5", "Vaults are opened by roles.", VAULT, _all("enableRbacAuthorization", True)),
    BuiltIn(
        "0b60c0b2-2dc2-4e1c-b5c9-abbed971de53", "Vaults can't be purged.", VAULT, _all("enablePurgeProtection", True)
    ),
    BuiltIn(
        "405c5871-3e91-4644-8a63-58e19d68ff5b", "Vaults have no public access.", VAULT, _all("publicNetworkAccess", "Disabled")
    ),
    BuiltIn("7bca8353-aa3b-429b-904a-9229c4385837", "Subnets are private.", VNET, _default_way_out),
]  # fmt: skip


def refused(policy: BuiltIn, bodies: Bodies) -> Iterator[str]:
    """Names of what the policy refuses among the bodies, and among the container groups that workflows put."""
    groups = [
        {**body["properties"]["parameters"]["containerGroup"]["value"], "type": GROUP, "name": f"{body['name']}'s"}
        for body in bodies
        if body["type"] == WORKFLOW
    ]
    for body in (*bodies, *groups):
        if body["type"] == policy.type and policy.refuses(body):
            yield body["name"]
