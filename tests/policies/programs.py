"""Programs for the engine to run with the pack, each by its name (`tests.policies.engine.Trial`)."""

from __future__ import annotations

import pulumi
from pulumi_azure_native import (
    authorization,
    batch,
    containerregistry,
    logic,
    machinelearningservices,
    managedidentity,
    monitor,
    network,
    security,
    storage,
)

from tests.policies import machine_learning_samples, network_samples, resource_samples, workflow_samples
from tests.policies.cases import BAD, GOOD


def all_cases() -> None:
    """All resources that hold to the rules, and all that break one."""
    for case in [*GOOD, *BAD]:
        case.make(case.name)


def old_tls() -> None:
    """An account that breaks a rule."""
    resource_samples.account(minimum_tls_version="TLS1_0")("old")


def found_later() -> None:
    """Two pools that break a rule each, one of them in what is known only when a network is there."""
    vnet = network.VirtualNetwork("vnet", resource_group_name="trial")
    resource_samples.pool(
        network_configuration={"subnet_id": pulumi.Output.concat(vnet.id, "/subnets/nodes")},
        inter_node_communication="Enabled",
    )("known-is-judged")
    resource_samples.pool(network_configuration={"subnet_id": vnet.id.apply(lambda _: "")})("found-later")


def unknown_values() -> None:
    """Resources of which a preview knows little."""
    vnet = network.VirtualNetwork("vnet", resource_group_name="trial")
    later = vnet.id
    resource_samples.account(minimum_tls_version=later, network_rule_set=later.apply(lambda _: {}))("account")
    resource_samples.batch_account(allowed_authentication_modes=[later])("batch")
    resource_samples.pool(
        identity={"type": later, "user_assigned_identities": [later]},
        scale_settings={"auto_scale": {"formula": later}},
        deployment_configuration=resource_samples.machine(identity_reference={"resource_id": later}, registry_server=later),
    )("pool")
    network_samples.subnet(network_security_group={"id": later}, nat_gateway={"id": later}, default_outbound_access=later)(
        "subnet"
    )
    workflow_samples.subscription(retry_policy=later.apply(lambda _: {}), dead_letter_with_resource_identity=later)(
        "subscription"
    )
    resource_samples.assignment(scope=later, role_definition_id=later)("assignment")
    workflow_samples.workflow(workflow_samples.call({"type": "ManagedServiceIdentity", "identity": later}))("workflow")


def component() -> None:
    """What is none of Azure's."""
    pulumi.ComponentResource("batch-scoring:stacks:Storage", "component", {"password": "x"})


def parts() -> dict[str, pulumi.CustomResource]:
    """One of each that must be logged."""
    return {
        "account": storage.StorageAccount("account", resource_group_name="trial", kind="StorageV2", sku={"name": "Standard_LRS"}),
        "batch": batch.BatchAccount("batch", resource_group_name="trial"),
        "vault": machine_learning_samples.vault()("vault"),
        "workspace": machine_learning_samples.workspace()("workspace"),
        "registry": containerregistry.Registry("registry", resource_group_name="trial", sku={"name": "Basic"}),
        "workflow": logic.Workflow("workflow", resource_group_name="trial"),
    }


def log(name: str, about: pulumi.Input[str], *, enabled: bool = True, to: str | None = "workspace") -> None:
    """A diagnostic setting of something."""
    logs = [monitor.DiagnosticsLogSettingsArgs(category_group="allLogs", enabled=enabled)]
    monitor.DiagnosticSetting(f"{name}-log", resource_uri=about, workspace_id=to, logs=logs)


def logged() -> None:
    """All parts with their diagnostic settings."""
    for name, part in parts().items():
        log(name, pulumi.Output.concat(part.id, "/blobServices/default") if name == "account" else part.id)


def unlogged() -> None:
    """Parts whose diagnostic settings are missing, off, without a target or of something else."""
    made = parts()
    log("batch", made["batch"].id, enabled=False)
    log("registry", made["registry"].id, to=None)
    log("workflow", resource_samples.GROUP)


def wide_scope() -> None:
    """A role assignment whose scope is known only when another one is there."""
    first = authorization.RoleAssignment(
        "first", principal_id="1", role_definition_id=resource_samples.ACR_PULL, scope=resource_samples.GROUP
    )
    resource_samples.assignment(scope=first.id.apply(lambda _: resource_samples.SUBSCRIPTION))("second")


def account(name: str, **changes: object) -> storage.StorageAccount:
    """A good account, with some changes."""
    made = resource_samples.account(**changes)(name)
    assert isinstance(made, storage.StorageAccount)
    return made


def kept(*, all_of_it: bool = True) -> None:
    """Two locked accounts, one of them scanned; without `all_of_it` one lacks its lock, and one a way for the scanner."""
    scanner = f"{resource_samples.SUBSCRIPTION}/providers/Microsoft.Security/datascanners/StorageDataScanner"
    rules = [storage.ResourceAccessRuleArgs(resource_id=scanner, tenant_id="tenant")] if all_of_it else None
    firewall = storage.NetworkRuleSetArgs(default_action=storage.DefaultAction.DENY, resource_access_rules=rules)
    data, ops = account("data", network_rule_set=firewall), account("ops")
    security.DefenderForStorage("scan", resource_id=data.id, setting_name="current")
    for name, each in (("data-lock", data), ("ops-lock", ops))[: 2 if all_of_it else 1]:
        authorization.ManagementLockByScope(name, scope=each.id, level="CanNotDelete")


def contributors() -> None:
    """What a workspace's identity may have, then more than that, and the same for somebody else."""
    mine, other = (
        managedidentity.UserAssignedIdentity(name, resource_group_name="trial") for name in ("identity", "other-identity")
    )
    own, films = account("own"), account("films")
    machinelearningservices.Workspace(
        "workspace",
        resource_group_name="trial",
        system_datastores_auth_mode="Identity",
        primary_user_assigned_identity=mine.id,
        storage_account=own.id,
    )
    role = f"{resource_samples.ROLES}/B24988AC-6180-42A0-AB88-20F7382DD24C"
    for name, who, what in (("fine", mine, own), ("elsewhere", mine, films), ("somebody", other, own)):
        # Of the identity, as the principal's id would be, which this provider gives none.
        resource_samples.assignment(role_definition_id=role, principal_id=who.id, scope=what.id)(name)
    resource_samples.assignment(role_definition_id=role)("anybody")
    resource_samples.assignment(role_definition_id=role, principal_type="User")("person")


def half_kept() -> None:
    """The same without a lock and without a way."""
    kept(all_of_it=False)
