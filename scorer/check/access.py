"""Who is signed in, and whether both storage accounts and Azure Batch let them in from here."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.storage.blob import BlobServiceClient, ContainerClient, ExponentialRetry

from scorer.azure import resource_manager
from scorer.azure.identity import credential
from scorer.check.findings import Finding, Stops, good, wrong
from scorer.check.refusals import refusal
from scorer.documents.deployment import Deployment
from scorer.store.blob import blob_endpoint
from scorer.text import clean

# What people may do: `stacks/permissions.py`.
WRITTEN = ("input", "output", "scripts")
READ = ("work", "logs", "quarantine")


def who() -> str:
    """The object id of whoever is signed in, '' where the token doesn't say; it is shown, and nothing goes by it."""
    with suppress(ValueError, IndexError, KeyError, TypeError, AzureError):
        payload = credential().get_token(resource_manager.scope()).token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return clean(str(claims["oid"]), 40)
    return ""


def check_stores(target: Deployment, me: str) -> Iterator[Finding]:
    """A finding for each storage account: all that people do there is tried, and taken back at once."""
    accounts: dict[str, list[str]] = {}
    for name in (*WRITTEN, *READ):
        account, _, _ = str(getattr(target, name)).removeprefix("az://").partition("/")
        accounts.setdefault(account, []).append(name)
    for number, (account, names) in enumerate(accounts.items()):
        found = _check_account(("data store", "ops store")[min(number, 1)], account, names, target, me)
        # What a node's tasks tell is read in `output`.
        stops: Stops = "" if found.state == "ok" else "nodes" if "output" in names else "request"
        yield replace(found, stops=stops)


def _check_account(what: str, account: str, names: list[str], target: Deployment, me: str) -> Finding:
    address = blob_endpoint(account)
    again = ExponentialRetry(initial_backoff=1, increment_base=2, retry_total=1)
    problems: dict[str, list[str]] = {}
    todo = ""
    with BlobServiceClient(address, credential=credential(), retry_policy=again) as client:
        for name in names:
            try:
                container = str(getattr(target, name)).removeprefix("az://").split("/")[1]
                _try(client.get_container_client(container), writes=name in WRITTEN)
            except AzureError as error:
                found = refusal(error, address, me)
                if found.is_of_all:
                    return wrong(what, f"{account}: {found.text}", found.todo)
                problems.setdefault(found.text, []).append(name)
                todo = todo or found.todo
    if problems:
        told = "; ".join(f"{', '.join(each)}: {text}" for text, each in problems.items())
        return wrong(what, f"{account}: {told}", todo)
    return good(what, f"{account}: {', '.join(names)} may be used from here")


def _try(container: ContainerClient, *, writes: bool) -> None:
    """List, and write and delete where people may. Raises AzureError."""
    next(container.list_blobs(name_starts_with="check/", results_per_page=1).by_page(), None)
    if writes:
        with container.get_blob_client(f"check/{secrets.token_hex(8)}") as blob:
            blob.upload_blob(b"")
            with suppress(ResourceNotFoundError):
                blob.delete_blob()
