"""Jobs that are begun anew: what a person may ask for, and what is done again."""

import json
from typing import Any

import pytest

from scorer.client.client import Client, Standing
from scorer.documents.deployment import read_deployment
from scorer.documents.plan import Plan, read_plan
from scorer.documents.status import StatusWriter, read_status
from scorer.engines.azure_batch.engine import AzureBatchEngine
from scorer.engines.base import Tasks
from scorer.errors import MissingError, RequestError, StorageFullError, StoreError, TaskError
from scorer.job.dispatch import dispatch
from scorer.job.fallback import fill_gaps
from scorer.job.finish import merge_job
from scorer.job.parts import find_parts
from scorer.job.score import load_model, score_chunk
from scorer.models import Frames
from scorer.submitter.pending import unread_id
from scorer.submitter.rejection import job_of, reject
from tests.conftest import MakeClip, write_images
from tests.folders import FolderStores
from tests.scorer.documents.test_deployment import DOCUMENT
from tests.scorer.submitter.intake_harness import IntakeHarness

PATH = "requests/acme/nightly.json"


@pytest.fixture
def forgotten() -> list[str]:
    """Jobs that were deleted in Batch."""
    return []


@pytest.fixture
def client(stores: FolderStores, forgotten: list[str], monkeypatch: pytest.MonkeyPatch) -> Client:
    """A person's, whose Batch has no jobs."""
    monkeypatch.setattr(AzureBatchEngine, "tasks_of", lambda *_: (None, None))
    monkeypatch.setattr(AzureBatchEngine, "delete", lambda _, job: forgotten.append(job))
    client = Client(read_deployment(json.dumps(DOCUMENT)))
    client.stores = stores
    return client


def put_request(stores: FolderStores, media: str) -> str:
    """Upload it; the job that it asks for."""
    data = json.dumps({"name": "nightly", "input": media, "model": "invert"}).encode()
    stores.input.put(PATH, data)
    return job_of(f"{stores.input.url}/{PATH}", data)


def test_a_job_that_is_done_is_begun_anew_where_frames_failed(client: Client, stores: FolderStores, forgotten: list[str]) -> None:
    job = put_request(stores, "monday.mp4")
    StatusWriter(job, stores).state("done", frames=100, failed=0, request=PATH)
    with pytest.raises(RequestError, match="is done"):
        client.restart(job)
    StatusWriter(job, stores).state("done", frames=100, failed=4, request=PATH)
    client.restart(job)
    assert forgotten == [job]
    assert read_status(job, stores).state == "planned"


def test_a_request_that_was_replaced_is_not_handed_in_for_another(
    client: Client, stores: FolderStores, forgotten: list[str]
) -> None:
    job = put_request(stores, "monday.mp4")
    StatusWriter(job, stores).state("failed", error="lost", exit_code=13, request=PATH)
    put_request(stores, "tuesday.mp4")
    before = stores.input.head(PATH)
    with pytest.raises(MissingError, match=rf"The request of job '{job}' was replaced by another at '{PATH}': upload it again"):
        client.restart(job)
    assert forgotten == []
    assert read_status(job, stores).state == "failed"
    assert stores.input.head(PATH) == before
    put_request(stores, "monday.mp4")
    client.restart(job)
    assert (forgotten, read_status(job, stores).state) == ([job], "planned")


def test_a_request_that_wasnt_even_read_is_handed_in_again(client: Client, stores: FolderStores, forgotten: list[str]) -> None:
    entry = stores.input.put(PATH, b"x" * (client.target.limits.request_bytes + 1))
    job = unread_id(f"{stores.input.url}/{PATH}", entry)
    reject(job, entry, None, RequestError("It is too large."), stores.output, stores.work)
    client.restart(job)
    assert forgotten == [job]


def test_a_merge_that_was_tried_as_often_as_it_may_says_why(stores: FolderStores) -> None:
    writer = StatusWriter("job", stores)
    writer.state("merging")
    assert isinstance(Standing("job", writer.status, None, None, ended="AllTasksCompleted").error, TaskError)
    writer.fail(StorageFullError("No space is left."), "merging")
    at_work = Standing("job", writer.status, None, Tasks(waiting=1, running=0, done=2, failed=0))
    assert at_work.error is None  # Batch tries again
    ended = Standing("job", writer.status, None, at_work.tasks, ended="AllTasksCompleted")
    assert (type(ended.error), str(ended.error)) == (StorageFullError, "No space is left.")


class Sick:
    """Fails on every frame."""

    runtime, device = "sick", "cpu"

    def score(self, frames: Frames) -> Frames:
        del frames
        raise ValueError("not this time")

    def reset(self) -> None:
        pass


@pytest.mark.parametrize("media", ["shots/", "clip.mp4"])
def test_what_failed_is_scored_again_by_a_restart(harness: IntakeHarness, make_clip: MakeClip, media: str) -> None:
    write_images(harness.stores.input.root / "shots", [f"{number}.png" for number in range(6)])
    make_clip(frames=6)
    path = harness.put({"name": "job", "input": media, "model": "invert", "chunk_frames": 3, "failure_threshold": 0.5})
    job, stores = harness.intake.take(path), harness.stores
    plan = read_plan(job, stores)
    score_chunk(plan, plan.chunks[0], stores, Sick())
    score_chunk(plan, plan.chunks[1], stores, load_model(plan, stores))
    assert merge_job(plan, stores).status.failed == 3
    assert harness.intake.take(path) == job
    assert harness.told[-1] == f"job {job} is done; 'scorer restart' begins it anew"
    harness.cluster.senders.clear()  # this and the state is what 'scorer restart' changes
    StatusWriter.resume(job, stores).state("planned")
    harness.intake.take(path)
    assert stores.work.find(f"{job}/result.json") is None
    made = [score_chunk(plan, chunk, stores, load_model(plan, stores))[1] for chunk in plan.chunks]
    assert made == [True, media == "clip.mp4"]  # a video that is done has no parts any more
    status = merge_job(plan, stores).status
    assert (status.state, status.failed) == ("done", 0)
    harness.intake.take(path)
    assert harness.told[-1] == f"job {job} is done"  # and nothing is left to be begun anew


def test_what_stood_in_before_the_job_failed_is_scored_again(harness: IntakeHarness) -> None:
    write_images(harness.stores.input.root / "shots", [f"{number}.png" for number in range(6)])
    path = harness.put({"name": "job", "input": "shots/", "model": "invert", "chunk_frames": 3, "failure_threshold": 0.5})
    job, stores = harness.intake.take(path), harness.stores
    plan = read_plan(job, stores)
    score_chunk(plan, plan.chunks[0], stores, load_model(plan, stores))
    fill_gaps(plan, stores)
    StatusWriter.resume(job, stores).fail(StoreError("away"))
    harness.cluster.senders.clear()
    harness.intake.take(path)
    assert [part is None for part in find_parts(plan, stores)] == [False, True]


def test_whoever_was_quicker_keeps_what_its_tasks_made(harness: IntakeHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    write_images(harness.stores.input.root / "shots", ["a.png"])
    path = harness.put({"name": "job", "input": "shots/", "model": "invert", "failure_threshold": 1})
    make = dispatch

    def quicker(job: str, *rest: Any) -> Plan:
        plan = make(job, *rest)
        harness.cluster.senders[job] = ""
        StatusWriter(job, harness.stores).state("merging")
        score_chunk(plan, plan.chunks[0], harness.stores, Sick())
        return plan

    monkeypatch.setattr("scorer.submitter.intake.dispatch", quicker)
    job = harness.intake.take(path)
    assert all(find_parts(read_plan(job, harness.stores), harness.stores))
    assert read_status(job, harness.stores).state == "merging"
