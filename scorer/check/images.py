"""Whether the images that nodes and container groups pull are in the deployment's registry.

Source: https://github.com/Azure/acr/blob/main/docs/AAD-OAuth.md
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from azure.core import PipelineClient
from azure.core.exceptions import AzureError, HttpResponseError
from azure.core.pipeline.policies import RetryPolicy
from azure.core.rest import HttpRequest, HttpResponse

from scorer.azure.identity import credential
from scorer.check.findings import Finding, Stops, good, left_out, wrong
from scorer.check.refusals import refusal
from scorer.check.resources import OLD
from scorer.documents.deployment import Deployment

# Where a registry answers; emulators are elsewhere.
ENDPOINT = "SCORER_REGISTRY_ENDPOINT"
PUBLIC_ENDPOINT = "https://{server}"
SCOPE = "https://containerregistry.azure.net/.default"
_MANIFESTS = ", ".join(
    f"application/vnd.{kind}+json"
    for kind in (
        "oci.image.index.v1",
        "oci.image.manifest.v1",
        "docker.distribution.manifest.list.v2",
        "docker.distribution.manifest.v2",
    )
)


def check_images(target: Deployment, me: str) -> Iterator[Finding]:
    """A finding for the nodes' image and one for the submitter's."""
    images: tuple[tuple[str, str, Stops], ...] = (
        ("nodes' image", target.image, "nodes"),
        ("submitter's image", target.submitter_image, "request"),
    )
    for name, image, stops in images:
        server, _, rest = image.partition("/")
        if not target.registry_server or not image:
            yield left_out(name, OLD)
        elif server != target.registry_server:
            yield left_out(name, f"{image} comes from elsewhere: whoever pulls it finds out")
        else:
            yield _look(name, image, server, rest, me, stops)


def _look(name: str, image: str, server: str, rest: str, me: str, stops: Stops) -> Finding:
    repository, tag = rest.rsplit("@" if "@" in rest else ":", 1) if "@" in rest or ":" in rest else (rest, "latest")
    endpoint = os.environ.get(ENDPOINT, PUBLIC_ENDPOINT).format(server=server)
    client: PipelineClient[HttpRequest, HttpResponse] = PipelineClient(endpoint, policies=[RetryPolicy(retry_total=2)])
    try:
        with client:
            token = _token(client, endpoint, server, f"repository:{repository}:pull")
            headers = {"Authorization": f"Bearer {token}", "Accept": _MANIFESTS}
            _send(client, HttpRequest("HEAD", f"{endpoint}/v2/{repository}/manifests/{tag}", headers=headers))
    except HttpResponseError as error:
        if error.status_code == 404:
            return wrong(
                name,
                f"{image} isn't in the registry",
                "pulumi up builds it again (pulumi state delete its note first if it doesn't); or set image and submitterImage",
                stops,
            )
        if error.status_code in (401, 403):
            return left_out(name, f"the registry '{server}' doesn't let you look, by role (AcrPull) or by address")
        found = refusal(error, endpoint, me)
        return wrong(name, found.text, found.todo)
    except (AzureError, ValueError, KeyError) as error:
        found = refusal(error if isinstance(error, AzureError) else AzureError(str(error)), endpoint, me)
        return wrong(name, found.text, found.todo)
    return good(name, f"{image} is in the registry")


def _token(client: PipelineClient[HttpRequest, HttpResponse], endpoint: str, server: str, scope: str) -> str:
    """What the registry itself takes, for what Entra ID gave us. Raises AzureError, ValueError, KeyError."""
    entra = credential().get_token(SCOPE).token
    form = {"grant_type": "access_token", "service": server, "access_token": entra}
    refresh = _send(client, HttpRequest("POST", f"{endpoint}/oauth2/exchange", data=form)).json()["refresh_token"]
    form = {"grant_type": "refresh_token", "service": server, "scope": scope, "refresh_token": refresh}
    return str(_send(client, HttpRequest("POST", f"{endpoint}/oauth2/token", data=form)).json()["access_token"])


def _send(client: PipelineClient[HttpRequest, HttpResponse], request: HttpRequest) -> Any:
    answer = client.send_request(request)
    answer.raise_for_status()
    return answer
