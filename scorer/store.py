"""Where bytes live: a folder, by one URL form (`file:///folder`); later steps never ask which kind it is.

Every write is whole or absent: a name never shows half of its bytes, whenever the writer is killed.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, PreconditionError

from scorer.errors import ChangedError, MissingError, OutputError, RequestError, StorageFullError, StoreError


@dataclass(frozen=True)
class Entry:
    """A file or blob as its store lists it."""

    path: str
    size: int
    etag: str


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def storage_errors(where: str, *, writing: bool = False) -> Iterator[None]:
    """Turn what obstore and the system raise into our own errors, naming `where`."""
    try:
        yield
    except (BaseError, OSError) as error:
        raise_storage_error(error, where, writing=writing)


def raise_storage_error(error: Exception, where: str, *, writing: bool) -> NoReturn:
    """Raise the typed error that `error` is, naming `where`."""
    text = str(error).splitlines()[0]
    number = error.errno if isinstance(error, OSError) else None
    # obstore hands the system's error number over in words only.
    if number in _FULL or any(f"os error {code})" in text for code in _FULL):
        raise StorageFullError(f"No space is left to write '{where}': free some and run the same command again.") from error
    if isinstance(error, FileNotFoundError) and not writing:
        raise MissingError(f"There is no '{where}': check the name.") from error
    if isinstance(error, PreconditionError):
        raise ChangedError(f"'{where}' has changed since the job was planned: run the job again.") from error
    if isinstance(error, PermissionError | PermissionDeniedError):
        raise OutputError(f"'{where}' can't be {'written' if writing else 'read'}: check its permissions.") from error
    if isinstance(error, NotADirectoryError | IsADirectoryError | FileExistsError) or "os error 20)" in text:
        raise OutputError(f"'{where}' can't be written, since a file or folder of that name is in the way.") from error
    if writing and isinstance(error, OSError):
        raise OutputError(f"'{where}' can't be written: {error.strerror or text}; choose another place.") from error
    raise StoreError(f"'{where}' could not be reached: {text}") from error


class Store:
    """A folder of names and bytes. All methods raise ScorerErrors that name the file."""

    def __init__(self, url: str) -> None:
        """Open the store at `url`, for example `file:///data/input`; a folder is made by the first write."""
        parts = urlsplit(url)
        if parts.scheme != "file" or parts.netloc or not parts.path.startswith("/"):
            raise RequestError(f"'{url}' is no store: give a folder as file:///folder.")
        self.url = url
        self.root = Path(unquote(parts.path))
        self._store: obstore.store.LocalStore | None = None

    @classmethod
    def at(cls, folder: Path) -> Store:
        """The store that is `folder`."""
        return cls(folder.absolute().as_uri())

    def _open(self, *, make: bool = False) -> obstore.store.LocalStore:
        if self._store is None:
            with storage_errors(str(self.root), writing=make):
                if make:
                    self.root.mkdir(parents=True, exist_ok=True)
                elif not self.root.is_dir():
                    raise FileNotFoundError(self.root)
            self._store = obstore.store.LocalStore(self.root)
        return self._store

    def where(self, path: str) -> str:
        """How a person would name `path`."""
        return str(self.root / path)

    def head(self, path: str) -> Entry:
        """Size and ETag of one file. Raises MissingError."""
        with storage_errors(self.where(path)):
            meta = self._open().head(path)
            if not (self.root / path).is_file():
                raise FileNotFoundError(path)
        return Entry(path, meta["size"], meta["e_tag"] or "")

    def find(self, path: str) -> Entry | None:
        """Like `head`, None where there is no such file."""
        try:
            return self.head(path)
        except MissingError:
            return None

    def list(self, folder: str) -> Iterator[Entry]:
        """The files right inside `folder`, in no order; none where there is no such folder."""
        if not (self.root / folder).is_dir():
            return
        with storage_errors(self.where(folder)):
            for meta in self._open().list_with_delimiter(folder or None)["objects"]:
                yield Entry(meta["path"], meta["size"], meta["e_tag"] or "")

    def get(self, path: str, etag: str | None = None) -> bytes:
        """The bytes of `path`. Raises MissingError; ChangedError where its ETag is not `etag`."""
        with storage_errors(self.where(path)):
            return bytes(self._open().get(path, options={"if_match": etag} if etag else None).bytes())

    def put(self, path: str, data: bytes) -> Entry:
        """Write `data` to `path`, whole or not at all."""
        with storage_errors(self.where(path), writing=True):
            result = self._open(make=True).put(path, data)
        return Entry(path, len(data), result["e_tag"] or "")

    def delete(self, path: str) -> None:
        """Delete `path`; nothing happens where it isn't there."""
        try:
            with storage_errors(self.where(path)):
                self._open().delete(path)
        except MissingError:
            pass

    def fetch(self, path: str, etag: str) -> Path:
        """`path` as a local file, read only. Raises ChangedError where its ETag is not `etag`."""
        if self.head(path).etag != etag:
            raise ChangedError(f"'{self.where(path)}' has changed since the job was planned: run the job again.")
        return self.root / path

    @contextmanager
    def writing(self, path: str) -> Iterator[Path]:
        """A local path to write `path` to; the block must leave there a whole file or none."""
        target = self.root / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            yield target
        except OSError as error:
            raise_storage_error(error, self.where(path), writing=True)


@dataclass(frozen=True)
class Stores:
    """The stores of one deployment, or of one laptop."""

    input: Store
    output: Store
    work: Store
    logs: Store

    def writable(self, job: str) -> None:
        """Raise now, not after the work, where a job's folders can't be written."""
        for store in (self.output, self.work, self.logs):
            probe = f"{job}/.writable"
            store.put(probe, b"")
            store.delete(probe)
