"""The workbook, and queries of it and of alerts: of tables, columns and metrics that Azure has, and of this deployment alone."""

import json
import re
from collections.abc import Iterator
from typing import TypedDict, cast

import pytest

from stacks import monitoring, watches, workbook
from stacks.setting_types import EngineName
from tests.stacks.test_monitoring import (
    ACCOUNT,
    CLUSTER_METRICS,
    DOCUMENTED_METRICS,
    GROUP,
    INSIGHTS,
    NODE_METRICS,
    RUN_METRICS,
    TASK_METRICS,
    WORKSPACE,
    words,
)

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


QUERIES = {f"{item['name']} ({engine})": item["content"]["query"] for engine in watches.ACCOUNTS for item in items(3, engine)} | {
    "resize alert": watches.resize_query(ACCOUNT, "scoring-dev-gpu"),
    "cluster alert": watches.cluster_query(ACCOUNT),
}


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
