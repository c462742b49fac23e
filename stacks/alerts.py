"""Alerts: what tells people that something is wrong, what it costs, and the workbook that shows it all."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime

import pulumi
from pulumi_azure_native import applicationinsights, consumption, monitor

from stacks import workbook
from stacks.monitoring import RESIZE_FAILURES

BATCH = "Microsoft.Batch/batchAccounts"
WORKFLOW = "Microsoft.Logic/workflows"
TOPIC = "Microsoft.EventGrid/systemTopics"

# Metric alerts look back over one of these windows only: minutes, and how Azure writes them.
# https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-create-metric-alert-rule
WINDOWS = ((5, "PT5M"), (15, "PT15M"), (30, "PT30M"), (60, "PT1H"), (360, "PT6H"), (720, "PT12H"), (1440, "P1D"))
# The autoscale formula is evaluated every 5 minutes, sees tasks about a minute late, and the nodes take a while to go.
SCALE_DOWN_MINUTES = 15

_NAMESPACE = uuid.UUID("d1b0f0d6-6f0e-4b39-8a34-0f1c2a5e9d42")


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
    """Events are summed up; nodes, counted every minute, are not: https://learn.microsoft.com/azure/batch/monitor-batch."""
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
        happened="A node's start task failed: it costs money and takes no task.",
        remedy="Read startup/stderr.txt of the node in the portal, correct the pool, and remove the node.",
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

RESIZE_QUERY = f"{RESIZE_FAILURES}\n| project TimeGenerated, Pool = id_s, Code = resultCode_s"
RESIZE_HAPPENED = "The pool did not get the nodes it asked for; jobs wait or run on fewer nodes."
RESIZE_REMEDY = (
    "The code says why. With a quota code, ask for more cores of the GPU size's family in the Batch account's quotas; "
    "with an allocation code, the region has none to give: wait, lower spotPercent, or choose another gpuSize or location."
)


def idle_window(keep_warm_minutes: int) -> str | None:
    """The shortest window that idle nodes never fill while all is well: they are kept warm, then take their time to go.

    None where Azure has no window that long: then no alert could tell idle nodes that are wanted from forgotten ones.
    """
    needed = keep_warm_minutes + SCALE_DOWN_MINUTES
    return next((name for minutes, name in WINDOWS if minutes >= needed), None)


def idle_watch(nodes_min: int, keep_warm_minutes: int) -> Watch | None:
    """Nodes beyond `nodes_min` that stay idle past the time they are kept warm; None like `idle_window`."""
    window = idle_window(keep_warm_minutes)
    if window is None:
        return None
    return Watch(
        name="nodes-idle",
        resource=BATCH,
        metric="IdleNodeCount",
        # Not for one minute of the window were there fewer. (Microsoft's list doesn't say which aggregations a metric takes.)
        aggregation=monitor.AggregationTypeEnum.MINIMUM,
        threshold=nodes_min,
        severity=2,
        window=window,
        every="PT5M" if window in ("PT15M", "PT30M", "PT1H") else "PT1H",
        happened=f"More than {nodes_min} nodes have been idle for longer than they are kept warm ({keep_warm_minutes} minutes).",
        remedy="They cost money for nothing: see the pool's autoscale run in the portal for an error of its formula, "
        f"and set the pool's size to {nodes_min} by hand if need be.",
    )


@dataclass(frozen=True, kw_only=True)
class AlertsArgs:
    """What is watched, and who hears of it."""

    resource_group_name: pulumi.Input[str]
    resource_group_id: pulumi.Input[str]
    workspace_id: pulumi.Input[str]
    insights_id: pulumi.Input[str]
    batch_account_id: pulumi.Input[str]
    workflow_id: pulumi.Input[str]
    system_topic_id: pulumi.Input[str]
    nodes_min: int
    keep_warm_minutes: int
    alert_address: str = ""
    """An e-mail address; empty: alerts show in the portal only."""
    monthly_budget: float = 0
    """In the subscription's currency; 0: none. Without an address there is none either, since nobody would hear of it."""


class Alerts(pulumi.ComponentResource):
    """Alerts on metrics and logs, a budget, and the workbook.

    `workbook_id` is the workbook's resource id, where the portal opens it.
    """

    def __init__(self, name: str, args: AlertsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("batch-scoring:stacks:Alerts", name, None, opts)
        group = self._action_group(name, args.alert_address, args.resource_group_name) if args.alert_address else None
        targets = {BATCH: args.batch_account_id, WORKFLOW: args.workflow_id, TOPIC: args.system_topic_id}
        idle = idle_watch(args.nodes_min, args.keep_warm_minutes)
        for watch in (*WATCHES, idle) if idle else WATCHES:
            self._metric_alert(name, watch, targets[watch.resource], group, args.resource_group_name)
        self._resize_alert(name, args, group)
        if args.alert_address and args.monthly_budget > 0:
            self._budget(name, args)
        self.workbook_id: pulumi.Output[str] = self._workbook(name, args).id
        self.register_outputs({"workbook_id": self.workbook_id})

    def _action_group(self, name: str, address: str, resource_group_name: pulumi.Input[str]) -> monitor.ActionGroup:
        return monitor.ActionGroup(
            f"{name}-people",
            resource_group_name=resource_group_name,
            location="global",
            group_short_name="scoring",  # 12 characters at most
            enabled=True,
            email_receivers=[
                monitor.MicrosoftCommonEmailReceiverArgs(name="people", email_address=address, use_common_alert_schema=True)
            ],
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _metric_alert(
        self,
        name: str,
        watch: Watch,
        target: pulumi.Input[str],
        group: monitor.ActionGroup | None,
        resource_group_name: pulumi.Input[str],
    ) -> None:
        dimensions = (
            [monitor.MetricDimensionArgs(name=watch.split_by, operator="Include", values=["*"])] if watch.split_by else None
        )
        monitor.MetricAlert(
            f"{name}-{watch.name}",
            resource_group_name=resource_group_name,
            location="global",
            description=watch.description,
            severity=watch.severity,
            enabled=True,
            auto_mitigate=True,
            scopes=[target],
            window_size=watch.window,
            evaluation_frequency=watch.every,
            criteria=monitor.MetricAlertSingleResourceMultipleMetricCriteriaArgs(
                odata_type="Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria",
                all_of=[
                    monitor.MetricCriteriaArgs(
                        criterion_type="StaticThresholdCriterion",
                        name=watch.name,
                        metric_namespace=watch.resource,
                        metric_name=watch.metric,
                        time_aggregation=watch.aggregation,
                        operator=monitor.Operator.GREATER_THAN,
                        threshold=watch.threshold,
                        dimensions=dimensions,
                    )
                ],
            ),
            actions=[monitor.MetricAlertActionArgs(action_group_id=group.id)] if group else None,
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _resize_alert(self, name: str, args: AlertsArgs, group: monitor.ActionGroup | None) -> None:
        """Metrics count resizes, but only the log knows how they ended."""
        monitor.ScheduledQueryRule(
            f"{name}-resize-failed",
            resource_group_name=args.resource_group_name,
            kind=monitor.Kind.LOG_ALERT,
            display_name="The pool did not get its nodes",
            description=f"{RESIZE_HAPPENED} {RESIZE_REMEDY}",
            severity=1,
            enabled=True,
            auto_mitigate=True,
            scopes=[args.workspace_id],
            evaluation_frequency="PT15M",
            window_size="PT30M",  # twice as long: logs arrive minutes late
            skip_query_validation=True,  # the workspace has no such table before the first log
            criteria=monitor.ScheduledQueryRuleCriteriaArgs(
                all_of=[
                    monitor.ConditionArgs(
                        query=RESIZE_QUERY,
                        time_aggregation=monitor.TimeAggregation.COUNT,
                        operator="GreaterThan",  # the SDK's ConditionOperator lists another service's words
                        threshold=0,
                        dimensions=[
                            monitor.DimensionArgs(name=column, operator=monitor.DimensionOperator.INCLUDE, values=["*"])
                            for column in ("Pool", "Code")
                        ],
                        failing_periods=monitor.ConditionFailingPeriodsArgs(
                            number_of_evaluation_periods=1, min_failing_periods_to_alert=1
                        ),
                    )
                ]
            ),
            actions=monitor.ActionsArgs(action_groups=[group.id]) if group else None,
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _budget(self, name: str, args: AlertsArgs) -> None:
        def notify(kind: consumption.ThresholdType, percent: int) -> consumption.NotificationArgs:
            return consumption.NotificationArgs(
                enabled=True,
                threshold_type=kind,
                threshold=percent,
                operator=consumption.OperatorType.GREATER_THAN_OR_EQUAL_TO,
                contact_emails=[args.alert_address],
            )

        consumption.Budget(
            f"{name}-budget",
            scope=args.resource_group_id,
            category=consumption.CategoryType.COST,
            amount=args.monthly_budget,
            time_grain=consumption.TimeGrainType.MONTHLY,
            time_period=consumption.BudgetTimePeriodArgs(start_date=first_of_month(datetime.now(UTC).date())),
            notifications={
                "actual-80": notify(consumption.ThresholdType.ACTUAL, 80),
                "forecast-100": notify(consumption.ThresholdType.FORECASTED, 100),
            },
            # The month in which the stack was made stays: another start would make another budget each month.
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["timePeriod"]),
        )

    def _workbook(self, name: str, args: AlertsArgs) -> applicationinsights.Workbook:
        return applicationinsights.Workbook(
            f"{name}-workbook",
            resource_name_=pulumi.Output.from_input(args.resource_group_id).apply(workbook_name),
            resource_group_name=args.resource_group_name,
            kind=applicationinsights.WorkbookSharedTypeKind.SHARED,
            category="workbook",
            display_name=workbook.TITLE,
            source_id=args.insights_id,
            version="Notebook/1.0",
            serialized_data=pulumi.Output.all(args.batch_account_id, args.workspace_id, args.insights_id).apply(
                lambda ids: workbook.serialize(*ids)
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )


def workbook_name(resource_group_id: str) -> str:
    """Azure wants a GUID for a workbook's name: always the same one in a resource group."""
    return str(uuid.uuid5(_NAMESPACE, resource_group_id))


def first_of_month(today: date) -> str:
    """When a monthly budget begins: Azure takes nothing but the first of a month."""
    return f"{today:%Y-%m}-01T00:00:00Z"
