"""When a job's nodes are hopeless."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from azure.batch import models as batch

from scorer.engines.azure_batch.preparation import GRACE, why_unprepared

NOW = datetime(2026, 11, 29, tzinfo=UTC)
LONGER, LONG, SHORT = GRACE + timedelta(minutes=5), GRACE + timedelta(minutes=1), GRACE - timedelta(minutes=1)
Status = batch.BatchJobPreparationAndReleaseTaskStatus


def tried(
    since: timedelta, result: str | None = "failure", code: int | None = 126, failure: str = "", node: str = "here"
) -> Status:
    """One node's try; without a result it goes on."""
    info: dict[str, object] = {
        "startTime": (NOW - since).isoformat(), "state": "completed" if result else "running", "result": result,
        "exitCode": code, "retryCount": 0,
    }  # fmt: skip
    if failure:
        info |= {"exitCode": None, "failureInfo": {"category": "usererror", "code": failure}}
    return Status({"poolId": "gpu", "nodeId": node, "jobPreparationTaskExecutionInfo": info})


@pytest.mark.parametrize(
    ("statuses", "why"),
    [
        ([], ""),
        ([tried(LONG)], "exit code 126"),
        ([tried(SHORT)], ""),
        ([tried(LONG), tried(SHORT)], "exit code 126"),
        ([tried(LONG), tried(SHORT, "success", 0)], ""),
        ([tried(LONG, "success", 0)], ""),
        ([tried(LONG, None, None)], ""),
        ([tried(LONG), tried(SHORT, None, None)], ""),
        ([tried(LONG), tried(SHORT, None, None, node="gone")], ""),
        ([tried(LONG, "success", 0, node="gone"), tried(SHORT)], ""),
        ([tried(LONGER, "success", 0, node="gone"), tried(LONG)], "exit code 126"),
        ([tried(LONGER, "success", 0), tried(LONG)], ""),
        ([tried(LONGER, None, None, node="gone"), tried(LONG)], "exit code 126"),
        ([tried(LONGER), tried(LONG, "success", 0, node="gone"), tried(SHORT)], ""),
        ([tried(LONG, node="gone"), tried(SHORT)], "exit code 126"),
        ([tried(LONG, node="gone")], ""),
        ([tried(LONG), tried(SHORT, failure="ContainerInvalidImage")], "ContainerInvalidImage"),
        ([tried(LONG, failure="\x1b[31mred")], "red"),
        ([Status({"poolId": "gpu", "nodeId": "node"})], ""),
    ],
)
def test_no_node_can_begin_once_none_could_for_long(statuses: list[Status], why: str) -> None:
    assert why_unprepared(statuses, {"here", "new"}, NOW) == (f"no node could start its containers: {why}" if why else "")
