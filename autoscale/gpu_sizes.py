"""The GPU machines that the cluster can be made of, and those that Azure retired."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class GpuSize:
    """One size of virtual machine."""

    gpus: int
    gpu: str
    cores: int
    """Cores that count against the subscription's quota."""
    memory: int
    """GiB."""
    on_demand: float
    """Dollars an hour in East US."""
    spot_price: float | None = None
    """As Spot, dollars an hour in East US; None where it isn't known."""
    host_encryption: bool | None = None
    """Whether Azure encrypts it at the host; None where Microsoft's pages don't say so."""

    @property
    def family(self) -> str:
        """What Azure calls the sizes that share a quota of dedicated cores."""
        return FAMILIES[self.gpu.partition(" ")[0]]

    @property
    def spot(self) -> float:
        """Dollars an hour as Spot; on demand, which is never less, where that isn't known."""
        return self.on_demand if self.spot_price is None else self.spot_price


# By GPU. As `az vm list-skus` has them; Batch writes some in another case, or with spaces:
# https://learn.microsoft.com/azure/batch/batch-quota-limit
FAMILIES = {"T4": "standardNCASv3_T4Family", "A100": "StandardNCADSA100v4Family", "H100": "StandardNCadsH100v5Family"}

# Memory: https://learn.microsoft.com/azure/virtual-machines/sizes/overview#gpu-accelerated
# Encryption at host: https://learn.microsoft.com/azure/virtual-machines/disk-encryption
# Prices: indicative, November 2026, https://azure.microsoft.com/pricing/details/virtual-machines/linux/
SIZES = {
    "Standard_NC4as_T4_v3": GpuSize(1, "T4 16 GB", 4, 28, 0.526, 0.063),
    "Standard_NC8as_T4_v3": GpuSize(1, "T4 16 GB", 8, 56, 0.752),
    "Standard_NC16as_T4_v3": GpuSize(1, "T4 16 GB", 16, 110, 1.204, 0.144, host_encryption=True),
    "Standard_NC64as_T4_v3": GpuSize(4, "T4 16 GB", 64, 440, 4.352, 0.522),
    "Standard_NC24ads_A100_v4": GpuSize(1, "A100 80 GB", 24, 220, 3.673, 0.444, host_encryption=True),
    "Standard_NC48ads_A100_v4": GpuSize(2, "A100 80 GB", 48, 440, 7.346),
    "Standard_NC96ads_A100_v4": GpuSize(4, "A100 80 GB", 96, 880, 14.692),
    "Standard_NC40ads_H100_v5": GpuSize(1, "H100 94 GB", 40, 320, 6.98),
    "Standard_NC80adis_H100_v5": GpuSize(2, "H100 94 GB", 80, 640, 13.96),
}

# K80, P40, P100, V100 and M60: gone since 2023 to 2025. The number tells how much of a machine it was.
_RETIRED = re.compile(r"standard_n[cdv](6|12|24)r?s?(_v2|_v3)?(_promo)?", re.IGNORECASE)
_SUCCESSOR = {"6": "Standard_NC4as_T4_v3", "12": "Standard_NC16as_T4_v3", "24": "Standard_NC64as_T4_v3"}


def check(name: str) -> str:
    """`name` if the cluster can be made of it. Raises ValueError: what's wrong with it and which size can be had instead."""
    if name in SIZES:
        return name
    known = {size.lower(): size for size in SIZES}
    if name.lower() in known:
        raise ValueError(f"is written {known[name.lower()]} by Azure")
    if retired := _RETIRED.fullmatch(name):
        raise ValueError(f"was retired by Azure: take {_SUCCESSOR[retired[1]]}")
    if "_a10_" in name.lower():
        raise ValueError("has an A10, whose driver the nodes' image lacks: take Standard_NC4as_T4_v3")
    raise ValueError(f"is no GPU size that the cluster can be made of: take one of {', '.join(SIZES)}")
