"""Alerts: what tells people that something is wrong, what it costs, and the workbook that shows it all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

import pulumi
from pulumi_azure_native import applicationinsights, consumption, monitor

from stacks import naming, workbook
from stacks.setting_types import EngineName
from stacks.watches import (
    ACCOUNTS,
    CLUSTER_REMEDY,
    POOL,
    RESIZE_HAPPENED,
    RESIZE_REMEDY,
    TOPIC,
    WATCHES,
    WORKFLOW,
    Watch,
    cluster_query,
    idle_watch,
    resize_query,
)


@dataclass(frozen=True, kw_only=True)
class AlertsArgs:
    """What is watched, and who hears of it."""

    resource_group_name: pulumi.Input[str]
    resource_group_id: pulumi.Input[str]
    workspace_id: pulumi.Input[str]
    insights_id: pulumi.Input[str]
    engine: EngineName = "batch"
    account_id: pulumi.Input[str]
    """Of where jobs are submitted: a Batch account, or an Azure Machine Learning workspace."""
    account_is_ours: bool = True
    """Where others have pools in it, too, its counts of nodes say nothing of ours."""
    workflow_ids: Mapping[str, pulumi.Input[str]]
    """By what each is called."""
    system_topic_id: pulumi.Input[str] | None
    """None where there are no events."""
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
        targets: dict[str, Mapping[str, pulumi.Input[str]]] = {
            ACCOUNTS[args.engine]: {"": args.account_id} if args.account_is_ours else {},
            WORKFLOW: {f"-{what}": each for what, each in args.workflow_ids.items()},
            TOPIC: {"": args.system_topic_id} if args.system_topic_id is not None else {},
        }
        idle = idle_watch(args.nodes_min, args.keep_warm_minutes, args.engine)
        for watch in (*WATCHES, idle) if idle else WATCHES:
            for suffix, target in targets.get(watch.resource, {}).items():
                self._metric_alert(f"{name}-{watch.name}{suffix}", watch, target, group, args.resource_group_name)
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
            name,
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
            description=f"{RESIZE_HAPPENED} {RESIZE_REMEDY if args.engine == 'batch' else CLUSTER_REMEDY}",
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
                        query=pulumi.Output.from_input(args.account_id).apply(
                            lambda account: (
                                resize_query(account, f"{name}-{POOL}") if args.engine == "batch" else cluster_query(account)
                            )
                        ),
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
                "actual-100": notify(consumption.ThresholdType.ACTUAL, 100),
                "forecast-100": notify(consumption.ThresholdType.FORECASTED, 100),
            },
            # The month in which the stack was made stays: another start would make another budget each month.
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["timePeriod"]),
        )

    def _workbook(self, name: str, args: AlertsArgs) -> applicationinsights.Workbook:
        return applicationinsights.Workbook(
            f"{name}-workbook",
            # Of this deployment's own, as others may be in the group.
            resource_name_=pulumi.Output.from_input(args.resource_group_id).apply(
                lambda group: naming.guid(group, name, "workbook")
            ),
            resource_group_name=args.resource_group_name,
            kind=applicationinsights.WorkbookSharedTypeKind.SHARED,
            category="workbook",
            display_name=workbook.TITLE,
            source_id=args.insights_id,
            version="Notebook/1.0",
            serialized_data=pulumi.Output.all(args.account_id, args.workspace_id, args.insights_id, args.resource_group_id).apply(
                lambda ids: workbook.serialize(args.engine, *ids)
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )


def first_of_month(today: date) -> str:
    """When a monthly budget begins: Azure takes nothing but the first of a month."""
    return f"{today:%Y-%m}-01T00:00:00Z"
