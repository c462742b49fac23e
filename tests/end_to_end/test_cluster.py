"""The cluster scores: what `pulumi up` declared runs real jobs, whatever is taken away meanwhile."""

import itertools
import json
import random
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from autoscale.estimate import Workload, tasks_of
from autoscale.estimate import job as simulated
from autoscale.pool import TASK_STARTS, Pool
from emulator.forked import SCORER, start
from emulator.local_azure import LocalAzure
from scorer.engines.task_count import how_many
from tests.conftest import MakeClip, ffmpeg
from tests.end_to_end.job_helpers import (
    ask,
    by_local_engine,
    ends_of,
    lost,
    put_images,
    runs,
    said,
    scored,
    task_records,
    wait_for_parts,
)

Json = dict[str, Any]


@pytest.fixture
def azure(local_azure: LocalAzure) -> LocalAzure:
    return local_azure


def test_a_video_over_four_nodes_is_what_the_laptop_makes(azure: LocalAzure, tmp_path: Path, make_clip: MakeClip) -> None:
    clip = make_clip(frames=120, rate="30000/1001")
    azure.put("films/clip.mp4", clip.read_bytes())
    job = azure.dispatch(ask(azure, "video", "films/clip.mp4", chunk_frames=10))
    status = azure.wait(job)
    assert (status["state"], status["done"], status["failed"]) == ("done", 120, 0)
    assert azure.get("output", f"{job}/result.mp4") == by_local_engine(tmp_path, clip, chunk_frames=10).read_bytes()
    assert b"<html" in azure.get("output", f"{job}/report.html")
    # Four tasks share the chunks, nothing was scored twice, and each node fetched the video once; so did whoever planned.
    assert runs(azure, job) == Counter({**{str(task): 1 for task in range(4)}, "merge": 1})
    assert scored(azure, job) == dict.fromkeys(range(12), 1)
    nodes = {event.node for event in azure.batch.pool.timeline if event.job == job and event.what == "prepare"}
    account = azure.deployment["input"].split("/")[2]
    assert azure.blobs.reads[f"{account}/input/films/clip.mp4"] == (len(nodes) + 1) * len(clip.read_bytes())
    # As `scorer plan` reckons: so many tasks, each of which scores its share of the chunks, none of them twice.
    film = Workload(chunks=[10] * 12, pixels=1, model="invert", share=how_many)
    nodes_of_one = Pool(
        gpu_size="Standard_NC4as_T4_v3", slots_per_gpu=1, nodes_min=0, nodes_max=4, spot_percent=100, keep_warm_minutes=0
    )
    assert tasks_of(film, nodes_of_one) == len(runs(azure, job)) - 1
    of_a_slot = 120 / sum(line.seconds for line in task_records(azure, job))
    parts_of_it = simulated(film, nodes_of_one, of_a_slot, 0.0).tasks
    assert sum(parts_of_it) == pytest.approx(4 * TASK_STARTS + sum(line.seconds for line in task_records(azure, job)))
    # All that a job leaves for people to read is in one folder.
    logs = set(azure.names("logs", f"{job}/"))
    tasks = [str(task) for task in range(4)] + ["merge"]
    assert logs >= {f"{job}/tasks/{task}/{stream}.txt" for task in tasks for stream in ("stdout", "stderr")}
    assert logs >= {f"{job}/{chunk:06d}.jsonl" for chunk in range(12)}
    assert said(azure, job).count("chunk 3: 10 frames, 0 failed\n") == 1
    # Application Insights knows of it all.
    own = [(value, known) for value, known in azure.insights.points("scorer.tasks") if known["job"] == job]
    assert sorted(int(known["chunk"]) for _, known in own) == list(range(12))
    assert {(value, known["outcome"]) for value, known in own} == {(1, "finished")}
    assert sum(value for value, known in azure.insights.points("scorer.frames") if known["job"] == job) == 120
    assert [each["chunks"] for each in azure.insights.events("job.started") if each["job"] == job] == ["12"]
    assert [each["failed"] for each in azure.insights.events("job.finished") if each["job"] == job] == ["0"]
    # The pool came from nothing, and goes back to it.
    azure.batch.wait(lambda: not azure.batch.pool.nodes)
    assert not azure.batch.pool.errors
    assert "targets {'dedicated': 0, 'spot': 4}" in {event.what for event in azure.batch.pool.timeline}


def test_nothing_is_found_of_what_another_senders_task_planted(azure: LocalAzure, tmp_path: Path, make_clip: MakeClip) -> None:
    """Both work on one video, at once and on the same nodes; one rewrites all that its containers can write to."""
    clip = make_clip(frames=60)
    azure.put("shared/planted.mp4", clip.read_bytes())
    bad = azure.dispatch(ask(azure, "planter", "shared/planted.mp4", chunk_frames=5, options={"plants": True, "sleep_ms": 20}))
    good = azure.dispatch(ask(azure, "other", "shared/planted.mp4", chunk_frames=5, options={"sleep_ms": 20}))
    azure.wait(bad)
    status = azure.wait(good)
    assert (status["state"], status["done"], status["failed"]) == ("done", 60, 0)
    assert azure.get("output", f"{good}/result.mp4") == by_local_engine(tmp_path, clip, chunk_frames=5).read_bytes()
    began = {event.node: event for event in azure.batch.pool.timeline if event.what == "start" and event.job == bad}
    assert {event.node for event in azure.batch.pool.timeline if event.what == "start" and event.job == good} & began.keys()


def busy_nodes(azure: LocalAzure) -> list[str]:
    return [node.id for node in azure.batch.pool.nodes if any(run.task is not None for run in node.runs)]


def test_a_thousand_frames_survive_everything(azure: LocalAzure, tmp_path: Path) -> None:
    media = put_images(azure, tmp_path / "thousand", 1000)
    chance = random.Random(6)

    def moody(*_: str) -> int | None:
        return chance.choice([503, 429, 500, 0]) if chance.random() < 0.03 else None

    def busy(*_: str) -> tuple[int, str] | None:
        return chance.choice([(503, "ServerBusy"), (429, "TooManyRequests")]) if chance.random() < 0.1 else None

    azure.blobs.fault, azure.batch.fault = moody, busy
    request = ask(azure, "thousand", media, chunk_frames=50)
    job = azure.dispatch(request)
    azure.batch.pool.preempt_every = 1500  # every five seconds of the wall's clock
    wait_for_parts(azure, job, 3)
    azure.blobs.stop()
    azure.blobs.start()
    wait_for_parts(azure, job, 8)
    azure.batch.wait(lambda: any(busy_nodes(azure)))
    azure.batch.pool.preempt_every = None
    with azure.batch.lock:
        for name in busy_nodes(azure)[:1]:  # one at least, however quick the machine was
            azure.batch.pool.preempt(name)
        for node in azure.batch.pool.nodes:
            for run in node.runs[:1]:
                run.kill()  # a task alone dies: out of memory, a crash
    status = azure.wait(job, 900)
    azure.blobs.fault = azure.batch.fault = None
    assert (status["state"], status["failed"]) == ("done", 0)
    expected = by_local_engine(tmp_path, tmp_path / "thousand", chunk_frames=50)
    result = azure.names("output", f"{job}/result/")
    assert len(result) == 1000
    for name in random.Random(1).sample(result, 100):
        assert azure.get("output", name) == (expected / name.rpartition("/")[2]).read_bytes()
    assert lost(azure, job) > 0
    # Each run beyond the first stands for one that was lost or that failed.
    tasks = azure.batch.job(job).tasks.values()
    assert sum(runs(azure, job).values()) == sum(1 + task.requeues + task.retries for task in tasks)
    # A second delivery of the same event changes nothing.
    calls = len(azure.batch.requests)
    assert azure.dispatch(request) == job
    assert {method for method, _ in azure.batch.requests[calls:]} == {"GET"}


def test_a_hopeless_job_stops_early(azure: LocalAzure, tmp_path: Path) -> None:
    """Each of its tasks alone stays below the threshold; one at a time, for their order to be known."""
    media = put_images(azure, tmp_path / "hopeless", 1)
    for number in range(100):
        azure.put(f"hopeless/frame{number:04d}.png", b"not an image")
    with azure.batch.lock:
        azure.batch.pool.fixed = 1
    job = azure.dispatch(ask(azure, "hopeless", media, chunk_frames=10, failure_threshold=0.15))
    status = azure.wait(job)
    azure.batch.pool.fixed = None
    assert (status["state"], status["exit_code"]) == ("failed", 10)
    assert "frame00" in status["error"]
    # One task left its part, one found too many, and the others did nothing.
    assert len([name for name in azure.names("logs", f"{job}/") if name.endswith(".jsonl")]) == 2
    assert ends_of(azure, job) == {10}


def of_an_earlier_version(body: Json) -> None:
    """A job had a task for each chunk, and nothing in it said how many tasks there are."""
    body["metadata"] = [each for each in body.get("metadata") or [] if each["name"] != "workers"]


def test_a_job_that_an_earlier_version_began_ends_well(azure: LocalAzure, tmp_path: Path) -> None:
    media = put_images(azure, tmp_path / "begun", 6)
    azure.batch.pool.fixed, azure.batch.earlier = 0, of_an_earlier_version
    request = ask(azure, "begun", media, chunk_frames=1)
    azure.batch.fault = lambda _, path: (400, "Killed") if path.endswith("addtaskcollection") else None
    azure.dispatch(request, code=14)
    azure.batch.fault = azure.batch.earlier = None
    job = azure.dispatch(request)
    assert [task.body["commandLine"].split()[0] for task in azure.batch.job(job).tasks.values()] == ["score"] * 6 + ["merge"]
    azure.batch.pool.fixed = 2
    assert azure.wait(job)["state"] == "done"
    assert scored(azure, job) == dict.fromkeys(range(6), 1)
    azure.batch.pool.fixed = None


def test_dispatch_killed_at_every_call_and_repeated(azure: LocalAzure, make_clip: MakeClip) -> None:
    azure.put("films/killed.mp4", make_clip(frames=30).read_bytes())
    azure.batch.wait(lambda: not azure.batch.pool.nodes)
    azure.batch.pool.fixed = 0  # nodes would make calls too
    for step in itertools.count():
        request = ask(azure, f"killed-{step}", "films/killed.mp4", chunk_frames=10)
        if not dispatch_killed_at(azure, request, step):
            break
        batch = azure.batch.job(azure.dispatch(request))
        assert [task.id for task in batch.tasks.values()] == ["0", "1", "2", "merge"]
        assert batch.body["onAllTasksComplete"] == "terminatejob"
        assert [name for name in azure.batch.ledger.jobs if name.startswith(f"killed-{step}-")] == [batch.id]
        with azure.batch.lock:
            azure.batch.pool.end_job(batch, "EnoughSeen")
    assert step > 12, "dispatch makes at least so many calls"
    azure.batch.pool.fixed = None
    (job,) = (job.id for job in azure.batch.ledger.jobs.values() if job.id.startswith(f"killed-{step}-"))
    assert azure.wait(job)["state"] == "done"


def dispatch_killed_at(azure: LocalAzure, request: str, step: int) -> bool:
    """Dispatch, killed as its call number `step` arrives; whether it came so far."""
    calls = itertools.count()
    reached = threading.Event()
    known = threading.Event()

    def count() -> bool:
        if next(calls) != step:
            return False
        reached.set()
        known.wait()
        process.kill()
        process.wait()
        return True

    azure.blobs.fault = lambda *_: 0 if count() else None
    azure.batch.fault = lambda *_: (503, "Killed") if count() else None
    submitter, nowhere = azure.environment(azure.principal("submitter")), Path("/dev/null")
    process = start([*SCORER, "dispatch", request], submitter, azure.folder, nowhere, nowhere)
    known.set()
    process.wait()
    azure.blobs.fault = azure.batch.fault = None
    return reached.is_set()


def test_a_request_elsewhere_or_for_nothing_is_refused(azure: LocalAzure) -> None:
    azure.dispatch("az://elsewhere/input/requests/video.json", code=2)
    path = ask(azure, "unplanned", "films/none.mp4")
    azure.dispatch(path, code=4)
    assert not azure.names("work", "unplanned")


# The most that the process itself had: what getrusage says includes what its parent had when it was forked.
MEASURED = """
import re, sys, time
from pathlib import Path
from scorer.cli.main import main
began = time.monotonic()
sys.argv = ["scorer", "dispatch", sys.argv[1]]
try:
    main()
finally:
    peak = int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
    print(peak / 2**20, time.monotonic() - began, file=sys.stderr)
"""


def test_a_hundred_thousand_frames_are_dispatched_in_a_gigabyte(azure: LocalAzure, tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    ffmpeg("-f", "lavfi", "-i", "color=s=16x16:r=25:d=4000", "-c:v", "libx264", "-preset", "ultrafast", film)
    azure.put("films/long.mp4", film.read_bytes())
    azure.batch.pool.fixed = 0
    request = ask(azure, "long", "films/long.mp4", chunk_frames=24)
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, request], env=azure.environment(azure.principal("submitter")), cwd=azure.folder,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    job = azure.batch.job(done.stdout.strip())
    plan = json.loads(azure.get("work", f"{job.id}/plan.json"))
    assert len(plan["chunks"]) > 100_000 / 250, "chunks begin at key frames, at the least"
    assert len(job.tasks) > 100_000 / 900, "no task has more than a quarter of an hour"
    gibibytes, seconds = map(float, done.stderr.splitlines()[-1].split())
    assert gibibytes < 1
    print(f"{len(plan['chunks'])} chunks in {seconds:.1f} s and {gibibytes:.2f} GiB")
    with azure.batch.lock:
        azure.batch.pool.end_job(job, "EnoughSeen")
        azure.batch.pool.fixed = None
