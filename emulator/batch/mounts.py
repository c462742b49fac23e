"""Containers that a pool mounts on its nodes. A process can't mount anything, so each gets a folder of its own instead.

Before the process the container is copied into the folder, and afterwards what changed there is copied back. So every process
finds other inodes and other times than the one that wrote, as every node does by blobfuse; and what a process has written
that is killed with its node is lost.

As a program, of which copies.py makes copies: ACCOUNT CONTAINER FOLDER COMMAND...
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import ContainerClient

from emulator.forked import MOUNTED, SCORER, be_scorer
from scorer.azure.identity import credential
from scorer.store.blob import blob_endpoint

Json = Mapping[str, Any]

# Where Batch mounts on Linux: https://learn.microsoft.com/azure/batch/virtual-file-mount
MOUNTS = "/mnt/batch/tasks/fsmounts"


@dataclass(frozen=True)
class Mount:
    """One container that the pool mounts."""

    account: str
    container: str
    path: str
    """Below MOUNTS."""

    def around(self, folder: Path, command: Sequence[str]) -> list[str]:
        """The command that runs `command` with the container in `folder`."""
        return [*MOUNTED, self.account, self.container, str(folder), *command]


def mounts(configurations: Sequence[Json], body: Json) -> Iterator[Mount]:
    """What the task's container sees of what the pool mounts: nothing, unless it binds it."""
    bound = (body.get("containerSettings") or {}).get("containerHostBatchBindMounts") or []
    if not any(each["source"] == "VfsMounts" and not each.get("isReadOnly") for each in bound):
        return
    for each in configurations:
        if blob := each.get("azureBlobFileSystemConfiguration"):
            yield Mount(blob["accountName"], blob["containerName"], blob["relativeMountPath"])


@dataclass
class Copy:
    """The container's blobs as files."""

    client: ContainerClient
    folder: Path
    _before: dict[str, os.stat_result] = field(default_factory=dict)

    def pull(self) -> None:
        """Blobs become files."""
        self.folder.mkdir(parents=True)
        for blob in self.client.list_blobs():
            path = self.folder / blob.name
            path.parent.mkdir(parents=True, exist_ok=True)
            with suppress(ResourceNotFoundError):  # another node deleted it meanwhile
                path.write_bytes(self.client.download_blob(blob.name).readall())
        self._before = self._files()

    def push(self) -> None:
        """Files that are new or changed become blobs, in the order of their writing; blobs whose files are gone are deleted."""
        now = self._files()
        for path in sorted(now, key=lambda path: now[path].st_mtime_ns):
            if not _is_same(now[path], self._before.get(path)):
                self.client.upload_blob(path, (self.folder / path).read_bytes(), overwrite=True)
        for path in self._before.keys() - now.keys():
            with suppress(ResourceNotFoundError):
                self.client.delete_blob(path)

    def _files(self) -> dict[str, os.stat_result]:
        return {str(path.relative_to(self.folder)): path.stat() for path in self.folder.rglob("*") if path.is_file()}


def _is_same(now: os.stat_result, before: os.stat_result | None) -> bool:
    """Whether nobody has written to the file."""
    return before is not None and (now.st_ino, now.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def main(account: str, container: str, folder: str, *command: str) -> int:
    """Run the command with the container in the folder; its exit code, a signal as containers give it."""
    with ContainerClient(blob_endpoint(account), container, credential=credential()) as client:
        copy = Copy(client, Path(folder))
        copy.pull()
        code = _call(command)
        copy.push()
    return code if code >= 0 else 128 - code


def _call(command: Sequence[str]) -> int:
    """Run the command in this folder and environment; its exit code."""
    if tuple(command[: len(SCORER)]) != SCORER:
        return subprocess.call(command)
    process = multiprocessing.get_context("fork").Process(target=be_scorer, args=(list(command[len(SCORER) :]),))
    process.start()
    process.join()
    return process.exitcode or 0
