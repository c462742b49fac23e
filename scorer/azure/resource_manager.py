"""Azure Resource Manager by plain REST, since few calls of it are needed."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any

from scorer.azure.clouds import current
from scorer.azure.identity import credential

if TYPE_CHECKING:
    from azure.core.pipeline.transport import RequestsTransport

# Another address of Azure's resource manager than the cloud's own, for emulators.
ENDPOINT = "SCORER_ARM_ENDPOINT"
# On top of the first try, for calls without an answer and for those that Azure wants to have later, after the time that it says.
TRIES = 3


def scope() -> str:
    """What tokens for it are for."""
    return f"{current().resource_manager}/.default"


def call(method: str, path: str, api_version: str, body: object = None) -> Any:
    """What Azure answers about the resource at `path`, which begins with '/'; None where it says nothing.

    Raises azure.core's errors: HttpResponseError where Azure refuses, others where it doesn't answer.
    Source: https://learn.microsoft.com/rest/api/azure/
    """
    from azure.core import PipelineClient
    from azure.core.pipeline.policies import BearerTokenCredentialPolicy, RetryPolicy
    from azure.core.rest import HttpRequest, HttpResponse

    endpoint = os.environ.get(ENDPOINT, current().resource_manager)
    joint = "&" if "?" in path else "?"
    policies = [RetryPolicy(retry_total=TRIES), BearerTokenCredentialPolicy(credential(), scope())]
    client: PipelineClient[HttpRequest, HttpResponse] = PipelineClient(endpoint, policies=policies, transport=_transport())
    answer = client.send_request(HttpRequest(method, f"{endpoint}{path}{joint}api-version={api_version}", json=body))
    answer.raise_for_status()
    return answer.json() if answer.content else None


@cache
def _transport() -> RequestsTransport:
    """Connections, kept by this process: to make one reads all authorities, which takes longer than a call."""
    from azure.core.pipeline.transport import RequestsTransport

    return RequestsTransport()
