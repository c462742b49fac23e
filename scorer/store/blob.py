"""A Blob container, or a folder in it, as a store: `az://account/container/folder`, with the machine's identity."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from obstore.store import AzureStore
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from scorer.errors import MissingError, StoreError
from scorer.identity import STORAGE, credential
from scorer.store.base import Entry, Store
from scorer.store.cache import copy_once, forget_copy
from scorer.store.problems import changed, raise_storage_error, storage_errors

if TYPE_CHECKING:
    from obstore import GetOptions, ObjectMeta
    from obstore.store import AzureCredential

# Other clouds than the public one, and stand-ins for tests, have other addresses.
ENDPOINT = "SCORER_BLOB_ENDPOINT"
PUBLIC_ENDPOINT = "https://{account}.blob.core.windows.net"

# A download or an upload is cut into pieces that are moved side by side; a block blob has at most 50,000 of them.
PIECE = 16 * 2**20
AT_ONCE = 4
# Tried again after up to 1, 2, 4, ... seconds: about a minute in all, on top of the tries that obstore makes by itself.
TRIES = 7

T = TypeVar("T")


def blob_endpoint(account: str) -> str:
    """The address of the account's Blob service."""
    return os.environ.get(ENDPOINT, PUBLIC_ENDPOINT).format(account=account)


def _token() -> AzureCredential:
    token = credential().get_token(STORAGE)
    return {"token": token.token, "expires_at": datetime.fromtimestamp(token.expires_on, UTC)}


class BlobStore(Store):
    """The store that is a container or a folder of one. Uploads appear whole: a blob is there once its blocks are committed."""

    def __init__(self, account: str, container: str, folder: str = "") -> None:
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
        """What `call` gives; where the store doesn't answer, it is asked again."""
        for attempt in Retrying(
            retry=retry_if_exception_type(StoreError),
            wait=wait_random_exponential(max=30),
            stop=stop_after_attempt(TRIES),
            reraise=True,
        ):
            with attempt, storage_errors(self.where(path), writing=writing):
                return call()
        raise AssertionError("tenacity raises the last error itself")

    def where(self, path: str) -> str:
        return f"{self.url}/{path}"

    def head(self, path: str) -> Entry:
        meta = self._try(path, lambda: self._store.head(self._folder + path))
        return Entry(path, meta["size"], meta["e_tag"] or "")

    def list(self, folder: str) -> Iterator[Entry]:
        prefix = f"{self._folder}{folder}".rstrip("/")
        found = self._try(folder, lambda: self._store.list_with_delimiter(prefix or None)["objects"])
        yield from map(self._listed, found)

    def walk(self, folder: str) -> Iterator[Entry]:
        prefix = f"{self._folder}{folder}".rstrip("/")
        found = self._try(folder, lambda: self._store.list(prefix or None).collect())
        yield from map(self._listed, found)

    def _listed(self, meta: ObjectMeta) -> Entry:
        etag = (meta["e_tag"] or "").strip('"')  # lists have them without their quotes
        path = meta["path"].removeprefix(self._folder)
        return Entry(path, meta["size"], f'"{etag}"', meta["last_modified"].timestamp())

    def get(self, path: str, etag: str | None = None) -> bytes:
        options: GetOptions = {"if_match": etag} if etag else {}
        return self._try(path, lambda: bytes(self._store.get(self._folder + path, options=options).bytes()))

    def put(self, path: str, data: bytes) -> Entry:
        result = self._try(path, lambda: self._store.put(self._folder + path, data), writing=True)
        return Entry(path, len(data), result["e_tag"] or "")

    def delete(self, path: str) -> None:
        with suppress(MissingError):
            self._try(path, lambda: self._store.delete(self._folder + path))

    def fetch(self, path: str, etag: str) -> Path:
        return copy_once(self.where(path), etag, lambda to: self._download(path, etag, to))

    def release(self, path: str, etag: str) -> None:
        forget_copy(self.where(path), etag)

    def _download(self, path: str, etag: str, to: Path) -> None:
        """All of the blob, every piece of it under the same ETag."""
        name, entry = self._folder + path, self.head(path)
        if entry.etag != etag:
            raise changed(self.where(path))
        size = entry.size
        pieces = [(start, min(start + PIECE, size)) for start in range(0, size, PIECE)]

        def piece(bounds: tuple[int, int]) -> None:
            data = self._try(path, lambda: bytes(self._store.get(name, options={"if_match": etag, "range": bounds}).bytes()))
            os.pwrite(file.fileno(), data, bounds[0])

        try:
            with to.open("wb") as file, ThreadPoolExecutor(AT_ONCE) as pool:
                list(pool.map(piece, pieces))
                file.truncate(size)
        except OSError as error:
            raise_storage_error(error, str(to), writing=True)

    @contextmanager
    def writing(self, path: str) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="scorer-") as scratch:
            local = Path(scratch) / Path(path).name
            try:
                yield local
            except OSError as error:
                raise_storage_error(error, self.where(path), writing=True)
            if local.exists():
                self._try(path, lambda: self._upload(path, local), writing=True)

    def _upload(self, path: str, local: Path) -> None:
        self._store.put(self._folder + path, local, chunk_size=PIECE, max_concurrency=AT_ONCE)
