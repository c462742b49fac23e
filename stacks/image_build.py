"""Building an image in Azure, as `az acr build` does: the context is uploaded, a run is scheduled, and watched to its end.

azure-native's TaskRun would do it too, but the address at which its API says to ask for the outcome isn't right
(https://github.com/Azure/azure-rest-api-specs/issues/19159), so that builds which go on would count as failed.
Source: https://learn.microsoft.com/rest/api/containerregistry/registries/schedule-run (API 2019-06-01-preview)
"""

from __future__ import annotations

import json
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

from scorer.azure import retries
from stacks.image_context import ImageContext

API = "2019-06-01-preview"
# Another address than the cloud's own, for emulators.
ENDPOINT_VARIABLE = "ARM_RESOURCE_MANAGER_ENDPOINT"
# Seconds that a build may take; the service allows 8 hours. torch's 3 GB come in, and an image of that size goes out.
BUILD_SECONDS = 2 * 3600
# Lines of a failed build's log that are shown.
LOG_LINES = 20

_CALL_SECONDS = 60
_POLL_SECONDS = 10.0
_BASE = re.compile(
    r"runtime-dependency:\s+registry: (?P<registry>\S+)\s+repository: (?P<repository>\S+)\s+tag: (?P<tag>\S+)\s+"
    r"digest: (?P<digest>sha256:[0-9a-f]{64})\b"
)
_OVER = ("Succeeded", "Failed", "Canceled", "Error", "Timeout")

Answer = TypeVar("Answer")


class BuildError(RuntimeError):
    """The image could not be built. The message holds no signed address: who knows one may write there."""


@dataclass(frozen=True)
class Builder:
    """Builds images in one registry."""

    registry_id: str
    endpoint: str
    """Azure Resource Manager's."""
    token: Callable[[], str]
    """Of whoever deploys, for Azure Resource Manager; asked before each call, since a build may outlast one."""
    tell: Callable[[str], None]
    """Told now and then how it goes."""

    def build(self, context: ImageContext, image: str, server: str) -> str:
        """Make `image` (repository:tag) of `context` and push it into the registry; the base that it was built on, by digest.

        `server` is the registry's address, where an image of ours that this one is built on is found.

        An empty text where the run's log doesn't tell. Raises BuildError, which says what to do.
        """
        place = self._post("listBuildSourceUploadUrl")
        upload(place["uploadUrl"], context.archive())
        run = self._post("scheduleRun", _run_request(context, image, place["relativePath"], server))["properties"]["runId"]
        status = self._watch(run, image)
        if status != "Succeeded":
            raise BuildError(
                f"The image '{image}' was not built: run {run} ended as {status}. `pulumi up` builds again; the end of its log:\n"
                + "\n".join(self._log(run).splitlines()[-LOG_LINES:])
            )
        return _base_in(self._log(run))

    def _watch(self, run: str, image: str) -> str:
        """The status with which the run ends."""
        started, told, pause = time.monotonic(), "", 0.2
        while True:
            status = str(self._get(f"runs/{run}")["properties"]["status"])
            if status in _OVER:
                return status
            minutes = f"image {image}: run {run}, {status.lower()} ({(time.monotonic() - started) / 60:.0f} min)"
            if minutes != told:
                told = minutes
                self.tell(minutes)
            if time.monotonic() - started > BUILD_SECONDS + 600:
                raise BuildError(f"Run {run} has been at the image '{image}' for too long: `pulumi up` builds again.")
            time.sleep(pause)
            pause = min(2 * pause, _POLL_SECONDS)

    def _log(self, run: str) -> str:
        try:
            with opened(request_to("GET", self._post(f"runs/{run}/listLogSasUrl")["logLink"])) as answer:
                return str(answer.read().decode("utf-8", "replace"))
        except (BuildError, OSError, ValueError, KeyError):
            registry = self.registry_id.rpartition("/")[2]
            return f"(`az acr task logs --registry {registry} --run-id {run}` shows it)"

    def _get(self, path: str) -> Any:
        return self._call("GET", path, None)

    def _post(self, path: str, body: object = None) -> Any:
        return self._call("POST", path, body)

    def _call(self, method: str, path: str, body: object) -> Any:
        endpoint = os.environ.get(ENDPOINT_VARIABLE, self.endpoint)
        url = f"{endpoint}{self.registry_id}/{path}?api-version={API}"
        headers = {"Authorization": f"Bearer {self.token()}", "Content-Type": "application/json"}
        data = json.dumps(body).encode() if body is not None else b"" if method == "POST" else None
        try:
            return retrying(_json, request_to(method, url, data, headers))
        except urllib.error.HTTPError as error:
            raise _refused(path, error) from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or type(error).__name__
            raise BuildError(f"The registry's build service can't be reached ({reason}): run `pulumi up` again.") from None


def _run_request(context: ImageContext, image: str, source: str, server: str) -> dict[str, Any]:
    ours = context.built_on
    base = f"{server}/{ours.name}:{ours.tag}" if ours else context.base
    arguments = [{"name": "BASE", "value": base, "isSecret": False}] if base else []
    # A run signs in to the registry that it runs in, to pull from it.
    signed_in = {"credentials": {"sourceRegistry": {"loginMode": "Default"}}} if ours else {}
    return {
        **signed_in,
        "type": "DockerBuildRequest",
        "sourceLocation": source,
        "dockerFilePath": context.dockerfile,
        "imageNames": [image],
        "isPushEnabled": True,
        "noCache": False,
        "platform": {"os": "Linux", "architecture": "amd64"},
        "arguments": arguments,
        "timeout": BUILD_SECONDS,
    }


def _base_in(log: str) -> str:
    """What a run that ended well says of its base.

    Source: https://learn.microsoft.com/azure/container-registry/container-registry-tutorial-quick-task
    """
    found = _BASE.search(log)
    return f"{found['registry']}/{found['repository']}:{found['tag']}@{found['digest']}" if found else ""


def _refused(path: str, error: urllib.error.HTTPError) -> BuildError:
    """What Azure has against the call, and what to do."""
    text = error.read().decode("utf-8", "replace")
    try:
        said = json.loads(text)["error"]
        code, message = str(said["code"]), str(said["message"])
    except (ValueError, KeyError, TypeError):
        code, message = str(error.code), error.reason
    if code == "TasksOperationsNotAllowed":
        return BuildError(
            "This subscription may not build images in Azure (TasksOperationsNotAllowed); free trials may not. Use another, or "
            "build the image elsewhere (images/README.md), push it into this registry or a public one, and name it in the "
            "stack's settings."
        )
    return BuildError(f"The registry refused '{path}' ({code}: {message}): fix that, then run `pulumi up` again.")


def upload(url: str, archive: bytes) -> None:
    """Put `archive` at `url`, the signed address of a blob. Raises BuildError, which says why but not where.

    Source: https://learn.microsoft.com/rest/api/storageservices/put-blob
    """
    headers = {"x-ms-blob-type": "BlockBlob", "Content-Type": "application/octet-stream"}
    try:
        retrying(_send, request_to("PUT", url, archive, headers))
    except urllib.error.HTTPError as error:
        reason = f"status {error.code}"
    except OSError as error:
        reason = str(getattr(error, "reason", None) or type(error).__name__)
    except ValueError:
        reason = "its address can't be used"  # which the error's own text would quote
    else:
        return
    raise BuildError(f"The build context could not be uploaded to the registry's storage: {reason}. Run `pulumi up` again.")


def request_to(
    method: str, url: str, data: bytes | None = None, headers: Mapping[str, str] = MappingProxyType({})
) -> urllib.request.Request:
    """A request, if what is sent is encrypted, or stays on this machine. Raises ValueError."""
    scheme, _, rest = url.partition("://")
    if scheme == "https":
        return urllib.request.Request(f"https://{rest}", data, dict(headers), method=method)
    if rest.startswith(("127.0.0.1:", "localhost:")):  # an emulator
        return urllib.request.Request(f"http://{rest}", data, dict(headers), method=method)
    raise ValueError("not https")


def retrying(call: Callable[[urllib.request.Request], Answer], request: urllib.request.Request) -> Answer:
    """What `call` makes of the request, tried again while what fails may pass."""
    return retries.retrying(_may_pass)(call, request)


def _may_pass(error: BaseException) -> bool:
    if isinstance(error, urllib.error.HTTPError):
        return error.code in (408, 429) or error.code >= 500
    return isinstance(error, OSError)


def opened(request: urllib.request.Request) -> Any:
    """The answer, to be closed. Raises OSError, and HTTPError for an answer that refuses."""
    return urllib.request.build_opener().open(request, timeout=_CALL_SECONDS)


def _send(request: urllib.request.Request) -> None:
    with opened(request):
        pass


def _json(request: urllib.request.Request) -> Any:
    with opened(request) as answer:
        return json.loads(answer.read())
