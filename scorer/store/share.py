"""A folder that several machines mount, such as a share of NFS."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from scorer.errors import RequestError
from scorer.store.base import Entry
from scorer.store.errors import storage_errors
from scorer.store.folder import FolderStore
from scorer.store.urls import open_store


class ShareStore(FolderStore):
    """The store that is such a folder.

    NFS goes by users' numbers, and machines may run their tasks as users of different numbers: whatever one's task wrote,
    another's may delete, and write beside it. It has no rules for what is deleted when, as containers have: see `prune`.
    """

    def put(self, path: str, data: bytes) -> Entry:
        with storage_errors(self.where(path), writing=True):
            self._make_folders(path)
        return super().put(path, data)

    @contextmanager
    def writing(self, path: str) -> Iterator[Path]:
        with storage_errors(self.where(path), writing=True):
            self._make_folders(path)
        with super().writing(path) as target:
            yield target

    def _make_folders(self, path: str) -> None:
        for folder in reversed(Path(path).parents[:-1]):
            with suppress(FileExistsError):
                (self.root / folder).mkdir()
                (self.root / folder).chmod(0o777)

    def prune(self, before: float) -> int:
        """Delete what nobody has written to since `before` (seconds since 1970), empty folders too; how many files that were.

        A folder goes once it was empty for as long: whoever has just made one finds it there.
        """
        deleted = 0
        for place, _, names in os.walk(self.root, topdown=False):
            folder = Path(place)
            for path in (folder / name for name in names):
                with suppress(OSError):  # somebody else was quicker; or may delete it, and this process may not
                    if path.lstat().st_mtime < before:
                        path.unlink()
                        deleted += 1
            with suppress(OSError):  # it isn't empty
                if folder != self.root and folder.stat().st_mtime < before:
                    folder.rmdir()
        return deleted


def open_share(url: str) -> ShareStore:
    """The share that is mounted at `url`, `file:///folder`. Raises RequestError, also where none is: nothing there is shared."""
    store = open_store(url)
    if not isinstance(store, FolderStore):
        raise RequestError(f"'{url}' is no folder that machines mount: give one as file:///folder.")
    if not store.root.is_dir():
        raise RequestError(f"There is no folder '{store.root}': mount the share there first.")
    return ShareStore(store.root)
