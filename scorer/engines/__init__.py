"""Engines: where tasks run. `base` says what one does."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scorer.documents.deployment import Deployment
    from scorer.engines.base import Cluster


def open_cluster(deployment: Deployment, *, interactive: bool) -> Cluster:
    """The deployment's cluster, signed in as this process is.

    `interactive`: whether a person waits for the answers, who would rather hear at once that there is none.
    """
    if deployment.engine == "machine-learning":
        from scorer.engines.machine_learning.engine import MachineLearningEngine

        return MachineLearningEngine(deployment, deployment.stores(), interactive=interactive)
    from scorer.engines.azure_batch.calls import open_client  # Azure's SDKs take a second to load
    from scorer.engines.azure_batch.engine import AzureBatchEngine

    return AzureBatchEngine(open_client(deployment.batch_endpoint), deployment, interactive=interactive)
