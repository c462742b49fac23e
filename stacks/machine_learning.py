"""Azure Machine Learning: a workspace that knows no keys, and clusters of GPU machines that come and go with the work.

Sources: https://learn.microsoft.com/azure/machine-learning/how-to-create-attach-compute-cluster,
https://learn.microsoft.com/azure/machine-learning/how-to-secure-training-vnet,
https://learn.microsoft.com/azure/machine-learning/how-to-identity-based-service-authentication
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pulumi
from pulumi_azure_native import keyvault, machinelearningservices, managedidentity

from stacks import naming, patience
from stacks.identity import Role, assign

# What Azure refuses to change on a cluster that exists.
FIXED = ["vmSize", "vmPriority", "subnet", "enableNodePublicIp", "remoteLoginPortPublicAccess"]
ENVIRONMENT = "scorer"
# Days that the vault's name, and what was in it, are kept after it was deleted: the fewest that Azure has.
VAULT_DAYS = 7
# What Azure takes a cluster's idle minutes to be where nobody says. That fewer work isn't said by Microsoft.
LEAST_IDLE_MINUTES = 2


@dataclass(frozen=True, kw_only=True)
class WorkspaceArgs:
    """What the workspace is made of."""

    resource_group_name: pulumi.Input[str]
    storage_account_id: pulumi.Input[str]
    """Of an account of its own, for what runs print."""
    insights_id: pulumi.Input[str]
    """Application Insights, which each workspace names."""
    private: bool = False
    """Whether Studio opens inside the VNet alone. Jobs are submitted at Azure Resource Manager either way."""


class Workspace(pulumi.ComponentResource):
    """Where jobs are submitted, the empty vault that a workspace can't be without, and the identity that it acts as.

    An identity of the system's would be given a role on the whole resource group by Azure itself.
    """

    def __init__(self, name: str, args: WorkspaceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("batch-scoring:stacks:Workspace", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        identity = managedidentity.UserAssignedIdentity(
            f"{name}-workspace", resource_group_name=args.resource_group_name, opts=child
        )
        vault = keyvault.Vault(
            naming.account(name, "vault"),
            resource_group_name=args.resource_group_name,
            properties=keyvault.VaultPropertiesArgs(
                sku=keyvault.SkuArgs(family=keyvault.SkuFamily.A, name=keyvault.SkuName.STANDARD),
                tenant_id=identity.tenant_id,
                enable_rbac_authorization=True,
                enable_soft_delete=True,
                soft_delete_retention_in_days=VAULT_DAYS,
                enable_purge_protection=True,
                public_network_access="Disabled",
                # Azure Machine Learning is one of those services.
                network_acls=keyvault.NetworkRuleSetArgs(
                    bypass=keyvault.NetworkRuleBypassOptions.AZURE_SERVICES,
                    default_action=keyvault.NetworkRuleAction.DENY,
                ),
            ),
            opts=child,
        )
        settling = patience.Settling(f"{name}-workspace")
        parts = {"storage": args.storage_account_id, "vault": vault.id, "insights": args.insights_id}
        grants = [(f"{what}-contributor", Role.CONTRIBUTOR, part) for what, part in parts.items()]
        grants.append(("storage-blobs", Role.BLOB_CONTRIBUTOR, args.storage_account_id))
        grants.append(("vault-secrets", Role.VAULT_ADMINISTRATOR, vault.id))
        roles = [
            assign(f"{name}-workspace-{what}", role, identity.principal_id, scope, parent=self, given=settling)
            for what, role, scope in grants
        ]
        workspace = machinelearningservices.Workspace(
            naming.account(name, "ml"),
            resource_group_name=args.resource_group_name,
            kind="Default",
            sku=machinelearningservices.SkuArgs(name="Basic", tier=machinelearningservices.SkuTier.BASIC),
            identity=machinelearningservices.ManagedServiceIdentityArgs(
                type=machinelearningservices.ManagedServiceIdentityType.USER_ASSIGNED, user_assigned_identities=[identity.id]
            ),
            primary_user_assigned_identity=identity.id,
            storage_account=args.storage_account_id,
            key_vault=vault.id,
            application_insights=args.insights_id,
            system_datastores_auth_mode=machinelearningservices.SystemDatastoresAuthMode.IDENTITY,
            # The clusters stand in the VNet that is there.
            managed_network=machinelearningservices.ManagedNetworkSettingsArgs(
                isolation_mode=machinelearningservices.IsolationMode.DISABLED
            ),
            public_network_access=machinelearningservices.PublicNetworkAccessType.DISABLED
            if args.private
            else machinelearningservices.PublicNetworkAccessType.ENABLED,
            v1_legacy_mode=False,
            opts=pulumi.ResourceOptions(
                parent=self, depends_on=roles, hooks=pulumi.ResourceHookBinding(before_create=[settling.wait])
            ),
        )
        assign(f"{name}-workspace-itself", Role.CONTRIBUTOR, identity.principal_id, workspace.id, parent=self)
        self.id = workspace.id
        self.name = workspace.name
        self.vault_id = vault.id
        self.register_outputs({"id": self.id, "name": self.name})


@dataclass(frozen=True, kw_only=True)
class ClustersArgs:
    """What the clusters are made of, and what runs on them."""

    resource_group_name: pulumi.Input[str]
    workspace_name: pulumi.Input[str]
    gpu_size: str
    """The nodes' virtual machine size."""
    nodes_min: int
    """Nodes that are always there: dedicated ones where there are any."""
    nodes_max: int
    """Of each cluster; together they have no more, as no more jobs are submitted."""
    spot_percent: int
    keep_warm_minutes: int
    subnet_id: pulumi.Input[str]
    identity_id: pulumi.Input[str]
    """The user-assigned identity that nodes and jobs act as."""
    image: pulumi.Input[str]
    """What jobs run."""
    wait_for: Sequence[pulumi.Resource] = ()
    """Roles and endpoints that nodes need from their first minute."""


class Clusters(pulumi.ComponentResource):
    """GPU machines, Spot ones in one cluster and dedicated ones in another, and the environment that names what runs on them.

    A cluster is of one kind for good. One is made where `spot_percent` asks for none of the other's. A change that Azure refuses
    makes a new cluster before the old one goes.
    """

    def __init__(self, name: str, args: ClustersArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("batch-scoring:stacks:Clusters", name, None, opts)
        dedicated = args.spot_percent < 100
        self.dedicated_id = self._cluster(name, args, "dedicated", args.nodes_min) if dedicated else pulumi.Output.from_input("")
        self.spot_id = (
            self._cluster(name, args, "spot", 0 if dedicated else args.nodes_min)
            if args.spot_percent
            else pulumi.Output.from_input("")
        )
        environment = machinelearningservices.EnvironmentVersion(
            f"{name}-image",
            resource_group_name=args.resource_group_name,
            workspace_name=args.workspace_name,
            name=ENVIRONMENT,
            properties=machinelearningservices.EnvironmentVersionPropertiesArgs(
                image=args.image,
                os_type=machinelearningservices.OperatingSystemType.LINUX,
                is_anonymous=False,
                auto_rebuild=machinelearningservices.AutoRebuildSetting.DISABLED,
            ),
            # Jobs that wait name the version that they were submitted with, and a version is never changed. Each is named anew,
            # so that an image can come back.
            opts=pulumi.ResourceOptions(parent=self, retain_on_delete=True, replace_on_changes=["properties"]),
        )
        self.environment_id = environment.id
        self.register_outputs({"spot": self.spot_id, "dedicated": self.dedicated_id, "environment": self.environment_id})

    def _cluster(self, name: str, args: ClustersArgs, kind: Literal["spot", "dedicated"], nodes_min: int) -> pulumi.Output[str]:
        priority = machinelearningservices.VmPriority
        idle = max(args.keep_warm_minutes, LEAST_IDLE_MINUTES)
        return machinelearningservices.Compute(
            naming.account(name, kind),
            resource_group_name=args.resource_group_name,
            workspace_name=args.workspace_name,
            identity=machinelearningservices.ManagedServiceIdentityArgs(
                type=machinelearningservices.ManagedServiceIdentityType.USER_ASSIGNED,
                user_assigned_identities=[args.identity_id],
            ),
            properties=machinelearningservices.AmlComputeArgs(
                compute_type="AmlCompute",
                disable_local_auth=True,
                properties=machinelearningservices.AmlComputePropertiesArgs(
                    os_type=machinelearningservices.OsType.LINUX,
                    vm_size=args.gpu_size,
                    vm_priority=priority.LOW_PRIORITY if kind == "spot" else priority.DEDICATED,
                    scale_settings=machinelearningservices.ScaleSettingsArgs(
                        min_node_count=nodes_min, max_node_count=args.nodes_max, node_idle_time_before_scale_down=f"PT{idle}M"
                    ),
                    subnet=machinelearningservices.ResourceIdArgs(id=args.subnet_id),
                    # No address of its own, so nothing outside can call a node: the way out is the subnet's NAT gateway.
                    enable_node_public_ip=False,
                    isolated_network=False,
                    remote_login_port_public_access=machinelearningservices.RemoteLoginPortPublicAccess.DISABLED,
                ),
            ),
            opts=pulumi.ResourceOptions(
                parent=self,
                replace_on_changes=[f"properties.properties.{each}" for each in FIXED],
                depends_on=list(args.wait_for),
            ),
        ).id
