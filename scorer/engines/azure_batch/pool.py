"""The pool as Azure Batch tells of it: how many nodes there are, and what keeps it from having more.

Sources: https://learn.microsoft.com/azure/batch/batch-pool-node-error-checking,
https://learn.microsoft.com/troubleshoot/azure/hpc/batch/azure-batch-pool-resizing-failure
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from azure.batch import BatchClient
from azure.batch import models as batch

from scorer.engines.azure_batch.calls import Calls
from scorer.text import clean

_ASK = "ask for more in the portal: Batch account > Quotas"
# By the code of a resize error, what is used up.
QUOTAS = {
    "AccountCoreQuotaReached": "dedicated cores",
    "AccountVMSeriesCoreQuotaReached": "dedicated cores of its GPU size's family",
    "AccountLowPriorityCoreQuotaReached": "Spot cores",
    "AccountSpotCoreQuotaReached": "Spot cores",
}
_OTHERS = {
    "AllocationTimedOut": "Azure found no machine in time: it tries again; another GPU size or region may have some",
    "AllocationFailed": "Azure has no such machine to give at the moment: it tries again",
}


@dataclass(frozen=True)
class PoolState:
    """The pool, now."""

    id: str
    state: str
    allocation: str
    """'steady', 'resizing' or 'stopping'."""
    nodes: int
    wanted: int
    vm_size: str
    held_up: tuple[str, ...]
    """A sentence for each reason for which it has fewer nodes than it wants."""
    formula_error: str
    """What is wrong with the last evaluation of its autoscale formula; '' where nothing is."""


@dataclass(frozen=True)
class BadNode:
    """A node that takes no tasks."""

    id: str
    state: str
    reason: str


def find_pool(client: BatchClient, calls: Calls, pool: str) -> PoolState:
    """The pool. Raises BatchError."""
    found = calls(lambda: client.get_pool(pool))
    run = found.auto_scale_run
    error = run.error if run else None
    return PoolState(
        id=pool, state=_value(found.state), allocation=_value(found.allocation_state),
        nodes=(found.current_dedicated_nodes or 0) + (found.current_low_priority_nodes or 0),
        wanted=(found.target_dedicated_nodes or 0) + (found.target_low_priority_nodes or 0),
        vm_size=found.vm_size or "",
        held_up=tuple(dict.fromkeys(resize_problem(each.code, each.message) for each in found.resize_errors or [])),
        formula_error=clean(f"{error.code}: {error.message}", 300) if error else "",
    )  # fmt: skip


def bad_nodes(client: BatchClient, calls: Calls, pool: str) -> list[BadNode]:
    """The nodes whose start task failed, or that Batch can't use. Raises BatchError."""
    bad = (batch.BatchNodeState.START_TASK_FAILED, batch.BatchNodeState.UNUSABLE)
    chosen = ["id", "state", "startTaskInfo", "errors"]
    nodes = calls(lambda: list(client.list_nodes(pool, select=chosen)))
    return [BadNode(node.id, _value(node.state), _reason(node)) for node in nodes if node.state in bad]


def nodes_here(client: BatchClient, calls: Calls, pool: str) -> set[str]:
    """The ids of the pool's nodes, without those that were preempted. Raises BatchError."""
    nodes = calls(lambda: list(client.list_nodes(pool, select=["id", "state"])))
    return {node.id for node in nodes if node.state != batch.BatchNodeState.PREEMPTED}


def resize_problem(code: str | None, message: str | None) -> str:
    """One sentence of what a resize error means, and what to do."""
    if code in QUOTAS:
        return f"no quota: the Batch account has no {QUOTAS[code]} left ({code}); {_ASK}"
    known = _OTHERS.get(code or "")
    return f"{known} ({code})" if known else clean(f"{code or 'no code'}: {' '.join((message or '').split())}", 300)


def _reason(node: batch.BatchNode) -> str:
    """What Batch says of it, as far as it says anything."""
    texts: list[str] = []
    info = node.start_task_info
    if info is not None and info.exit_code is not None:
        texts.append(f"its start task ended with {info.exit_code}")
    if info is not None and info.failure_info is not None:
        texts.append(_words(info.failure_info.code, info.failure_info.message))
    texts += [_words(each.code, each.message) for each in node.errors or []]
    return "; ".join(filter(None, texts))


def _words(code: str | None, message: str | None) -> str:
    return clean(": ".join(filter(None, (code, " ".join((message or "").split())))), 300)


def _value(state: object) -> str:
    return str(getattr(state, "value", state) or "")


def start_task_said(client: BatchClient, calls: Calls, pool: str, node: str, most: int = 2000) -> str:
    """The end of what a node's start task printed; '' where that can't be had. Raises BatchError."""
    # Where the answer to a download is an error, the SDK logs a traceback of its own.
    logging.getLogger("azure.batch").setLevel(logging.CRITICAL)
    read = partial(client.download_node_file, pool, node, "startup/stdout.txt")
    return _last_line(calls(lambda: b"".join(read())[-most:]))


def _last_line(data: bytes) -> str:
    lines: Iterable[str] = data.decode("utf-8", "replace").splitlines()
    return clean(next((line for line in reversed(list(lines)) if line.strip()), ""), 300)
