"""Azure Machine Learning's resources to judge: each as it should be, and as it may be changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import pulumi
from pulumi_azure_native import keyvault
from pulumi_azure_native import machinelearningservices as ml

from tests.policies.resource_samples import GROUP, IDENTITY, changed

Make: TypeAlias = Callable[[str], pulumi.CustomResource]


def cluster(*, auth: bool | None = True, identity: str | None = "UserAssigned", **changes: object) -> Make:
    """A cluster; `changes` are of its nodes."""
    nodes = ml.AmlComputePropertiesArgs(
        vm_size="Standard_NC4as_T4_v3",
        enable_node_public_ip=False,
        remote_login_port_public_access="Disabled",
        subnet=ml.ResourceIdArgs(id=f"{GROUP}/subnets/nodes"),
        scale_settings=ml.ScaleSettingsArgs(max_node_count=4, node_idle_time_before_scale_down="PT10M"),
    )
    compute = ml.AmlComputeArgs(compute_type="AmlCompute", disable_local_auth=auth, properties=changed(nodes, **changes))
    acts = None if identity is None else ml.ManagedServiceIdentityArgs(type=identity, user_assigned_identities=[IDENTITY])
    return lambda name: ml.Compute(name, resource_group_name="trial", workspace_name="w", identity=acts, properties=compute)


def workspace(**changes: object) -> Make:
    """A workspace."""
    args = ml.WorkspaceArgs(resource_group_name="trial", system_datastores_auth_mode="Identity")
    return lambda name: ml.Workspace(name, changed(args, **changes))


def vault(**changes: object) -> Make:
    """A key vault."""
    sku = keyvault.SkuArgs(family=keyvault.SkuFamily.A, name=keyvault.SkuName.STANDARD)
    properties = keyvault.VaultPropertiesArgs(
        sku=sku,
        tenant_id="tenant",
        enable_rbac_authorization=True,
        enable_purge_protection=True,
        public_network_access="Disabled",
    )
    return lambda name: keyvault.Vault(name, resource_group_name="trial", properties=changed(properties, **changes))
