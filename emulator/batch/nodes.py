"""Nodes: each runs its tasks as processes of their own, in folders that go with it."""

from __future__ import annotations

import fnmatch
import itertools
import os
import shlex
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError
from azure.storage.blob import BlobClient

from emulator.batch.container import FIRST_TASK_USER, Image, read_image, sees_gpus, user_of
from emulator.batch.memory import Memory
from emulator.batch.mounts import MOUNTS, mounts
from emulator.batch.options import of_body
from emulator.forked import SCORER, Process, start

Json = dict[str, Any]

MEMORY = Memory()
# What Docker ends with where a container can't begin, as on Spot nodes that came back: https://github.com/Azure/Batch/issues/157
BROKEN = 126


@dataclass(frozen=True)
class NotBegun:
    """What stands for the process of a container that never began."""

    code: int
    pid: int = 0

    def poll(self) -> int:
        """The exit code."""
        return self.code

    def wait(self) -> int:
        """The exit code."""
        return self.code

    def kill(self) -> None:
        """There is nothing to end."""


@dataclass
class Run:
    """One try of one task, or of a job's preparation or release."""

    what: str
    job: str
    task: str | None
    process: Process | NotBegun
    folder: Path
    began: float
    slots: int
    memory: int | None = None
    """Bytes that it may use."""
    user: int = 0
    failure: Json | None = None
    """Why Batch couldn't make a container for it, if so."""

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
        if code is None and self.memory is not None and MEMORY.of(self.process.pid) > self.memory:
            self.kill()
            code = self.process.poll()
        return code if code is None or code >= 0 else 128 - code


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
    size: str = ""
    users: Iterator[int] = field(default_factory=lambda: itertools.count(FIRST_TASK_USER))
    """Numbers of users that nobody has yet."""
    refused: Set[str] = frozenset()
    """Options of containers that Batch doesn't take."""
    image: Image = field(default_factory=read_image)
    is_broken: bool = False
    """Whether no container begins on it."""
    runs: list[Run] = field(default_factory=list)
    leaving: bool = False

    @property
    def shares(self) -> Path:
        """The shares that nodes mount, which are no node's own."""
        return self.folder.parent / "shares"

    @property
    def free(self) -> int:
        """Slots without a task."""
        return self.slots - sum(run.slots for run in self.runs if run.task is not None)

    def start(self, what: str, job: str, body: Json, common: Sequence[Json], now: float, task: str | None = None) -> Run:
        """Begin a process for a task's body."""
        place = self.folder / "workitems" / job / (task or what)
        shutil.rmtree(place, ignore_errors=True)
        options = of_body(body)
        uid = user_of(body, what, options.user, self.users)
        for folder in (place, place / "wd", place / "tmp"):
            folder.mkdir(parents=True)
            os.chown(folder, *((uid, uid) if os.geteuid() == 0 else (-1, -1)))
        slots = int(body.get("requiredSlots") or 1)
        run = Run(what, job, task, NotBegun(BROKEN), place, now, slots, options.memory, user=uid)
        if refused := sorted(options.names & self.refused):
            run.failure = _refusal(refused[0])
        elif not self.is_broken:
            command = [*self.launcher, *shlex.split(body["commandLine"])]
            for mount in mounts(self.mounted, body):
                command = mount.around(mount.folder(place, self.shares), command)
            environment = self._environment(what, job, body, common, place, task)
            run.process = start(command, environment, place / "wd", place / "stdout.txt", place / "stderr.txt", uid)
        self.runs.append(run)
        return run

    def _environment(
        self, what: str, job: str, body: Json, common: Sequence[Json], place: Path, task: str | None
    ) -> dict[str, str]:
        settings = {each["name"]: each["value"] for each in [*common, *(body.get("environmentSettings") or [])]}
        nvidia = {name: value for name, value in self.image.environment.items() if name.startswith("NVIDIA_")}
        # A process has no GPUs. To one that would have them it is said that there are none, so that its processor stands in for
        # them; one that wouldn't is left with what the job promises, and has to notice.
        gpus = {"SCORER_GPUS": "0"} if sees_gpus({**nvidia, **settings}, self.size) else {}
        return {
            "PATH": os.environ["PATH"], "HOME": str(place), "LANG": "C.UTF-8", "OMP_NUM_THREADS": "1",
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""), "TMPDIR": str(place / "tmp"),
            "AZ_BATCH_JOB_ID": job, "AZ_BATCH_TASK_ID": task or what, "AZ_BATCH_NODE_ID": self.id,
            **nvidia,
            **{name: self._inside(value, body, place) for name, value in settings.items()},
            **gpus,
            **self.environment,
        }  # fmt: skip

    def _volume(self, name: str, path: str) -> Path:
        """The volume, made as Docker makes it: with the mode of the image's folder."""
        volume = self.folder / "volumes" / name
        if not volume.exists():
            volume.mkdir(parents=True)
            volume.chmod(self.image.modes.get(path, 0o755))
        return volume

    def _inside(self, value: str, body: Json, place: Path) -> str:
        """A process has no mounts: a path in what its container would see becomes one in the node's folder, or in its own."""
        for mount in mounts(self.mounted, body):
            if value == f"file://{MOUNTS}/{mount.path}":
                return mount.folder(place, self.shares).as_uri()
        for path, name in of_body(body).volumes.items():
            if value == path or value.startswith(path + "/"):
                return str(self._volume(name, path)) + value[len(path) :]
        return value

    def lose(self) -> list[Run]:
        """The machine goes, with all that was on it; what ran there."""
        lost, self.runs = self.runs, []
        for run in lost:
            run.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
        return lost


def _refusal(option: str) -> Json:
    """What is known of how Batch says it: the code, and that there are details."""
    details = [{"name": "Message", "value": f"unrecognized arguments: {option}"}]
    message = "At least one value of specified task container settings is invalid"
    return {"category": "usererror", "code": "ContainerInvalidSettings", "message": message, "details": details}


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
