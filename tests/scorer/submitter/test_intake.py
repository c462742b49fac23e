"""Requests that come in: each once, in turn, whatever is wrong with others or with the services; cancelled ones are left."""

import json
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Never

import pytest

from scorer.documents.plan import Plan
from scorer.documents.request import make_request
from scorer.documents.status import State, StatusWriter, read_status
from scorer.errors import BatchError, RequestError, ScorerError, StorageFullError, StoreError, TaskError
from scorer.job.dispatch import dispatch
from scorer.job.failures import clear_failures
from scorer.store import Entry, FolderStore, Stores
from scorer.submitter.pending import DAY
from scorer.submitter.rejection import Rejection, unread_job_id
from tests.conftest import MakeClip, write_images
from tests.scorer.submitter.intake_harness import ASKED, Office, asked


@pytest.mark.parametrize(
    "path",
    ["requests/../x.json", "requests/a b.json", "requests/" + "ü" * 100 + ".json", "requests/\u202e.json", "requests/.json",
     "requests/x\ty.json"],
)  # fmt: skip
def test_names_of_requests_dont_matter(office: Office, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    job = unread_job_id(f"az://films/input/{path}", b"{}")
    assert len(job) <= 64
    assert job.replace("-", "").replace("_", "").isalnum()
    assert job.isascii()
    monkeypatch.setattr(FolderStore, "head", lambda _, path: Entry(path, 2, "1"))
    monkeypatch.setattr(FolderStore, "get", lambda *_: b"{}")
    with pytest.raises(ScorerError, match=r"name"):
        office.intake.take(path)
    (written,) = office.stores.output.root.iterdir()
    assert written.is_dir()


def test_what_is_mended_is_taken(office: Office, make_clip: MakeClip) -> None:
    path = office.put(ASKED)
    office.refused(path)
    office.stores.input.put("videos/clip.mp4", make_clip(frames=30, size="64x48").read_bytes())
    assert office.intake.sweep(float("inf")) == 0  # not by itself
    assert not office.cluster.jobs
    office.put(ASKED)  # uploaded again
    job = office.intake.take(path)
    assert list(office.cluster.jobs) == [job]
    assert not list(office.stores.output.root.glob("*/rejected.json"))
    status = json.loads(office.stores.output.get(f"{job}/status.json"))
    assert (status["state"], status["request"]) == ("scoring", path)


def test_an_event_that_comes_again_leaves_a_failed_job_as_it_is(office: Office) -> None:
    write_images(office.stores.input.root / "shots", ["a.png"])
    path = office.put({"name": "job", "input": "shots/", "model": "invert"})
    job = office.intake.take(path)
    StatusWriter.resume(job, office.stores).fail(TaskError("lost"))
    assert office.intake.take(path) == job
    assert read_status(job, office.stores).state == "failed"
    office.cluster.jobs.clear()  # 'scorer restart' deletes it in Batch
    assert office.intake.take(path) == job
    assert (read_status(job, office.stores).state, read_status(job, office.stores).error) == ("scoring", None)


def test_senders_take_turns(office: Office) -> None:
    write_images(office.stores.input.root / "shared/shots", ["a.png"])
    names = [f"requests/flood/{number:02}.json" for number in range(30)] + ["requests/small/1.json", "requests/own.json"]
    for number, path in enumerate(names):
        office.put({"name": f"job-{number}", "input": "shared/shots/", "model": "invert"}, path)
    few = office.with_room_for(10)
    cluster, intake = few.cluster, few.intake
    assert intake.sweep(float("inf")) == 25
    assert sorted(cluster.jobs.values()) == ["", *["flood"] * 5, "small"]
    assert intake.sweep(float("inf")) == 25  # nothing has ended
    rounds = 0
    while intake.sweep(float("inf")):
        cluster.jobs.clear()
        rounds += 1
    assert rounds == 5  # it drains, five jobs of this sender at a time
    assert len(list(office.stores.output.root.glob("*/status.json"))) == 32
    assert intake.sweep(float("inf")) == 0


def test_who_comes_new_waits_for_one_end_however_busy_two_others_are(office: Office) -> None:
    write_images(office.stores.input.root / "shared/shots", ["a.png"])
    few = office.with_room_for(4)

    def put(sender: str, number: int) -> None:
        few.put({"name": sender, "input": "shared/shots/", "model": "invert"}, f"requests/{sender}/{number}.json")

    for number in range(4):
        put("acme", number)
        put("bolt", number)
    few.intake.sweep(float("inf"))
    put("zoe", 0)
    few.intake.sweep(float("inf"))
    assert sorted(few.cluster.jobs.values()) == ["acme", "acme", "bolt", "bolt"]
    del few.cluster.jobs[next(iter(few.cluster.jobs))]
    few.intake.sweep(float("inf"))
    assert sorted(few.cluster.jobs.values()) == ["acme", "bolt", "bolt", "zoe"]


def test_what_is_wrong_is_refused_while_the_cluster_is_away(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> Never:
        raise BatchError("away")

    monkeypatch.setattr(type(office.cluster), "at_work", away)
    office.put(asked(model="no-such-model"))
    with pytest.raises(BatchError):
        office.intake.sweep(float("inf"))
    assert len(list(office.stores.output.root.glob("*/rejected.json"))) == 1


def test_a_store_that_is_away_is_asked_at_the_next_look(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    write_images(office.stores.input.root / "shots", ["a.png"])
    for number in range(3):
        office.put({"name": f"job-{number}", "input": "shots/", "model": "invert"}, f"requests/{number}.json")
    get: Callable[..., bytes] = FolderStore.get

    def moody(self: FolderStore, path: str, etag: str | None = None, most: int | None = None) -> bytes:
        if path == "requests/1.json":
            raise StoreError("away")
        return get(self, path, etag, most)

    with monkeypatch.context() as away:
        away.setattr(FolderStore, "get", moody)
        with pytest.raises(StoreError):
            office.intake.sweep(float("inf"))
    assert len(office.cluster.jobs) == 2
    assert office.intake.sweep(float("inf")) == 0
    assert len(office.cluster.jobs) == 3
    assert office.intake.sweep(0) == 0


def test_no_time_is_left(office: Office) -> None:
    office.put(ASKED)
    assert office.intake.sweep(0) == 1


def test_one_bad_name_or_fault_keeps_no_other_waiting(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    write_images(office.stores.input.root / "shots", ["a.png"])
    for number in range(3):
        office.put({"name": f"job-{number}", "input": "shots/", "model": "invert"}, f"requests/{number}.json")
    walk = FolderStore.walk

    def odd(self: FolderStore, folder: str) -> list[Entry]:
        return [Entry("requests//empty.json", 2, "1", time.time() - 9), *walk(self, folder)]

    find = dispatch

    def faulty(job: str, *rest: Any) -> Plan:
        if job.startswith("job-1-"):
            raise ZeroDivisionError("a fault of ours")
        return find(job, *rest)

    monkeypatch.setattr(FolderStore, "walk", odd)
    monkeypatch.setattr("scorer.submitter.intake.dispatch", faulty)
    with pytest.raises(TaskError, match="ZeroDivisionError: a fault of ours"):
        office.intake.sweep(float("inf"))
    assert sorted(job[:5] for job in office.cluster.jobs) == ["job-0", "job-2"]
    (written,) = office.stores.output.root.glob("empty-*/rejected.json")
    assert "empty part" in Rejection.model_validate_json(written.read_bytes()).error
    with pytest.raises(RequestError, match="empty part"):  # the same by an event
        office.intake.take("requests//empty.json")


def test_a_job_that_lacks_tasks_gets_them_however_full_the_cluster_is(office: Office) -> None:
    write_images(office.stores.input.root / "shots", ["a.png"])
    plan = dispatch("begun-0123456789ab", make_request({"name": "begun", "input": "shots/", "model": "invert"}), office.stores)
    few = office.with_room_for(1)
    few.cluster.jobs[plan.job] = ""
    few.cluster.begun.extend([plan.job, "somebody-elses"])
    office.put({"name": "waits", "input": "shots/", "model": "invert"})
    assert few.intake.sweep(float("inf")) == 1
    assert few.cluster.begun == ["somebody-elses"]
    assert office.told[:2] == [f"job {plan.job} has all its tasks now", office.told[1]]
    assert office.told[1].startswith("job somebody-elses: There is no ")


def test_a_job_that_a_restart_has_just_deleted_is_not_made_again_without_its_sender(office: Office) -> None:
    write_images(office.stores.input.root / "shots", ["a.png"])
    dispatch("gone", make_request({"name": "gone", "input": "shots/", "model": "invert"}), office.stores)
    office.cluster.begun.append("gone")  # it was there when Batch was asked
    office.intake.sweep(float("inf"))
    assert not office.cluster.jobs


def test_ended_jobs_are_forgotten_with_their_plans(office: Office) -> None:
    now = datetime.now(UTC)
    office.cluster.ended.update({"old": now - timedelta(days=7, minutes=1), "new": now - timedelta(days=6, hours=23)})
    office.intake.sweep(float("inf"))
    assert list(office.cluster.ended) == ["new"]


def test_a_cancelled_request_is_left(office: Office) -> None:
    write_images(office.stores.input.root / "shots", ["a.png"])
    path = office.put({"name": "job", "input": "shots/", "model": "invert"})
    job = office.intake.take(path)
    office.cluster.jobs.clear()
    StatusWriter.resume(job, office.stores).state("cancelled")
    office.put({"name": "job", "input": "shots/", "model": "invert"})
    assert office.intake.sweep(float("inf")) == 0
    assert not office.cluster.jobs
    assert read_status(job, office.stores).state == "cancelled"


def test_a_job_that_is_cancelled_while_it_is_planned_doesnt_run(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    write_images(office.stores.input.root / "shots", ["a.png"])
    path = office.put({"name": "job", "input": "shots/", "model": "invert"})
    make = dispatch

    def cancelled_meanwhile(job: str, *rest: Any) -> Plan:
        StatusWriter(job, office.stores).state("cancelled")
        return make(job, *rest)

    with monkeypatch.context() as patch:
        patch.setattr("scorer.submitter.intake.dispatch", cancelled_meanwhile)
        job = office.intake.take(path)
    assert not office.cluster.jobs
    StatusWriter(job, office.stores).state("planned")
    submit = type(office.cluster).submit

    def cancelled_later(_: object, plan: Plan, sender: str, place: int) -> None:
        StatusWriter.resume(job, office.stores).state("cancelled")
        submit(office.cluster, plan, sender, place)

    monkeypatch.setattr(type(office.cluster), "submit", cancelled_later)
    office.intake.take(path)
    assert not office.cluster.jobs
    assert read_status(job, office.stores).state == "cancelled"


def test_a_job_that_is_cancelled_while_old_failures_are_forgotten_stays_so(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_images(office.stores.input.root / "shots", ["a.png"])
    clear = clear_failures

    def cancelled_meanwhile(plan: Plan, stores: Stores) -> None:
        clear(plan, stores)
        StatusWriter(plan.job, stores).state("cancelled")

    monkeypatch.setattr("scorer.submitter.intake.clear_failures", cancelled_meanwhile)
    job = office.intake.take(office.put({"name": "job", "input": "shots/", "model": "invert"}))
    assert read_status(job, office.stores).state == "cancelled"
    assert not office.cluster.jobs


def test_an_event_of_a_finished_job_whose_plan_is_gone_changes_nothing(office: Office) -> None:
    write_images(office.stores.input.root / "shots", ["a.png"])
    path = office.put({"name": "job", "input": "shots/", "model": "invert"})
    job = office.intake.take(path)
    StatusWriter.resume(job, office.stores).state("done")
    office.stores.work.delete(f"{job}/plan.json")
    assert office.intake.take(path) == job
    assert not list(office.stores.output.root.glob("*/rejected.json"))
    assert read_status(job, office.stores).state == "done"


def test_who_waited_too_long_hears_of_it(office: Office) -> None:
    path = office.stores.input.root / office.put({"name": "job", "input": "shots/", "model": "invert"})
    days = office.intake.target.work_days
    os.utime(path, (0, time.time() - (days - 0.5) * DAY))
    assert office.intake.sweep(float("inf")) == 0
    (written,) = office.stores.output.root.glob("*/rejected.json")
    assert "has waited for 6 days" in Rejection.model_validate_json(written.read_bytes()).error
    # Older still, it may have lost its mark together with its plan: it was answered.
    os.utime(path, (0, time.time() - days * DAY))
    office.told.clear()
    assert office.intake.sweep(float("inf")) == 0
    assert not office.told


def test_jobs_that_were_ended_without_a_word_have_failed(office: Office) -> None:
    """A merge that is killed at each try, a job whose time is over: what they left says that they are at work."""
    long_ago = datetime.now(UTC) - timedelta(days=2)
    states: tuple[tuple[str, State, datetime], ...] = (
        ("killed", "scoring", datetime.now(UTC) + timedelta(seconds=5)),
        ("told", "merging", datetime.now(UTC) + timedelta(seconds=5)),
        ("begun-anew", "scoring", datetime.now(UTC) - timedelta(hours=1)),
        ("old", "merging", long_ago),
        ("done", "done", datetime.now(UTC) + timedelta(seconds=5)),
        ("stopped", "scoring", datetime.now(UTC) + timedelta(seconds=5)),
    )
    office.cluster.cancelled.add("stopped")
    for job, state, end in states:
        writer = StatusWriter(job, office.stores)
        writer.state(state, request="requests/a.json")
        if job == "told":
            writer.fail(StorageFullError("No space is left."), "merging")
        office.cluster.ended[job] = end
    office.cluster.ended["unknown"] = datetime.now(UTC)
    assert office.intake.sweep(float("inf")) == 0
    found = {job: read_status(job, office.stores) for job, _, _ in states}
    assert [status.state for status in found.values()] == ["failed", "failed", "scoring", "merging", "done", "cancelled"]
    assert (found["killed"].exit_code, found["told"].exit_code, found["told"].error) == (13, 9, "No space is left.")
    assert found["killed"].error == (
        "Azure Batch ended job 'killed' (AllTasksComplete) before its result was there: 'scorer restart killed' goes on."
    )
    assert found["killed"].request == "requests/a.json"
    assert b"before its result was there" in office.stores.output.get("killed/report.html")
    assert [told for told in office.told if "killed" in told] == [
        "job killed was ended (AllTasksComplete) before it could say why"
    ]
    assert office.intake.sweep(float("inf")) == 0
    assert len([told for told in office.told if "could say why" in told]) == 3


def test_a_job_that_no_node_can_begin_ends_and_says_why(office: Office) -> None:
    office.cluster.jobs["stuck"] = ""
    office.cluster.unprepared["stuck"] = "no node could start its containers: ContainerInvalidSettings"
    StatusWriter("stuck", office.stores).state("scoring")
    assert office.intake.sweep(float("inf")) == 0
    assert "job stuck is ended: no node could start its containers: ContainerInvalidSettings" in office.told
    status = read_status("stuck", office.stores)
    assert (status.state, status.exit_code) == ("failed", 13)
    assert status.error is not None
    assert "no node could start its containers: ContainerInvalidSettings" in status.error
