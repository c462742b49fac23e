"""What a film of 3,000 frames costs on the emulated pool, with a task for each chunk and with tasks that last.

    python -m tests.emulator.film_bill

plays it by Azure's clock: the stack `dev`'s own formula, the engine's own commands, the real SDK. Tasks score nothing: each
lasts as long as `scorer plan` reckons, since this machine is no GPU. So it tells nodes, waits and starts, not speeds.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from azure.batch import BatchClient
from azure.batch import models as batch

from autoscale.estimate import MERGE_STARTS, MERGED_FRAMES, Speed, Workload, speed, tasks_of
from autoscale.pool import NODE_STARTS, TASK_STARTS, Pool
from emulator import entra, forked
from emulator.arm.cloud import Cloud
from emulator.batch import service
from emulator.tls import Authority
from scorer.engines.task_count import how_many
from tests.emulator.sample_resources import SampleResources

SUBMITTER = "48e5e92e-a480-4e71-aa9c-2778f4c13781"
OPERATOR = "a9f3a1f5-8f5e-4f54-8b8f-6d4f3a3b9d11"
DEV = Pool(
    gpu_size="Standard_NC4as_T4_v3", slots_per_gpu=1, nodes_min=0, nodes_max=2, spot_percent=100, keep_warm_minutes=5
)  # fmt: skip
FRAMES, PIXELS, MODEL = 3000, 1280 * 720, "adaptive"
NEW = Workload(chunks=[240] * 12 + [120], pixels=PIXELS, model=MODEL, share=how_many)
OLD = Workload(chunks=[375] * 8, pixels=PIXELS, model=MODEL)
"""As dispatch cut the film for two nodes where each chunk was a task."""


@dataclass(frozen=True)
class Bill:
    """What came of it, by Azure's clock."""

    runs: int
    """Of tasks, the merge among them."""
    node_minutes: float
    minutes: float
    """From the job to the empty pool."""

    @property
    def dollars(self) -> float:
        """For Spot nodes."""
        return self.node_minutes / 60 * DEV.size.spot


def play(folder: Path, workload: Workload, frames_per_second: float, minute: float) -> Bill:
    """Play the film's job; a minute of Azure's clock takes `minute` seconds."""
    cloud = Cloud()
    cloud.people.add(OPERATOR)
    samples = SampleResources(cloud)
    samples.pool(
        taskSlotsPerNode=DEV.slots,
        machine={"containerConfiguration": {"type": "DockerCompatible"}},
        scaleSettings={"autoScale": {"formula": DEV.formula, "evaluationInterval": "PT5M"}},
        identity={"type": "UserAssigned", "userAssignedIdentities": [samples.identity.id]},
    )
    samples.given(SUBMITTER, OPERATOR, samples.batch.id)
    authority = Authority.make(folder / "tls")
    count = tasks_of(workload, DEV)
    lasts = [TASK_STARTS + sum(workload.chunks[number::count]) / frames_per_second for number in range(count)]
    merge = MERGE_STARTS + workload.frames / MERGED_FRAMES
    waits = ("/bin/sh", "-c", 'exec sleep "$1"', "sh")
    # What processes are forked from takes seconds to begin: before Azure's clock does.
    forked.start(["/bin/true"], {}, folder, folder / "out", folder / "errors").wait()
    with (
        entra.serve(cloud.clock) as identities,
        service.serve(cloud, identities, authority, minute=minute, allocation=NODE_STARTS, launcher=waits) as running,
    ):
        client = BatchClient(
            running.endpoint, identities.credential(OPERATOR), connection_verify=str(authority.bundle), retry_total=0
        )  # fmt: skip
        began, before = running.now, dict(running.pool.node_minutes)
        _submit(client, [each * minute / 60 for each in lasts], merge * minute / 60)
        running.wait(lambda: running.job("film").state == "completed" and not running.pool.nodes, 600)
        spent = sum(running.pool.node_minutes.values()) - sum(before.values())
        runs = sum(event.what == "start" for event in running.pool.timeline)
        return Bill(runs, spent, (running.now - began) / 60)


def _submit(client: BatchClient, lasts: Sequence[float], merge: float) -> None:
    container = batch.BatchTaskContainerSettings(image_name="acme/scorer:1")
    client.create_job(
        batch.BatchJobCreateOptions(id="film", pool_info=batch.BatchPoolInfo(pool_id="gpu"), uses_task_dependencies=True)
    )  # fmt: skip
    tasks = [
        batch.BatchTaskCreateOptions(id=str(number), command_line=f"{seconds:.3f}", container_settings=container)
        for number, seconds in enumerate(lasts)
    ]
    client.create_task_collection("film", batch.BatchTaskGroup(task_values=tasks))
    ranges = [batch.BatchTaskIdRange(start=0, end=len(tasks) - 1)]
    last = batch.BatchTaskCreateOptions(
        id="merge", command_line=f"{merge:.3f}", container_settings=container,
        depends_on=batch.BatchTaskDependencies(task_id_ranges=ranges),
    )  # fmt: skip
    client.create_task("film", last)
    ends = batch.BatchAllTasksCompleteMode.TERMINATE_JOB
    client.update_job("film", batch.BatchJobUpdateOptions(all_tasks_complete_mode=ends))


def table(minute: float) -> list[str]:
    """Both ways at both ends of the speed that `scorer plan` reckons with."""
    lines = ["| frames/s | tasks | runs | node minutes | minutes until no nodes | dollars |", "|---|---|---|---|---|---|"]
    reckoned: Speed = speed(NEW, DEV)
    for rate in (reckoned.slow, reckoned.quick):
        for name, workload in (("a task a chunk", OLD), ("tasks that last", NEW)):
            with tempfile.TemporaryDirectory() as folder:
                bill = play(Path(folder), workload, rate, minute)
            lines.append(
                f"| {rate:.0f} | {name} | {bill.runs} | {bill.node_minutes:.0f} | {bill.minutes:.0f} | {bill.dollars:.4f} |"
            )
    return lines


if __name__ == "__main__":
    print("\n".join(table(float((sys.argv[1:] or ["2"])[0]))))
