"""A folder as a store: `file:///folder`, be it a disk's or a mounted container's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from obstore.exceptions import AlreadyExistsError
from obstore.store import LocalStore

from scorer.errors import MissingError
from scorer.store.base import Entry, Store
from scorer.store.problems import changed, check_size, raise_storage_error, storage_errors


class FolderStore(Store):
    """The store that is a folder; it is made by the first write."""

    def __init__(self, folder: Path) -> None:
        self.root = folder.absolute()
        self.url = self.root.as_uri()
        self._store: LocalStore | None = None

    def _open(self, *, make: bool = False) -> LocalStore:
        if self._store is None:
            with storage_errors(str(self.root), writing=make):
                if make:
                    self.root.mkdir(parents=True, exist_ok=True)
                elif not self.root.is_dir():
                    raise FileNotFoundError(self.root)
            self._store = LocalStore(self.root)
        return self._store

    def where(self, path: str) -> str:
        return str(self.root / path)

    def head(self, path: str) -> Entry:
        with storage_errors(self.where(path)):
            meta = self._open().head(path)
            if not (self.root / path).is_file():
                raise FileNotFoundError(path)
        return Entry(path, meta["size"], meta["e_tag"] or "")

    def list(self, folder: str) -> Iterator[Entry]:
        if not (self.root / folder).is_dir():
            return
        with storage_errors(self.where(folder)):
            for meta in self._open().list_with_delimiter(folder or None)["objects"]:
                if not meta["size"] and not (self.root / meta["path"]).is_file():
                    continue  # a pipe, a device: reading it may never end
                yield Entry(meta["path"], meta["size"], meta["e_tag"] or "", meta["last_modified"].timestamp())

    def walk(self, folder: str) -> Iterator[Entry]:
        if not (self.root / folder).is_dir():
            return
        with storage_errors(self.where(folder)):
            for batch in self._open().list(folder or None):
                for meta in batch:
                    yield Entry(meta["path"], meta["size"], meta["e_tag"] or "", meta["last_modified"].timestamp())

    def get(self, path: str, etag: str | None = None, most: int | None = None) -> bytes:
        with storage_errors(self.where(path)):
            found = self._open().get(path, options={"if_match": etag} if etag else None)
            check_size(self.where(path), found.meta["size"], most)
            return bytes(found.bytes())

    def put(self, path: str, data: bytes) -> Entry:
        with storage_errors(self.where(path), writing=True):
            result = self._open(make=True).put(path, data)
        return Entry(path, len(data), result["e_tag"] or "")

    def create(self, path: str, data: bytes) -> Entry | None:
        with storage_errors(self.where(path), writing=True):
            try:
                result = self._open(make=True).put(path, data, mode="create")
            except AlreadyExistsError:
                return None
        return Entry(path, len(data), result["e_tag"] or "")

    def delete(self, path: str) -> None:
        try:
            with storage_errors(self.where(path)):
                self._open().delete(path)
        except MissingError:
            pass

    def fetch(self, path: str, etag: str | None = None) -> Path:
        entry = self.head(path)
        if entry.etag != (etag or entry.etag):
            raise changed(self.where(path))
        return self.root / path

    def release(self, path: str, etag: str | None = None) -> None:
        """The file stays: it is the store's own."""

    @contextmanager
    def writing(self, path: str) -> Iterator[Path]:
        target = self.root / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            yield target
        except OSError as error:
            raise_storage_error(error, self.where(path), writing=True)
