"""What is asked of the engine: one set of questions, and each engine's own answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from scorer.check.findings import Finding
from scorer.check.leftovers import Log
from scorer.documents.deployment import Deployment

if TYPE_CHECKING:
    from azure.batch import BatchClient

    from scorer.engines.azure_batch.calls import Calls


@dataclass(frozen=True, kw_only=True)
class Wait:
    """How a node is waited for."""

    until: float
    """Of time.monotonic()."""
    every: float
    """Seconds between two polls."""
    log: Log
    """Told what it waits for."""


class EngineChecks(Protocol):
    """The questions."""

    def quota(self, me: str) -> Iterator[Finding]:
        """Cores that nodes may have, against what the settings may ask for; `me` is who asks."""

    def answers(self, me: str) -> Iterator[Finding]:
        """Whether it answers from here, and what keeps nodes from coming."""

    def nodes(self, job: str, wait: Wait) -> Iterator[Finding]:
        """What a node finds that came for a job of that name, which is taken away again."""


@dataclass(frozen=True)
class BatchChecks:
    """Azure Batch's answers."""

    target: Deployment
    client: BatchClient
    calls: Calls

    def quota(self, me: str) -> Iterator[Finding]:
        """Of the Batch account."""
        from scorer.check.resources import check_quota

        return check_quota(self.target, me)

    def answers(self, _: str) -> Iterator[Finding]:
        """The account, its pool and the nodes that are there."""
        from scorer.check.pool import check_pool

        return check_pool(self.client, self.calls, self.target)

    def nodes(self, job: str, wait: Wait) -> Iterator[Finding]:
        """Two tasks, one after the other on one node."""
        from scorer.check.nodes import NodeCheck

        return NodeCheck(self.client, self.calls, self.target, job, wait.until, wait.every, wait.log).findings()


def checks_of(target: Deployment) -> EngineChecks:
    """Those of the deployment's engine."""
    if target.engine == "machine-learning":
        from scorer.check.machine_learning import MachineLearningChecks

        return MachineLearningChecks(target)
    from scorer.engines.azure_batch.calls import Calls, open_client

    return BatchChecks(target, open_client(target.batch_endpoint), Calls(target.batch_endpoint, interactive=True))
