"""Roles: which there are, who holds one, and what Azure refuses of an assignment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.arm import outputs
from emulator.arm.requests import ArmError, Json
from emulator.rbac import conditions

if TYPE_CHECKING:
    from emulator.arm.cloud import Cloud, Resource

# Built-in roles by their GUID, from https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
BUILT_IN_ROLES = {
    "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1": "Storage Blob Data Reader",
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": "Storage Blob Data Contributor",
    "db58b8e5-c6ad-4a2a-8342-4190687cbf4a": "Storage Blob Delegator",
    "7f951dda-4ed3-4680-a7ca-43fe172d538d": "AcrPull",
    "48e5e92e-a480-4e71-aa9c-2778f4c13781": "Azure Batch Job Submitter",
    "6aaa78f1-f7de-44ca-8722-c64a23943cae": "Azure Batch Data Contributor",
    "f1a07417-d97a-45cb-824c-7a7467783830": "Managed Identity Operator",
    "3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
    "4d97b98b-1d4f-4787-a291-c67834d212e7": "Network Contributor",
}

# Seconds until a role that was defined may be assigned (https://github.com/hashicorp/terraform-provider-azurerm/issues/19916),
# and until one that was assigned counts (https://learn.microsoft.com/azure/role-based-access-control/troubleshooting).
ROLE_KNOWN, ROLE_COUNTS = 90.0, 240.0


def counts(cloud: Cloud, assignment: Resource) -> bool:
    """Whether a role assignment is known where services look."""
    return cloud.age(assignment) >= ROLE_COUNTS


def has_role(cloud: Cloud, principal: str, role: str, scope: str, *, now: bool = False) -> bool:
    """Whether a principal holds a built-in role on a scope or on what the scope is in; `now`: and whether it counts by now."""
    for each in cloud.of_type("Microsoft.Authorization/roleAssignments"):
        properties = each.body["properties"]
        if properties["principalId"] != principal or (now and not counts(cloud, each)):
            continue
        where = each.id.lower().partition("/providers/microsoft.authorization/")[0]
        guid = properties["roleDefinitionId"].rpartition("/")[2]
        if BUILT_IN_ROLES.get(guid) == role and (scope.lower() + "/").startswith(where + "/"):
            return True
    return False


def may(cloud: Cloud, principal: str, action: str, scope: str) -> bool:
    """Whether a role made here lets a principal do something to a scope or to what the scope is in."""
    for each in cloud.of_type("Microsoft.Authorization/roleAssignments"):
        where = each.id.lower().partition("/providers/microsoft.authorization/")[0]
        role = cloud.find(each.body["properties"]["roleDefinitionId"])
        if role and each.body["properties"]["principalId"] == principal and (scope.lower() + "/").startswith(where + "/"):
            granted = [one for permission in role.body["properties"]["permissions"] for one in permission.get("actions", [])]
            if action in granted:
                return True
    return False


def check_assignment(cloud: Cloud, made: Resource) -> None:
    """Raise ArmError where Azure would refuse the assignment."""
    properties = made.body["properties"]
    role = properties["roleDefinitionId"]
    definition = cloud.find(role)
    if role.rpartition("/")[2] not in BUILT_IN_ROLES and (definition is None or cloud.age(definition) < ROLE_KNOWN):
        raise ArmError("RoleDefinitionDoesNotExist", f"There is no role '{role}'.")
    where = made.id.lower().partition("/providers/microsoft.authorization/")[0]
    own = cloud.find(role)
    scopes = own.body["properties"]["assignableScopes"] if own else ["/"]
    if not any(f"{where}/".startswith(scope.lower().rstrip("/") + "/") for scope in scopes):
        raise ArmError("RoleDefinitionNotAssignable", f"The role '{role}' can't be assigned at '{where}', only in {scopes}.")
    _condition(properties)
    _is_only_one(cloud, made)
    principal = properties["principalId"]
    if principal not in cloud.people and principal not in outputs.principals(cloud):
        raise ArmError("PrincipalNotFound", f"There is no principal '{principal}' in the tenant.")


def _condition(properties: Json) -> None:
    condition, version = properties.get("condition"), properties.get("conditionVersion")
    if version is not None and (not condition or version != conditions.VERSION):
        raise ArmError("InvalidRequest", f"conditionVersion is '{version}': '{conditions.VERSION}', beside a condition.")
    try:
        if condition:
            conditions.parse(condition)
    except conditions.ConditionError as error:
        raise ArmError("InvalidCondition", str(error)) from error


def _is_only_one(cloud: Cloud, made: Resource) -> None:
    """Whoever has a role on a scope can't have it there again under another condition."""

    def key(each: Resource) -> tuple[str, ...]:
        properties = each.body["properties"]
        where = each.id.lower().partition("/providers/microsoft.authorization/")[0]
        return where, properties["principalId"], properties["roleDefinitionId"].lower()

    for each in cloud.of_type(made.request.type):
        if each.id.lower() != made.id.lower() and key(each) == key(made):
            raise ArmError("RoleAssignmentExists", "The role assignment already exists.")
