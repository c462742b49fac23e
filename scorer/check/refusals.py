"""Why Azure refuses or doesn't answer, told apart by its codes: a wrong name, a firewall, a role, another tenant.

A storage account's firewall answers AuthorizationFailure, and a missing role AuthorizationPermissionMismatch:
https://learn.microsoft.com/troubleshoot/azure/azure-storage/blobs/authentication/storage-troubleshoot-403-errors
"""

from __future__ import annotations

import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from azure.core.exceptions import AzureError, HttpResponseError

from scorer.text import clean

Kind = Literal["name", "silence", "sign-in", "firewall", "role", "missing", "other"]

_LET_ADDRESS_IN = (
    "pulumi config set --path 'allowedIps[0]' YOUR.PUBLIC.ADDRESS (the next number where some are set), then pulumi up; it takes "
    "Azure some minutes"
)
_FIREWALL = "AuthorizationFailure"
_GONE = "pulumi refresh, then pulumi up: somebody deleted it"


@dataclass(frozen=True)
class Refusal:
    """Why, and what to do about it."""

    kind: Kind
    text: str
    todo: str

    @property
    def is_of_all(self) -> bool:
        """Whether the same will be answered to every other question."""
        return self.kind in ("name", "silence", "sign-in", "firewall")


def refusal(error: AzureError, address: str, who: str) -> Refusal:
    """What `error` says, which `address` (a URL) answered; `who` is the object id of the person who asked."""
    if not isinstance(error, HttpResponseError):
        return _silence(urlsplit(address).hostname or address)
    status, code = error.status_code or 0, code_of(error)
    if status == 401:
        return Refusal(
            "sign-in",
            f"this sign-in doesn't count there ({code})",
            "az login --tenant TENANT, the deployment's, if you have several",
        )
    if status == 403 and code == _FIREWALL:
        return Refusal("firewall", "this machine's public address isn't let in", _LET_ADDRESS_IN)
    if status == 403:
        return Refusal(
            "role", f"you have no role there ({code})",
            f"pulumi config set --path 'operators[0]' {who or 'YOUR-OBJECT-ID'} (the next number where some are set), then "
            "pulumi up; a new role takes up to ten minutes",
        )  # fmt: skip
    if status == 404:
        return Refusal("missing", f"it isn't there ({code})", _GONE)
    return Refusal("other", f"Azure answers {status} {code}", "try again in some minutes")


def code_of(error: HttpResponseError) -> str:
    """Azure's own name for what went wrong, whichever service it is; 'no code' where it gives none."""
    for code in (getattr(error, "error_code", None), getattr(error.error, "code", None)):
        if code:
            return clean(str(getattr(code, "value", code)), 80)
    headers = getattr(error.response, "headers", {})
    return clean(headers.get("x-ms-error-code") or "no code", 80)


def _silence(host: str) -> Refusal:
    with suppress(OSError):
        socket.getaddrinfo(host, 443)
        return Refusal(
            "silence", f"'{host}' doesn't answer",
            "see whether a firewall or proxy of this network stands between: port 443 to that name must be open",
        )  # fmt: skip
    return Refusal(
        "name", f"there is no name '{host}' here",
        "see that the deployment is the right one, and stands (pulumi stack output deployment); with private endpoints alone, "
        "that this machine is in their network",
    )  # fmt: skip
