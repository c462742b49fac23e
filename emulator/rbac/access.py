"""Who may do what: the role assignments that stand in the cloud, by what roles allow and conditions let.

Source: https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
"""

from __future__ import annotations

from emulator.arm.cloud import Cloud
from emulator.arm.requests import Json
from emulator.rbac.conditions import ADD, DELETE, MOVE, READ, WRITE, Access, parse
from emulator.rbac.roles import counts
from stacks.identity import Role

DELEGATE = "Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action"
GRANTS: dict[str, set[str]] = {
    Role.BLOB_READER.value: {READ},
    Role.BLOB_CONTRIBUTOR.value: {READ, WRITE, DELETE, ADD, MOVE},
    Role.BLOB_DELEGATOR.value: {DELEGATE},
    Role.TELEMETRY_WRITER.value: {"telemetry/write"},
    Role.JOB_SUBMITTER.value: {"batch/read", "batch/write"},
    Role.BATCH_CONTRIBUTOR.value: {"batch/read", "batch/write", "Microsoft.Batch/batchAccounts/read"},
}


def allowed(cloud: Cloud, principal: str, action: str, scope: str, path: str | None = None) -> bool:
    """Whether a role assignment on `scope`, or on what it stands in, grants `action`; of a blob, at its `path`."""
    for each in cloud.of_type("Microsoft.Authorization/roleAssignments"):
        properties = each.body["properties"]
        where = each.id.lower().partition("/providers/microsoft.authorization/roleassignments/")[0]
        if properties["principalId"] != principal or not f"{scope.lower()}/".startswith(f"{where}/"):
            continue
        if not counts(cloud, each):
            continue
        role = properties["roleDefinitionId"].rpartition("/")[2].lower()
        if action in GRANTS.get(role, set()) | _own(cloud, role) and _lets(properties, Access(action, path)):
            return True
    return False


def _lets(properties: Json, access: Access) -> bool:
    condition = properties.get("condition")
    return not condition or parse(condition)(access)


def _own(cloud: Cloud, role: str) -> set[str]:
    """What a role that the deployment itself defines allows."""
    found = [each for each in cloud.of_type("Microsoft.Authorization/roleDefinitions") if each.request.name.lower() == role]
    permissions = [permission for each in found for permission in each.body["properties"]["permissions"]]
    return {action for permission in permissions for kind in ("actions", "dataActions") for action in permission.get(kind, [])}
