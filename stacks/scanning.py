"""Microsoft Defender for Storage: what is put into the data account is scanned for malware, up to a cap of GB a month.

It scans all of the account, results among it: no version of its interface that the SDK has by itself leaves containers out.
Sources: https://learn.microsoft.com/azure/defender-for-cloud/introduction-malware-scanning,
https://learn.microsoft.com/azure/templates/microsoft.security/defenderforstoragesettings
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import security


def scanner(scope: pulumi.Input[str]) -> pulumi.Output[str]:
    """The resource id that Defender comes as, in the subscription of `scope`: storage firewalls let it in by that.

    Defender adds itself to an account's firewall. A firewall that is declared without it would lock it out at its next change.
    Source: https://github.com/hashicorp/terraform-provider-azurerm/issues/26019
    """
    return pulumi.Output.from_input(scope).apply(
        lambda text: f"/subscriptions/{text.split('/')[2]}/providers/Microsoft.Security/datascanners/StorageDataScanner"
    )


@dataclass(frozen=True, kw_only=True)
class ScanningArgs:
    """What is scanned."""

    account_id: pulumi.Input[str]
    gb_per_month: int
    """After which nothing is scanned until the month is over."""
    wait_for: Sequence[pulumi.Resource] = ()
    """The account's event topic: an account has one, and Defender makes it where there is none."""


class Scanning(pulumi.ComponentResource):
    """Defender for Storage on one account. What it finds it writes into the tags of blobs."""

    def __init__(self, name: str, args: ScanningArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("batch-scoring:stacks:Scanning", name, None, opts)
        setting = security.DefenderForStorage(
            f"{name}-data",
            resource_id=args.account_id,
            setting_name="current",
            properties=security.DefenderForStorageSettingPropertiesArgs(
                is_enabled=True,
                # Whatever the subscription says of all its accounts.
                override_subscription_level_settings=True,
                malware_scanning=security.MalwareScanningPropertiesArgs(
                    on_upload=security.OnUploadPropertiesArgs(is_enabled=True, cap_gb_per_month=args.gb_per_month)
                ),
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(args.wait_for)),
        )
        self.register_outputs({"setting": setting.id})
