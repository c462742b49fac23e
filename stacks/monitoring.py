"""Telemetry: where logs and measurements of everything go, and what they are called there.

The names, which the scorer writes and which the workbook and the alerts read:

    cloud role            scorer
    metric                scorer.frames               frames scored, counted
    metric                scorer.frame.milliseconds   time of one frame; dimension step: decode, score, encode
    metric                scorer.tasks                tasks ended, counted; dimension outcome: finished, failed
    custom dimensions     job, chunk, node            of every metric, log event and exception
    log events            property event: job.started, job.finished, job.failed; properties job, step and, of a failure, reason

They arrive in the tables AppMetrics, AppTraces and AppExceptions, whose column Properties holds the dimensions.
What Azure itself logs arrives in AzureDiagnostics (Batch, workflow, Event Grid), StorageBlobLogs, StorageFileLogs and the
registry's own tables.
Sources: https://learn.microsoft.com/azure/azure-monitor/reference/tables-index,
https://learn.microsoft.com/azure/azure-monitor/reference/supported-logs/logs-index
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pulumi
from pulumi_azure_native import applicationinsights, monitor, operationalinsights

ROLE = "scorer"
FRAMES = "scorer.frames"
FRAME_MILLISECONDS = "scorer.frame.milliseconds"
TASKS = "scorer.tasks"
STEPS = ("decode", "score", "encode")
JOB_EVENTS = ("job.started", "job.finished", "job.failed")

# What the queries read of AzureDiagnostics, which names a column after a property of the logged event and its type. The events:
# https://learn.microsoft.com/azure/batch/batch-pool-resize-complete-event, .../batch-task-fail-event
# https://learn.microsoft.com/azure/logic-apps/monitor-workflows-collect-diagnostic-data
DIAGNOSTIC_COLUMNS = {
    "TimeGenerated": "datetime",
    "ResourceProvider": "string",
    "Category": "string",
    "OperationName": "string",
    "ResourceId": "string",
    "id_s": "string",
    "jobId_s": "string",
    "executionInfo_exitCode_d": "real",
    "currentDedicatedNodes_d": "real",
    "currentLowPriorityNodes_d": "real",
    "resultCode_s": "string",
    "resultMessage_s": "string",
    "resource_workflowName_s": "string",
    "status_s": "string",
    "code_s": "string",
    "error_message_s": "string",
}
# The table comes into being with its first row and a column with its first value; until then a query that names them fails, and
# an alert rule that fails for a week is disabled. The empty table beside it has them from the start.
DIAGNOSTICS = (
    "union isfuzzy=true AzureDiagnostics, "
    f"(datatable({', '.join(f'{name}:{kind}' for name, kind in DIAGNOSTIC_COLUMNS.items())})[])"
)
RESIZE_FAILURES = f"""{DIAGNOSTICS}
| where ResourceProvider == "MICROSOFT.BATCH" and Category == "ServiceLog"
| where OperationName == "PoolResizeCompleteEvent" and resultCode_s != "Success\""""

# The same of what Azure Machine Learning logs, which has tables of its own:
# https://learn.microsoft.com/azure/azure-monitor/reference/tables/amlcomputeclusterevent, .../amlcomputejobevent
_CLUSTER_COLUMNS = (
    "TimeGenerated:datetime, ClusterName:string, ClusterErrorCodes:string, CurrentNodeCount:int, VmPriority:string, "
    "_ResourceId:string"
)
_RUN_COLUMNS = "TimeGenerated:datetime, EventType:string, ExperimentName:string, JobErrorMessage:string, _ResourceId:string"
CLUSTER_EVENTS = f"union isfuzzy=true AmlComputeClusterEvent, (datatable({_CLUSTER_COLUMNS})[])"
RUN_EVENTS = f"union isfuzzy=true AmlComputeJobEvent, (datatable({_RUN_COLUMNS})[])"
CLUSTER_FAILURES = f"""{CLUSTER_EVENTS}
| where isnotempty(ClusterErrorCodes) and ClusterErrorCodes != "[]\""""

# How a query begins to choose rows, and what else it asks of them where a workspace has rows of other deployments, too.
_CHOICES = {
    'where ResourceProvider == "MICROSOFT.BATCH"': ' and ResourceId =~ "{account}"',
    "where isnotempty(ClusterErrorCodes)": ' and _ResourceId =~ "{account}"',
    "where isnotempty(ClusterName)": ' and _ResourceId =~ "{account}"',
    'where EventType == "JobFailed"': ' and _ResourceId =~ "{account}"',
    'where ResourceProvider == "MICROSOFT.LOGIC"': ' and ResourceId startswith "{group}/"',
    f'where AppRoleName == "{ROLE}"': ' and _ResourceId =~ "{insights}"',
}


def of_ours(query: str, *, account: str = "", group: str = "", insights: str = "") -> str:
    """The query about our own rows alone: of this account (Batch's, or a workspace), resource group and Application Insights."""
    for choice, more in _CHOICES.items():
        query = query.replace(choice, choice + more.format(account=account, group=group, insights=insights))
    return query


STORAGE_LOGS = ("StorageRead", "StorageWrite", "StorageDelete")


@dataclass(frozen=True, kw_only=True)
class TelemetryArgs:
    """How long telemetry is kept."""

    resource_group_name: pulumi.Input[str]
    retention_days: int
    """30 to 730. Application Insights keeps what it writes for 90 at least."""
    workspace_id: str = ""
    """Of a workspace that exists, in whose settings we have no say; empty: one is made."""


class Telemetry(pulumi.ComponentResource):
    """A Log Analytics workspace, Application Insights that writes to it, and diagnostic settings of other resources.

    Neither takes keys: `connection_string` says where to send, and what is sent needs a token of an identity with the role
    Monitoring Metrics Publisher on `insights_id`. Source: https://learn.microsoft.com/azure/azure-monitor/app/azure-ad-authentication
    """

    def __init__(self, name: str, args: TelemetryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("batch-scoring:stacks:Telemetry", name, None, opts)
        self._prefix = name
        child = pulumi.ResourceOptions(parent=self)
        self.workspace_id: pulumi.Input[str] = args.workspace_id or self._workspace(name, args)
        insights = applicationinsights.Component(
            f"{name}-insights",
            resource_group_name=args.resource_group_name,
            kind="other",
            application_type=applicationinsights.ApplicationType.OTHER,
            ingestion_mode=applicationinsights.IngestionMode.LOG_ANALYTICS,
            workspace_resource_id=self.workspace_id,
            disable_local_auth=True,
            opts=child,
        )
        self.insights_id: pulumi.Output[str] = insights.id
        self.connection_string: pulumi.Output[str] = insights.connection_string
        self.register_outputs(
            {
                "workspace_id": self.workspace_id,
                "insights_id": self.insights_id,
                "connection_string": self.connection_string,
            }
        )

    def _workspace(self, name: str, args: TelemetryArgs) -> pulumi.Output[str]:
        return operationalinsights.Workspace(
            f"{name}-logs",
            resource_group_name=args.resource_group_name,
            sku=operationalinsights.WorkspaceSkuArgs(name=operationalinsights.WorkspaceSkuNameEnum.PER_GB2018),
            retention_in_days=args.retention_days,
            features=operationalinsights.WorkspaceFeaturesArgs(
                disable_local_auth=True, enable_log_access_using_only_resource_permissions=True
            ),
            opts=pulumi.ResourceOptions(parent=self),
        ).id

    def diagnose(self, name: str, resource_id: pulumi.Input[str], *, metrics: bool = True) -> monitor.DiagnosticSetting:
        """Send all logs of a resource, and its metrics, to the workspace.

        For the Batch account, the workflows, the Event Grid system topic and, without metrics, the registry.
        """
        logs = [monitor.DiagnosticsLogSettingsArgs(category_group="allLogs", enabled=True)]
        return self._setting(name, resource_id, logs, metrics=metrics)

    def diagnose_storage(
        self, name: str, account_id: pulumi.Input[str], service_kind: Literal["blob", "file"] = "blob"
    ) -> monitor.DiagnosticSetting:
        """Log who reads, writes and deletes what is in a storage account. Logs belong to its service, not to the account."""
        logs = [monitor.DiagnosticsLogSettingsArgs(category=category, enabled=True) for category in STORAGE_LOGS]
        service = pulumi.Output.concat(account_id, f"/{service_kind}Services/default")
        # Azure keeps the metrics of storage for 93 days anyway; a second copy would only cost.
        return self._setting(name, service, logs, metrics=False)

    def _setting(
        self,
        name: str,
        resource_id: pulumi.Input[str],
        logs: list[monitor.DiagnosticsLogSettingsArgs],
        *,
        metrics: bool,
    ) -> monitor.DiagnosticSetting:
        return monitor.DiagnosticSetting(
            f"{self._prefix}-{name}",
            name=self._prefix,  # it need be unique on the resource only
            resource_uri=resource_id,
            workspace_id=self.workspace_id,
            logs=logs,
            metrics=[monitor.DiagnosticsMetricSettingsArgs(category="AllMetrics", enabled=True)] if metrics else None,
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
