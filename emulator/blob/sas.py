"""Links for outside users."""

from datetime import UTC, datetime, timedelta
from typing import Any

from azure.storage.blob import BlobClient, BlobSasPermissions, generate_blob_sas

from emulator.local_azure import PERSON, LocalAzure


def link(azure: LocalAzure, name: str, blob: str, *, minutes: int = 5, **may_do: bool) -> str:
    """A user-delegation link as one of the stack's people signs it."""
    _, _, account, container = azure.deployment[name].split("/")
    service = azure.blobs.client(account, PERSON)
    now = datetime.now(UTC)
    key = service.get_user_delegation_key(now - timedelta(hours=1), now + timedelta(hours=1))
    signature = generate_blob_sas(
        account, container, blob, user_delegation_key=key, permission=BlobSasPermissions(**may_do),
        start=now - timedelta(minutes=30), expiry=now + timedelta(minutes=minutes),
    )  # fmt: skip
    return f"{azure.blobs.endpoint.format(account=account)}/{container}/{blob}?{signature}"


def at(azure: LocalAzure, url: str, **more: Any) -> BlobClient:
    return BlobClient.from_blob_url(url, connection_verify=str(azure.authority.bundle), **more)
