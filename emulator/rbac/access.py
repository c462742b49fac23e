"""Who may do what: the one evaluator of the role assignments that stand in the cloud.

Source: https://learn.microsoft.com/azure/role-based-access-control/overview
"""

from __future__ import annotations

from collections.abc import Iterator

from emulator.arm.cloud import Cloud, Resource
from emulator.rbac.conditions import Access, parse
from emulator.rbac.definitions import find_role

# Seconds until a role that was assigned counts: https://learn.microsoft.com/azure/role-based-access-control/troubleshooting
ROLE_COUNTS = 240.0


def allowed(cloud: Cloud, principal: str, action: str, scope: str, path: str | None = None) -> bool:
    """Whether a role that counts by now lets a principal do `action` to `scope`; of a blob, at its `path`."""
    assignments = (each for each in _granting(cloud, principal, action, scope) if cloud.age(each) >= ROLE_COUNTS)
    conditions = (each.body["properties"].get("condition") for each in assignments)
    return any(not each or parse(each)(Access(action, path)) for each in conditions)


def holds(cloud: Cloud, principal: str, action: str, scope: str) -> bool:
    """Whether a role has been assigned that allows it, whatever its condition says, and whether or not it counts yet."""
    return any(True for _ in _granting(cloud, principal, action, scope))


def scope_of(assignment: Resource) -> str:
    """What an assignment is on, in lower case."""
    return assignment.id.lower().partition("/providers/microsoft.authorization/")[0]


def _granting(cloud: Cloud, principal: str, action: str, scope: str) -> Iterator[Resource]:
    """The assignments, on `scope` or on what it stands in, of roles that allow it."""
    for each in cloud.of_type("Microsoft.Authorization/roleAssignments"):
        properties = each.body["properties"]
        if properties["principalId"] == principal and f"{scope.lower()}/".startswith(f"{scope_of(each)}/"):
            role = find_role(cloud, properties["roleDefinitionId"])
            if role is not None and role.allows(action):
                yield each
