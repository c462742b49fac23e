"""The workbook: one page in the portal that draws jobs, tasks, nodes, frame times, failures and node-hours.

Its JSON has no published reference; its parts are those of Microsoft's own templates: https://github.com/microsoft/Application-Insights-Workbooks
Queries are in KQL; `{TimeRange:grain}` and `{TimeRange:endISO}` are filled in by the workbook from the time range at its top:
https://learn.microsoft.com/azure/azure-monitor/visualize/workbooks-time
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from enum import IntEnum

from stacks.monitoring import DIAGNOSTICS, FRAME_MILLISECONDS, FRAMES, JOB_EVENTS, ROLE, STEPS, TASKS, of_ours
from stacks.setting_types import EngineName
from stacks.workbook_engines import CHARTS, namespace

# A JSON value, as far as a workbook needs one.
Json = str | int | bool | Sequence["Json"] | dict[str, "Json"]

TITLE = "Batch scoring"
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


class ItemType(IntEnum):
    """What a workbook calls its kinds of items."""

    TEXT = 1
    QUERY = 3
    PARAMETERS = 9
    METRICS = 10


class Aggregation(IntEnum):
    """What a workbook calls Azure Monitor's ways to sum up a metric."""

    TOTAL = 1
    AVERAGE = 4


JOBS = f"""AppTraces
| where AppRoleName == "{ROLE}"
| extend Event = tostring(Properties.event), Job = tostring(Properties.job)
| where Event in ({", ".join(f'"{event}"' for event in JOB_EVENTS)})"""

JOBS_OVER_TIME = f"""{JOBS}
| summarize Jobs = dcount(Job) by Event, bin(TimeGenerated, {{TimeRange:grain}})"""

JOB_LIST = f"""{JOBS}
| summarize Started = min(TimeGenerated), arg_max(TimeGenerated, Event, Properties) by Job
| extend State = case(Event == "job.failed", "failed", Event == "job.finished", "finished", "running")
| extend Ended = iff(State == "running", datetime(null), TimeGenerated), Reason = tostring(Properties.reason)
| project Job, State, Started, Ended, Reason
| order by Started desc"""

FRAME_RATE = f"""AppMetrics
| where AppRoleName == "{ROLE}" and Name == "{FRAMES}"
| summarize FramesPerSecond = sum(Sum) / ({{TimeRange:grain}} / 1s) by bin(TimeGenerated, {{TimeRange:grain}})"""

TASKS_OVER_TIME = f"""AppMetrics
| where AppRoleName == "{ROLE}" and Name == "{TASKS}"
| summarize Tasks = sum(Sum) by Outcome = tostring(Properties.outcome), bin(TimeGenerated, {{TimeRange:grain}})"""

# A row sums up a step's frames of one minute: its mean, weighted by its frames, stands for each of them.
_FRAME_TIMES = f"""AppMetrics
| where AppRoleName == "{ROLE}" and Name == "{FRAME_MILLISECONDS}" and ItemCount > 0
| extend Step = tostring(Properties.step), Mean = Sum / ItemCount
| where Step in ({", ".join(f'"{step}"' for step in STEPS)})"""

FRAME_TIMES = f"""{_FRAME_TIMES}
| summarize Frames = sum(ItemCount), P50 = percentilew(Mean, ItemCount, 50), P95 = percentilew(Mean, ItemCount, 95),
    P99 = percentilew(Mean, ItemCount, 99), Longest = max(Max) by Step"""

FRAME_TIMES_OVER_TIME = f"""{_FRAME_TIMES}
| summarize P95 = percentilew(Mean, ItemCount, 95) by Step, bin(TimeGenerated, {{TimeRange:grain}})"""

# One row a reason, whoever gave it; {engine} is what the engine says.
FAILURES = f"""let exceptions = AppExceptions
| where AppRoleName == "{ROLE}"
| project TimeGenerated, Source = "scorer", Job = tostring(Properties.job), Reason = strcat(ExceptionType, ": ", OuterMessage);
let jobs = {JOBS}
| where Event == "job.failed"
| project TimeGenerated, Source = "job", Job, Reason = tostring(Properties.reason);
{{engine}}
let runs = {DIAGNOSTICS}
| where ResourceProvider == "MICROSOFT.LOGIC" and Category == "WorkflowRuntime" and status_s == "Failed"
| project TimeGenerated, Source = "workflow", Job = "", Reason = strcat(code_s, ": ", error_message_s);
union exceptions, jobs, tasks, resizes, runs
| summarize Times = count(), Jobs = dcountif(Job, isnotempty(Job)), Last = max(TimeGenerated) by Source, Reason
| order by Last desc"""

INTRODUCTION = f"""# {TITLE}
What the deployment did, and its node-hours. Choose the time range here.

An empty chart: nothing happened, or the nodes may not send telemetry (they need the role Monitoring Metrics Publisher)."""

NODE_HOURS_NOTE = """Node-hours times the price of the size is what the nodes cost: most of the bill.

They are counted from the first resize in the time range on. Spot nodes that were preempted between two resizes
count as if they had stayed."""


def serialize(engine: EngineName, account_id: str, workspace_id: str, insights_id: str, group_id: str) -> str:
    """The workbook's JSON, as Azure takes it, about these resources; `account_id` is where the engine's jobs are submitted."""
    own = CHARTS[engine]

    def chart(title: str, query: str, visualization: str, width: int = 50) -> Json:
        chosen = of_ours(query, account=account_id, group=group_id, insights=insights_id)
        return _query(title, chosen, visualization, width, workspace_id)

    def metrics(title: str, drawn: Mapping[str, str], aggregation: Aggregation) -> Json:
        return _metrics(title, drawn, aggregation, namespace(engine), account_id)

    items: list[Json] = [
        _text("introduction", INTRODUCTION),
        _time_range(),
        chart("Jobs", JOBS_OVER_TIME, "barchart"),
        chart("Jobs one by one", JOB_LIST, "table"),
        chart("Frames per second", FRAME_RATE, "timechart"),
        chart("Tasks by outcome", TASKS_OVER_TIME, "barchart"),
        metrics("Nodes", own.nodes, Aggregation.AVERAGE),
        metrics(own.work_title, own.work, Aggregation.TOTAL),
        chart("Milliseconds of a frame by step", FRAME_TIMES, "table"),
        chart("Milliseconds of a frame by step, 95th percentile", FRAME_TIMES_OVER_TIME, "timechart"),
        chart("Failures and their reasons", FAILURES.replace("{engine}", own.failures), "table", 100),
        chart("Node-hours", own.node_hours, "table"),
        _text("node-hours-note", NODE_HOURS_NOTE, 50),
    ]
    return json.dumps({"version": "Notebook/1.0", "items": items, "fallbackResourceIds": [insights_id], "isLocked": False})


def _item(kind: ItemType, name: str, content: Json, width: int = 100) -> Json:
    return {"type": int(kind), "name": name, "content": content, "customWidth": str(width)}


def _text(name: str, markdown: str, width: int = 100) -> Json:
    return _item(ItemType.TEXT, name, {"json": markdown}, width)


def _time_range() -> Json:
    choices: list[Json] = [{"durationMs": hours * HOUR_MS} for hours in (1, 4, 24, 3 * 24, 7 * 24, 30 * 24)]
    parameter: Json = {
        "id": "0b2a6c4e-7a0f-4d1e-9c55-6f1d3f4a7b10",  # any GUID: it tells parameters of one workbook apart
        "version": "KqlParameterItem/1.0",
        "name": "TimeRange",
        "label": "Time range",
        "type": 4,
        "isRequired": True,
        "value": {"durationMs": DAY_MS},
        "typeSettings": {"selectableValues": choices, "allowCustom": True},
    }
    content: Json = {"version": "KqlParameterItem/1.0", "style": "pills", "queryType": 0, "parameters": [parameter]}
    return _item(ItemType.PARAMETERS, "time-range", content)


def _query(title: str, query: str, visualization: str, width: int, workspace_id: str) -> Json:
    content: Json = {
        "version": "KqlItem/1.0",
        "title": title,
        "query": query,
        "visualization": visualization,
        "size": 0,
        "noDataMessage": "Nothing in this time range.",
        "timeContext": {"durationMs": DAY_MS},
        "timeContextFromParameter": "TimeRange",
        "queryType": 0,
        "resourceType": "microsoft.operationalinsights/workspaces",
        "crossComponentResources": [workspace_id],
    }
    return _item(ItemType.QUERY, title, content, width)


def _metrics(title: str, metrics: Mapping[str, str], aggregation: Aggregation, about: str, account_id: str) -> Json:
    lines: list[Json] = [
        {"namespace": about, "metric": f"{about}--{metric}", "aggregation": int(aggregation), "columnName": label}
        for metric, label in metrics.items()
    ]
    content: Json = {
        "chartId": title,
        "version": "MetricsItem/2.0",
        "title": title,
        "size": 0,
        "chartType": 2,  # lines
        "resourceType": about,
        "metricScope": 0,
        "resourceIds": [account_id],
        "timeContext": {"durationMs": DAY_MS},
        "timeContextFromParameter": "TimeRange",
        "metrics": lines,
    }
    return _item(ItemType.METRICS, title, content, 50)
