"""A thousand requests at once: a queue that drains, in which senders take turns, against the emulated Batch."""

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.batch import BatchClient
from azure.batch.models import BatchJobCreateOptions, BatchMetadataItem, BatchPoolInfo

from emulator.batch.jobs import Job
from emulator.local_azure import LocalAzure
from scorer.documents.deployment import Deployment, read_deployment
from scorer.documents.request import make_request
from scorer.engines.azure_batch.bodies import priority
from scorer.engines.azure_batch.engine import FORGET, AzureBatchEngine
from scorer.engines.turns import slot_shares
from scorer.errors import BatchError, BusyError, SenderLimitError
from scorer.job.dispatch import dispatch
from scorer.store import FolderStore
from scorer.submitter.intake import Intake
from scorer.telemetry import Telemetry
from tests.conftest import write_images
from tests.folders import FolderStores

Json = dict[str, Any]

MOST = 30
REQUESTS = 300


@pytest.fixture
def target(local_azure: LocalAzure) -> Deployment:
    return read_deployment(json.dumps({**local_azure.deployment, "jobsMax": MOST}))


@pytest.fixture
def engine(local_azure: LocalAzure, target: Deployment) -> AzureBatchEngine:
    credential = local_azure.identities.credential(local_azure.principal("submitter"))
    return AzureBatchEngine(
        BatchClient(target.batch_endpoint, credential, connection_verify=str(local_azure.authority.bundle)), target
    )


def end(azure: LocalAzure, jobs: list[Job]) -> None:
    """As if their tasks were done."""
    with azure.batch.lock:
        for job in jobs:
            azure.batch.pool.end_job(job, "EnoughSeen")


def test_hundreds_of_requests_drain(
    local_azure: LocalAzure, target: Deployment, engine: AzureBatchEngine, stores: FolderStores, tmp_path: Path
) -> None:
    write_images(stores.input.root / "shared/shots", ["a.png"])
    for number in range(REQUESTS):
        whose = "flood" if number < REQUESTS - MOST // 2 else "small"
        request = {"name": f"queue-{number}", "input": "shared/shots/", "model": "invert"}
        stores.input.put(f"requests/{whose}/{number:04}.json", json.dumps(request).encode())
    local_azure.batch.wait(lambda: not local_azure.batch.pool.nodes)
    local_azure.batch.pool.fixed = 0
    intake = Intake(
        target,
        stores,
        FolderStore(tmp_path / "scripts"),
        FolderStore(tmp_path / "quarantine"),
        engine,
        Telemetry(),
        lambda _: None,
    )

    def active() -> list[Job]:
        return [job for job in local_azure.batch.ledger.active() if job.id.startswith("queue-")]

    assert intake.poll(float("inf")) == REQUESTS - MOST
    first = active()
    assert len(first) == MOST
    # Both have half of the jobs, and the k-th of one comes before the next of the other.
    assert Counter(job.body["metadata"][0]["value"] for job in first) == {"flood": MOST // 2, "small": MOST // 2}
    order = sorted(first, key=lambda job: (-job.priority, job.number))
    senders = [job.body["metadata"][0]["value"] for job in order]
    assert {tuple(sorted(pair)) for pair in zip(senders[::2], senders[1::2], strict=True)} == {("flood", "small")}
    left, looks = REQUESTS - MOST, 0
    while left:
        end(local_azure, active())
        left, looks = intake.poll(float("inf")), looks + 1
    assert looks == (REQUESTS - MOST) // (MOST // 2)
    jobs = [job for job in local_azure.batch.ledger.jobs.values() if job.id.startswith("queue-")]
    assert len(jobs) == REQUESTS
    assert all(len(job.tasks) == 2 for job in jobs)
    end(local_azure, active())
    assert intake.poll(float("inf")) == 0
    local_azure.batch.pool.fixed = None


def test_a_full_account_is_waited_for(
    local_azure: LocalAzure, target: Deployment, engine: AzureBatchEngine, stores: FolderStores
) -> None:
    write_images(stores.input.root / "shots", ["frame0.png"])
    plan = dispatch("waits", make_request({"name": "waits", "input": "shots/", "model": "invert"}), stores)
    few = AzureBatchEngine(engine.client, target.model_copy(update={"jobs_max": 0}))
    with pytest.raises(BusyError, match="0 may at once"):
        few.admit("")
    local_azure.batch.pool.fixed = 0
    local_azure.batch.ledger.quota = 0
    with pytest.raises(BusyError, match="quota"):
        engine.submit(plan, "", 0)
    assert not engine.has("waits")
    local_azure.batch.ledger.quota = 300
    for _ in range(2):
        engine.submit(plan, "", 0)
        assert list(local_azure.batch.job("waits").tasks) == ["0", "merge"]
    assert engine.has("waits")
    one = AzureBatchEngine(engine.client, target.model_copy(update={"jobs_max": 2}))
    with pytest.raises(SenderLimitError, match="its share of 2"):
        one.admit("")
    assert one.admit("acme") == 0
    end(local_azure, [local_azure.batch.job("waits")])
    local_azure.batch.pool.fixed = None


def test_who_died_between_tasks_is_found_and_old_jobs_are_forgotten(
    local_azure: LocalAzure, engine: AzureBatchEngine, stores: FolderStores
) -> None:
    write_images(stores.input.root / "shots", [f"{number}.png" for number in range(3)])
    request = make_request({"name": "half", "input": "shots/", "model": "invert", "chunk_frames": 1})
    plan = dispatch("half", request, stores)
    local_azure.batch.pool.fixed = 0
    local_azure.batch.fault = lambda _, path: (400, "Killed") if path.endswith("addtaskcollection") else None
    with pytest.raises(BatchError, match="Killed"):
        engine.submit(plan, "", 0)
    local_azure.batch.fault = None
    assert "half" in engine.unfinished()
    engine.finish(plan)
    assert "half" not in engine.unfinished()
    assert list(local_azure.batch.job("half").tasks) == ["0", "1", "2", "merge"]
    engine.forget(datetime.now(UTC) + timedelta(days=1))  # it is at work, however old it is
    assert engine.has("half")
    end(local_azure, [local_azure.batch.job("half")])
    local_azure.batch.wait(lambda: local_azure.batch.job("half").state == "completed")
    ended, reason = engine.ends()["half"]
    assert abs((datetime.now(UTC) - ended).total_seconds()) < 300
    assert reason != "without a reason"
    engine.forget(datetime.now(UTC) - timedelta(minutes=1))
    assert engine.has("half")
    there = len(local_azure.batch.ledger.jobs)
    for _ in range(there // FORGET + 1):  # so many at a time
        engine.forget(datetime.now(UTC))
    assert not engine.has("half")
    engine.finish(plan)
    assert not engine.has("half")
    local_azure.batch.pool.fixed = None


@pytest.mark.parametrize(
    ("senders", "shares"),
    [
        ({}, {}), ({"a": "acme"}, {"a": 8}), ({"a": "acme", "b": "acme"}, {"a": 8, "b": 8}),
        ({"a": "", "b": "acme"}, {"a": 4, "b": 4}),
        ({"a": "acme", "b": "acme", "c": "bolt"}, {"a": 2, "b": 2, "c": 4}),
        ({"a": "acme", "b": "bolt", "c": "zoe"}, {"a": 3, "b": 3, "c": 3}),
        ({f"{n}": "acme" for n in range(50)} | {"z": "bolt"}, {**{f"{n}": 1 for n in range(50)}, "z": 4}),
    ],
)  # fmt: skip
def test_senders_share_slots(senders: dict[str, str], shares: dict[str, int]) -> None:
    assert slot_shares(senders, 8) == shares


def hurried(body: Json) -> None:
    """Tasks make way at their first chunk's end."""
    body["commandLine"] = body.get("commandLine", "").replace("--leave-after 15", "--leave-after 0.02")


def test_a_long_job_leaves_slots_to_another_sender(local_azure: LocalAzure, target: Deployment, engine: AzureBatchEngine) -> None:
    """Four nodes: one sender's job has them all; once another sender's comes, it gets half of them before the first ends.

    By the speed that is reckoned with, a frame takes a quarter of an hour: as long as a task stays, which is a second here.
    """
    slow = replace(local_azure, deployment={**local_azure.deployment, "pixelsPerSecond": {"invert": 1920 * 1080 // 900}})
    local_azure.batch.earlier = hurried
    images = [f"{number}.png" for number in range(40)]
    for sender, count in (("acme", 40), ("bolt", 4)):
        write_images(local_azure.folder / sender, images[:count])
        for name in images[:count]:
            local_azure.put(f"frames/{sender}/{name}", (local_azure.folder / sender / name).read_bytes())

    def ask(sender: str) -> Job:
        content = {
            "name": sender, "input": f"frames/{sender}/", "model": "invert", "options": {"sleep_ms": 1000}, "chunk_frames": 1
        }  # fmt: skip
        local_azure.put(f"requests/{sender}/a.json", json.dumps(content).encode())
        return local_azure.batch.job(slow.dispatch(f"requests/{sender}/a.json"))

    local_azure.batch.pool.fixed = 4
    long = ask("acme")
    assert long.body["maxParallelTasks"] == target.slots == 4
    local_azure.batch.wait(lambda: len(long.in_state("running")) == 4)
    short = ask("bolt")
    assert (long.body["maxParallelTasks"], short.body["maxParallelTasks"]) == (2, 2)
    most = 0

    def over() -> bool:
        nonlocal most
        most = max(most, len(short.in_state("running")))
        return short.state == "completed"

    local_azure.batch.wait(over)
    assert most == 2
    assert long.state == "active"
    assert long.in_state("active"), "it has tasks left that would have come first"
    engine.share_slots()  # as every look does
    assert long.body["maxParallelTasks"] == 4
    end(local_azure, [long])
    local_azure.batch.pool.fixed = None


def test_turns_come_before_priorities() -> None:
    # However much it asks for, nobody's second job comes before somebody's first.
    assert priority(-100, 0) > priority(100, 1)
    assert priority(100, 0) > priority(0, 0) > priority(-100, 0)
    assert all(priority(-100, others) > priority(100, others + 1) for others in range(47))
    assert len({priority(asked, 0) for asked in range(-100, 101, 10)}) == 21  # tens tell
    assert -1000 <= priority(-100, 5000) <= priority(100, 0) <= 1000


def test_whoever_asks_is_told_what_to_do(local_azure: LocalAzure, target: Deployment) -> None:
    stranger = local_azure.identities.credential("b7a5b6a4-35f6-4c62-8b5b-0d9f1b7d3c11")
    bundle = str(local_azure.authority.bundle)
    client = BatchClient(target.batch_endpoint, stranger, connection_verify=bundle, retry_total=0)
    with pytest.raises(BatchError, match=r"refused \(403 .*your account must be among 'operators'"):
        AzureBatchEngine(client, target, interactive=True).tasks_of("any")
    with pytest.raises(BatchError, match=r"refused \(403 .*needs the role Batch Job Submitter"):
        AzureBatchEngine(client, target).tasks_of("any")
    # A person would rather hear at once that there is no answer.
    asked: list[str] = []

    def busy(_: str, path: str) -> tuple[int, str]:
        asked.append(path)
        return 503, "ServerBusy"

    local_azure.batch.fault = busy
    with pytest.raises(BatchError, match=r"refused \(503 ServerBusy\): try again later"):
        AzureBatchEngine(client, target, interactive=True).jobs()
    assert asked == ["/jobs"]


def test_a_job_that_somebody_deletes_already_is_waited_for(
    local_azure: LocalAzure, engine: AzureBatchEngine, stores: FolderStores
) -> None:
    write_images(stores.input.root / "shots", ["frame0.png"])
    plan = dispatch("deleted", make_request({"name": "deleted", "input": "shots/", "model": "invert"}), stores)
    local_azure.batch.pool.fixed = 0
    engine.submit(plan, "", 0)
    asked: list[str] = []

    def quicker(method: str, _: str) -> tuple[int, str] | None:
        asked.append(method)
        if asked.count("GET") == 2:
            local_azure.batch.ledger.jobs.pop("deleted", None)
        return (409, "JobBeingDeleted") if method == "DELETE" else None

    local_azure.batch.fault = quicker
    engine.delete("deleted")
    assert asked == ["DELETE", "GET", "GET"]
    local_azure.batch.pool.fixed = None


def test_jobs_of_others_in_one_account_are_left_alone(
    local_azure: LocalAzure, target: Deployment, engine: AzureBatchEngine
) -> None:
    """A company's account may be several deployments': no turn is lost to theirs, and none is changed, ended or deleted."""
    theirs = [BatchMetadataItem(name="deployment", value="az://theirs/work"), BatchMetadataItem(name="sender", value="them")]
    pool = BatchPoolInfo(pool_id=target.pool)
    engine.client.create_job(BatchJobCreateOptions(id="theirs", pool_info=pool, metadata=theirs, max_parallel_tasks=1))
    engine.client.create_job(BatchJobCreateOptions(id="of-an-earlier-version", pool_info=pool))
    assert "theirs" not in {line.job for line in engine.jobs()} | set(engine.unfinished())
    assert "of-an-earlier-version" in engine.unfinished()
    assert "them" not in engine.at_work()
    engine.share_slots()
    assert local_azure.batch.job("theirs").body["maxParallelTasks"] == 1
    end(local_azure, [local_azure.batch.job(job) for job in ("theirs", "of-an-earlier-version")])
    assert "theirs" not in engine.ends()
    engine.forget(datetime.now(UTC) + timedelta(days=99999))
    assert engine.has("theirs")
    engine.client.begin_delete_job("theirs")
