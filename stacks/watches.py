"""What is watched: metrics that should not be above a threshold, and what a person reads when one is."""

from __future__ import annotations

from dataclasses import dataclass

from pulumi_azure_native import monitor

from stacks.monitoring import CLUSTER_FAILURES, RESIZE_FAILURES, of_ours
from stacks.setting_types import EngineName

BATCH = "Microsoft.Batch/batchAccounts"
WORKSPACE = "Microsoft.MachineLearningServices/workspaces"
WORKFLOW = "Microsoft.Logic/workflows"
TOPIC = "Microsoft.EventGrid/systemTopics"
ACCOUNTS: dict[EngineName, str] = {"batch": BATCH, "machine-learning": WORKSPACE}
"""Where each engine's jobs are submitted."""
# What the pool is called behind the prefix of all names.
POOL = "gpu"

# Metric alerts look back over one of these windows only: minutes, and how Azure writes them.
# https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-create-metric-alert-rule
WINDOWS = ((5, "PT5M"), (15, "PT15M"), (30, "PT30M"), (60, "PT1H"), (360, "PT6H"), (720, "PT12H"), (1440, "P1D"))
# The autoscale formula is evaluated every 5 minutes, sees tasks about a minute late, and the nodes take a while to go.
SCALE_DOWN_MINUTES = 15


@dataclass(frozen=True, kw_only=True)
class Watch:
    """A metric of a kind of resource that should not be above a threshold, and what a person reads when it is."""

    name: str
    resource: str
    metric: str
    severity: int
    """0 critical, 1 error, 2 warning, 3 informational."""
    happened: str
    remedy: str
    aggregation: monitor.AggregationTypeEnum = monitor.AggregationTypeEnum.TOTAL
    """Events are summed up; nodes, counted every minute, are not: https://learn.microsoft.com/azure/batch/monitor-batch.

    That list doesn't say which aggregations a metric takes, so that those of node counts were never tried.
    """
    threshold: int = 0
    window: str = "PT5M"
    every: str = "PT5M"
    split_by: str | None = None
    """A dimension of the metric that the message should name."""

    @property
    def description(self) -> str:
        """What happened and what to do."""
        return f"{self.happened} {self.remedy}"


# Metrics: https://learn.microsoft.com/azure/azure-monitor/reference/metrics-index
WATCHES = (
    Watch(
        name="task-failed",
        resource=BATCH,
        metric="TaskFailEvent",
        severity=2,
        split_by="jobId",
        happened="A task of the job failed; Azure Batch tries it again as often as its retries allow.",
        remedy="If the job fails too, read its status.json and logs/<job>/ in the ops account, then 'scorer restart' it.",
    ),
    Watch(
        name="node-unusable",
        resource=BATCH,
        metric="UnusableNodeCount",
        aggregation=monitor.AggregationTypeEnum.AVERAGE,
        severity=2,
        window="PT15M",
        happened="A node is unusable: it costs money and takes no task.",
        remedy="Look at its errors under the pool's nodes in the portal, then reboot or remove it; if every node is, "
        "check that the subnet reaches BatchNodeManagement, storage and the registry.",
    ),
    Watch(
        name="start-task-failed",
        resource=BATCH,
        metric="StartTaskFailedNodeCount",
        aggregation=monitor.AggregationTypeEnum.AVERAGE,
        severity=1,
        window="PT15M",
        happened="A node's start task failed, so its GPUs don't all work: it costs money and takes no task.",
        remedy="Read startup/stdout.txt of the node in the portal, then remove the node, and the pool gets another; "
        "if every node fails, set nodeImageVersion to one that worked.",
    ),
    # https://learn.microsoft.com/azure/azure-monitor/reference/supported-metrics/microsoft-machinelearningservices-workspaces-metrics
    Watch(
        name="worker-failed",
        resource=WORKSPACE,
        metric="Failed Runs",
        severity=2,
        split_by="ExperimentName",
        happened="A worker of the job (the experiment's name) failed; another one takes over what it left.",
        remedy="If the job fails too, read what the worker printed, in Studio or in logs/<job>/ of the ops account, "
        "then 'scorer restart' it.",
    ),
    Watch(
        name="cluster-node-unusable",
        resource=WORKSPACE,
        metric="Unusable Nodes",
        aggregation=monitor.AggregationTypeEnum.AVERAGE,
        severity=2,
        window="PT15M",
        split_by="ClusterName",
        happened="A node of the cluster is unusable: it takes no job.",
        remedy="Look at the cluster's errors in Studio; if every node is, check that the workspace has its private endpoint, and "
        "that the nodes' subnet lets through what Azure Machine Learning needs.",
    ),
    Watch(
        name="quota-used-up",
        resource=WORKSPACE,
        metric="Quota Utilization Percentage",
        aggregation=monitor.AggregationTypeEnum.AVERAGE,
        threshold=95,
        severity=3,
        window="PT30M",
        split_by="VmFamilyName",
        happened="Azure Machine Learning's quota of the size's family is used up, so that clusters may get no more nodes.",
        remedy="If jobs wait, ask for more in Studio under Quota, or lower nodesMax.",
    ),
    Watch(
        name="workflow-failed",
        resource=WORKFLOW,
        metric="RunsFailed",
        severity=1,
        happened="A run of the workflow failed, so that a request may wait without a job.",
        remedy="Open the run in the workflow's history to see what failed; then resubmit it, or upload the request anew.",
    ),
    Watch(
        # Why is also in the log of the topic, table AegDeliveryFailureLogs:
        # https://learn.microsoft.com/azure/event-grid/monitor-push-reference
        name="event-dead-lettered",
        resource=TOPIC,
        metric="DeadLetteredCount",
        severity=1,
        happened="Event Grid gave up delivering the event of a request to the workflow: no job was made of it.",
        remedy="The container dead-letters of the ops account says why; enable the workflow, then upload the request anew.",
    ),
    Watch(
        name="event-dropped",
        resource=TOPIC,
        metric="DroppedEventCount",
        severity=1,
        happened="Event Grid could neither deliver the event of a request nor keep it: no job was made of it.",
        remedy="Check that the topic may write to the container dead-letters, then upload anew what has no status.json.",
    ),
)

RESIZE_HAPPENED = "The pool did not get the nodes it asked for; jobs wait or run on fewer nodes."
RESIZE_REMEDY = (
    "The code says why. With a quota code, ask for more cores of the GPU size's family in the Batch account's quotas; "
    "with an allocation code, the region has none to give: wait, lower spotPercent, or choose another gpuSize or location."
)


CLUSTER_REMEDY = (
    "The code says why. With a quota code, ask for more cores of the GPU size's family in Studio under Quota; "
    "with an allocation code, the region has none to give: wait, lower spotPercent, or choose another gpuSize or location."
)


def cluster_query(workspace: str) -> str:
    """Clusters of the workspace (its id) that didn't get their nodes, in the form of `resize_query`."""
    failures = of_ours(CLUSTER_FAILURES, account=workspace)
    return f"{failures}\n| project TimeGenerated, Pool = ClusterName, Code = ClusterErrorCodes"


def resize_query(account: str, pools: str) -> str:
    """Resizes that failed, of the pools of the Batch account (its id) whose names begin with `pools`."""
    failures = of_ours(RESIZE_FAILURES, account=account)
    return f'{failures}\n| where id_s startswith "{pools}"\n| project TimeGenerated, Pool = id_s, Code = resultCode_s'


def idle_window(keep_warm_minutes: int) -> str | None:
    """The shortest window that idle nodes never fill while all is well: they are kept warm, then take their time to go.

    None where Azure has no window that long: then no alert could tell idle nodes that are wanted from forgotten ones.
    """
    needed = keep_warm_minutes + SCALE_DOWN_MINUTES
    return next((name for minutes, name in WINDOWS if minutes >= needed), None)


def idle_watch(nodes_min: int, keep_warm_minutes: int, engine: EngineName = "batch") -> Watch | None:
    """Nodes beyond `nodes_min` that stay idle past the time they are kept warm; None like `idle_window`."""
    window = idle_window(keep_warm_minutes)
    if window is None:
        return None
    return Watch(
        name="nodes-idle",
        resource=ACCOUNTS[engine],
        metric="IdleNodeCount" if engine == "batch" else "Idle Nodes",
        # Not for one minute of the window were there fewer.
        aggregation=monitor.AggregationTypeEnum.MINIMUM,
        threshold=nodes_min,
        severity=2,
        window=window,
        every="PT5M" if window in ("PT15M", "PT30M", "PT1H") else "PT1H",
        happened=f"More than {nodes_min} nodes have been idle for longer than they are kept warm ({keep_warm_minutes} minutes).",
        remedy=(
            "They cost money for nothing: see the pool's autoscale run in the portal for an error of its formula, "
            f"and set the pool's size to {nodes_min} by hand if need be."
            if engine == "batch"
            else "They cost money for nothing: see the clusters in Studio, and their idle time before they are scaled down."
        ),
    )
