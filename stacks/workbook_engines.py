"""What the workbook draws of the engine: its nodes and tasks, as the engine counts them, what failed, and node-hours.

Metrics: https://learn.microsoft.com/azure/azure-monitor/reference/supported-metrics/metrics-index
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stacks.monitoring import CLUSTER_EVENTS, CLUSTER_FAILURES, DIAGNOSTICS, RESIZE_FAILURES, RUN_EVENTS
from stacks.setting_types import EngineName
from stacks.watches import ACCOUNTS

# From each resize's end to the next one's the pool, or the cluster, has the nodes that the resize left it with.
_UNTIL = """
| order by Pool asc, TimeGenerated asc
| extend Until = iff(next(Pool) == Pool, next(TimeGenerated), datetime({TimeRange:endISO}))
| extend Hours = (Until - TimeGenerated) / 1h"""


@dataclass(frozen=True, kw_only=True)
class EngineCharts:
    """One engine's."""

    nodes: Mapping[str, str]
    """Metrics of nodes, by what Azure calls them: what the workbook does."""
    work_title: str
    work: Mapping[str, str]
    """Metrics of what was run."""
    failures: str
    """The tables `tasks` and `resizes` of the list of failures."""
    node_hours: str


CHARTS: dict[EngineName, EngineCharts] = {
    "batch": EngineCharts(
        nodes={
            "TotalNodeCount": "Dedicated",
            "TotalLowPriorityNodeCount": "Spot",
            "RunningNodeCount": "Running",
            "IdleNodeCount": "Idle",
            "PreemptedNodeCount": "Preempted",
            "UnusableNodeCount": "Unusable",
        },
        work_title="Tasks, as Azure Batch counts them",
        work={"TaskStartEvent": "Started", "TaskCompleteEvent": "Completed", "TaskFailEvent": "Failed"},
        failures=f"""let tasks = {DIAGNOSTICS}
| where ResourceProvider == "MICROSOFT.BATCH" and OperationName == "TaskFailEvent"
| project TimeGenerated, Source = "task", Job = jobId_s, Reason = strcat("exit code ", tostring(toint(executionInfo_exitCode_d)));
let resizes = {RESIZE_FAILURES}
| project TimeGenerated, Source = "pool", Job = "", Reason = strcat(resultCode_s, ": ", resultMessage_s);""",
        node_hours=f"""{DIAGNOSTICS}
| where ResourceProvider == "MICROSOFT.BATCH" and OperationName == "PoolResizeCompleteEvent"
| project TimeGenerated, Pool = id_s, DedicatedNodes = currentDedicatedNodes_d, SpotNodes = currentLowPriorityNodes_d{_UNTIL}
| summarize DedicatedHours = round(sum(DedicatedNodes * Hours), 1), SpotHours = round(sum(SpotNodes * Hours), 1) by Pool""",
    ),
    "machine-learning": EngineCharts(
        nodes={
            "Total Nodes": "Nodes",
            "Active Nodes": "Running",
            "Idle Nodes": "Idle",
            "Preempted Nodes": "Preempted",
            "Unusable Nodes": "Unusable",
        },
        work_title="Workers, as Azure Machine Learning counts them",
        work={"Started Runs": "Started", "Completed Runs": "Completed", "Failed Runs": "Failed"},
        failures=f"""let tasks = {RUN_EVENTS}
| where EventType == "JobFailed"
| project TimeGenerated, Source = "worker", Job = ExperimentName, Reason = JobErrorMessage;
let resizes = {CLUSTER_FAILURES}
| project TimeGenerated, Source = "cluster", Job = "", Reason = ClusterErrorCodes;""",
        node_hours=f"""{CLUSTER_EVENTS}
| where isnotempty(ClusterName)
| project TimeGenerated, Pool = ClusterName, Priority = VmPriority, Nodes = CurrentNodeCount{_UNTIL}
| summarize NodeHours = round(sum(Nodes * Hours), 1) by Pool, Priority""",
    ),
}


def namespace(engine: EngineName) -> str:
    """Of the engine's metrics, as workbooks write it."""
    return ACCOUNTS[engine].lower()
