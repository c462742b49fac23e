"""Stores of a test: folders, whose files it may look at and damage."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from scorer.store import FolderStore, Stores


@dataclass(frozen=True)
class FolderStores(Stores):
    """Stores that are known to be folders."""

    input: FolderStore
    output: FolderStore
    work: FolderStore
    logs: FolderStore

    @classmethod
    def below(cls, folder: Path) -> "FolderStores":
        """Four stores side by side in `folder`."""
        return cls(*(FolderStore(folder / name) for name in ("input", "output", "work", "logs")))


@contextmanager
def open_folder(prefix: str) -> Iterator[Path]:
    """A folder that every user of the machine gets to, as pytest's are not; it goes with the block."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
