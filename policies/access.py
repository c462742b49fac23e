"""Who may do what: roles that do one thing, on one resource, for identities that outlive no stack."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from policies.rule import EVERY_TYPE, Node, Resource, Rule, StackRule, kinds
from policies.values import UNKNOWN, Value, at, elements, texts

ASSIGNMENT = kinds("authorization:RoleAssignment")

# https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
BROAD = {
    "8e3af657-a8ff-443c-a75c-2fe8c4bcb635": "Owner",
    "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9": "User Access Administrator",
    "f58310d9-a9f6-439a-9e8d-f62e7b41a168": "Role Based Access Control Administrator",
}
CONTRIBUTOR = "b24988ac-6180-42a0-ab88-20f7382dd24c"

# Event Grid writes dead letters to a storage account behind a firewall only as the topic's own, system-assigned identity.
# https://learn.microsoft.com/azure/event-grid/managed-service-identity
SYSTEM_ASSIGNED = kinds("eventgrid:SystemTopic")


def _narrow_role(resource: Resource) -> Iterator[str]:
    role = at(resource.props, "roleDefinitionId")
    if at(resource.props, "principalType") in ("User", "Group") or not isinstance(role, str):
        return
    if broad := BROAD.get(_guid(role)):
        yield f"{broad} is assigned to a service principal: assign the role that allows the one thing it does."


def _guid(role: Value) -> str:
    return role.rstrip("/").rpartition("/")[2].lower() if isinstance(role, str) else ""


def _contributors(nodes: Sequence[Node]) -> Iterator[tuple[str, str]]:
    """Azure Machine Learning asks for the role: its identity looks after what belongs to the workspace alone.

    Source: https://learn.microsoft.com/azure/machine-learning/how-to-identity-based-service-authentication
    """
    none: frozenset[str] = frozenset()
    owners = [
        (
            node.origins.get("primaryUserAssignedIdentity", none),
            {node.urn}.union(*(node.origins.get(part, none) for part in ("storageAccount", "keyVault", "applicationInsights"))),
        )
        for node in nodes
        if node.kind == "machinelearningservices:Workspace"
    ]
    for node in nodes:
        if node.kind not in ASSIGNMENT or _guid(at(node.props, "roleDefinitionId")) != CONTRIBUTOR:
            continue
        who, what = node.origins.get("principalId", none), node.origins.get("scope", none)
        owned = any(who and what and who <= identity and what <= parts for identity, parts in owners)
        if at(node.props, "principalType") not in ("User", "Group") and not owned:
            yield (
                node.urn,
                "Contributor is assigned to a service principal: assign the role that allows the one thing it does; only a "
                "workspace's identity has this one, on what belongs to the workspace.",
            )


def _narrow_scope(resource: Resource) -> Iterator[str]:
    scope = at(resource.props, "scope")
    if isinstance(scope, str) and re.fullmatch(
        r"/?|/subscriptions/[^/]+/?|/providers/Microsoft\.Management/.*", scope, re.IGNORECASE
    ):
        yield f"The scope is {scope}: assign the role on the resource that it's needed for, or on the stack's resource group."


def _no_wildcard(resource: Resource) -> Iterator[str]:
    for permission in elements(at(resource.props, "permissions")):
        for name in ("actions", "dataActions"):
            for action in texts(at(permission, name)):
                if action == "*":
                    yield f"permissions.{name} has '*': list the actions that are needed."


def _user_assigned(resource: Resource) -> Iterator[str]:
    identity = at(resource.props, "identity", "type")
    if identity is not UNKNOWN and "systemassigned" in str(identity).lower() and resource.kind not in SYSTEM_ASSIGNED:
        yield f"identity.type is {identity}: use UserAssigned, whose roles exist before the resource and survive it."


RULES = [
    Rule(name="role-narrow", demands="Service principals have narrow roles.", kinds=ASSIGNMENT, check=_narrow_role),
    Rule(
        name="role-scope", demands="Roles are assigned on resources, not on subscriptions.", kinds=ASSIGNMENT, check=_narrow_scope
    ),
    Rule(
        name="role-no-wildcard",
        demands="Own roles list their actions.",
        kinds=kinds("authorization:RoleDefinition"),
        check=_no_wildcard,
    ),
    Rule(name="identity-user-assigned", demands="Identities are user-assigned.", kinds=EVERY_TYPE, check=_user_assigned),
]
STACK_RULES = [
    StackRule(name="role-contributor", demands="Contributors are workspaces, on what belongs to them.", check=_contributors)
]
