"""The two storage accounts: what outside users reach (input, output), and what only we do (scripts, work, logs, ...).

No account key works anywhere, no blob is public, and the firewalls are shut but for the VNet and named addresses.
Source: https://learn.microsoft.com/azure/storage/blobs/security-recommendations
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pulumi
from pulumi_azure_native import authorization, storage

from stacks import naming

DATA_CONTAINERS = ("input", "output")
OPS_CONTAINERS = ("scripts", "work", "logs", "quarantine", "dead-letters")
# What Azure calls the container that it writes flows of a VNet into.
FLOW_LOGS = "insights-logs-flowlogflowevent"


@dataclass(frozen=True, kw_only=True)
class Encryption:
    """How blobs are encrypted at rest, beside Microsoft's own keys."""

    twice: bool = False
    """Also at the infrastructure's level; decided for good at creation."""
    key: str = ""
    """A Key Vault key's address without version; empty for Microsoft's keys."""
    identity: str = ""
    """The user-assigned identity that may use the key."""


@dataclass(frozen=True, kw_only=True)
class Caller:
    """A resource that the data account's firewall lets in, although it comes from no network of ours."""

    id: pulumi.Input[str]
    tenant_id: pulumi.Input[str]


@dataclass(frozen=True, kw_only=True)
class StorageArgs:
    """What the accounts are made of. Times are days."""

    resource_group_name: pulumi.Input[str]
    subnet_ids: Sequence[pulumi.Input[str]] = ()
    """Subnets that reach both accounts by service endpoints; none where private endpoints do it."""
    private: bool = False
    allowed_ips: Sequence[str] = ()
    """Addresses that people reach the accounts from, as far as their roles let them."""
    sender_ips: Sequence[str] = ()
    """Addresses that outside senders reach the data account from, as far as their links let them."""
    scanner: Caller | None = None
    """Who scans the data account for malware."""
    zone_redundant: bool = False
    encryption: Encryption = Encryption()
    soft_delete_days: int = 7
    """That deleted blobs of the data account, and deleted containers of both, can be brought back."""
    input_days: int = 0
    output_days: int = 0
    """0 keeps results for good."""
    work_days: int = 7
    log_days: int = 30
    protect: bool = False
    """Refuse to destroy the accounts and their containers: Pulumi does, and Azure itself, whoever asks it."""
    flow_log_days: int = 0
    """That logs of the network's flows are kept; 0: there are none."""
    workspace: bool = False
    """Whether there is a third account, which an Azure Machine Learning workspace keeps its runs' logs in."""


class Storage(pulumi.ComponentResource):
    """The data account and the ops account, their containers, and rules for what is deleted when."""

    def __init__(self, name: str, args: StorageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("batch-scoring:stacks:Storage", name, None, opts)
        self._args = args

        self.data = self._account(name, "data")
        self._blob_service(f"{name}-data", self.data, keep_deleted=True)
        data_rules = [_delete_versions(args.soft_delete_days)]
        if args.input_days:
            data_rules.append(_delete("old-input", ["input/"], args.input_days))
        if args.output_days:
            data_rules.append(_delete("old-output", ["output/"], args.output_days))
        self._lifecycle(f"{name}-data", self.data, data_rules)

        self.ops = self._account(name, "ops")
        own = OPS_CONTAINERS + ((FLOW_LOGS,) if args.flow_log_days else ())
        # Parts and logs are written once and soon deleted: to keep versions of them, or what was deleted, would only cost.
        self._blob_service(f"{name}-ops", self.ops, keep_deleted=False)
        self._lifecycle(
            f"{name}-ops",
            self.ops,
            [
                _delete("old-work", ["work/"], args.work_days),
                _delete("old-logs", ["logs/", "quarantine/", "dead-letters/"], args.log_days),
                *([_delete("old-flows", [f"{FLOW_LOGS}/"], args.flow_log_days)] if args.flow_log_days else []),
            ],
        )

        self.containers = {
            **{kind: self._container(name, self.data, kind) for kind in DATA_CONTAINERS},
            **{kind: self._container(name, self.ops, kind) for kind in own},
        }
        self.workspace = self._workspace(name) if args.workspace else None
        accounts = {"data": self.data, "ops": self.ops, **({"ml": self.workspace} if self.workspace else {})}
        if args.protect:
            for kind, account in accounts.items():
                lock(f"{name}-{kind}", account)
        self.urls = {
            **{kind: pulumi.Output.concat("az://", self.data.name, f"/{kind}") for kind in DATA_CONTAINERS},
            **{kind: pulumi.Output.concat("az://", self.ops.name, f"/{kind}") for kind in OPS_CONTAINERS},
        }
        """Each container's store, as `scorer` writes it."""
        self.endpoint = pulumi.Output.all(self.data.name, self.data.primary_endpoints).apply(_template)
        """Of the Blob service of both accounts, with {account} where an account's name stands."""
        self.register_outputs({"data": self.data.name, "ops": self.ops.name})

    def _workspace(self, name: str) -> storage.StorageAccount:
        """The workspace makes its own containers there; runs and their logs are in `azureml`."""
        account = self._account(name, "ml")
        self._blob_service(f"{name}-ml", account, keep_deleted=False)
        self._lifecycle(f"{name}-ml", account, [_delete("old-runs", ["azureml/"], self._args.log_days)])
        return account

    def _account(self, name: str, kind: Literal["data", "ops", "ml"]) -> storage.StorageAccount:
        args = self._args
        addresses = list(dict.fromkeys([*args.allowed_ips, *(args.sender_ips if kind == "data" else ())]))
        scanner = args.scanner if kind == "data" else None
        callers = [storage.ResourceAccessRuleArgs(resource_id=scanner.id, tenant_id=scanner.tenant_id)] if scanner else []
        # Rules, those for callers among them, count only where public access is enabled.
        shut = args.private and not addresses and not callers
        return storage.StorageAccount(
            naming.account(name, kind),
            resource_group_name=args.resource_group_name,
            kind=storage.Kind.STORAGE_V2,
            sku={"name": storage.SkuName.STANDARD_ZRS if args.zone_redundant else storage.SkuName.STANDARD_LRS},
            access_tier=storage.AccessTier.HOT,
            allow_blob_public_access=False,
            allow_cross_tenant_replication=False,
            allow_shared_key_access=False,
            default_to_o_auth_authentication=True,
            enable_https_traffic_only=True,
            minimum_tls_version=storage.MinimumTlsVersion.TLS1_2,
            # Enabled for whom the rules below name; left out it would stay what it was, also where that was Disabled.
            public_network_access=storage.PublicNetworkAccess.DISABLED if shut else storage.PublicNetworkAccess.ENABLED,
            network_rule_set=storage.NetworkRuleSetArgs(
                default_action=storage.DefaultAction.DENY,
                bypass=storage.Bypass.AZURE_SERVICES,  # Event Grid brings dead letters
                virtual_network_rules=[
                    storage.VirtualNetworkRuleArgs(virtual_network_resource_id=subnet) for subnet in args.subnet_ids
                ],
                ip_rules=[storage.IPRuleArgs(i_p_address_or_range=address) for address in addresses],
                resource_access_rules=callers or None,
            ),
            sas_policy={"expiration_action": storage.ExpirationAction.LOG, "sas_expiration_period": "7.00:00:00"},
            encryption=encryption_args(args.encryption),
            identity={"type": storage.IdentityType.USER_ASSIGNED, "user_assigned_identities": [args.encryption.identity]}
            if args.encryption.key
            else None,
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect),
        )

    def _blob_service(self, name: str, account: storage.StorageAccount, *, keep_deleted: bool) -> None:
        retention = storage.DeleteRetentionPolicyArgs(enabled=True, days=self._args.soft_delete_days)
        storage.BlobServiceProperties(
            name,
            resource_group_name=self._args.resource_group_name,
            account_name=account.name,
            blob_services_name="default",
            delete_retention_policy=retention if keep_deleted else storage.DeleteRetentionPolicyArgs(enabled=False),
            container_delete_retention_policy=retention,
            is_versioning_enabled=keep_deleted,
            opts=pulumi.ResourceOptions(parent=account),
        )

    def _lifecycle(self, name: str, account: storage.StorageAccount, rules: list[storage.ManagementPolicyRuleArgs]) -> None:
        storage.ManagementPolicy(
            name,
            resource_group_name=self._args.resource_group_name,
            account_name=account.name,
            management_policy_name="default",
            policy=storage.ManagementPolicySchemaArgs(rules=rules),
            opts=pulumi.ResourceOptions(parent=account),
        )

    def _container(self, name: str, account: storage.StorageAccount, kind: str) -> storage.BlobContainer:
        return storage.BlobContainer(
            f"{name}-{kind}",
            resource_group_name=self._args.resource_group_name,
            account_name=account.name,
            container_name=kind,
            public_access=storage.PublicAccess.NONE,
            opts=pulumi.ResourceOptions(parent=account),
        )


def lock(name: str, account: storage.StorageAccount) -> None:
    """Let Azure itself refuse to delete the account: on its group, a lock would keep the workflow from deleting what it made."""
    authorization.ManagementLockByScope(
        name,
        scope=account.id,
        lock_name="keep",
        level=authorization.LockLevel.CAN_NOT_DELETE,
        notes="The setting 'protect' of a batch-scoring deployment: 'pulumi config set protect false', then 'pulumi up'.",
        # Pulumi deletes nothing that it protects itself, and would inherit that from the account.
        opts=pulumi.ResourceOptions(parent=account, protect=False),
    )


def _template(known: Sequence[Any]) -> str:
    """What Azure says of one account's address, with {account} in the place of its name."""
    account, endpoints = known
    if endpoints is None:  # in a preview
        return ""
    return str(endpoints["blob"]).rstrip("/").replace(f"//{account}.", "//{account}.", 1)


def encryption_args(encryption: Encryption, *, file: bool = False) -> storage.EncryptionArgs:
    """How an account of blobs, or of files, is encrypted: of its services, the one that is used is named."""
    service = storage.EncryptionServiceArgs(enabled=True, key_type=storage.KeyType.ACCOUNT)
    services = storage.EncryptionServicesArgs(file=service) if file else storage.EncryptionServicesArgs(blob=service)
    if not encryption.key:
        return storage.EncryptionArgs(
            key_source=storage.KeySource.MICROSOFT_STORAGE,
            require_infrastructure_encryption=encryption.twice or None,
            services=services,
        )
    vault, _, key_name = encryption.key.partition("/keys/")
    return storage.EncryptionArgs(
        key_source=storage.KeySource.MICROSOFT_KEYVAULT,
        key_vault_properties=storage.KeyVaultPropertiesArgs(key_vault_uri=vault, key_name=key_name),
        encryption_identity=storage.EncryptionIdentityArgs(encryption_user_assigned_identity=encryption.identity),
        require_infrastructure_encryption=encryption.twice or None,
        services=services,
    )


def _delete(name: str, prefixes: list[str], days: int) -> storage.ManagementPolicyRuleArgs:
    old = storage.DateAfterModificationArgs(days_after_modification_greater_than=days)
    return _rule(name, storage.ManagementPolicyActionArgs(base_blob=storage.ManagementPolicyBaseBlobArgs(delete=old)), prefixes)


def _delete_versions(days: int) -> storage.ManagementPolicyRuleArgs:
    old = storage.DateAfterCreationArgs(days_after_creation_greater_than=days)
    return _rule(
        "old-versions", storage.ManagementPolicyActionArgs(version=storage.ManagementPolicyVersionArgs(delete=old)), None
    )


def _rule(name: str, actions: storage.ManagementPolicyActionArgs, prefixes: list[str] | None) -> storage.ManagementPolicyRuleArgs:
    filters = storage.ManagementPolicyFilterArgs(blob_types=["blockBlob"], prefix_match=prefixes)
    return storage.ManagementPolicyRuleArgs(
        name=name,
        enabled=True,
        type=storage.RuleType.LIFECYCLE,
        definition=storage.ManagementPolicyDefinitionArgs(actions=actions, filters=filters),
    )
