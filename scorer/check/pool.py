"""Azure Batch and its pool: whether it answers, and what keeps nodes from coming or from taking tasks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from azure.batch import BatchClient

from scorer.check.findings import Finding, Stops, good, wrong
from scorer.documents.deployment import Deployment
from scorer.engines.azure_batch.calls import Calls
from scorer.engines.azure_batch.pool import BadNode, PoolState, bad_nodes, find_pool, start_task_said
from scorer.errors import BatchError

QUOTA_TODO = "portal > Batch account > Quotas; the quota lines say how many"


def check_pool(client: BatchClient, calls: Calls, target: Deployment) -> Iterator[Finding]:
    """What Batch says of the pool; the first finding is called 'batch', and is all where Batch doesn't let us in."""
    try:
        pool = find_pool(client, calls, target.pool)
    except BatchError as error:
        yield wrong("batch", str(error), "fix that first: nothing of Batch can be looked at", "nodes")
        return
    yield good("batch", f"{target.batch_endpoint} answers")
    if pool.state not in ("active", ""):
        yield wrong("pool", f"{pool.id} is {pool.state}", "pulumi refresh, then pulumi up", "nodes")
    elif pool.formula_error:
        yield wrong(
            "pool", f"its autoscale formula fails: {pool.formula_error}", "pulumi refresh, then pulumi up, which sets it anew"
        )
    elif pool.held_up:
        yield wrong("pool", f"{pool.nodes} of {pool.wanted} nodes: {'; '.join(pool.held_up)}", QUOTA_TODO)
    else:
        yield good("pool", f"{pool.id} is {pool.allocation or 'there'}, {pool.nodes} of {pool.wanted} nodes")
    yield from check_nodes(client, calls, pool)


def check_nodes(client: BatchClient, calls: Calls, pool: PoolState) -> Iterator[Finding]:
    """A finding for the nodes that take no tasks; none where all do, or where there are none. Raises BatchError."""
    bad = bad_nodes(client, calls, pool.id)
    # A node whose start task failed stays, and counts as one of those that the formula wants.
    stops: Stops = "nodes" if 0 < max(pool.nodes, pool.wanted) <= len(bad) else ""
    for node in bad[:1]:
        others = f", and {len(bad) - 1} more" if len(bad) > 1 else ""
        said = ""
        with suppress(BatchError):
            said = start_task_said(client, calls, pool.id, node.id)
        text = "; ".join(filter(None, (node.reason, said)))
        yield wrong("nodes", f"{node.id} is {node.state}{others} ({text or 'without a reason'})", _todo(node, said), stops)


def _todo(node: BadNode, said: str) -> str:
    if "driver" in said.lower() or "driver" in node.reason.lower():
        return "pulumi config set nodeImageVersion VERSION with a newer image of ubuntu-hpc 2404 (2026 or later), then pulumi up"
    if "share for parts" in said:
        return (
            "let nodes out to port 2049 of the share's private endpoint, and see that its name leads there "
            "(docs/jobs-on-azure.md, File servers); remove the node, and the pool gets another"
        )
    if node.state == "unusable":
        return (
            "set batchPrincipal, so that Batch may join nodes to the VNet; see that the VNet lets them out to Batch and storage"
        )
    return "portal > Batch account > pool > nodes: startup/stdout.txt; remove the node, and the pool gets another"
