"""Which engine the deployment has: Azure Batch or Azure Machine Learning, each with what everything else asks of it.

An account is where jobs are submitted: a Batch account or a workspace. Nodes come after all that they need.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi

from autoscale.formula import AutoscaleRules, formula
from stacks.cluster import BatchAccount, BatchAccountArgs, Pool, PoolArgs
from stacks.endpoints import Target
from stacks.existing import Existing, ExistingBatchAccount, ExistingNetwork, Group
from stacks.identity import Identities
from stacks.machine_learning import Clusters, ClustersArgs, Workspace, WorkspaceArgs
from stacks.monitoring import Telemetry
from stacks.network import Network
from stacks.parts_share import PartsShare
from stacks.settings import Settings
from stacks.storage import Storage

Account = BatchAccount | ExistingBatchAccount | Workspace


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What there is before an engine."""

    settings: Settings
    group: Group
    network: Network | ExistingNetwork
    storage: Storage
    telemetry: Telemetry
    identities: Identities
    share: PartsShare | None = None
    """What nodes mount for videos' parts, if they do."""


def make_account(name: str, parts: Parts, there: Existing) -> Account:
    """Where jobs are submitted."""
    chosen = parts.settings
    if parts.storage.workspace is not None:
        return Workspace(
            name,
            WorkspaceArgs(
                resource_group_name=parts.group.name,
                storage_account_id=parts.storage.workspace.id,
                insights_id=parts.telemetry.insights_id,
                private=chosen.private,
            ),
        )
    return there.batch_account or BatchAccount(
        name,
        BatchAccountArgs(
            resource_group_name=parts.group.name,
            private=chosen.private,
            # The submitter comes by the NAT gateway's address, or by a private endpoint.
            allowed_ips=chosen.allowed_ips if chosen.private else [*parts.network.addresses, *chosen.allowed_ips],
        ),
    )


def targets(account: Account, parts: Parts) -> list[Target]:
    """What of it has private endpoints. What existed before has those that its owner gave it."""
    if isinstance(account, Workspace):
        # In either isolation: nodes without public addresses have no other way to the workspace.
        own = [Target("workspace", account.id, "amlworkspace")]
        storage = parts.storage.workspace
        return [*own, Target("ml", storage.id, "blob")] if parts.settings.private and storage is not None else own
    own = [Target("nfs", parts.share.account.id, "file")] if parts.share else []
    if isinstance(account, BatchAccount) and parts.settings.private:
        own += [Target("batch", account.id, "batchAccount"), Target("batch-nodes", account.id, "nodeManagement")]
    return own


def make_nodes(
    name: str,
    account: Account,
    parts: Parts,
    *,
    image: pulumi.Input[str],
    registry_server: pulumi.Input[str],
    wait_for: Sequence[pulumi.Resource],
) -> Mapping[str, pulumi.Input[str]]:
    """The GPU nodes; what the deployment's description says of them and of their account."""
    if isinstance(account, Workspace):
        return _clusters(name, account, parts, image, wait_for)
    chosen = parts.settings
    pool = Pool(
        name,
        PoolArgs(
            resource_group_name=account.resource_group_name,
            account_name=account.name,
            gpu_size=chosen.gpu_size,
            gpus=chosen.gpus,
            formula=formula(
                AutoscaleRules(
                    nodes_min=chosen.nodes_min,
                    nodes_max=chosen.nodes_max,
                    spot_percent=chosen.spot_percent,
                    keep_warm_minutes=chosen.keep_warm_minutes,
                    slots_per_node=chosen.slots_per_node,
                )
            ),
            slots_per_node=chosen.slots_per_node,
            subnet_id=parts.network.nodes_subnet_id,
            identity_id=parts.identities.nodes.id,
            registry_server=registry_server,
            node_image_version=chosen.node_image_version,
            disk_gb=chosen.node_disk_gb,
            zonal=chosen.zone_redundant,
            encryption_at_host=chosen.encryption_at_host,
            trusted_launch=chosen.trusted_launch,
            mount=chosen.mount,
            mount_account=parts.storage.ops.name,
            share_source=parts.share.source if parts.share else "",
            wait_for=wait_for,
        ),
    )
    return {"batchAccount": account.id, "batchEndpoint": account.endpoint, "pool": pool.name}


def _clusters(
    name: str, workspace: Workspace, parts: Parts, image: pulumi.Input[str], wait_for: Sequence[pulumi.Resource]
) -> Mapping[str, pulumi.Input[str]]:
    chosen = parts.settings
    clusters = Clusters(
        name,
        ClustersArgs(
            resource_group_name=parts.group.name,
            workspace_name=workspace.name,
            gpu_size=chosen.gpu_size,
            nodes_min=chosen.nodes_min,
            nodes_max=chosen.nodes_max,
            spot_percent=chosen.spot_percent,
            keep_warm_minutes=chosen.keep_warm_minutes,
            subnet_id=parts.network.nodes_subnet_id,
            identity_id=parts.identities.nodes.id,
            image=image,
            wait_for=wait_for,
        ),
    )
    return {
        "batchAccount": "",
        "batchEndpoint": "",
        "pool": "",
        "workspace": workspace.id,
        "environment": clusters.environment_id,
        "spotCompute": clusters.spot_id,
        "dedicatedCompute": clusters.dedicated_id,
    }


def diagnose(account: Account, parts: Parts) -> None:
    """Log what happens to it. Of an account that existed before, its owner does."""
    telemetry = parts.telemetry
    if isinstance(account, BatchAccount):
        telemetry.diagnose("batch", account.id)
    if parts.share:
        telemetry.diagnose_storage("nfs", parts.share.account.id, "file")
    if isinstance(account, Workspace):
        telemetry.diagnose("workspace", account.id)
        telemetry.diagnose("vault", account.vault_id, metrics=False)
        if parts.storage.workspace is not None:
            telemetry.diagnose_storage("ml", parts.storage.workspace.id)


def kind(account: Account) -> str:
    """What the stack's outputs call it."""
    return "workspace" if isinstance(account, Workspace) else "batch"
