"""The clusters as Azure Machine Learning tells of them: what keeps them from having more nodes.

Source: https://learn.microsoft.com/rest/api/azureml/compute/get
"""

from __future__ import annotations

from typing import Any

from scorer.documents.deployment import Deployment
from scorer.engines.machine_learning.calls import Calls
from scorer.text import clean

_ASK = "ask for more in the portal: Quotas > Machine Learning, or in Studio"


def held_up(calls: Calls, deployment: Deployment) -> list[str]:
    """A sentence for each reason for which a cluster has fewer nodes than its jobs want. Raises BatchError."""
    found = []
    for compute in filter(None, (deployment.spot_compute, deployment.dedicated_compute)):
        document = calls.find(compute[len(deployment.workspace) :])
        if document is None:
            found.append(f"the cluster '{compute}' is gone: 'pulumi up' makes it anew")
            continue
        found += [problem(error) for error in errors_of(document)]
    return list(dict.fromkeys(found))


def errors_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    """What a cluster says of why it was resized otherwise than it should have been, and why it couldn't be made."""
    properties = document.get("properties") or {}
    known = (properties.get("properties") or {}).get("errors") or []
    return [each.get("error") or {} for each in [*known, *(properties.get("provisioningErrors") or [])]]


def problem(error: dict[str, Any]) -> str:
    """One sentence of what an error of a cluster means, and what to do.

    No page lists the codes: those that were seen and are about quota have the word in them, or in their text.
    """
    code, message = str(error.get("code") or ""), " ".join(str(error.get("message") or "").split())
    if "quota" in f"{code} {message}".lower():
        return clean(f"no quota: the subscription has no cores left for Azure Machine Learning ({code or message}); {_ASK}", 300)
    return clean(f"{code or 'no code'}: {message}", 300)
