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
from tests.scorer.submitter.intake_harness import ASKED, IntakeHarness, asked


@pytest.mark.parametrize(
    "path",
    ["requests/../x.json", "requests/a b.json", "requests/" + "ü" * 100 + ".json", "requests/\u202e.json", "requests/.json",
     "requests/x\ty.json"],
)  # fmt: skip
def test_names_of_requests_dont_matter(harness: IntakeHarness, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    job = unread_job_id(f"az://films/input/{path}", b"{}")
    assert len(job) <= 64
    assert job.replace("-", "").replace("_", "").isalnum()
    assert job.isascii()
    monkeypatch.setattr(FolderStore, "head", lambda _, path: Entry(path, 2, "1"))
    monkeypatch.setattr(FolderStore, "get", lambda *_: b"{}")
    with pytest.raises(ScorerError, match=r"name"):
        harness.intake.take(path)
    (written,) = harness.stores.output.root.iterdir()
    assert written.is_dir()


def test_what_is_mended_is_taken(harness: IntakeHarness, make_clip: MakeClip) -> None:
    path = harness.put(ASKED)
    harness.refused(path)
    harness.stores.input.put("videos/clip.mp4", make_clip(frames=30, size="64x48").read_bytes())
    assert harness.intake.poll(float("inf")) == 0  # not by itself
    assert not harness.cluster.senders
    harness.put(ASKED)  # uploaded again
    job = harness.intake.take(path)
    assert list(harness.cluster.senders) == [job]
    assert not list(harness.stores.output.root.glob("*/rejected.json"))
    status = json.loads(harness.stores.output.get(f"{job}/status.json"))
    assert (status["state"], status["request"]) == ("scoring", path)


def test_an_event_that_comes_again_leaves_a_failed_job_as_it_is(harness: IntakeHarness) -> None:
    write_images(harness.stores.input.root / "shots", ["a.png"])
    path = harness.put({"name": "job", "input": "shots/", "model": "invert"})
    job = harness.intake.take(path)
    StatusWriter.resume(job, harness.stores).fail(TaskError("lost"))
    assert harness.intake.take(path) == job
    assert read_status(job, harness.stores).state == "failed"
    harness.cluster.senders.clear()  # 'scorer restart' deletes it in Batch
    assert harness.intake.take(path) == job
    assert (read_status(job, harness.stores).state, read_status(job, harness.stores).error) == ("scoring", None)


def test_what_was_deleted_is_made_again_for_whoever_uploads_the_same_request(harness: IntakeHarness) -> None:
    write_images(harness.stores.input.root / "shots", ["a.png"])
    path = harness.put({"name": "job", "input": "shots/", "model": "invert"})
    job = harness.intake.take(path)
    StatusWriter.resume(job, harness.stores).state("done")
    harness.cluster.ended[job] = datetime.now(UTC)
    harness.stores.output.delete(f"{job}/status.json")
    assert harness.intake.take(path) == job  # an event that comes again
    assert job in harness.cluster.ended
    harness.put({"name": "job", "input": "shots/", "model": "invert"})
    assert harness.intake.poll(float("inf")) == 0
    assert job in harness.cluster.senders
    assert job not in harness.cluster.ended, "it is at work again"
    assert read_status(job, harness.stores).state == "scoring"


def test_senders_take_turns(harness: IntakeHarness) -> None:
    write_images(harness.stores.input.root / "shared/shots", ["a.png"])
    names = [f"requests/flood/{number:02}.json" for number in range(30)] + ["requests/small/1.json", "requests/own.json"]
    for number, path in enumerate(names):
        harness.put({"name": f"job-{number}", "input": "shared/shots/", "model": "invert"}, path)
    few = harness.with_room_for(10)
    cluster, intake = few.cluster, few.intake
    assert intake.poll(float("inf")) == 25
    assert sorted(cluster.senders.values()) == ["", *["flood"] * 5, "small"]
    assert intake.poll(float("inf")) == 25  # nothing has ended
    rounds = 0
    while intake.poll(float("inf")):
        cluster.senders.clear()
        rounds += 1
    assert rounds == 5  # it drains, five jobs of this sender at a time
    assert len(list(harness.stores.output.root.glob("*/status.json"))) == 32
    assert intake.poll(float("inf")) == 0


def test_who_comes_new_waits_for_one_end_however_busy_two_others_are(harness: IntakeHarness) -> None:
    write_images(harness.stores.input.root / "shared/shots", ["a.png"])
    few = harness.with_room_for(4)

    def put(sender: str, number: int) -> None:
        few.put({"name": sender, "input": "shared/shots/", "model": "invert"}, f"requests/{sender}/{number}.json")

    for number in range(4):
        put("acme", number)
        put("bolt", number)
    few.intake.poll(float("inf"))
    put("zoe", 0)
    few.intake.poll(float("inf"))
    assert sorted(few.cluster.senders.values()) == ["acme", "acme", "bolt", "bolt"]
    del few.cluster.senders[next(iter(few.cluster.senders))]
    few.intake.poll(float("inf"))
    assert sorted(few.cluster.senders.values()) == ["acme", "bolt", "bolt", "zoe"]


def test_what_is_wrong_is_refused_while_the_cluster_is_away(harness: IntakeHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> Never:
        raise BatchError("away")

    monkeypatch.setattr(type(harness.cluster), "at_work", away)
    harness.put(asked(model="no-such-model"))
    with pytest.raises(BatchError):
        harness.intake.poll(float("inf"))
    assert len(list(harness.stores.output.root.glob("*/rejected.json"))) == 1


def test_a_store_that_is_away_is_asked_at_the_next_look(harness: IntakeHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    write_images(harness.stores.input.root / "shots", ["a.png"])
    for number in range(3):
        harness.put({"name": f"job-{number}", "input": "shots/", "model": "invert"}, f"requests/{number}.json")
    get: Callable[..., bytes] = FolderStore.get

    def moody(self: FolderStore, path: str, etag: str | None = None, most: int | None = None) -> bytes:
        if path == "requests/1.json":
            raise StoreError("away")
        return get(self, path, etag, most)

    with monkeypatch.context() as away:
        away.setattr(FolderStore, "get", moody)
        with pytest.raises(StoreError):
            harness.intake.poll(float("inf"))
    assert len(harness.cluster.senders) == 2
    assert harness.intake.poll(float("inf")) == 0
    assert len(harness.cluster.senders) == 3
    assert harness.intake.poll(0) == 0


def test_no_time_is_left(harness: IntakeHarness) -> None:
    harness.put(ASKED)
    assert harness.intake.poll(0) == 1


def test_one_bad_name_or_fault_keeps_no_other_waiting(harness: IntakeHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    write_images(harness.stores.input.root / "shots", ["a.png"])
    for number in range(3):
        harness.put({"name": f"job-{number}", "input": "shots/", "model": "invert"}, f"requests/{number}.json")
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
        harness.intake.poll(float("inf"))
    assert sorted(job[:5] for job in harness.cluster.senders) == ["job-0", "job-2"]
    (written,) = harness.stores.output.root.glob("empty-*/rejected.json")
    assert "empty part" in Rejection.model_validate_json(written.read_bytes()).error
    with pytest.raises(RequestError, match="empty part"):  # the same by an event
        harness.intake.take("requests//empty.json")


def test_a_job_that_lacks_tasks_gets_them_however_full_the_cluster_is(harness: IntakeHarness) -> None:
    write_images(harness.stores.input.root / "shots", ["a.png"])
    plan = dispatch("begun-0123456789ab", make_request({"name": "begun", "input": "shots/", "model": "invert"}), harness.stores)
    few = harness.with_room_for(1)
    few.cluster.senders[plan.job] = ""
    few.cluster.begun.extend([plan.job, "somebody-elses"])
    harness.put({"name": "waits", "input": "shots/", "model": "invert"})
    assert few.intake.poll(float("inf")) == 1
    assert few.cluster.begun == ["somebody-elses"]
    assert harness.told[:2] == [f"job {plan.job} has all its tasks now", harness.told[1]]
    assert harness.told[1].startswith("job somebody-elses: There is no ")


def test_a_job_that_a_restart_has_just_deleted_is_not_made_again_without_its_sender(harness: IntakeHarness) -> None:
    write_images(harness.stores.input.root / "shots", ["a.png"])
    dispatch("gone", make_request({"name": "gone", "input": "shots/", "model": "invert"}), harness.stores)
    harness.cluster.begun.append("gone")  # it was there when Batch was asked
    harness.intake.poll(float("inf"))
    assert not harness.cluster.senders


def test_ended_jobs_are_forgotten_with_their_plans(harness: IntakeHarness) -> None:
    now = datetime.now(UTC)
    harness.cluster.ended.update({"old": now - timedelta(days=7, minutes=1), "new": now - timedelta(days=6, hours=23)})
    harness.intake.poll(float("inf"))
    assert list(harness.cluster.ended) == ["new"]


def test_a_cancelled_request_is_left(harness: IntakeHarness) -> None:
    write_images(harness.stores.input.root / "shots", ["a.png"])
    path = harness.put({"name": "job", "input": "shots/", "model": "invert"})
    job = harness.intake.take(path)
    harness.cluster.senders.clear()
    StatusWriter.resume(job, harness.stores).state("cancelled")
    harness.put({"name": "job", "input": "shots/", "model": "invert"})
    assert harness.intake.poll(float("inf")) == 0
    assert not harness.cluster.senders
    assert read_status(job, harness.stores).state == "cancelled"


def test_a_job_that_is_cancelled_while_it_is_planned_doesnt_run(harness: IntakeHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    write_images(harness.stores.input.root / "shots", ["a.png"])
    path = harness.put({"name": "job", "input": "shots/", "model": "invert"})
    make = dispatch

    def cancelled_meanwhile(job: str, *rest: Any) -> Plan:
        StatusWriter(job, harness.stores).state("cancelled")
        return make(job, *rest)

    with monkeypatch.context() as patch:
        patch.setattr("scorer.submitter.intake.dispatch", cancelled_meanwhile)
        job = harness.intake.take(path)
    assert not harness.cluster.senders
    StatusWriter(job, harness.stores).state("planned")
    submit = type(harness.cluster).submit

    def cancelled_later(_: object, plan: Plan, sender: str, others: int) -> None:
        StatusWriter.resume(job, harness.stores).state("cancelled")
        submit(harness.cluster, plan, sender, others)

    monkeypatch.setattr(type(harness.cluster), "submit", cancelled_later)
    harness.intake.take(path)
    assert not harness.cluster.senders
    assert read_status(job, harness.stores).state == "cancelled"


def test_a_job_that_is_cancelled_while_old_failures_are_forgotten_stays_so(
    harness: IntakeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_images(harness.stores.input.root / "shots", ["a.png"])
    clear = clear_failures

    def cancelled_meanwhile(plan: Plan, stores: Stores) -> None:
        clear(plan, stores)
        StatusWriter(plan.job, stores).state("cancelled")

    monkeypatch.setattr("scorer.submitter.intake.clear_failures", cancelled_meanwhile)
    job = harness.intake.take(harness.put({"name": "job", "input": "shots/", "model": "invert"}))
    assert read_status(job, harness.stores).state == "cancelled"
    assert not harness.cluster.senders


def test_an_event_of_a_finished_job_whose_plan_is_gone_changes_nothing(harness: IntakeHarness) -> None:
    write_images(harness.stores.input.root / "shots", ["a.png"])
    path = harness.put({"name": "job", "input": "shots/", "model": "invert"})
    job = harness.intake.take(path)
    StatusWriter.resume(job, harness.stores).state("done")
    harness.stores.work.delete(f"{job}/plan.json")
    assert harness.intake.take(path) == job
    assert not list(harness.stores.output.root.glob("*/rejected.json"))
    assert read_status(job, harness.stores).state == "done"


def test_who_waited_too_long_hears_of_it(harness: IntakeHarness) -> None:
    path = harness.stores.input.root / harness.put({"name": "job", "input": "shots/", "model": "invert"})
    days = harness.intake.target.work_days
    os.utime(path, (0, time.time() - (days - 0.5) * DAY))
    assert harness.intake.poll(float("inf")) == 0
    (written,) = harness.stores.output.root.glob("*/rejected.json")
    assert "has waited for 6 days" in Rejection.model_validate_json(written.read_bytes()).error
    # Older still, it may have lost its mark together with its plan: it was answered.
    os.utime(path, (0, time.time() - days * DAY))
    harness.told.clear()
    assert harness.intake.poll(float("inf")) == 0
    assert not harness.told


def test_jobs_that_were_ended_without_a_word_have_failed(harness: IntakeHarness) -> None:
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
    harness.cluster.cancelled.add("stopped")
    for job, state, end in states:
        writer = StatusWriter(job, harness.stores)
        writer.state(state, request="requests/a.json")
        if job == "told":
            writer.fail(StorageFullError("No space is left."), "merging")
        harness.cluster.ended[job] = end
    harness.cluster.ended["unknown"] = datetime.now(UTC)
    assert harness.intake.poll(float("inf")) == 0
    found = {job: read_status(job, harness.stores) for job, _, _ in states}
    assert [status.state for status in found.values()] == ["failed", "failed", "scoring", "merging", "done", "cancelled"]
    assert (found["killed"].exit_code, found["told"].exit_code, found["told"].error) == (13, 9, "No space is left.")
    assert found["killed"].error == (
        "Azure ended job 'killed' (AllTasksComplete) before its result was there: 'scorer restart killed' goes on."
    )
    assert found["killed"].request == "requests/a.json"
    assert b"before its result was there" in harness.stores.output.get("killed/report.html")
    assert [told for told in harness.told if "killed" in told] == [
        "job killed was ended (AllTasksComplete) before it could say why"
    ]
    assert harness.intake.poll(float("inf")) == 0
    assert len([told for told in harness.told if "could say why" in told]) == 3


def test_a_job_that_no_node_can_begin_ends_and_says_why(harness: IntakeHarness) -> None:
    harness.cluster.senders["stuck"] = ""
    harness.cluster.unprepared["stuck"] = "no node could start its containers: ContainerInvalidSettings"
    StatusWriter("stuck", harness.stores).state("scoring")
    assert harness.intake.poll(float("inf")) == 0
    assert "job stuck is ended: no node could start its containers: ContainerInvalidSettings" in harness.told
    status = read_status("stuck", harness.stores)
    assert (status.state, status.exit_code) == ("failed", 13)
    assert status.error is not None
    assert "no node could start its containers: ContainerInvalidSettings" in status.error
