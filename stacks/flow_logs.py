"""Logs of what flows through the VNet, let through or denied, kept in the ops account.

Azure's network watcher of the region writes them, which it makes itself with a subscription's first VNet there.
Sources: https://learn.microsoft.com/azure/network-watcher/vnet-flow-logs-overview,
https://learn.microsoft.com/azure/templates/microsoft.network/networkwatchers/flowlogs
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import managedidentity, network

from stacks.identity import Role, assign

WATCHERS = "NetworkWatcherRG"


@dataclass(frozen=True, kw_only=True)
class FlowLogsArgs:
    """What is logged, and where to."""

    resource_group_name: pulumi.Input[str]
    location: str
    vnet_id: pulumi.Input[str]
    account_id: pulumi.Input[str]
    container_id: pulumi.Input[str]
    """The account's container that Azure writes to."""
    days: int
    """That logs are kept."""


class FlowLogs(pulumi.ComponentResource):
    """The VNet's flow log, and the identity that it is written as: the account takes no key."""

    def __init__(self, name: str, args: FlowLogsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("batch-scoring:stacks:FlowLogs", name, None, opts)
        identity = managedidentity.UserAssignedIdentity(
            f"{name}-flows", resource_group_name=args.resource_group_name, opts=pulumi.ResourceOptions(parent=self)
        )
        role = assign(f"{name}-flows", Role.BLOB_CONTRIBUTOR, identity.principal_id, args.container_id, parent=self)
        log = network.FlowLog(
            f"{name}-flows",
            resource_group_name=WATCHERS,
            network_watcher_name=f"NetworkWatcher_{args.location}",
            location=args.location,
            target_resource_id=args.vnet_id,
            storage_id=args.account_id,
            enabled=True,
            format=network.FlowLogFormatParametersArgs(type=network.FlowLogFormatType.JSON, version=2),
            # The account's own rules delete what is as old, too.
            retention_policy=network.RetentionPolicyParametersArgs(enabled=True, days=args.days),
            identity=network.ManagedServiceIdentityArgs(
                type=network.ResourceIdentityType.USER_ASSIGNED, user_assigned_identities=[identity.id]
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[role]),
        )
        self.register_outputs({"log": log.id})
