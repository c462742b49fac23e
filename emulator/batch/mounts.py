"""What a pool mounts on its nodes. A process can't mount anything, so it gets a folder instead: for a share one that all nodes
have, as the files of NFS are the same everywhere; for a container one of its own.

Before the process the container is copied into the folder, and while it runs and afterwards what changed there is copied back. So
every process finds other inodes and other times than the one that wrote, as every node does by blobfuse; it sees nothing of what
others write meanwhile, as by a cache that is as old as the process; and what it has written last is lost if it is killed.

As a program, of which copies.py makes copies: ACCOUNT CONTAINER FOLDER COMMAND...
"""

from __future__ import annotations

import multiprocessing
import os
import re
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
# Between two looks at what a process has written.
PUSH_SECONDS = 0.2


@dataclass(frozen=True)
class Mount:
    """One container that the pool mounts."""

    account: str
    container: str
    path: str
    """Below MOUNTS."""

    def folder(self, place: Path, shares: Path) -> Path:
        """Where the process finds it: its own copy."""
        del shares
        return place / "mounts" / self.path

    def around(self, folder: Path, command: Sequence[str]) -> list[str]:
        """The command that runs `command` with the container in `folder`."""
        return [*MOUNTED, self.account, self.container, str(folder), *command]


@dataclass(frozen=True)
class Share:
    """One share of NFS that the pool mounts."""

    source: str
    path: str
    """Below MOUNTS."""

    def folder(self, place: Path, shares: Path) -> Path:
        """Where the process finds it: a folder that is root's alone until a node's start task opens it."""
        del place
        found = shares / self.source.partition(":/")[2]
        if not found.exists():
            found.mkdir(parents=True)
            found.chmod(0o755)
        return found

    def around(self, folder: Path, command: Sequence[str]) -> list[str]:
        """The command, which needs nothing around it."""
        del folder
        return list(command)


def mounts(configurations: Sequence[Json], body: Json) -> Iterator[Mount | Share]:
    """What the task's container sees of what the pool mounts: nothing, unless it binds it."""
    bound = (body.get("containerSettings") or {}).get("containerHostBatchBindMounts") or []
    if not any(each["source"] == "VfsMounts" and not each.get("isReadOnly") for each in bound):
        return
    for each in configurations:
        if blob := each.get("azureBlobFileSystemConfiguration"):
            yield Mount(blob["accountName"], blob["containerName"], blob["relativeMountPath"])
    yield from shares(configurations)


def shares(configurations: Sequence[Json]) -> Iterator[Share]:
    """The shares of NFS that a pool mounts."""
    for each in configurations:
        if nfs := each.get("nfsMountConfiguration"):
            yield Share(nfs["source"], nfs["relativeMountPath"])


def open_shares(configurations: Sequence[Json], start_task: Json, folder: Path) -> None:
    """What a node's start task makes of shares: it runs as root, and may let others in."""
    mode = re.search(r"\bchmod ([0-7]+) ", str(start_task.get("commandLine")))
    for share in shares(configurations):
        if mode:
            share.folder(folder, folder).chmod(int(mode[1], 8))


@dataclass
class Copy:
    """The container's blobs as files."""

    client: ContainerClient
    folder: Path
    _before: dict[str, os.stat_result] = field(default_factory=dict)

    def pull(self) -> None:
        """Blobs of the task's own job become files: no task looks at another's."""
        self.folder.mkdir(parents=True)
        for blob in self.client.list_blobs(name_starts_with=f"{os.environ['AZ_BATCH_JOB_ID']}/"):
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
                with suppress(FileNotFoundError):  # it has another name by now
                    self.client.upload_blob(path, (self.folder / path).read_bytes(), overwrite=True)
        for path in self._before.keys() - now.keys():
            with suppress(ResourceNotFoundError):
                self.client.delete_blob(path)
        self._before = now

    def _files(self) -> dict[str, os.stat_result]:
        found = {}
        for path in self.folder.rglob("*"):
            with suppress(FileNotFoundError):
                if path.is_file():
                    found[str(path.relative_to(self.folder))] = path.stat()
        return found


def _is_same(now: os.stat_result, before: os.stat_result | None) -> bool:
    """Whether nobody has written to the file."""
    return before is not None and (now.st_ino, now.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def main(account: str, container: str, folder: str, *command: str) -> int:
    """Run the command with the container in the folder; its exit code, a signal as containers give it."""
    with ContainerClient(blob_endpoint(account), container, credential=credential()) as client:
        copy = Copy(client, Path(folder))
        copy.pull()
        code = _call(command, copy)
        copy.push()
    return code if code >= 0 else 128 - code


def _call(command: Sequence[str], copy: Copy) -> int:
    """Run the command in this folder and environment; its exit code."""
    if tuple(command[: len(SCORER)]) != SCORER:
        return subprocess.call(command)
    process = multiprocessing.get_context("fork").Process(target=be_scorer, args=(list(command[len(SCORER) :]),))
    process.start()
    while process.is_alive():
        process.join(PUSH_SECONDS)
        copy.push()
    return process.exitcode or 0
