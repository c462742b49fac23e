"""Whether nodes can begin a job's containers: its preparation is the first of them on each node, and ends well by itself.

So a preparation that fails is one that Azure Batch couldn't begin: an option of the container that it doesn't take, an image
that can't be pulled, a node that came back broken. Its tasks wait for another node, however long that takes.
Source: https://learn.microsoft.com/azure/batch/batch-job-prep-release
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from azure.batch import models as batch

from scorer.text import clean

GRACE = timedelta(hours=1)
"""How long a job waits for a node that can, once one couldn't: a pool's next node may, and its quota may still come."""


def why_unprepared(statuses: Iterable[batch.BatchJobPreparationAndReleaseTaskStatus], now: datetime) -> str:
    """Why no node can begin the job's containers; '' where one could, none has tried, or GRACE isn't over."""
    tried = [each.job_preparation_task_execution_info for each in statuses]
    ended = [info for info in tried if info and info.state == batch.BatchJobPreparationTaskState.COMPLETED]
    failed = [info for info in ended if info.result == batch.BatchTaskExecutionResult.FAILURE]
    if not failed or len(failed) < len(ended) or min(info.start_time for info in failed) > now - GRACE:
        return ""
    last = max(failed, key=lambda info: info.start_time)
    code = last.failure_info.code if last.failure_info else None
    return f"no node could start its containers: {clean(code, 80) if code else f'exit code {last.exit_code}'}"
