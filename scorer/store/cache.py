"""Local copies of blobs: one a machine, however many tasks want it at once."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def node_folder() -> Path:
    """What the tasks of one machine share: SCORER_NODE_DIR, or a folder in this user's cache."""
    chosen = os.environ.get("SCORER_NODE_DIR")
    folder = Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "scorer"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Alone among the machine's processes while the block runs; whoever is killed lets go."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def copy_path(url: str, etag: str) -> Path:
    """Where the copy of the blob at `url` is kept; another ETag is another copy."""
    digest = hashlib.sha256(f"{url}\0{etag}".encode()).hexdigest()[:32]
    # The ending stays: some demuxers go by it.
    return node_folder() / "blobs" / f"{digest}{Path(url).suffix[:8]}"


def copy_once(url: str, etag: str, download: Callable[[Path], None]) -> Path:
    """The copy, which `download` writes if no task of this machine has yet."""
    path = copy_path(url, etag)
    with locked(path.with_name(f"{path.name}.lock")):
        if not path.exists():
            unfinished = path.with_name(f".{path.name}.part")  # a killed task's leftover is written over
            download(unfinished)
            unfinished.replace(path)
    return path


def forget_copy(url: str, etag: str) -> None:
    """Delete the copy, if there is one."""
    path = copy_path(url, etag)
    path.unlink(missing_ok=True)
    path.with_name(f"{path.name}.lock").unlink(missing_ok=True)
