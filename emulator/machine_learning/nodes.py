"""Nodes of clusters: each runs one job at a time as a process, in a folder that goes with the job."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from emulator.batch.container import Image, read_image, sees_gpus
from emulator.batch.nodes import Run
from emulator.forked import SCORER, start
from emulator.machine_learning.jobs import Job

# Folders of the image, which a process finds in its own.
_FOLDERS = ("/node", "/slots", "/work")
# Of setpriv, those that are understood here: https://man7.org/linux/man-pages/man1/setpriv.1.html
_FLAGS = ("--clear-groups", "--no-new-privs")


def read_command(command: str) -> tuple[list[str], int]:
    """A job's command without the `setpriv` before it, and the user that it is run as: root, as its image is, where none is said.

    Raises ValueError for options of setpriv's that aren't known here.
    """
    words = shlex.split(command)
    if words[0] != "setpriv":
        return words, 0
    user, words = 0, words[1:]
    while words and words[0].startswith("--"):
        if words[0] in ("--reuid", "--regid"):
            user, words = int(words[1]), words[2:]
        elif words[0] in _FLAGS:
            words = words[1:]
        else:
            raise ValueError(f"setpriv: unrecognized option '{words[0]}'")
    return words, user


@dataclass
class Node:
    """One machine of a cluster."""

    id: str
    kind: str
    folder: Path
    ready_at: float
    size: str
    environment: Mapping[str, str]
    launcher: Sequence[str] = SCORER
    image: Image = field(default_factory=read_image)
    job: Job | None = None
    idle_since: float = 0.0

    def start(self, job: Job, identity: Mapping[str, str], now: float) -> None:
        """Begin the job's process: in a container of its own, whose folders nobody else has."""
        place = self.folder / "job"  # a short name, as that of a socket in it may be no longer than 107 characters
        shutil.rmtree(place, ignore_errors=True)
        words, uid = read_command(job.properties["command"])
        for folder in (place, place / "wd", place / "tmp", *(place / each.lstrip("/") for each in _FOLDERS)):
            folder.mkdir(parents=True)
            os.chown(folder, *((uid, uid) if os.geteuid() == 0 else (-1, -1)))
        program = [*self.launcher, *words[1:]] if words[0] == "scorer" else words
        process = start(program, self._environment(job, identity, place), place / "wd", place / "out", place / "errors", uid)
        job.run = Run("job", job.name, job.name, process, place, now, 1, user=uid)
        job.runs += 1

    def _environment(self, job: Job, identity: Mapping[str, str], place: Path) -> dict[str, str]:
        asked: Mapping[str, str] = job.properties.get("environmentVariables") or {}
        settings = {name: self._inside(value, place) for name, value in asked.items()}
        # A process has no GPUs: to one that would have them it is said that there are none; one that wouldn't has to notice.
        nvidia = {name: value for name, value in self.image.environment.items() if name.startswith("NVIDIA_")}
        gpus = {"SCORER_GPUS": "0"} if sees_gpus({**nvidia, **settings}, self.size) else {}
        return {
            "PATH": os.environ["PATH"], "HOME": str(place), "LANG": "C.UTF-8", "OMP_NUM_THREADS": "1",
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""), "TMPDIR": str(place / "tmp"), "AZUREML_RUN_ID": job.name,
            **nvidia, **settings, **gpus, **self.environment, **identity,
        }  # fmt: skip

    def _inside(self, value: str, place: Path) -> str:
        return f"{place}{value}" if value.startswith("/") and f"/{value.split('/')[1]}" in _FOLDERS else value

    def clear(self) -> Job | None:
        """The job's process ends, and what it left goes; whose it was."""
        job, self.job = self.job, None
        if job is not None and job.run is not None:
            job.run.kill()
            files = [job.run.folder / each for each in ("out", "errors")]  # neither is there before the process is
            job.printed += "".join(each.read_text("utf-8", "replace") for each in files if each.exists())
            shutil.rmtree(job.run.folder, ignore_errors=True)
            job.run = None
        return job

    def lose(self) -> Job | None:
        """The machine goes; what ran there."""
        job = self.clear()
        shutil.rmtree(self.folder, ignore_errors=True)
        return job
