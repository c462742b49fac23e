"""Whether nodes can begin a job's containers: its preparation is the first of them on each node, and ends well by itself.

So a preparation that fails is one that Azure Batch couldn't begin: an option of the container that it doesn't take, an image
that can't be pulled, a node that came back broken. Its tasks wait for another node, however long that takes: the autoscale
formula asks for one. Nobody removes the node instead: from what is reported a formula has to be off while nodes are removed
from its pool (https://github.com/Azure/BatchExplorer/issues/2082), and nodes would stay for good if whoever turned it off were
stopped then; and who may do that may as well change what all nodes run, which is too much for a submitter.
Source: https://learn.microsoft.com/azure/batch/batch-job-prep-release
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from datetime import datetime, timedelta

from azure.batch import models as batch

from scorer.text import clean

GRACE = timedelta(hours=1)
"""How long a job waits for a node that can, once one couldn't: a pool's next node may, and its quota may still come."""


def why_unprepared(statuses: Iterable[batch.BatchJobPreparationAndReleaseTaskStatus], nodes: Set[str], now: datetime) -> str:
    """Why none of the pool's `nodes`, by id, can begin the job's containers.

    '' where one could or is about to, none has tried, or GRACE isn't over since one couldn't. Batch tells of nodes that have
    left the pool, too: those that could run nothing any more.
    """
    tried = [(each.node_id, each.job_preparation_task_execution_info) for each in statuses]
    begun = [(node, info) for node, info in tried if info]
    failed = [(node, info) for node, info in begun if info.result == batch.BatchTaskExecutionResult.FAILURE]
    able = [(node, info) for node, info in begun if info.result != batch.BatchTaskExecutionResult.FAILURE]
    could = max((info.start_time for _, info in able), default=None)
    since = [(node, info) for node, info in failed if could is None or info.start_time > could]
    here = [info for node, info in since if node in nodes]
    if not here or any(node in nodes for node, _ in able) or min(info.start_time for _, info in since) > now - GRACE:
        return ""
    last = max(here, key=lambda info: info.start_time)
    code = last.failure_info.code if last.failure_info else None
    return f"no node could start its containers: {clean(code, 80) if code else f'exit code {last.exit_code}'}"
