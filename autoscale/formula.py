"""When the cluster has how many nodes: the formula that Azure Batch evaluates every five minutes.

How it decides:

- As many nodes as there are tasks pending (running, or ready to run), divided by the slots of a node and rounded up.
  Tasks that wait for others aren't pending. From none, nodes come at the first evaluation that sees a task.
- Nodes stay as long as a sample of the last `keep_warm_minutes` needed them, but that past alone never adds any.
- Spot nodes first. Dedicated nodes stand in for those that were preempted, or that Azure didn't give while tasks waited for
  15 minutes, and stay as long as Spot nodes are missing. Spot nodes are asked for beside them where `nodes_max` leaves room.
- One node more than there are where tasks waited for 15 minutes and nodes were there, but none ran any: a Spot node that came
  back may start no container (https://github.com/Azure/Batch/issues/157), and Batch, which then gives it none of a job's tasks,
  would keep it for them and bring no other. One at a time: where it is the image that no node starts, or nodes fetch a long
  video, that is three nodes in the hour after which such a job is ended. Once a task runs, idle nodes leave as ever.
- The targets, and the nodes with them, never add up to more than `nodes_max`: one kind gives way at one evaluation, and the
  other kind comes at the next.
- With too few samples nothing leaves. Nodes that have to leave finish their tasks first.

A formula may have comments, line breaks, 8 KB and 100 statements.
Source: https://learn.microsoft.com/azure/batch/batch-automatic-scaling
"""

from __future__ import annotations

from dataclasses import dataclass

EVALUATION_INTERVAL = "PT5M"
"""How often Batch evaluates the formula, ISO 8601: the least that it allows."""


@dataclass(frozen=True, kw_only=True)
class AutoscaleRules:
    """What the formula is made from. Raises ValueError for what can't be."""

    nodes_min: int
    """Nodes that are always there: dedicated ones, but Spot where `spot_percent` is 100, which says that everything is."""
    nodes_max: int
    """Nodes that there may be at once, of both kinds together."""
    spot_percent: int
    """Share of the nodes above `nodes_min` that are Spot first, rounded up to whole nodes."""
    keep_warm_minutes: int
    """How long nodes outlast their work; 0: they leave at the next evaluation."""
    slots_per_node: int
    """Tasks that one node runs at once."""

    def __post_init__(self) -> None:
        if not 0 <= self.nodes_min <= self.nodes_max:
            raise ValueError(f"nodes_min is {self.nodes_min}: give 0 to nodes_max, {self.nodes_max}.")
        if not 0 <= self.spot_percent <= 100:
            raise ValueError(f"spot_percent is {self.spot_percent}: give 0 to 100.")
        if self.keep_warm_minutes < 0:
            raise ValueError(f"keep_warm_minutes is {self.keep_warm_minutes}: give 0 or more.")
        if self.slots_per_node < 1:
            raise ValueError(f"slots_per_node is {self.slots_per_node}: give 1 or more.")

    @property
    def dedicated_min(self) -> int:
        """Those of `nodes_min` that are dedicated: all or none."""
        return 0 if self.spot_percent == 100 else self.nodes_min


def formula(rules: AutoscaleRules) -> str:
    """The text of the formula, below 8 KB."""
    return _FORMULA.format(
        least=rules.nodes_min,
        most=rules.nodes_max,
        dedicated=rules.dedicated_min,
        spot=rules.spot_percent,
        slots=rules.slots_per_node,
        # A look-back of no length may be none at all. A second is less than the time between two samples.
        warm=f"TimeInterval_Minute * {rules.keep_warm_minutes}" if rules.keep_warm_minutes else "TimeInterval_Second",
    )


# Samples come every 30 seconds, about a minute late. GetSample may fail where there are none, so GetSamplePercent is asked first.
_FORMULA = """\
least = {least};
most = {most};
alwaysDedicated = {dedicated};
spotPercent = {spot};
slots = {slots};
warm = {warm};
recent = TimeInterval_Minute * 10;
patience = TimeInterval_Minute * 15;

// What there is: a count that wasn't measured lately is taken to be what was asked for.
measured = $PendingTasks.GetSamplePercent(recent);
pending = measured > 0 ? max($PendingTasks.GetSample(1)) : 0;
dedicatedMeasured = $CurrentDedicatedNodes.GetSamplePercent(recent) > 0;
dedicatedNow = dedicatedMeasured ? max($CurrentDedicatedNodes.GetSample(1)) : $TargetDedicatedNodes;
spotMeasured = $CurrentLowPriorityNodes.GetSamplePercent(recent) > 0;
spotNow = spotMeasured ? max($CurrentLowPriorityNodes.GetSample(1)) : $TargetLowPriorityNodes;
lostMeasured = $PreemptedNodeCount.GetSamplePercent(recent) > 0;
lostNow = lostMeasured ? max($PreemptedNodeCount.GetSample(1)) : 0;
lostLately = lostMeasured ? max($PreemptedNodeCount.GetSample(recent)) : 0;
spotUsable = max(0, spotNow - lostNow);
asked = $TargetDedicatedNodes + $TargetLowPriorityNodes;

// Where tasks waited all the time beside nodes that ran none, one node more than those: it may be one that starts them.
steadyMeasured = $PendingTasks.GetSamplePercent(patience) >= 50;
steadyTasks = steadyMeasured ? min($PendingTasks.GetSample(patience)) : 0;
ranMeasured = $RunningTasks.GetSamplePercent(patience) >= 50;
ran = ranMeasured ? max($RunningTasks.GetSample(patience)) : 1;
dedicatedHere = $CurrentDedicatedNodes.GetSamplePercent(patience) >= 50 ? min($CurrentDedicatedNodes.GetSample(patience)) : 0;
spotHere = $CurrentLowPriorityNodes.GetSamplePercent(patience) >= 50 ? min($CurrentLowPriorityNodes.GetSample(patience)) : 0;
here = dedicatedHere + spotHere;
another = steadyTasks > 0 && ran == 0 && here > 0 ? here + 1 : 0;

// How many nodes: what tasks need now, or kept warm what they needed lately. The past adds no nodes.
needed = min(most, max(least, another, ceil(pending / slots)));
peak = $PendingTasks.GetSamplePercent(warm) > 0 ? max(pending, max($PendingTasks.GetSample(warm))) : pending;
kept = min(asked, ceil(peak / slots));
enough = measured >= 25;
nodes = min(most, max(needed, enough ? kept : asked));
steady = min(needed, max(least, ceil(steadyTasks / slots)));

// How many of them Spot: of all, of those that tasks need now, and of those that they needed all the time.
spotOfAll = ceil((nodes - alwaysDedicated) * spotPercent / 100);
spotNeeded = ceil((needed - alwaysDedicated) * spotPercent / 100);
spotSteady = steadyMeasured ? ceil((steady - alwaysDedicated) * spotPercent / 100) : 0;

// Dedicated nodes for Spot nodes that lack: preempted, not given though long needed, or already replaced.
lacking = max(0, spotOfAll - spotUsable);
preempted = min(lostLately, spotNeeded - spotUsable);
refused = spotSteady - spotUsable;
replaced = $TargetDedicatedNodes - (nodes - spotOfAll);
standIns = min(lacking, max(0, preempted, refused, replaced));
dedicated = max(nodes - spotOfAll + standIns, enough ? 0 : min(most, $TargetDedicatedNodes));

// No Spot node is new only to be kept warm; and neither kind takes the room that the other kind had until now.
spot = min(spotOfAll, max(spotNeeded, $TargetLowPriorityNodes));
roomForDedicated = most - max($TargetLowPriorityNodes, spotUsable);
roomForSpot = most - max(dedicated, $TargetDedicatedNodes, dedicatedNow);
$TargetLowPriorityNodes = max(0, min(spot, roomForSpot));
$TargetDedicatedNodes = max(0, min(dedicated, roomForDedicated));
$NodeDeallocationOption = taskcompletion;
"""
