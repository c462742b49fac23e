"""Stores of a test: folders, whose files it may look at and damage."""

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
