"""Requests of strangers: each is refused with a reason that they can read, set aside, and costs nothing."""

import json
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Never

import pytest

from scorer.errors import BatchError, RequestError, ScorerError, StoreError, TaskError
from scorer.failure import clear_failures
from scorer.plan import Plan, dispatch
from scorer.refusal import Rejection, unread_job_id
from scorer.request import job_id, make_request
from scorer.status import StatusWriter, read_status
from scorer.store import Entry, FolderStore, Stores
from scorer.waiting import DAY
from tests.conftest import MakeClip, write_images
from tests.folders import FolderStores
from tests.scorer.office import LIMITS, Office


@pytest.fixture
def office(stores: FolderStores, tmp_path: Path) -> Office:
    return Office.open(stores, tmp_path)


ASKED = {"name": "clip", "input": "videos/clip.mp4", "model": "invert"}
NESTED = b"[" * 3000


def asked(**more: object) -> bytes:
    return json.dumps({**ASKED, **more}).encode()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (asked(input="../output/secret.mp4"), "'..'"),
        (asked(input="/etc/passwd"), "empty part"),
        (asked(input="videos//clip.mp4"), "empty part"),
        (asked(input="videos\\..\\clip.mp4"), "backslash"),
        (asked(input="https://evil.example/clip.mp4"), "is a URL"),
        (asked(input="az://other/input/clip.mp4"), "is a URL"),
        (asked(input="file:///etc/passwd"), "is a URL"),
        (asked(input="videos/clip\u202e4pm.mp4"), "invisible character"),
        (asked(input="videos/clip\u0000.mp4"), "invisible character"),
        (asked(input="videos/" + "a" * 1000), "at most 900"),
        (asked(input=["videos/clip.mp4"]), "string"),
        (asked(model="adaptive", styles=[{"source": "../x.png"}]), "'..'"),
        (asked(name="../../work"), "name"),
        (asked(name="clip\nclip"), "name"),
        (asked(name="\uff43\uff4c\uff49\uff50"), "name"),
        (asked(name="x" * 41), "name"),
        (asked(name=""), "name"),
        (asked(chunk_frames=0), "greater than or equal to 1"),
        (asked(chunk_frames=10**12), "less than or equal to"),
        (asked(batch_size=-1), "greater than or equal to 1"),
        (asked(batch_size="many"), "integer"),
        (asked(size=10**9), "less than or equal to 8192"),
        (asked(strength=float("nan")), "NaN stands in it"),
        (asked(options={"x": float("inf")}), "Infinity stands in it"),
        (asked()[:-1] + b', "options": {"deadly": 1e999}}', "options"),
        (asked(model="\ud800"), "half a character"),
        (asked(options={"\ude00": 1}), "half a character"),
        (asked(package="\udfff"), "half a character"),
        (asked(**{"\ud83d": 1}), "half a character"),
        (asked(options={"": 1}), "options"),
        (asked(options={"x" * 101: 1}), "options"),
        (asked(priority=5000), "less than or equal to 100"),
        (asked(styles=[{"source": 1}] * 33), "at most 32"),
        (asked(options={str(number): 1 for number in range(33)}), "at most 32"),
        (asked(model="no-such-model"), "There is no model 'no-such-model'"),
        (asked(model="gatys", styles=[{"source": "x.png"}]), "which the nodes of a deployment can't fetch"),
        (asked(package="../../input/requests"), "There is no package"),
        (asked(surprise=1), "surprise"),
        (asked(version=2), "version"),
        (b'{"name": "a", "name": "b", "input": "videos/clip.mp4"}', "twice"),
        (NESTED, "not JSON"),
        (b"[]", "can't be taken"),
        (b"null", "can't be taken"),
        (b"", "not JSON"),
        (b"\xff\xfe{}", "not JSON"),
        (b"{" + b" " * 5000 + b"}", "5002 bytes"),
        (asked(), "There is no"),
    ],
)  # fmt: skip
def test_hostile_requests(office: Office, data: bytes, words: str) -> None:
    error, rejection = office.refused(office.put(data))
    assert words in str(error)
    assert rejection.error == str(error)
    assert (rejection.request, rejection.exit_code) == ("requests/video.json", error.exit_code)
    assert len(str(error)) < 600
    assert not office.cluster.jobs
    assert not list(office.stores.work.root.glob("*/plan.json"))
    kept = list(office.quarantine.root.glob("*/request.json"))
    assert [path.read_bytes() for path in kept] == ([data] if len(data) <= LIMITS["requestBytes"] else [])
    # Never tried again: the next look at what waits doesn't see it.
    assert office.intake.sweep(float("inf")) == 0
    assert not office.told


def test_fifty_megabytes_are_not_even_read(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    path = office.put(b'{"name": "' + b"x" * 50_000_000)
    monkeypatch.setattr(FolderStore, "get", lambda *_: pytest.fail("it was read"))
    error, _ = office.refused(path)
    assert "50000010 bytes" in str(error)


def test_media_are_refused_too(office: Office, make_clip: MakeClip) -> None:
    clip = make_clip(frames=201, size="64x48")
    office.stores.input.put("videos/clip.mp4", clip.read_bytes())
    error, _ = office.refused(office.put(ASKED))
    assert error.exit_code == 3
    assert "200" in str(error)


def test_a_video_that_no_disk_here_holds_isnt_even_fetched(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    office.stores.input.put("videos/clip.mp4", b"x" * 1001)
    monkeypatch.setattr(FolderStore, "capacity", lambda _: 1000)
    monkeypatch.setattr(FolderStore, "fetch", lambda *_: pytest.fail("it was fetched"))
    error, _ = office.refused(office.put(ASKED))
    assert error.exit_code == 3
    assert "has 0.0 GB, and the disk that it is copied to 0.0 GB in all" in str(error)


def test_a_style_that_is_no_image_is_refused_before_there_are_tasks(office: Office) -> None:
    write_images(office.stores.input.root / "shots", ["a.png"])
    style = office.stores.input.root / "style.jpg"
    style.write_text("no image")
    path = office.put({"name": "job", "input": "shots/", "model": "adaptive", "styles": [{"source": "style.jpg"}]})
    error, _ = office.refused(path)
    assert str(error) == f"The style {style} isn't an image: give a JPEG, PNG, WebP or TIFF file."
    assert error.exit_code == 6


def test_an_image_whose_name_cant_be_read_is_named(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [Entry("shots/a.png", 1, "1"), Entry("shots/b\x07.png", 1, "2")]  # as Azure lists it; no folder's store does
    monkeypatch.setattr(FolderStore, "list", lambda *_: iter(found))
    error, _ = office.refused(office.put({"name": "job", "input": "shots/", "model": "invert"}))
    assert error.exit_code == 3
    assert r"The image 'shots/b\x07.png' can't be used" in str(error)


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
    write_images(office.stores.input.root / "shots", ["a.png"])
    names = [f"requests/flood/{number:02}.json" for number in range(30)] + ["requests/small/1.json", "requests/own.json"]
    for number, path in enumerate(names):
        office.put({"name": f"job-{number}", "input": "shots/", "model": "invert"}, path)
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
    write_images(office.stores.input.root / "shots", ["a.png"])
    few = office.with_room_for(4)

    def put(sender: str, number: int) -> None:
        few.put({"name": sender, "input": "shots/", "model": "invert"}, f"requests/{sender}/{number}.json")

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

    def moody(self: FolderStore, path: str, etag: str | None = None) -> bytes:
        if path == "requests/1.json":
            raise StoreError("away")
        return get(self, path, etag)

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
    monkeypatch.setattr("scorer.intake.dispatch", faulty)
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
        patch.setattr("scorer.intake.dispatch", cancelled_meanwhile)
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

    monkeypatch.setattr("scorer.intake.clear_failures", cancelled_meanwhile)
    job = office.intake.take(office.put({"name": "job", "input": "shots/", "model": "invert"}))
    assert read_status(job, office.stores).state == "cancelled"
    assert not office.cluster.jobs


def test_a_refused_request_is_answered_where_its_sender_looks(office: Office) -> None:
    data = asked(model="no-such-model")
    path = office.put(data)
    office.refused(path)
    (written,) = office.stores.output.root.glob("*/rejected.json")
    assert written.parent.name == job_id("clip", f"{office.stores.input.url}/{path}", data)


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


def test_more_tasks_than_batch_is_given_are_refused(office: Office) -> None:
    write_images(office.stores.input.root / "shots", [f"{number}.png" for number in range(3)])
    limits = office.intake.target.request_limits
    assert limits.max_chunks == 10_000
    request = make_request({"name": "job", "input": "shots/", "model": "invert", "chunk_frames": 1})
    with pytest.raises(RequestError, match=r"chunk_frames is 1: of 3 frames that makes more than 2 tasks; ask for 2 or more"):
        dispatch("job", request, office.stores, "auto", type(limits)(max_chunks=2))
