"""Settings of what reaches what: the VNet, the registry, and addresses that are let in."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from stacks.setting_types import (
    BATCH_ADDRESSES,
    STORAGE_ADDRESSES,
    Mount,
    NetworkIsolation,
    PublicAddresses,
    RegistrySku,
    SettingGroup,
    SubmitterEgress,
    address_range,
)

LEAST_SHARE_GB = 100


class NetworkSettings(SettingGroup):
    """How the parts reach each other, and who reaches them from outside."""

    registry_sku: RegistrySku = Field(
        "Basic",
        examples=["Standard"],
        description="Basic, Standard, or Premium (needed by private endpoints and zone redundancy)",
    )
    network_isolation: NetworkIsolation = Field(
        "service-endpoints", description="How storage, registry and Batch are reached from the VNet"
    )
    address_space: Annotated[str, AfterValidator(address_range)] = Field(
        "10.64.0.0/16", examples=["10.80.0.0/16"], description="The VNet's addresses"
    )
    # A Batch account takes one for the NAT gateway, too.
    allowed_ips: PublicAddresses = Field(
        (),
        max_length=BATCH_ADDRESSES - 1,
        examples=[["203.0.113.7", "198.51.100.0/24"]],
        description="Public addresses and ranges that people reach storage, Batch and the workflow's runs from",
    )
    sender_ips: PublicAddresses = Field(
        (),
        max_length=STORAGE_ADDRESSES,
        examples=[["192.0.2.0/24"]],
        description="Public addresses and ranges that outside senders reach input and output from, and nothing else",
    )
    submitter_egress: SubmitterEgress = Field(
        "named",
        description="What the submitter may call: named (the services that it uses) or azure-cloud (all of the region's Azure)",
    )
    mount: Mount = Field(
        "none",
        examples=["nfs"],
        description="What nodes mount: none, blob (all of work/, by blobfuse) or nfs (a file share, for videos' parts alone)",
    )
    # Of a premium share: https://learn.microsoft.com/azure/storage/files/understanding-billing
    nfs_gb: int = Field(
        LEAST_SHARE_GB,
        ge=LEAST_SHARE_GB,
        le=102_400,
        examples=[256],
        description="Size in GiB of the share that mount nfs makes, all of which is paid for; more is faster, too",
    )

    @property
    def private(self) -> bool:
        """Whether storage, registry and Batch are reached by private endpoints."""
        return self.network_isolation == "private-endpoints"

    @property
    def shares(self) -> bool:
        """Whether nodes mount a file share, which they reach by a private endpoint in either isolation."""
        return self.mount == "nfs"
