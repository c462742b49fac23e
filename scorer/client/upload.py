"""Uploads that go on where they were stopped: blocks that are there already aren't sent again.

Azure keeps blocks that were never committed for a week. A block's id holds its content's digest, so that a block of another file
is never taken for this one's. Source: https://learn.microsoft.com/rest/api/storageservices/put-block
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobBlock, BlobClient

from scorer.errors import MissingError
from scorer.store.errors import sdk_errors

# A blob has 50,000 blocks at most: files of up to 390 GB.
BLOCK = 8 * 2**20
AT_ONCE = 4


def digest(path: Path) -> str:
    """SHA-256 of a file. Raises MissingError."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise MissingError(f"'{path}' can't be read ({error.strerror}): check the name.") from error


def upload(path: Path, blob: BlobClient, on_bytes: Callable[[int], None] = lambda _: None) -> None:
    """Put the file to `blob`, unless a blob of its size is there: whoever names blobs has its digest in the name.

    `on_bytes` is told of each block that is there. Raises OutputError, StoreError: the same call goes on from there.
    """
    size = path.stat().st_size
    with sdk_errors(blob.url, writing=True):
        if blob.exists() and blob.get_blob_properties().size == size:
            on_bytes(size)
            return
        there = _uncommitted(blob)

        def send(start: int) -> str:
            with path.open("rb") as file:
                file.seek(start)
                data = file.read(BLOCK)
            name = base64.b64encode(f"{start:016x}-{hashlib.sha256(data).hexdigest()[:16]}".encode()).decode()
            if there.get(name) != len(data):
                blob.stage_block(name, data)
            on_bytes(len(data))
            return name

        with ThreadPoolExecutor(AT_ONCE) as pool:
            names = list(pool.map(send, range(0, size, BLOCK)))
        blob.commit_block_list([BlobBlock(name) for name in names])


def _uncommitted(blob: BlobClient) -> dict[str, int]:
    """Sizes of the blocks that an earlier try left, by their ids."""
    try:
        _, blocks = blob.get_block_list("uncommitted")
    except ResourceNotFoundError:
        return {}
    return {block.id: block.size for block in blocks}
