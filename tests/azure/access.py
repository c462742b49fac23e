"""Who may do what: the role assignments that stand in the cloud, by what Azure's built-in roles allow.

Source: https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
"""

from __future__ import annotations

from stacks.identity import Role
from tests.azure.cloud import Cloud

_READ = {"blob/read", "blob/list"}
GRANTS: dict[str, set[str]] = {
    Role.BLOB_READER.value: _READ,
    Role.BLOB_CONTRIBUTOR.value: _READ | {"blob/write", "blob/delete"},
    Role.BLOB_DELEGATOR.value: {"blob/delegate"},
    Role.TELEMETRY_WRITER.value: {"telemetry/write"},
    Role.JOB_SUBMITTER.value: {"batch/read", "batch/write"},
    Role.BATCH_CONTRIBUTOR.value: {"batch/read", "batch/write"},
}


def allowed(cloud: Cloud, principal: str, action: str, scope: str) -> bool:
    """Whether a role assignment on `scope`, or on what it stands in, grants `action`."""
    for each in cloud.of_type("Microsoft.Authorization/roleAssignments"):
        properties = each.body["properties"]
        where = each.id.lower().partition("/providers/microsoft.authorization/roleassignments/")[0]
        if properties["principalId"] != principal or not f"{scope.lower()}/".startswith(f"{where}/"):
            continue
        role = properties["roleDefinitionId"].rpartition("/")[2].lower()
        if action in GRANTS.get(role, set()) | _own(cloud, role):
            return True
    return False


def _own(cloud: Cloud, role: str) -> set[str]:
    """What a role that the deployment itself defines allows."""
    found = [each for each in cloud.of_type("Microsoft.Authorization/roleDefinitions") if each.request.name.lower() == role]
    return {action for each in found for permission in each.body["properties"]["permissions"] for action in permission["actions"]}
