"""A Blob container, or a folder in it, as a store: `az://account/container/folder`, with the machine's identity."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from azure.core.exceptions import ResourceNotFoundError
from obstore.exceptions import AlreadyExistsError, NotFoundError, PermissionDeniedError, PreconditionError
from obstore.store import AzureStore

from scorer.azure.clouds import BLOB_ENDPOINT, current
from scorer.azure.identity import STORAGE, credential
from scorer.azure.retries import patience, retrying
from scorer.errors import MissingError, StoreError
from scorer.store.base import Entry, Store
from scorer.store.cache import capacity, copy_once, forget_copy, node_place, scratch
from scorer.store.errors import changed, check_size, is_refusal, raise_storage_error, sdk_errors, storage_errors

if TYPE_CHECKING:
    from azure.storage.blob import BlobProperties, ContainerClient
    from obstore import GetOptions
    from obstore.store import AzureCredential

# A download or an upload is cut into pieces that are moved side by side; a block blob has at most 50,000 of them.
PIECE = 16 * 2**20
AT_ONCE = 4

T = TypeVar("T")


def blob_endpoint(account: str) -> str:
    """The address of the account's Blob service."""
    return os.environ.get(BLOB_ENDPOINT, current().blobs).format(account=account)


def _token() -> AzureCredential:
    token = credential().get_token(STORAGE)
    return {"token": token.token, "expires_at": datetime.fromtimestamp(token.expires_on, UTC)}


class BlobStore(Store):
    """The store that is a container or a folder of one. Uploads appear whole: a blob is there once its blocks are committed."""

    def __init__(self, account: str, container: str, folder: str = "") -> None:
        self._account, self._container = account, container
        self._folder = f"{folder.strip('/')}/" if folder else ""
        self.url = f"az://{account}/{container}/{self._folder}".rstrip("/")
        self._store = AzureStore(
            container,
            account_name=account,
            endpoint=blob_endpoint(account),
            credential_provider=_token,
            client_options={"timeout": timedelta(minutes=2)},
            retry_config={"max_retries": 3, "retry_timeout": timedelta(minutes=3)},
        )

    def _try(self, path: str, call: Callable[[], T], *, writing: bool = False) -> T:
        """What `call` gives; where the store doesn't answer, or doesn't know a machine's roles yet, it is asked again."""

        def once() -> T:
            with storage_errors(self.where(path), writing=writing), sdk_errors(self.where(path), writing=writing):
                return patience.granted(call, is_refusal)

        return retrying(lambda error: isinstance(error, StoreError))(once)

    def where(self, path: str) -> str:
        return f"{self.url}/{path}"

    def head(self, path: str) -> Entry:
        meta = self._try(path, lambda: self._store.head(self._folder + path))
        return Entry(path, meta["size"], meta["e_tag"] or "")

    def _names(self) -> ContainerClient:
        """What lists are asked of: obstore gives a whole list up where one name has an empty part in it."""
        from azure.storage.blob import ContainerClient, ExponentialRetry  # it takes a third of a second; most tasks list nothing

        # Of a page of 5,000 names, after some 1, 3 and 5 seconds: the SDK by itself begins with 15.
        again = ExponentialRetry(initial_backoff=1, increment_base=2, retry_total=3)
        return ContainerClient(blob_endpoint(self._account), self._container, credential=credential(), retry_policy=again)

    def list(self, folder: str) -> Iterator[Entry]:
        from azure.storage.blob import BlobProperties

        with self._names() as names:
            found = self._try(
                folder,  # and the folders in it
                lambda: [
                    self._listed(blob) for blob in names.walk_blobs(self._prefix(folder)) if isinstance(blob, BlobProperties)
                ],
            )
        yield from found

    def others(self, folder: str) -> Iterator[str]:
        from azure.storage.blob import BlobPrefix

        prefix = self._prefix(folder)
        with self._names() as names:
            found = self._try(folder, lambda: [each.name for each in names.walk_blobs(prefix) if isinstance(each, BlobPrefix)])
        yield from (str(name).removeprefix(prefix or "") for name in found)

    def walk(self, folder: str) -> Iterator[Entry]:
        with self._names() as names:
            found = self._try(folder, lambda: [self._listed(blob) for blob in names.list_blobs(self._prefix(folder))])
        yield from found

    def tagged(self, path: str) -> Iterator[tuple[Entry, Mapping[str, str]]]:
        from azure.storage.blob import BlobProperties

        prefix = self._prefix(path) if path.endswith("/") else self._folder + path
        with self._names() as names:
            # One answer tells a blob's ETag and its tags, so that they are of the same version of it.
            found = self._try(
                path,
                lambda: [
                    (self._listed(blob), dict(blob.tags or {}))
                    for blob in names.walk_blobs(prefix, include=["tags"])
                    if isinstance(blob, BlobProperties) and (path.endswith("/") or blob.name == prefix)
                ],
            )
        if not found and not path.endswith("/"):
            raise MissingError(f"There is no '{self.where(path)}'.")
        yield from found

    def _prefix(self, folder: str) -> str | None:
        prefix = f"{self._folder}{folder}".rstrip("/")
        return f"{prefix}/" if prefix else None

    def _listed(self, blob: BlobProperties) -> Entry:
        path = str(blob.name).removeprefix(self._folder)
        modified = blob.last_modified.timestamp() if blob.last_modified else 0.0
        return Entry(path, blob.size, f'"{blob.etag}"', modified)  # lists have ETags without their quotes

    def get(self, path: str, etag: str | None = None, most: int | None = None) -> bytes:
        options: GetOptions = {"if_match": etag} if etag else {}

        def read() -> bytes:
            found = self._store.get(self._folder + path, options=options)
            check_size(self.where(path), found.meta["size"], most)
            return bytes(found.bytes())

        return self._try(path, read)

    def put(self, path: str, data: bytes) -> Entry:
        result = self._try(path, lambda: self._store.put(self._folder + path, data), writing=True)
        return Entry(path, len(data), result["e_tag"] or "")

    def create(self, path: str, data: bytes) -> Entry | None:
        # By one Put Blob, however much it is: blocks need the right to change blobs.
        def call() -> Entry | None:
            try:
                result = self._store.put(self._folder + path, data, mode="create")
            except AlreadyExistsError:
                return None
            except PermissionDeniedError:  # whoever may only add blobs is refused what is there
                if self.find(path) is None:
                    raise
                return None
            return Entry(path, len(data), result["e_tag"] or "")

        return self._try(path, call, writing=True)

    def replace(self, path: str, data: bytes, etag: str) -> Entry | None:
        def call() -> Entry | None:
            try:
                result = self._store.put(self._folder + path, data, mode={"e_tag": etag})
            except (PreconditionError, NotFoundError):
                return None
            return Entry(path, len(data), result["e_tag"] or "")

        return self._try(path, call, writing=True)

    def delete(self, path: str) -> None:
        # One by one: a batch, as obstore sends it, is refused where a condition says which blobs may be deleted.
        def call() -> None:
            with suppress(ResourceNotFoundError):
                self._deleting.delete_blob(self._folder + path)

        self._try(path, call, writing=True)

    @cached_property
    def _deleting(self) -> ContainerClient:
        return self._names()

    def fetch(self, path: str, etag: str | None = None) -> Path:
        # A name that is written once is one job's own: no other job will release it.
        with storage_errors(str(node_place()), writing=True):
            return copy_once(self.where(path), etag or "", lambda to: self._download(path, etag, to), share=etag is not None)

    def capacity(self) -> int:
        return capacity()

    def release(self, path: str, etag: str | None = None) -> None:
        with storage_errors(str(node_place()), writing=True):
            forget_copy(self.where(path), etag or "")

    def _download(self, path: str, etag: str | None, to: Path) -> None:
        """All of the blob, every piece of it under the same ETag."""
        name, entry = self._folder + path, self.head(path)
        if entry.etag != (etag or entry.etag):
            raise changed(self.where(path))
        size = entry.size
        pieces = [(start, min(start + PIECE, size)) for start in range(0, size, PIECE)]

        def piece(bounds: tuple[int, int]) -> None:
            data = self._try(
                path, lambda: bytes(self._store.get(name, options={"if_match": entry.etag, "range": bounds}).bytes())
            )
            os.pwrite(file.fileno(), data, bounds[0])

        try:
            with to.open("wb") as file, ThreadPoolExecutor(AT_ONCE) as pool:
                list(pool.map(piece, pieces))
                file.truncate(size)
        except OSError as error:
            raise_storage_error(error, str(to), writing=True)

    @contextmanager
    def writing(self, path: str) -> Iterator[Path]:
        # Parts and results are too large for the memory that a container's /tmp is in.
        with storage_errors(str(node_place()), writing=True), scratch() as folder:
            local = folder / Path(path).name
            try:
                yield local
            except OSError as error:
                raise_storage_error(error, self.where(path), writing=True)
            if local.exists():
                self._try(path, lambda: self._upload(path, local), writing=True)

    def _upload(self, path: str, local: Path) -> None:
        self._store.put(self._folder + path, local, chunk_size=PIECE, max_concurrency=AT_ONCE)
