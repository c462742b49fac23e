"""Settings of what is kept: how safely, how long, and who is told or may touch it."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field

from scorer.azure import clouds
from stacks.setting_types import BatchPrincipal, People, SettingGroup, matches, resource_id

# As HTML has it, with at least two names after the @: https://html.spec.whatwg.org/multipage/input.html#valid-e-mail-address
_LABEL = "[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_EMAIL = rf"[\w.!#$%&'*+/=?^`{{|}}~-]{{1,64}}@{_LABEL}(\.{_LABEL})+"
_VAULTS = "|".join(re.escape(cloud.vaults) for cloud in clouds.CLOUDS.values())


class DataSettings(SettingGroup):
    """What is kept, encrypted, scanned, logged and deleted; and the people."""

    zone_redundant: bool = Field(
        False, description="Spread storage, registry, NAT address and nodes over zones; decided for good at creation"
    )
    protect: bool = Field(False, description="Refuse to destroy the resource group, the storage accounts and what is in them")
    infrastructure_encryption: bool = Field(
        False, examples=[True], description="Encrypt storage twice; decided for good at creation"
    )
    customer_key: Annotated[
        str,
        matches(
            rf"https://(?=[^.]{{3,24}}\.)[a-zA-Z][a-zA-Z0-9]*(-[a-zA-Z0-9]+)*({_VAULTS})/keys/[a-zA-Z0-9-]{{1,127}}",
            f"a key's address without version, such as https://NAME{clouds.PUBLIC.vaults}/keys/KEY",
        ),
    ] = Field(
        "",
        examples=[f"https://example-vault{clouds.PUBLIC.vaults}/keys/storage"],
        description="Key Vault key that encrypts storage; empty means Microsoft's keys",
    )
    customer_key_identity: Annotated[
        str, resource_id("Microsoft.ManagedIdentity/userAssignedIdentities", "a user-assigned identity", "identity")
    ] = Field(
        "",
        examples=[
            "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/keys/providers/Microsoft.ManagedIdentity"
            "/userAssignedIdentities/storage-key"
        ],
        description="User-assigned identity that may use customerKey (role Key Vault Crypto Service Encryption User)",
    )
    malware_scan_gb: int = Field(
        0,
        ge=0,
        le=1_000_000,
        examples=[1000],
        description="GB a month that Microsoft Defender scans of what comes into input and output; requests wait for their "
        "files' scan; 0: none",
    )
    malware_scan_minutes: int = Field(
        60,
        ge=5,
        le=1440,
        examples=[30],
        description="Minutes after which a file that wasn't scanned is refused, where malwareScanGb is set",
    )
    soft_delete_days: int = Field(
        7,
        ge=1,
        le=365,
        examples=[14],
        description="Days that blobs deleted from input and output, and deleted containers, can be brought back",
    )
    input_days: int = Field(
        0, ge=0, le=3650, examples=[90], description="Days that videos, styles and requests are kept; 0 keeps them for good"
    )
    output_days: int = Field(0, ge=0, le=3650, examples=[365], description="Days that results are kept; 0 keeps them for good")
    work_days: int = Field(
        7,
        ge=2,
        le=365,
        examples=[3],
        description="Days that plans and parts are kept; a job may last a day less, and 14 at the most",
    )
    log_days: int = Field(
        30, ge=30, le=730, examples=[60], description="Days that logs are kept (Application Insights keeps its own 90 at least)"
    )
    flow_logs: bool = Field(
        False,
        examples=[True],
        description="Log what flows through the VNet, for logDays and 90 days at least; Azure's network watcher of the region "
        "does it",
    )
    alert_address: Annotated[str, matches(_EMAIL, "an e-mail address")] = Field(
        "", examples=["platform@example.com"], description="Where alerts go; empty keeps them in the portal"
    )
    monthly_budget: int = Field(
        0,
        ge=0,
        le=10_000_000,
        examples=[500],
        description="Budget a month in the subscription's currency; alerts at 80 % and 100 % spent, and when 100 % is forecast; "
        "0: none",
    )
    operators: People = Field(
        (),
        max_length=50,
        examples=[["11111111-1111-1111-1111-111111111111"]],
        description="Object ids of people and groups that submit jobs and publish models",
    )
    batch_principal: BatchPrincipal = Field(
        "",
        examples=["22222222-2222-2222-2222-222222222222"],
        description="Object id of the service principal MicrosoftAzureBatch, where nodes may not join the VNet without it",
    )

    @property
    def flow_log_days(self) -> int:
        """Days that flows are kept; 0 where they aren't logged. Benchmarks for networks ask for 90."""
        return max(self.log_days, 90) if self.flow_logs else 0
