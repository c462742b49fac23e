import json
import re
from collections.abc import Iterator
from datetime import date, timedelta
from typing import TypedDict, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pulumi_azure_native.monitor import AggregationTypeEnum
from pydantic import TypeAdapter

from emulator.arm.cloud import Cloud
from stacks import monitoring, watches, workbook
from stacks.alerts import first_of_month
from stacks.setting_types import EngineName
from stacks.watches import WATCHES, Watch, idle_watch, idle_window
from tests.azure_fixtures import Deploy

GROUP = "/subscriptions/s/resourceGroups/g"
ACCOUNT = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Batch/batchAccounts/b"
WORKSPACE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.OperationalInsights/workspaces/w"
INSIGHTS = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Insights/components/i"


def words(text: str) -> set[str]:
    return set(text.split())


# Metrics and their dimensions, from Microsoft's lists (April 2025):
# https://learn.microsoft.com/azure/azure-monitor/reference/supported-metrics/microsoft-batch-batchaccounts-metrics
# https://learn.microsoft.com/azure/azure-monitor/reference/supported-metrics/microsoft-logic-workflows-metrics
# https://learn.microsoft.com/azure/azure-monitor/reference/supported-metrics/microsoft-eventgrid-systemtopics-metrics
NODE_METRICS = words(
    "TotalNodeCount TotalLowPriorityNodeCount CreatingNodeCount IdleNodeCount LeavingPoolNodeCount "
    "OfflineNodeCount PreemptedNodeCount RebootingNodeCount ReimagingNodeCount RunningNodeCount "
    "StartingNodeCount StartTaskFailedNodeCount UnusableNodeCount WaitingForStartTaskNodeCount"
)
TASK_METRICS = {"TaskStartEvent", "TaskCompleteEvent", "TaskFailEvent"}
# https://learn.microsoft.com/azure/azure-monitor/reference/supported-metrics/microsoft-machinelearningservices-workspaces-metrics
CLUSTER_METRICS = {f"{kind} Nodes" for kind in words("Active Idle Leaving Preempted Total Unusable")}
RUN_METRICS = {f"{kind} Runs" for kind in words("Started Completed Failed Queued")}
# Counted every minute, not once each.
LEVELS = NODE_METRICS | CLUSTER_METRICS | {"Quota Utilization Percentage"}
DOCUMENTED_METRICS: dict[str, dict[str, set[str]]] = {
    "microsoft.batch/batchaccounts": {
        metric: words("poolId jobId") if metric in TASK_METRICS else set() for metric in NODE_METRICS | TASK_METRICS
    },
    "microsoft.machinelearningservices/workspaces": {
        **dict.fromkeys(CLUSTER_METRICS, words("Scenario ClusterName")),
        "Quota Utilization Percentage": words("Scenario ClusterName VmFamilyName VmPriority"),
        **dict.fromkeys(RUN_METRICS, words("Scenario RunType PublishedPipelineId ComputeType PipelineStepType ExperimentName")),
    },
    "microsoft.logic/workflows": {"RunsStarted": set(), "RunsCompleted": set(), "RunsFailed": set(), "RunsSucceeded": set()},
    "microsoft.eventgrid/systemtopics": {
        "DeadLetteredCount": {"DeadLetterReason", "EventSubscriptionName"},
        "DroppedEventCount": {"DropReason", "EventSubscriptionName"},
        "DeliveryAttemptFailCount": {"Error", "ErrorType", "EventSubscriptionName"},
    },
}
# https://learn.microsoft.com/azure/templates/microsoft.insights/metricalerts
WINDOWS = [timedelta(minutes=minutes) for minutes in (5, 15, 30, 60, 6 * 60, 12 * 60, 24 * 60)]
FREQUENCIES = [timedelta(minutes=minutes) for minutes in (1, 5, 15, 30, 60)]

# Tables and the columns of them that a query may name: https://learn.microsoft.com/azure/azure-monitor/reference/tables/appmetrics,
# .../appexceptions, .../apptraces. The columns of AzureDiagnostics follow the events of
# https://learn.microsoft.com/azure/batch/batch-pool-resize-complete-event, .../batch-task-fail-event and
# https://learn.microsoft.com/azure/logic-apps/monitor-workflows-collect-diagnostic-data, with a letter for their type.
COMMON = {"TimeGenerated", "_ResourceId", "AppRoleName", "AppRoleInstance", "OperationId", "Properties", "ItemCount"}
DOCUMENTED_COLUMNS: dict[str, set[str]] = {
    "AppMetrics": COMMON | {"Name", "Sum", "Min", "Max"},
    "AppTraces": COMMON | {"Message", "SeverityLevel"},
    "AppExceptions": COMMON | {"ExceptionType", "OuterMessage", "OuterType", "ProblemId", "InnermostMessage", "SeverityLevel"},
    "AmlComputeClusterEvent": words(
        "TimeGenerated _ResourceId ClusterName ClusterErrorCodes CurrentNodeCount TargetNodeCount VmPriority VmSize EventType"
    ),
    "AmlComputeJobEvent": words("TimeGenerated _ResourceId EventType ExperimentName JobErrorMessage JobId JobName ErrorDetails"),
    "AzureDiagnostics": {"TimeGenerated", "ResourceId", "ResourceProvider", "Category", "OperationName"}
    | {"id_s", "currentDedicatedNodes_d", "currentLowPriorityNodes_d", "resultCode_s", "resultMessage_s"}
    | {"jobId_s", "executionInfo_exitCode_d"}
    | {"resource_workflowName_s", "status_s", "code_s", "error_message_s"},
}
DIMENSIONS = {"job", "chunk", "node", "step", "outcome", "event", "reason"}
KQL = words(
    "let startswith where extend project summarize order by asc desc union isfuzzy true in and or on bin tostring toint "
    "strcat case iff null count countif dcount dcountif isnotempty sum min max arg_max percentilew round next "
    "datetime datatable string real int"
)


class Content(TypedDict):
    json: str
    query: str
    crossComponentResources: list[str]
    resourceIds: list[str]
    timeContextFromParameter: str
    metrics: list[dict[str, str | int]]
    parameters: list[dict[str, str | int]]


class Item(TypedDict):
    type: int
    name: str
    content: Content


def items(kind: int, engine: EngineName = "batch") -> list[Item]:
    document = json.loads(workbook.serialize(engine, ACCOUNT, WORKSPACE, INSIGHTS, GROUP))
    return [item for item in cast(list[Item], document["items"]) if item["type"] == kind]


def minutes(duration: str) -> timedelta:
    return TypeAdapter(timedelta).validate_python(duration)


QUERIES = {f"{item['name']} ({engine})": item["content"]["query"] for engine in watches.ACCOUNTS for item in items(3, engine)} | {
    "resize alert": watches.resize_query(ACCOUNT, "scoring-dev-gpu"),
    "cluster alert": watches.cluster_query(ACCOUNT),
}


def all_watches(nodes_min: int = 0, keep_warm_minutes: int = 10) -> list[Watch]:
    """Of both engines."""
    idle = [idle_watch(nodes_min, keep_warm_minutes, engine) for engine in watches.ACCOUNTS]
    return [*WATCHES, *(each for each in idle if each)]


def unknown(query: str) -> Iterator[str]:
    """Words of a query that are neither KQL nor documented nor made by the query itself."""
    text = re.sub(r'"[^"]*"', '""', query)
    dimensions = set(re.findall(r"Properties\.(\w+)", text))
    yield from sorted(dimensions - DIMENSIONS)
    text = re.sub(r"\.\w+", "", re.sub(r"\{TimeRange:(grain|endISO)\}", "0", text))
    names = set(re.findall(r"\b[A-Za-z_]\w*", text))
    made = set(re.findall(r"\b([A-Za-z]\w*)\s*=(?![=~])", text))
    tables = names & DOCUMENTED_COLUMNS.keys()
    if not tables:
        yield "no table"
    columns = set().union(*(DOCUMENTED_COLUMNS[table] for table in tables))
    yield from sorted(names - tables - columns - made - KQL)


@pytest.mark.parametrize(
    ("keep_warm", "window"),
    [
        (0, "PT15M"),
        (10, "PT30M"),
        (15, "PT30M"),
        (16, "PT1H"),
        (45, "PT1H"),
        (46, "PT6H"),
        (345, "PT6H"),
        (346, "PT12H"),
        (706, "P1D"),
        (1425, "P1D"),
        (1426, None),
        (1440, None),
    ],
)
def test_window_of_idle_nodes(keep_warm: int, window: str | None) -> None:
    assert idle_window(keep_warm) == window


@given(st.integers(0, 1440))
def test_idle_window_is_the_shortest_that_azure_has_and_warm_nodes_never_fill(keep_warm: int) -> None:
    long_enough = [window for window in WINDOWS if window >= timedelta(minutes=keep_warm + 15)]
    chosen = idle_window(keep_warm)
    assert (None if chosen is None else minutes(chosen)) == (min(long_enough) if long_enough else None)


def test_idle_nodes_are_those_beyond_the_ones_that_always_stay() -> None:
    watch = idle_watch(3, 60)
    assert watch is not None
    assert (watch.metric, watch.threshold, watch.window) == ("IdleNodeCount", 3, "PT6H")
    assert watch.aggregation == AggregationTypeEnum.MINIMUM  # one busy minute is enough to be no waste
    assert "3 nodes" in watch.description
    assert "60 minutes" in watch.description


def test_without_a_window_long_enough_nothing_is_said_about_idle_nodes() -> None:
    assert idle_watch(0, 1440) is None


@pytest.mark.parametrize("keep_warm", [0, 10, 60, 300, 1400])
def test_alerts_watch_what_azure_measures_as_it_measures_it(keep_warm: int) -> None:
    for watch in all_watches(keep_warm_minutes=keep_warm):
        metrics = DOCUMENTED_METRICS[watch.resource.lower()]
        assert watch.metric in metrics, watch.name
        assert watch.split_by is None or watch.split_by in metrics[watch.metric], watch.name
        # A sum over samples of one minute each would count one node many times.
        assert (watch.aggregation == AggregationTypeEnum.TOTAL) == (watch.metric not in LEVELS), watch.name
        assert minutes(watch.window) in WINDOWS, watch.name
        assert minutes(watch.every) in FREQUENCIES, watch.name
        assert minutes(watch.every) <= minutes(watch.window), watch.name


def test_each_alert_says_what_happened_and_what_to_do() -> None:
    texts = {(watch.name, watch.resource): (watch.happened, watch.remedy) for watch in all_watches()}
    texts["resize-failed", watches.BATCH] = (watches.RESIZE_HAPPENED, watches.RESIZE_REMEDY)
    texts["resize-failed", watches.WORKSPACE] = (watches.RESIZE_HAPPENED, watches.CLUSTER_REMEDY)
    assert len(texts) == len(WATCHES) + 4  # each has its own name
    for name, (happened, remedy) in texts.items():
        for sentence in (happened, remedy):
            assert re.fullmatch(r"[A-Z].{20,}\.", sentence), name
        assert happened != remedy
    assert len({remedy for _, remedy in texts.values()}) == len(texts)
    assert all(0 <= watch.severity <= 4 for watch in all_watches())
    assert all(watch.description == f"{watch.happened} {watch.remedy}" for watch in all_watches())


def test_all_that_can_go_wrong_is_watched() -> None:
    assert {watch.metric for watch in all_watches()} == {
        "TaskFailEvent",
        "UnusableNodeCount",
        "StartTaskFailedNodeCount",
        "IdleNodeCount",
        "Failed Runs",
        "Unusable Nodes",
        "Quota Utilization Percentage",
        "Idle Nodes",
        "RunsFailed",
        "DeadLetteredCount",
        "DroppedEventCount",
    }


@pytest.mark.parametrize("engine", watches.ACCOUNTS)
def test_workbook_is_made_of_the_parts_that_azure_knows(engine: EngineName) -> None:
    text = workbook.serialize(engine, ACCOUNT, WORKSPACE, INSIGHTS, GROUP)
    document = json.loads(text)
    assert document["version"] == "Notebook/1.0"
    assert document["fallbackResourceIds"] == [INSIGHTS]
    assert {item["type"] for item in document["items"]} == {1, 3, 9, 10}
    names = [item["name"] for item in document["items"]]
    assert len(set(names)) == len(names)
    assert all(0 < int(item["customWidth"]) <= 100 for item in document["items"])
    assert len(text.encode()) < 64 * 1024
    assert all(item["content"]["json"].strip() for item in items(1, engine))


def test_one_time_range_rules_every_chart() -> None:
    (parameters,) = items(9)
    assert [parameter["name"] for parameter in parameters["content"]["parameters"]] == ["TimeRange"]
    charts = items(3) + items(10)
    assert charts
    assert {item["content"]["timeContextFromParameter"] for item in charts} == {"TimeRange"}
    assert document_placeholders() <= {"TimeRange:grain", "TimeRange:endISO"}


def document_placeholders() -> set[str]:
    return {match for query in QUERIES.values() for match in re.findall(r"\{(.*?)\}", query)}


@pytest.mark.parametrize("engine", watches.ACCOUNTS)
def test_workbook_asks_its_own_workspace_and_account(engine: EngineName) -> None:
    assert all(item["content"]["crossComponentResources"] == [WORKSPACE] for item in items(3, engine))
    assert all(item["content"]["resourceIds"] == [ACCOUNT] for item in items(10, engine))


@pytest.mark.parametrize(
    ("engine", "nodes", "work", "least"),
    [
        ("batch", NODE_METRICS, TASK_METRICS, words("TotalNodeCount TotalLowPriorityNodeCount IdleNodeCount PreemptedNodeCount")),
        ("machine-learning", CLUSTER_METRICS, RUN_METRICS - {"Queued Runs"}, {"Total Nodes", "Idle Nodes", "Preempted Nodes"}),
    ],
)
def test_workbook_draws_metrics_that_azure_measures(engine: EngineName, nodes: set[str], work: set[str], least: set[str]) -> None:
    drawn: dict[str, int] = {}
    for item in items(10, engine):
        for metric in item["content"]["metrics"]:
            namespace, _, name = str(metric["metric"]).partition("--")
            assert namespace == metric["namespace"]
            assert name in DOCUMENTED_METRICS[namespace]
            drawn[name] = int(metric["aggregation"])
    # A workbook writes 1 for a sum and 4 for an average.
    assert {name for name, aggregation in drawn.items() if aggregation == 4} == drawn.keys() & nodes
    assert {name for name, aggregation in drawn.items() if aggregation == 1} == work
    assert least <= drawn.keys()


@pytest.mark.parametrize("name", QUERIES)
def test_queries_name_only_known_tables_and_columns(name: str) -> None:
    query = QUERIES[name]
    assert list(unknown(query)) == []
    for opening, closing in ("()", "[]", "{}"):
        assert query.count(opening) == query.count(closing)
    assert query.count('"') % 2 == 0
    assert not re.search(r"\n\s*\n|\|\s*\||\|\s*$", query)  # a blank line would end the query in the portal


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("AppTraces | where OuterMessage == ''", "OuterMessage"),
        ("AppMetrics | summarize sum(Summ)", "Summ"),
        ("AppMetrics | where tostring(Properties.stage) == 'x'", "stage"),
        ("customMetrics | where name == 'x'", "no table"),
    ],
)
def test_a_wrong_column_would_be_found(query: str, word: str) -> None:
    assert word in list(unknown(query.replace("'", '"')))


def test_queries_of_azure_s_log_work_before_its_first_row() -> None:
    for name, query in QUERIES.items():
        fuzzy = query.count("union isfuzzy=true AzureDiagnostics, (datatable(")
        assert fuzzy == query.count("AzureDiagnostics"), name
        for table in ("AmlComputeClusterEvent", "AmlComputeJobEvent"):
            assert query.count(f"union isfuzzy=true {table}, (datatable(") == query.count(table), name
        used = set(re.findall(r"\b\w+_[sd]\b", query.replace(monitoring.DIAGNOSTICS, "")))
        assert used <= monitoring.DIAGNOSTIC_COLUMNS.keys(), name
    kinds = {"s": "string", "d": "real"}
    for column, kind in monitoring.DIAGNOSTIC_COLUMNS.items():
        if "_" in column:
            assert kinds[column[-1]] == kind, column


def test_rows_of_other_deployments_in_one_workspace_are_left_out() -> None:
    for name, query in QUERIES.items():
        for choice, own in (
            ('ResourceProvider == "MICROSOFT.BATCH"', f'ResourceId =~ "{ACCOUNT}"'),
            ('ResourceProvider == "MICROSOFT.LOGIC"', f'ResourceId startswith "{GROUP}/"'),
            ('AppRoleName == "scorer"', f'_ResourceId =~ "{INSIGHTS}"'),
        ):
            assert query.count(choice) == query.count(f"{choice} and {own}"), name
        chosen = query.count(" and ResourceId ") + query.count(" and _ResourceId ")
        assert chosen == len(re.findall(r"\b(?:AzureDiagnostics,|AmlCompute\w+,|AppMetrics|AppTraces|AppExceptions)", query)), (
            name
        )


def test_names_of_telemetry_are_written_down_and_drawn() -> None:
    contract = monitoring.__doc__ or ""
    drawn = "\n".join(QUERIES.values())
    for metric in (monitoring.FRAMES, monitoring.FRAME_MILLISECONDS, monitoring.TASKS, *monitoring.STEPS, *monitoring.JOB_EVENTS):
        assert re.search(rf"(?<![\w.]){re.escape(metric)}(?![\w.]*\w)", contract), metric
        assert f'"{metric}"' in drawn
    assert 'AppRoleName == "scorer"' in drawn


@pytest.mark.parametrize(
    ("today", "start"),
    [(date(2026, 11, 24), "2026-11-01T00:00:00Z"), (date(2027, 1, 1), "2027-01-01T00:00:00Z")],
)
def test_budget_starts_on_the_first_of_the_month(today: date, start: str) -> None:
    assert first_of_month(today) == start


def test_a_budget_tells_what_is_spent_and_what_will_be(azure: Cloud, deploy: Deploy) -> None:
    address = "platform@example.com"
    deploy("dev", monthlyBudget=500, alertAddress=address).up()
    (budget,) = azure.of_type("Microsoft.Consumption/budgets")
    properties = budget.body["properties"]
    assert properties["amount"] == 500
    told = properties["notifications"].values()
    assert {(each["thresholdType"], each["threshold"]) for each in told} == {("Actual", 80), ("Actual", 100), ("Forecasted", 100)}
    assert all(each["enabled"] and each["contactEmails"] == [address] for each in told)
