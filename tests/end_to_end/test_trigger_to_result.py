"""From a request that is dropped to the result, by the declared trigger; and what a person's commands do meanwhile."""

import json
import subprocess
import threading
from pathlib import Path

import numpy as np
from PIL import Image

from emulator import forked
from emulator.local_azure import PERSON
from emulator.logic_app.trigger import Trigger
from tests.conftest import MakeClip, write_images
from tests.end_to_end.job_helpers import ask, by_local_engine, runs, wait_for_parts
from tests.ffmpeg import run_ffmpeg


def person(trigger: Trigger, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What a person types."""
    environment = {
        **trigger.azure.environment(PERSON),
        "HOME": str(folder),
        "SCORER_NODE_DIR": str(folder / "cache"),
        "COLUMNS": "120",
    }
    return forked.run(arguments, environment, folder)


def job_of(trigger: Trigger, name: str) -> str:
    """The job that Batch has of that name."""
    found = [job for job in trigger.azure.batch.ledger.jobs if job.startswith(f"{name}-")]
    assert len(found) == 1, found
    return found[0]


def test_submit_brings_the_result(trigger: Trigger, tmp_path: Path, make_clip: MakeClip) -> None:
    clip = make_clip("bunny.mp4", frames=40)
    done = person(
        trigger, tmp_path, "submit", str(clip), "--model", "invert", "--chunk-frames", "10", "--every", "0.3", "--out", "new.mp4"
    )
    assert done.returncode == 0, done.stderr
    job = done.stdout.splitlines()[0]
    assert done.stdout.splitlines()[1].startswith("new.mp4 · 40 frames · ")
    assert (tmp_path / "new.mp4").read_bytes() == by_local_engine(tmp_path, clip, chunk_frames=10).read_bytes()
    report = (tmp_path / "new-report.html").read_text()
    assert f"requests/{job.rpartition('-')[0]}-" in report  # what asked for it
    assert "can't be made" not in report
    assert report.count('class="pair"') == 12
    accounts = {trigger.azure.deployment[name].split("/")[2] for name in ("input", "work", "logs")}
    assert all(name not in report for name in (*accounts, str(tmp_path)))
    trigger.wait()
    assert not trigger.groups  # the workflow deleted it
    assert [run.status for run in trigger.runs] == ["Succeeded"]
    # The same again is the same job: nothing is uploaded, nothing is scored, the result is there.
    writes = [call for call in trigger.azure.blobs.calls if call.method == "PUT"]
    again = person(
        trigger,
        tmp_path,
        "submit",
        str(clip),
        "--model",
        "invert",
        "--chunk-frames",
        "10",
        "--every",
        "0.3",
        "--out",
        "again.mp4",
    )
    assert again.stdout.splitlines()[0] == job
    assert (tmp_path / "again.mp4").read_bytes() == (tmp_path / "new.mp4").read_bytes()
    assert [call for call in trigger.azure.blobs.calls if call.method == "PUT"] == writes
    # Looked at afterwards.
    told = person(trigger, tmp_path, "status", job)
    assert told.stdout.startswith(f"{job}: done · 40 frames, 0 failed")
    assert job in person(trigger, tmp_path, "status").stdout
    assert person(trigger, tmp_path, "fetch", job, "--out", "once.mp4").returncode == 0
    assert (tmp_path / "once.mp4").exists()
    unknown = person(trigger, tmp_path, "status", "nobody-0123456789abcdef0123")
    assert (unknown.returncode, "There is no job" in unknown.stderr) == (4, True)


def test_a_folder_of_images_and_back(trigger: Trigger, tmp_path: Path) -> None:
    write_images(tmp_path / "shots", [f"{number}.png" for number in range(5)])
    done = person(trigger, tmp_path, "submit", "shots", "--model", "invert", "--every", "0.3", "--out", "painted")
    assert done.returncode == 0, done.stderr
    expected = by_local_engine(tmp_path, tmp_path / "shots")
    for number in range(5):
        assert (tmp_path / f"painted/{number}.png").read_bytes() == (expected / f"{number}.png").read_bytes()


def test_a_part_styles_of_their_times_and_a_mask_go_the_whole_way(trigger: Trigger, tmp_path: Path, make_clip: MakeClip) -> None:
    clip = make_clip("film.mp4", frames=40)
    Image.fromarray(np.repeat([[0, 255]], [48, 48], axis=1).astype(np.uint8)).resize((96, 64)).save(tmp_path / "right.png")
    asked = [
        "--model", "painted", "--option", "precision=float32", "--style", "3@0s", "--style", "12@0:01", "--strength", "0@0.2s",
        "--strength", "1@0.8s", "--mask", "right.png", "--start", "0.4", "--end", "0:01.2", "--chunk-frames", "8",
    ]  # fmt: skip
    done = person(trigger, tmp_path, "submit", "input/film.mp4", *asked, "--every", "0.3", "--out", "there.mp4")
    assert done.returncode == 0, done.stderr
    here = forked.run(["run", str(clip), *asked, "--out", "here.mp4"], {"HOME": str(tmp_path)}, tmp_path)
    assert here.returncode == 0, here.stderr
    raw = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    found = [run_ffmpeg("-i", tmp_path / name, *raw).stdout for name in ("there.mp4", "here.mp4")]
    there, expected = (np.frombuffer(each, np.uint8).astype(int) for each in found)
    assert len(there) == len(expected) == 20 * 64 * 96 * 3
    assert np.abs(there - expected).mean() < 0.5  # another number of threads changes the last bit
    report = (tmp_path / "there-report.html").read_text()
    assert all(words in report for words in ("3 at 0:00", "12 at 0:01", "0 at 0:00.2, 1 at 0:00.8", "mask: right.png", "0:00.4"))


def test_an_upload_goes_on_where_it_was_stopped(trigger: Trigger, tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes(bytes(range(256)) * 4096 * 40)  # 40 MiB in 5 blocks
    count = 0

    def down(method: str, _path: str) -> int | None:
        nonlocal count
        count += method == "PUT"
        return 403 if count > 3 else None

    trigger.azure.blobs.fault = down
    stopped = person(trigger, tmp_path, "submit", "film.mp4", "--model", "invert", "--no-wait")
    assert stopped.returncode == 8, stopped.stderr
    trigger.azure.blobs.fault = None
    before = len(trigger.azure.blobs.calls)
    done = person(trigger, tmp_path, "submit", "film.mp4", "--model", "invert", "--every", "0.3")
    sent = [call for call in trigger.azure.blobs.calls[before:] if call.method == "PUT" and call.blob.endswith("film.mp4")]
    assert len(sent) == 3, "two blocks that lacked, and the list of all"
    # It isn't a video at all, which is said at once.
    assert done.returncode == 3
    assert "/input/videos/" in done.stderr  # named as its sender knows it
    assert "cache" not in done.stderr


def test_a_refusal_is_told(trigger: Trigger, tmp_path: Path, make_clip: MakeClip) -> None:
    clip = make_clip("short.mp4", frames=5)
    done = person(
        trigger, tmp_path, "submit", str(clip), "--model", "invert", "--package", "gone-0123456789abcdef", "--every", "0.3"
    )
    assert (done.returncode, "There is no package" in done.stderr) == (7, True)
    path = ask(trigger.azure, "stranger", "../secret.mp4")
    trigger.wait()
    (rejected,) = [
        name for name in trigger.azure.names("output") if name.startswith("stranger-") and name.endswith("rejected.json")
    ]
    assert json.loads(trigger.azure.get("output", rejected))["request"] == path
    assert rejected in trigger.azure.names("quarantine")
    assert {run.status for run in trigger.runs} == {"Succeeded"}  # an answer, and no failure of ours


def test_cancel_and_restart_do_only_what_is_missing(trigger: Trigger, tmp_path: Path, make_clip: MakeClip) -> None:
    clip = make_clip("slow.mp4", frames=60)
    trigger.azure.batch.wait(lambda: not trigger.azure.batch.pool.nodes)
    options = ("--model", "invert", "--option", "sleep_ms=40", "--chunk-frames", "5", "--every", "0.3")
    job = person(trigger, tmp_path, "submit", str(clip), *options, "--no-wait").stdout.strip()
    trigger.wait()
    wait_for_parts(trigger.azure, job, 3)
    assert person(trigger, tmp_path, "cancel", job).returncode == 0
    scored = {name for name in trigger.azure.names("work", f"{job}/parts/") if name.endswith(".nut")}
    assert 3 <= len(scored) < 12
    assert "was cancelled" in person(trigger, tmp_path, "status", job).stderr
    assert person(trigger, tmp_path, "cancel", job).returncode == 4
    before = runs(trigger.azure, job)
    done = person(trigger, tmp_path, "restart", job, "--wait", "--every", "0.3", "--out", "slow-new.mp4")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "slow-new.mp4").exists()
    # Parts that were there are found: what is scored leaves records of its own each time.
    records = [name for name in trigger.azure.names("logs", f"{job}/") if name.endswith(".jsonl")]
    assert 12 <= len(records) < 12 + len(scored)
    assert sum((runs(trigger.azure, job) - before).values()) == 5
    assert person(trigger, tmp_path, "restart", job).returncode == 2


def test_events_twice_and_out_of_order(trigger: Trigger, make_clip: MakeClip) -> None:
    trigger.azure.put("films/twice.mp4", make_clip(frames=10).read_bytes())
    trigger.deliveries = lambda event: [0.0, 0.0, 1.0] if "first" in event["subject"] else [0.3, 0.0]
    for name in ("twice-first", "twice-second"):
        ask(trigger.azure, name, "films/twice.mp4", chunk_frames=5)
    trigger.wait()
    assert len(set(trigger.put)) == 2  # one group a request, however often it was told of
    for name in ("twice-first", "twice-second"):
        job = job_of(trigger, name)
        assert trigger.azure.wait(job)["state"] == "done"
        assert runs(trigger.azure, job) == {"0": 1, "1": 1, "merge": 1}
    assert {run.status for run in trigger.runs} <= {"Succeeded", "Cancelled"}
    assert not trigger.groups


def test_a_group_that_never_starts_and_a_run_that_times_out(trigger: Trigger, make_clip: MakeClip) -> None:
    trigger.azure.put("films/late.mp4", make_clip(frames=10).read_bytes())
    trigger.starts = lambda _: False
    trigger.overrides = lambda _: {"timeLimitMinutes": 0}
    ask(trigger.azure, "late", "films/late.mp4")
    trigger.wait()
    (run,) = trigger.runs
    assert (run.status, run.error["code"]) == ("Failed", "TimedOut")  # which an alert is about
    assert not trigger.groups
    trigger.starts, trigger.overrides = lambda _: True, lambda _: {}
    assert trigger.poll().status == "Succeeded"  # the clock finds what was lost
    assert trigger.azure.wait(job_of(trigger, "late"))["state"] == "done"


def test_a_lost_event_is_found_by_the_clock(trigger: Trigger, make_clip: MakeClip) -> None:
    trigger.azure.put("films/lost.mp4", make_clip(frames=10).read_bytes())
    trigger.deliveries = lambda _: []
    ask(trigger.azure, "lost", "films/lost.mp4")
    assert not trigger.runs
    assert trigger.poll().status == "Succeeded"
    job = job_of(trigger, "lost")
    assert trigger.azure.wait(job)["state"] == "done"
    calls = len(trigger.azure.batch.requests)
    assert trigger.poll().status == "Succeeded"  # there is nothing left to do
    assert set(trigger.azure.batch.requests[calls:]) == {("GET", "/jobs")}


def test_after_a_new_key_the_old_address_starts_nothing_and_the_clock_finds_the_request(
    trigger: Trigger, make_clip: MakeClip
) -> None:
    cloud = trigger.azure.cloud
    (flow,) = (each for each in cloud.of_type("Microsoft.Logic/workflows") if "-looks" not in each.request.name)
    trigger.azure.put("films/rotated.mp4", make_clip(frames=10).read_bytes())
    cloud.regenerate_key(flow.id)
    try:
        ask(trigger.azure, "rotated", "films/rotated.mp4")
        trigger.wait()
        assert not trigger.runs
        assert trigger.poll().status == "Succeeded"
        assert trigger.azure.wait(job_of(trigger, "rotated"))["state"] == "done"
    finally:
        del cloud.new_keys[flow.id.lower()]


def test_the_merge_loses_its_node(trigger: Trigger, make_clip: MakeClip) -> None:
    azure = trigger.azure
    azure.put("films/merge.mp4", make_clip(frames=20).read_bytes())
    ask(azure, "merge", "films/merge.mp4", chunk_frames=5)
    trigger.wait()
    job = azure.batch.job(job_of(trigger, "merge"))
    taken = threading.Event()

    def lose() -> bool:
        with azure.batch.lock:
            for node in list(azure.batch.pool.nodes):
                if any((run.job, run.task) == (job.id, "merge") for run in node.runs) and not taken.is_set():
                    azure.batch.pool.preempt(node.id)
                    taken.set()
        return job.state == "completed"

    azure.batch.wait(lose)
    assert taken.is_set()
    assert job.tasks["merge"].requeues == 1
    assert azure.wait(job.id)["state"] == "done"


def test_a_request_in_line_is_seen_cancelled_and_begun(trigger: Trigger, tmp_path: Path, make_clip: MakeClip) -> None:
    clip = make_clip("line.mp4", frames=10)
    trigger.deliveries = lambda _: []
    assert trigger.poll().status == "Succeeded"  # whatever else waits is answered first
    stranger = ask(trigger.azure, "stranger", "films/none.mp4", model="only-they-know")
    submit = ("submit", str(clip), "--model", "invert", "--sender", "studio", "--every", "0.3")
    job = person(trigger, tmp_path, *submit, "--no-wait").stdout.strip()
    (own,) = trigger.azure.names("input", "requests/studio/")
    told = person(trigger, tmp_path, "status", job)
    assert told.stdout.splitlines()[0] == f"{job}: the request waits to be taken in, number 2 of 2"
    assert told.stdout.splitlines()[1].endswith(own)
    listed = person(trigger, tmp_path, "status").stdout
    assert [f"waits, number {number}" in listed for number in (1, 2, 3)] == [True, True, False]
    assert "studio" in listed
    # The same again isn't asked for twice; it begins by itself.
    assert person(trigger, tmp_path, *submit, "--no-wait").stdout.strip() == job
    early = person(trigger, tmp_path, "restart", job)
    assert (early.returncode, "number 2 of 2" in early.stderr) == (2, True)
    assert person(trigger, tmp_path, "cancel", job).returncode == 0
    assert trigger.poll().status == "Succeeded"  # it refuses the stranger's, and leaves this one
    assert "was cancelled" in person(trigger, tmp_path, "status", job).stderr
    assert job not in trigger.azure.batch.ledger.jobs
    trigger.deliveries = lambda _: [0.0]
    done = person(trigger, tmp_path, "restart", job, "--wait", "--every", "0.3", "--out", "line-new.mp4")
    assert done.returncode == 0, done.stderr
    assert {"name": "sender", "value": "studio"} in trigger.azure.batch.job(job).body["metadata"]
    wrong = person(trigger, tmp_path, *submit[:5], "../x", "--no-wait")
    assert (wrong.returncode, "Sender '../x'" in wrong.stderr) == (2, True)
    assert stranger in trigger.azure.names("input", "requests/")


def test_a_job_that_batch_ends_is_not_followed_for_ever(trigger: Trigger, tmp_path: Path, make_clip: MakeClip) -> None:
    clip = make_clip("cut.mp4", frames=10)
    trigger.azure.batch.pool.fixed = 0
    submit = ("submit", str(clip), "--model", "invert", "--chunk-frames", "5", "--every", "0.3")
    job = person(trigger, tmp_path, *submit, "--no-wait").stdout.strip()
    trigger.wait()
    with trigger.azure.batch.lock:
        trigger.azure.batch.pool.end_job(trigger.azure.batch.job(job), "MaxWallClockTimeExpiry")
    trigger.azure.batch.wait(lambda: trigger.azure.batch.job(job).state == "completed")
    told = person(trigger, tmp_path, "status", job)
    assert (told.returncode, "ended job" in told.stderr, "MaxWallClockTimeExpiry" in told.stderr) == (13, True, True)
    del trigger.azure.batch.ledger.jobs[job]  # somebody deletes it in the portal, too
    told = person(trigger, tmp_path, "status", job)
    assert (told.returncode, "has no job" in told.stderr) == (13, True)
    trigger.azure.batch.pool.fixed = None
    done = person(trigger, tmp_path, *submit)  # the same command begins it anew
    assert done.returncode == 0, done.stderr


def test_odd_names_keep_nobody_waiting(trigger: Trigger, make_clip: MakeClip) -> None:
    trigger.azure.put("films/odd.mp4", make_clip(frames=10).read_bytes())
    trigger.deliveries = lambda _: []
    body = json.dumps({"name": "odd", "input": "films/odd.mp4", "model": "invert"}).encode()
    names = [
        "requests//odd.json",
        "requests/a b/%2e%2e.json",
        "requests/\u00fc?#&.json",
        "requests/c.json",
    ]
    for name in names:
        trigger.azure.container("input", PERSON).upload_blob(name, body)
    assert trigger.poll().status == "Succeeded"
    jobs = [job for job in trigger.azure.batch.ledger.jobs if job.startswith("odd-")]
    rejected = [name for name in trigger.azure.names("output") if name.endswith("/rejected.json")]
    refused = {json.loads(trigger.azure.get("output", name))["request"] for name in rejected}
    assert {"requests//odd.json", "requests/a b/%2e%2e.json"} <= refused  # a folder of that name can't be a sender's
    assert len(jobs) == 2
    calls = len(trigger.azure.batch.requests)
    assert trigger.poll().status == "Succeeded"
    assert {method for method, _ in trigger.azure.batch.requests[calls:]} == {"GET"}, "all of them have their answer"
    for job in jobs:
        assert trigger.azure.wait(job)["state"] == "done"
