"""Work for the emulator: requests, media, and what came of them."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

from emulator.local_azure import LocalAzure
from emulator.machine_learning.cluster import Manner
from emulator.machine_learning.jobs import Job
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
