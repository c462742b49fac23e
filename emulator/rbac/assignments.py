"""What Azure refuses of a role assignment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.arm import outputs
from emulator.arm.requests import ArmError, Json
from emulator.rbac import conditions
from emulator.rbac.access import scope_of
from emulator.rbac.definitions import BUILT_IN

if TYPE_CHECKING:
    from emulator.arm.cloud import Cloud, Resource

# Seconds until a role that was defined may be assigned: https://github.com/hashicorp/terraform-provider-azurerm/issues/19916
ROLE_KNOWN = 90.0


def check_assignment(cloud: Cloud, made: Resource) -> None:
    """Raise ArmError where Azure would refuse the assignment."""
    properties = made.body["properties"]
    role = properties["roleDefinitionId"]
    definition = cloud.find(role)
    if role.rpartition("/")[2] not in BUILT_IN and (definition is None or cloud.age(definition) < ROLE_KNOWN):
        raise ArmError("RoleDefinitionDoesNotExist", f"There is no role '{role}'.")
    where = scope_of(made)
    scopes = definition.body["properties"]["assignableScopes"] if definition else ["/"]
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
        return scope_of(each), properties["principalId"], properties["roleDefinitionId"].lower()

    for each in cloud.of_type(made.request.type):
        if each.id.lower() != made.id.lower() and key(each) == key(made):
            raise ArmError("RoleAssignmentExists", "The role assignment already exists.")
