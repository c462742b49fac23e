"""When there are how many nodes: the pool's autoscale formula, made of the settings.

Source: https://learn.microsoft.com/azure/batch/batch-automatic-scaling
"""

from __future__ import annotations

from dataclasses import dataclass

# The shortest that Azure takes.
EVALUATION_INTERVAL = "PT5M"


@dataclass(frozen=True, kw_only=True)
class AutoscaleRules:
    """What the formula is made of."""

    nodes_min: int
    nodes_max: int
    spot_percent: int
    keep_warm_minutes: int
    slots_per_node: int


def formula(rules: AutoscaleRules) -> str:
    """The formula."""
    return f"$TargetDedicatedNodes = min({rules.nodes_max}, $PendingTasks.GetSample(1));\n"
