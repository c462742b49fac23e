import re
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pulumi_azure_native.monitor import AggregationTypeEnum
from pydantic import TypeAdapter

from emulator.arm.cloud import Cloud
from stacks import watches
from stacks.alerts import first_of_month
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


def minutes(duration: str) -> timedelta:
    return TypeAdapter(timedelta).validate_python(duration)


def all_watches(nodes_min: int = 0, keep_warm_minutes: int = 10) -> list[Watch]:
    """Of both engines."""
    idle = [idle_watch(nodes_min, keep_warm_minutes, engine) for engine in watches.ACCOUNTS]
    return [*WATCHES, *(each for each in idle if each)]


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
