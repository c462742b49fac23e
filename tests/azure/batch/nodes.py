"""Nodes: each runs its tasks as processes of their own, in folders that go with it."""

from __future__ import annotations

import fnmatch
import os
import shlex
import shutil
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError
from azure.storage.blob import BlobClient

from tests.azure.batch.mounts import MOUNTS, mounts
from tests.azure.batch.options import memory_of, of_body
from tests.azure.copies import SCORER, Process, start

Json = dict[str, Any]

MEASURE_SECONDS = 0.3


@dataclass
class Run:
    """One try of one task, or of a job's preparation or release."""

    what: str
    job: str
    task: str | None
    process: Process
    folder: Path
    began: float
    slots: int
    memory: int | None = None
    """Bytes that it may use."""
    measured: float = 0.0

    def kill(self) -> None:
        """The whole process group, at once."""
        if self.process.poll() is None:
            with suppress(ProcessLookupError):  # it has just been made, and has no group of its own yet
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.kill()
            self.process.wait()

    def exit_code(self) -> int | None:
        """None while it runs; a signal as containers give it. Who uses too much memory is killed, as by Linux."""
        code = self.process.poll()
        if code is None and self._is_greedy():
            self.kill()
            code = self.process.poll()
        return code if code is None or code >= 0 else 128 - code

    def _is_greedy(self) -> bool:
        """Whether it uses more memory than it may; looked at now and then."""
        if self.memory is None or time.monotonic() - self.measured < MEASURE_SECONDS:
            return False
        self.measured = time.monotonic()
        return memory_of(self.process.pid) > self.memory


@dataclass
class Node:
    """One machine."""

    id: str
    kind: str
    folder: Path
    ready_at: float
    slots: int
    environment: Mapping[str, str]
    launcher: Sequence[str] = SCORER
    mounted: Sequence[Json] = ()
    """What the pool mounts on its nodes, as ARM has it."""
    runs: list[Run] = field(default_factory=list)
    leaving: bool = False

    @property
    def free(self) -> int:
        """Slots without a task."""
        return self.slots - sum(run.slots for run in self.runs if run.task is not None)

    def start(self, what: str, job: str, body: Json, common: Sequence[Json], now: float, task: str | None = None) -> Run:
        """Begin a process for a task's body."""
        place = self.folder / "workitems" / job / (task or what)
        shutil.rmtree(place, ignore_errors=True)
        (place / "wd").mkdir(parents=True)
        settings = {each["name"]: each["value"] for each in [*common, *(body.get("environmentSettings") or [])]}
        environment = {
            "PATH": os.environ["PATH"], "HOME": str(place), "LANG": "C.UTF-8", "OMP_NUM_THREADS": "1",
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""), "TMPDIR": str(self._made("tmp")),
            "AZ_BATCH_JOB_ID": job, "AZ_BATCH_TASK_ID": task or what, "AZ_BATCH_NODE_ID": self.id,
            **{name: self._inside(value, body, place) for name, value in settings.items()},
            **self.environment,
        }  # fmt: skip
        command = [*self.launcher, *shlex.split(body["commandLine"])]
        for mount in mounts(self.mounted, body):
            command = mount.around(place / "mounts" / mount.path, command)
        process = start(command, environment, place / "wd", place / "stdout.txt", place / "stderr.txt")
        memory = of_body(body).memory
        run = Run(what, job, task, process, place, now, int(body.get("requiredSlots") or 1), memory)
        self.runs.append(run)
        return run

    def _made(self, name: str) -> Path:
        path = self.folder / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def _inside(self, value: str, body: Json, place: Path) -> str:
        """A process has no mounts: a path in what its container would see becomes one in the node's folder, or in its own."""
        for mount in mounts(self.mounted, body):
            if value == f"file://{MOUNTS}/{mount.path}":
                return (place / "mounts" / mount.path).as_uri()
        for path, name in of_body(body).volumes.items():
            if value == path or value.startswith(path + "/"):
                return str(self._made(f"volumes/{name}")) + value[len(path) :]
        return value

    def lose(self) -> list[Run]:
        """The machine goes, with all that was on it; what ran there."""
        lost, self.runs = self.runs, []
        for run in lost:
            run.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
        return lost


def upload(run: Run, files: Sequence[Json], failed: bool, credential: TokenCredential, bundle: Path) -> str | None:
    """Put a task's output files where its body says; why that failed, if it did."""
    for file in files:
        condition = file["uploadOptions"]["uploadCondition"]
        if condition not in ("taskcompletion", "taskfailure" if failed else "tasksuccess"):
            continue
        target = file["destination"]["container"]
        folder, _, pattern = file["filePattern"].rpartition("/")
        for path in sorted((run.folder / "wd" / folder).resolve().iterdir()):
            if path.is_file() and fnmatch.fnmatch(path.name, pattern):
                address = f"{target['containerUrl']}/{target['path']}/{path.name}"
                try:
                    with BlobClient.from_blob_url(
                        address, credential=credential, retry_total=6, connection_verify=str(bundle)
                    ) as blob:
                        blob.upload_blob(path.read_bytes(), overwrite=True)
                except AzureError as error:
                    return f"{type(error).__name__}: {error}".splitlines()[0]
    return None


Uploader = Callable[[Run, Sequence[Json], bool], str | None]
