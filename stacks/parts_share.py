"""The file share that nodes mount for the parts of videos: an account of its own, which takes no key and no caller from outside.

NFS knows no sign-in: who reaches the account's private endpoint on port 2049 reads and writes the share. What lies on it is what
jobs make and delete again. Sources: https://learn.microsoft.com/azure/storage/files/files-nfs-protocol,
https://learn.microsoft.com/azure/storage/files/storage-files-networking-overview
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_azure_native import storage

from stacks import naming
from stacks.storage import Encryption, encryption_args, lock

KIND = "nfs"
SHARE = "parts"


@dataclass(frozen=True, kw_only=True)
class PartsShareArgs:
    """What the share is made of."""

    resource_group_name: pulumi.Input[str]
    size_gb: int
    """GiB, all of which are paid for; more is faster, too."""
    zone_redundant: bool = False
    encryption: Encryption
    protect: bool = False
    """Refuse to destroy the account, as others are."""


class PartsShare(pulumi.ComponentResource):
    """A premium account with one NFS share. `source` is what nodes mount."""

    def __init__(self, name: str, args: PartsShareArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("batch-scoring:stacks:PartsShare", name, None, opts)
        self.account = storage.StorageAccount(
            naming.account(name, KIND),
            resource_group_name=args.resource_group_name,
            kind=storage.Kind.FILE_STORAGE,
            sku={"name": storage.SkuName.PREMIUM_ZRS if args.zone_redundant else storage.SkuName.PREMIUM_LRS},
            allow_blob_public_access=False,
            allow_cross_tenant_replication=False,
            allow_shared_key_access=False,
            default_to_o_auth_authentication=True,
            # Azure refuses NFS without TLS where this is on, and TLS needs a helper on nodes that Batch doesn't mount with:
            # https://learn.microsoft.com/azure/storage/files/encryption-in-transit-for-nfs-shares
            enable_https_traffic_only=False,
            minimum_tls_version=storage.MinimumTlsVersion.TLS1_2,
            public_network_access=storage.PublicNetworkAccess.DISABLED,
            network_rule_set=storage.NetworkRuleSetArgs(
                default_action=storage.DefaultAction.DENY, bypass=storage.Bypass.NONE, ip_rules=[], virtual_network_rules=[]
            ),
            encryption=encryption_args(args.encryption, file=True),
            identity={"type": storage.IdentityType.USER_ASSIGNED, "user_assigned_identities": [args.encryption.identity]}
            if args.encryption.key
            else None,
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect),
        )
        share = storage.FileShare(
            f"{name}-{KIND}",
            resource_group_name=args.resource_group_name,
            account_name=self.account.name,
            share_name=SHARE,
            enabled_protocols=storage.EnabledProtocols.NFS,
            # Root of a node opens the share's folder, once a node; tasks are another user.
            root_squash=storage.RootSquashType.NO_ROOT_SQUASH,
            share_quota=args.size_gb,
            opts=pulumi.ResourceOptions(parent=self.account),
        )
        if args.protect:
            lock(f"{name}-{KIND}", self.account)
        self.source = pulumi.Output.all(self.account.name, self.account.primary_endpoints, share.name).apply(_source)
        self.register_outputs({"account": self.account.name, "source": self.source})


def _source(known: Sequence[Any]) -> str:
    """The share as `mount` takes it."""
    account, endpoints, share = known
    if endpoints is None:  # in a preview
        return ""
    host = str(endpoints["file"]).removeprefix("https://").rstrip("/")
    return f"{host}:/{account}/{share}"
