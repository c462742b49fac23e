"""What every store can do, and the stores that one job uses."""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from scorer.errors import MissingError

# Files that are deleted at a time.
AT_ONCE = 16


@dataclass(frozen=True)
class Entry:
    """A file or blob as its store lists it."""

    path: str
    size: int
    etag: str
    modified: float = field(default=0.0, compare=False)
    """Seconds since 1970; 0 where the store wasn't asked."""


class Store(ABC):
    """Names and bytes. Every write is whole or absent: a name never shows half of its bytes, whenever the writer is killed.

    All methods raise ScorerErrors that name the file.
    """

    url: str

    @abstractmethod
    def where(self, path: str) -> str:
        """How a person would name `path`."""

    @abstractmethod
    def head(self, path: str) -> Entry:
        """Size and ETag of one file. Raises MissingError."""

    def find(self, path: str) -> Entry | None:
        """Like `head`, None where there is no such file."""
        try:
            return self.head(path)
        except MissingError:
            return None

    @abstractmethod
    def list(self, folder: str) -> Iterator[Entry]:
        """The files right inside `folder`, in no order; none where there is no such folder."""

    @abstractmethod
    def others(self, folder: str) -> Iterator[str]:
        """Names of what is right inside `folder` beside the files that `list` gives.

        They are folders, which end with '/'; pipes, devices, links that lead nowhere, and files whose names a store can't have.
        """

    @abstractmethod
    def walk(self, folder: str) -> Iterator[Entry]:
        """The files anywhere below `folder`, in no order; none where there is no such folder."""

    def tagged(self, path: str) -> Iterator[tuple[Entry, Mapping[str, str]]]:
        """The file at `path`, or the files right inside where it ends with '/', each with the tags that it has as it is.

        Whoever may write files may not thereby write tags. Stores without any have none on any file.
        """
        entries = self.list(path) if path.endswith("/") else iter([self.head(path)])
        yield from ((entry, {}) for entry in entries)

    @abstractmethod
    def get(self, path: str, etag: str | None = None, most: int | None = None) -> bytes:
        """The bytes of `path`.

        Raises MissingError; ChangedError where its ETag is not `etag`; DocumentError, having read none of it, where it has more
        than `most` bytes.
        """

    @abstractmethod
    def put(self, path: str, data: bytes) -> Entry:
        """Write `data` to `path`, whole or not at all."""

    @abstractmethod
    def create(self, path: str, data: bytes) -> Entry | None:
        """Write `data` to `path`, whole or not at all; None where something is there already, which stays as it is."""

    @abstractmethod
    def replace(self, path: str, data: bytes, etag: str) -> Entry | None:
        """Write `data` to `path`, whole or not at all, if what is there has that ETag; else None, and nothing happens.

        Of several who replace the same version one succeeds. None also where somebody else is at it; and where an answer got
        lost: then what is there is what was written.
        """

    def add(self, path: str, data: bytes) -> Entry:
        """Write `data` to `path`, or under a name of its own beside what is there: for stores in which nothing is changed."""
        name, dot, ending = path.rpartition(".")
        entry = None
        while entry is None:
            entry = self.create(path, data)
            path = f"{name}-{secrets.token_hex(8)}{dot}{ending}"
        return entry

    @abstractmethod
    def delete(self, path: str) -> None:
        """Delete `path`; nothing happens where it isn't there."""

    def delete_all(self, paths: Iterable[str]) -> None:
        """Delete each of them like `delete`, some at a time: of a long job they are thousands, and each is a call."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for _ in pool.map(self.delete, list(paths)):
                pass

    @abstractmethod
    def fetch(self, path: str, etag: str | None = None) -> Path:
        """`path` as a local file, read only; without an ETag, `path` must be a name that is written once.

        Raises ChangedError where its ETag is not `etag`.
        """

    def capacity(self) -> int | None:
        """Bytes of the disk that `fetch` copies to, used ones among them; None where it copies nothing."""
        return None

    @abstractmethod
    def release(self, path: str, etag: str | None = None) -> None:
        """Say that this process needs no more what `fetch` gave it."""

    @abstractmethod
    def writing(self, path: str) -> AbstractContextManager[Path]:
        """A local path to write `path` to; the block must leave there a whole file or none."""


@dataclass(frozen=True)
class Stores:
    """The stores of one deployment, or of one laptop."""

    input: Store
    output: Store
    work: Store
    logs: Store
    share: Store | None = field(default=None, kw_only=True)
    """What all nodes of a cluster mount for the parts of videos, where they do."""

    @property
    def parts(self) -> Store:
        """Where the parts of videos are; what says that they are whole is in `work`."""
        return self.share or self.work
