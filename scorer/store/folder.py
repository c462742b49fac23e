"""A folder as a store: `file:///folder`, be it a disk's or a mounted container's."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from obstore.exceptions import AlreadyExistsError, BaseError, NotFoundError
from obstore.store import LocalStore

from scorer.errors import MissingError
from scorer.store.base import Entry, Store
from scorer.store.errors import changed, check_size, is_unsafe_name, raise_storage_error, storage_errors
from scorer.store.locks import NOT_FOLLOWED, lock

if TYPE_CHECKING:
    from obstore import ObjectMeta


def _is_folder(entry: os.DirEntry[str]) -> bool:
    with suppress(OSError):  # a link to itself
        return entry.is_dir()
    return False


def _is_listed(entry: os.DirEntry[str]) -> bool:
    """Whether a store lists it: a file, by a name that a store can have."""
    try:
        entry.name.encode()
        return entry.is_file() and not is_unsafe_name(entry.name)
    except (OSError, UnicodeEncodeError):
        return False


# Bytes of a name that obstore can put '#' and a number behind.
_LONGEST = 240


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
            if not (self.root / path).is_file():  # obstore opens a pipe, too, and waits for ever
                raise FileNotFoundError(path)
            meta = self._open().head(path)
        return Entry(path, meta["size"], meta["e_tag"] or "")

    def list(self, folder: str) -> Iterator[Entry]:
        if not (self.root / folder).is_dir():
            return
        with storage_errors(self.where(folder)):
            store = self._open()
            try:
                found: Sequence[ObjectMeta] = store.list_with_delimiter(folder or None)["objects"]
            except BaseError:  # of one file in it (its name, a link to itself), for which obstore gives the whole list up
                found = [store.head(f"{folder}{name}") for name in self._names(folder, _is_listed)]
            for meta in found:
                if not meta["size"] and not (self.root / meta["path"]).is_file():
                    continue  # a pipe, a device: reading it may never end
                yield Entry(meta["path"], meta["size"], meta["e_tag"] or "", meta["last_modified"].timestamp())

    def others(self, folder: str) -> Iterator[str]:
        if (self.root / folder).is_dir():
            with storage_errors(self.where(folder)):
                yield from self._names(folder, lambda each: not _is_listed(each))

    def _names(self, folder: str, which: Callable[[os.DirEntry[str]], bool]) -> Sequence[str]:
        with os.scandir(self.root / folder) as entries:
            return [f"{each.name}/" if _is_folder(each) else each.name for each in entries if which(each)]

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
            if len(os.fsencode(path.rpartition("/")[2])) > _LONGEST:
                return self._put_long(path, data)
            result = self._open(make=True).put(path, data)
        return Entry(path, len(data), result["e_tag"] or "")

    def _put_long(self, path: str, data: bytes) -> Entry:
        """For a name that is too long for obstore to write beside it first."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{secrets.token_hex(16)}.part")
        temporary.write_bytes(data)
        temporary.replace(target)
        return self.head(path)

    def create(self, path: str, data: bytes) -> Entry | None:
        with storage_errors(self.where(path), writing=True):
            try:
                result = self._open(make=True).put(path, data, mode="create")
            except AlreadyExistsError:
                return None
        return Entry(path, len(data), result["e_tag"] or "")

    def replace(self, path: str, data: bytes, etag: str) -> Entry | None:
        # The version itself is locked, so that it can be replaced once: whoever comes later finds another file in its place.
        # That holds between machines where locks and file numbers do: Linux sends flock's to servers of NFS, as locks of bytes.
        # https://man7.org/linux/man-pages/man2/flock.2.html
        with storage_errors(self.where(path), writing=True):
            try:
                file = os.open(self.root / path, os.O_RDWR | NOT_FOLLOWED)
            except FileNotFoundError:
                return None
            try:
                lock(file, wait=False)
                return self.put(path, data) if self._is_there(path, file, etag) else None
            except BlockingIOError:
                return None
            finally:
                os.close(file)

    def _is_there(self, path: str, file: int, etag: str) -> bool:
        """Whether the open file is what `path` names, and is the version of that ETag."""
        own = os.fstat(file)
        try:
            is_at = own.st_nlink > 0 and os.path.samestat(own, (self.root / path).lstat())
            return is_at and self._open().head(path)["e_tag"] == etag
        except (FileNotFoundError, NotFoundError):
            return False

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
