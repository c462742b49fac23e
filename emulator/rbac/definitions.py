"""Azure's built-in roles that are used here, as Azure defines them; left out is what is of resources that there are none of here.

Sources: https://learn.microsoft.com/azure/role-based-access-control/built-in-roles and the pages of its categories,
https://learn.microsoft.com/azure/batch/batch-role-based-access-control
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emulator.arm.cloud import Cloud

CONTAINERS = "Microsoft.Storage/storageAccounts/blobServices/containers"
BLOBS = f"{CONTAINERS}/blobs"
READ, WRITE, DELETE = f"{BLOBS}/read", f"{BLOBS}/write", f"{BLOBS}/delete"
ADD, MOVE = f"{BLOBS}/add/action", f"{BLOBS}/move/action"
READ_TAGS, WRITE_TAGS = f"{BLOBS}/tags/read", f"{BLOBS}/tags/write"
DELEGATE = "Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action"
PULL = "Microsoft.ContainerRegistry/registries/pull/read"
ASSIGN_IDENTITY = "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action"
SEND_TELEMETRY = "Microsoft.Insights/Telemetry/Write"
BATCH = "Microsoft.Batch/batchAccounts"
WORKSPACE = "Microsoft.MachineLearningServices/workspaces"
VAULT = "Microsoft.KeyVault/vaults"

# Actions on data; all others are Azure Resource Manager's. Neither kind is granted by a permission for the other.
# https://learn.microsoft.com/azure/role-based-access-control/role-definitions#control-and-data-actions
_OF_DATA = re.compile(
    f"{re.escape(BLOBS)}/.*|{BATCH}/(jobs|jobSchedules)/.*|Microsoft.Insights/(Metrics|Telemetry)/Write|{VAULT}/(keys|secrets|certificates)/.*",
    re.I,
)


@dataclass(frozen=True)
class Role:
    """What a role allows: patterns, in which * stands for anything."""

    name: str
    actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    """What `actions` leaves out."""

    def allows(self, action: str) -> bool:
        permissions = self.data_actions if _OF_DATA.fullmatch(action) else self.actions
        excepted = () if permissions is self.data_actions else self.not_actions
        return _any(permissions, action) and not _any(excepted, action)


def _any(permissions: tuple[str, ...], action: str) -> bool:
    return any(_pattern(each).fullmatch(action) for each in permissions)


@cache
def _pattern(permission: str) -> re.Pattern[str]:
    """Between two slashes, * may stand for nothing, too: */assign/action is how Managed Identity Operator has assign/action."""
    return re.compile(re.escape(permission).replace(r"/\*/", "/(.*/)?").replace(r"\*", ".*"), re.I)


_JOBS = (f"{BATCH}/jobSchedules/*", f"{BATCH}/jobs/*")
BUILT_IN = {
    "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1": Role("Storage Blob Data Reader", (f"{CONTAINERS}/read", DELEGATE), (READ,)),
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": Role(
        "Storage Blob Data Contributor",
        (f"{CONTAINERS}/delete", f"{CONTAINERS}/read", f"{CONTAINERS}/write", DELEGATE),
        (DELETE, READ, WRITE, MOVE, ADD),
    ),
    "db58b8e5-c6ad-4a2a-8342-4190687cbf4a": Role("Storage Blob Delegator", (DELEGATE,)),
    "7f951dda-4ed3-4680-a7ca-43fe172d538d": Role("AcrPull", (PULL,)),
    "48e5e92e-a480-4e71-aa9c-2778f4c13781": Role(
        "Azure Batch Job Submitter",
        (f"{BATCH}/applications/read", f"{BATCH}/applications/versions/read", f"{BATCH}/pools/read"),
        _JOBS,
    ),
    "6aaa78f1-f7de-44ca-8722-c64a23943cae": Role(
        "Azure Batch Data Contributor",
        (f"{BATCH}/read", f"{BATCH}/applications/*", f"{BATCH}/pools/*", f"{BATCH}/poolOperationResults/*"),
        _JOBS,
    ),
    "f1a07417-d97a-45cb-824c-7a7467783830": Role(
        "Managed Identity Operator",
        tuple(f"Microsoft.ManagedIdentity/userAssignedIdentities/*/{each}" for each in ("read", "assign/action")),
    ),
    "3913510d-42f4-4e42-8a64-420c390055eb": Role(
        "Monitoring Metrics Publisher", (), ("Microsoft.Insights/Metrics/Write", SEND_TELEMETRY)
    ),
    "4d97b98b-1d4f-4787-a291-c67834d212e7": Role("Network Contributor", ("Microsoft.Network/*",)),
    "b24988ac-6180-42a0-ab88-20f7382dd24c": Role(
        "Contributor",
        ("*",),
        not_actions=(
            "Microsoft.Authorization/*/Delete",
            "Microsoft.Authorization/*/Write",
            "Microsoft.Authorization/elevateAccess/Action",
        ),
    ),
    "00482a5a-887f-4fb3-b363-3b7fe8e74483": Role(
        "Key Vault Administrator", ("Microsoft.KeyVault/locations/*/read", "Microsoft.KeyVault/vaults/*/read"), (f"{VAULT}/*",)
    ),
    "f6c7c914-8db3-469d-8ca1-694a8f32e121": Role(
        "AzureML Data Scientist",
        tuple(f"{WORKSPACE}/*/{each}" for each in ("read", "action", "delete", "write")),
        not_actions=(
            *(f"{WORKSPACE}/{each}" for each in ("delete", "write", "listKeys/action")),
            *(f"{WORKSPACE}/computes/{each}" for each in ("*/write", "*/delete", "listKeys/action")),
        ),
    ),
}  # fmt: skip
"""By their GUIDs."""


def find_role(cloud: Cloud, role: str) -> Role | None:
    """The role of that resource id: a built-in one, or one that the deployment itself defines."""
    if found := BUILT_IN.get(role.rpartition("/")[2].lower()):
        return found
    own = cloud.find(role)
    if own is None:
        return None
    permissions = own.body["properties"]["permissions"]
    actions, data_actions = (
        tuple(each for permission in permissions for each in permission.get(kind) or ()) for kind in ("actions", "dataActions")
    )
    return Role(own.request.name, actions, data_actions)
