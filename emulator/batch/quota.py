"""How many cores a Batch account may have: a new one has none for GPUs; these are what somebody asked for.

Source: https://learn.microsoft.com/azure/batch/batch-quota-limit
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from autoscale.gpu_sizes import SIZES

Json = dict[str, Any]


@dataclass
class Quota:
    """Of one account."""

    spot: int = 1000
    """Cores of all sizes together."""
    dedicated: int = 1000
    families: dict[str, int] = field(default_factory=dict)
    """Dedicated cores by family, where they are others than `dedicated`."""
    by_family: bool = True
    """Whether the families' numbers count, or their total."""
    pools: int = 100
    jobs: int = 300

    def cores(self, kind: str, size: str) -> int:
        """Those that nodes of a size may have, 'spot' or 'dedicated'."""
        if kind == "spot":
            return self.spot
        return self.families.get(SIZES[size].family, self.dedicated) if self.by_family else self.dedicated

    def room(self, kind: str, size: str, wanted: int) -> tuple[int, Json | None]:
        """How many nodes of those that are wanted there may be, and the resize error where that is fewer."""
        most = self.cores(kind, size) // SIZES[size].cores
        if most >= wanted:
            return wanted, None
        code = (
            "AccountLowPriorityCoreQuotaReached"
            if kind == "spot"
            else "AccountVMSeriesCoreQuotaReached"
            if self.by_family
            else "AccountCoreQuotaReached"
        )
        return most, {"code": code, "message": "The specified account has reached core quota"}

    def shown(self) -> Json:
        """As Azure Resource Manager shows it, with an account's properties."""
        families = {size.family: self.families.get(size.family, self.dedicated) for size in SIZES.values()}
        return {
            "lowPriorityCoreQuota": self.spot, "dedicatedCoreQuota": self.dedicated,
            "dedicatedCoreQuotaPerVMFamily": [{"name": name, "coreQuota": cores} for name, cores in families.items()],
            "dedicatedCoreQuotaPerVMFamilyEnforced": self.by_family,
            "poolQuota": self.pools, "activeJobAndJobScheduleQuota": self.jobs,
        }  # fmt: skip
