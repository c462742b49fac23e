"""Who may do what: one identity each for nodes, submitter and workflow, and role assignments for all that they may do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

import pulumi
from pulumi_azure_native import authorization, managedidentity

from stacks import conditions, naming, patience


class Role(StrEnum):
    """Azure's built-in roles that are used here. Source: https://learn.microsoft.com/azure/role-based-access-control/built-in-roles."""

    BLOB_READER = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"  # Storage Blob Data Reader
    BLOB_CONTRIBUTOR = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"  # Storage Blob Data Contributor
    BLOB_DELEGATOR = "db58b8e5-c6ad-4a2a-8342-4190687cbf4a"  # Storage Blob Delegator: signs links for outside users
    IMAGE_PULL = "7f951dda-4ed3-4680-a7ca-43fe172d538d"  # AcrPull
    JOB_SUBMITTER = "48e5e92e-a480-4e71-aa9c-2778f4c13781"  # Azure Batch Job Submitter
    BATCH_CONTRIBUTOR = "6aaa78f1-f7de-44ca-8722-c64a23943cae"  # Azure Batch Data Contributor
    IDENTITY_OPERATOR = "f1a07417-d97a-45cb-824c-7a7467783830"  # Managed Identity Operator
    TELEMETRY_WRITER = "3913510d-42f4-4e42-8a64-420c390055eb"  # Monitoring Metrics Publisher
    NETWORK_CONTRIBUTOR = "4d97b98b-1d4f-4787-a291-c67834d212e7"  # Network Contributor
    CONTRIBUTOR = "b24988ac-6180-42a0-ab88-20f7382dd24c"  # Contributor
    DATA_SCIENTIST = "f6c7c914-8db3-469d-8ca1-694a8f32e121"  # AzureML Data Scientist
    VAULT_ADMINISTRATOR = "00482a5a-887f-4fb3-b363-3b7fe8e74483"  # Key Vault Administrator


def assign(
    name: str,
    role: Role | pulumi.Input[str],
    principal_id: pulumi.Input[str],
    scope: pulumi.Input[str],
    parent: pulumi.Resource,
    principal_type: str | None = "ServicePrincipal",
    condition: str | None = None,
    given: patience.Settling | None = None,
) -> authorization.RoleAssignment:
    """Give `principal_id` a role on `scope`, as far as `condition` lets it; a custom role comes as its resource id.

    Azure wants a GUID for a name: it is derived from scope, principal and role, with which alone it is replaced.
    `principal_type` spares Azure a look-up that fails while the principal is new; None where a person may be a user or a group.
    `given` is told when, for those who wait until the role counts.
    """
    role_id = pulumi.Output.from_input(scope).apply(partial(_definition, role)) if isinstance(role, Role) else role
    assignment_name = pulumi.Output.all(scope, principal_id, role_id).apply(lambda words: naming.guid(*words))
    hooks = pulumi.ResourceHookBinding(
        after_create=[given.note] if given else [],
        on_error=[] if isinstance(role, Role) else [patience.until_role_is_known(name)],
    )
    return authorization.RoleAssignment(
        name,
        role_assignment_name=assignment_name,
        scope=scope,
        principal_id=principal_id,
        principal_type=principal_type,
        role_definition_id=role_id,
        condition=condition,
        condition_version=conditions.VERSION if condition else None,
        opts=pulumi.ResourceOptions(parent=parent, delete_before_replace=True, hooks=hooks),
    )


def assign_people(
    name: str, role: Role | pulumi.Input[str], people: Sequence[str], scope: pulumi.Input[str], parent: pulumi.Resource
) -> list[authorization.RoleAssignment]:
    """Give a role on `scope` to each of `people`, object ids of users or groups in Microsoft Entra ID, each there once."""
    made: dict[str, authorization.RoleAssignment] = {}
    for person in people:
        short = f"{name}-{person[:8]}"
        unique = f"{name}-{person}" if short in made else short
        made[unique] = assign(unique, role, person, scope, parent, principal_type=None)
    return list(made.values())


def define(
    name: str,
    kind: str,
    what: str,
    group: pulumi.Input[str],
    parent: pulumi.Resource,
    *,
    actions: Sequence[str] = (),
    data_actions: Sequence[str] = (),
    elsewhere: str | None = None,
) -> authorization.RoleDefinition:
    """A role of the deployment's own, for the resource group of id `group`; `what` says what it lets somebody do.

    Its GUID, and its name, which no other role of the tenant has, follow from the group. A role can only be assigned in groups
    that it names, so one for what stands in another group is made there: that of id `elsewhere`.
    """
    identifier = pulumi.Output.from_input(group).apply(lambda text: naming.guid(text, name, kind))
    scope = pulumi.Output.from_input(group if elsewhere is None else elsewhere)
    return authorization.RoleDefinition(
        f"{name}-{kind}",
        role_definition_id=identifier,
        role_name=identifier.apply(lambda text: f"{name}: {what} ({text[:8]})"),
        description=f"Lets somebody in a batch-scoring deployment {what}, and nothing else.",
        role_type="CustomRole",
        scope=scope,
        assignable_scopes=[scope],
        permissions=[{"actions": list(actions), "data_actions": list(data_actions)}],
        opts=pulumi.ResourceOptions(parent=parent),
    )


def _definition(role: Role, scope: str) -> str:
    subscription = scope.split("/")[2]  # /subscriptions/<id>/...
    return f"/subscriptions/{subscription}/providers/Microsoft.Authorization/roleDefinitions/{role}"


@dataclass(frozen=True, kw_only=True)
class IdentitiesArgs:
    """What the identities are made of."""

    resource_group_name: pulumi.Input[str]


class Identities(pulumi.ComponentResource):
    """One user-assigned identity each for the nodes, the submitter and the workflow. None has a key or a password."""

    def __init__(self, name: str, args: IdentitiesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("batch-scoring:stacks:Identities", name, None, opts)

        def identity(kind: str) -> managedidentity.UserAssignedIdentity:
            return managedidentity.UserAssignedIdentity(
                f"{name}-{kind}", resource_group_name=args.resource_group_name, opts=pulumi.ResourceOptions(parent=self)
            )

        self.nodes = identity("nodes")
        self.submitter = identity("submitter")
        self.workflow = identity("workflow")
        self.register_outputs({"nodes": self.nodes.id, "submitter": self.submitter.id, "workflow": self.workflow.id})
