"""When there are how many nodes: the pool's autoscale formula, made of the settings.

Source: https://learn.microsoft.com/azure/batch/batch-automatic-scaling
"""

from __future__ import annotations

from dataclasses import dataclass

# The shortest that Azure takes.
EVALUATION_INTERVAL = "PT5M"

# Minutes of samples that a decision is made of. Samples come every half minute, about a minute late.
RECENT_MINUTES = 5
# Less than this share of them isn't enough to go by.
ENOUGH_PERCENT = 30
# Nodes that aren't to be kept warm are looked for this far back, so that one late sample doesn't send them home.
SHORTEST_LOOK_BACK_MINUTES = 3


@dataclass(frozen=True, kw_only=True)
class AutoscaleRules:
    """What the formula is made of."""

    nodes_min: int
    """Nodes that are always there. They are dedicated: Spot nodes can't be promised."""
    nodes_max: int
    spot_percent: int
    """Share of the nodes above the least that are asked for as Spot."""
    keep_warm_minutes: int
    """How long nodes stay after the last task that was waiting or running."""
    slots_per_node: int
    """Tasks that one node runs at once."""


def formula(rules: AutoscaleRules) -> str:
    """The formula, under Azure's 8 KB. It is evaluated anew every five minutes and remembers only what the pool itself does.

    - As many nodes are needed as there were tasks waiting or running at the peak of the look-back, by slots. Running tasks count,
      so nodes at work are never too many; those that are go when their tasks end.
    - Spot nodes are asked for first. Those that were asked for five minutes ago and aren't there, or were preempted, are stood in
      for by dedicated nodes. These stay until Spot nodes have come after all, so that nothing swings to and fro.
    - Never are more asked for than there may be, of both kinds together.
    - While samples are missing, as just after the pool was made, everything stays as it is.
    """
    look_back = max(rules.keep_warm_minutes, SHORTEST_LOOK_BACK_MINUTES)
    return f"""\
slots = {rules.slots_per_node};
leastNodes = {rules.nodes_min};
mostNodes = {rules.nodes_max};
spotShare = {rules.spot_percent / 100};
known = $PendingTasks.GetSamplePercent(TimeInterval_Minute * {RECENT_MINUTES}) >= {ENOUGH_PERCENT};
peak = max(0, $PendingTasks.GetSample(TimeInterval_Minute * {look_back}));
needed = min(mostNodes, max(leastNodes, ceil(peak / slots)));
spotWanted = ceil((needed - leastNodes) * spotShare);
base = needed - spotWanted;
preempted = max(0, $PreemptedNodeCount.GetSample(1));
spotThere = max(0, $CurrentLowPriorityNodes - preempted);
refused = max(0, min(spotWanted, $TargetLowPriorityNodes) - spotThere);
standingIn = min(max(0, $CurrentDedicatedNodes - base), max(0, spotWanted - spotThere));
dedicated = known ? base + max(refused, standingIn) : max(leastNodes, min(mostNodes, $TargetDedicatedNodes));
spot = known ? spotWanted : $TargetLowPriorityNodes;
$TargetDedicatedNodes = dedicated;
$TargetLowPriorityNodes = min(spot, mostNodes - dedicated);
$NodeDeallocationOption = taskcompletion;
"""
