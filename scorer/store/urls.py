"""One URL form for both kinds of stores."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from scorer.errors import RequestError
from scorer.store.base import Store
from scorer.store.folder import FolderStore

# https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules#microsoftstorage
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
_CONTAINER = re.compile(r"(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")


def open_store(url: str) -> Store:
    """The store at `url`: `file:///folder` or `az://account/container/path`. Raises RequestError."""
    parts = urlsplit(url)
    if parts.query or parts.fragment:
        raise _no_store(url)
    if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
        folder = unquote(parts.path)
        return FolderStore(Path(folder if os.name == "posix" else folder.lstrip("/")))  # file:///C:/folder
    if parts.scheme == "az":
        container, _, folder = unquote(parts.path).strip("/").partition("/")
        if _ACCOUNT.fullmatch(parts.netloc) and _CONTAINER.fullmatch(container) and not {"", "."} & set(folder.split("/")[1:]):
            from scorer.store.blob import BlobStore

            return BlobStore(parts.netloc, container, folder)
    raise _no_store(url)


def _no_store(url: str) -> RequestError:
    return RequestError(f"'{url}' is no store: give a folder as file:///folder, or a container as az://account/container.")
