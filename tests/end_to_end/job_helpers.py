"""Work for the emulator: requests, media, and what came of them."""

import json
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from azure.core.exceptions import AzureError

from emulator.local_azure import LocalAzure
from emulator.machine_learning.cluster import Manner
from emulator.machine_learning.jobs import Job
from scorer.documents.records import TaskRecord, from_lines
from tests.conftest import write_images


def ask(azure: LocalAzure, name: str, media: str, **more: object) -> str:
    """Put a request; its path."""
    content = {"name": name, "input": media, "model": "invert", "batch_size": 1, **more}
    azure.put(f"requests/{name}.json", json.dumps(content).encode())
    return f"requests/{name}.json"


def put_images(azure: LocalAzure, folder: Path, count: int) -> str:
    names = [f"frame{number:04d}.png" for number in range(count)]
    write_images(folder, names)
    for name in names:
        azure.put(f"{folder.name}/{name}", (folder / name).read_bytes())
    return f"{folder.name}/"


def by_local_engine(folder: Path, media: Path, **more: object) -> Path:
    """The same work by `scorer run`; the folder of its result."""
    options = [text for name, value in more.items() for text in (f"--{name.replace('_', '-')}", str(value))]
    out = folder / ("out" if media.is_dir() else "out.mp4")
    command = [sys.executable, "-m", "scorer", "run", str(media), "--model", "invert", "--out", str(out), *options]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return out


def runs(azure: LocalAzure, job: str) -> Counter[str]:
    """How often each task was begun."""
    return Counter(event.task for event in azure.batch.pool.timeline if event.job == job and event.what == "start")


def scored(azure: LocalAzure, job: str) -> Counter[int]:
    """How often each chunk was scored, by the records that each try of it leaves."""
    names = [name.rpartition("/")[2] for name in azure.names("logs", f"{job}/") if name.endswith(".jsonl")]
    return Counter(int(name[:6]) for name in names)


def task_records(azure: LocalAzure, job: str) -> list[TaskRecord]:
    """What each try of a chunk says of itself."""
    names = [name for name in azure.names("logs", f"{job}/") if name.endswith(".jsonl")]
    return [line for name in names for line in from_lines(azure.get("logs", name)) if isinstance(line, TaskRecord)]


def wait_for_parts(azure: LocalAzure, job: str, count: int) -> None:
    """Until so many of the job's parts are whole. Raises TimeoutError."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        with suppress(AzureError):  # where a test has faults injected
            if sum(name.endswith(".json") for name in azure.names("work", f"{job}/parts/")) >= count:
                return
        time.sleep(0.1)
    raise TimeoutError(azure.batch.told())


def ends_of(azure: LocalAzure, job: str) -> set[int | None]:
    """How the tasks ended that scored its chunks."""
    return {task.exit_code for name, task in azure.batch.job(job).tasks.items() if name != "merge"}


def said(azure: LocalAzure, job: str, *, failed: bool = False) -> str:
    """What the tasks printed that scored its chunks, of those that ended well or of the tries that failed."""
    names = [name for name in azure.names("logs", f"{job}/tasks/") if name.endswith("/stderr.txt") and "/merge/" not in name]
    return "".join(azure.get("logs", name).decode() for name in names if ("/failed/" in name) == failed)


def lost(azure: LocalAzure, job: str) -> int:
    """Runs that ended with a node."""
    return sum(task.requeues for task in azure.batch.job(job).tasks.values())


def lose(azure: LocalAzure, worker: Job, manner: Manner) -> None:
    """The node of a worker is taken away; of Azure Machine Learning."""
    for cluster in azure.learning.clusters.values():
        if worker.node in {node.id for node in cluster.nodes}:
            cluster.preempt(worker.node, manner)


def lose_merger(azure: LocalAzure, claim: str, manner: Manner = "failed") -> None:
    """So is the node of whoever has this claim of the merge."""
    merger = int(json.loads(azure.get("work", claim))["worker"].split(":")[1])
    with azure.learning.lock:
        workers = azure.learning.workers(claim.partition("/")[0])
        (worker,) = (each for each in workers if each.run is not None and each.run.process.pid == merger)
        lose(azure, worker, manner)
