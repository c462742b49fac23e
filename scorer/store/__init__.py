"""Where bytes live: a folder or a Blob container, by one URL form; later steps never ask which kind it is."""

from __future__ import annotations

from scorer.store.base import Entry, Store, Stores
from scorer.store.errors import called, sdk_errors, storage_errors
from scorer.store.folder import FolderStore
from scorer.store.share import ShareStore, open_share
from scorer.store.urls import open_store

__all__ = [
    "Entry",
    "FolderStore",
    "ShareStore",
    "Store",
    "Stores",
    "called",
    "open_share",
    "open_store",
    "sdk_errors",
    "storage_errors",
]
