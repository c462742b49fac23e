"""Workers that share a job in folders: whatever becomes of them, the result is there once, and is what `scorer run` makes."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

import pytest

from scorer.documents.records import FrameRecord, from_lines, newest_records
from scorer.store import FolderStore
from tests.conftest import MakeClip
from tests.scorer.cli.command_line import run
from tests.scorer.documents.test_deployment import DOCUMENT
from tests.scorer.engines.workers import Worker, Workers, workers_in

FRAMES = 40
INVERT = ("--model", "invert", "--chunk-frames", "5")


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    with workers_in(tmp_path) as some:
        yield some


def plan(folder: Path, clip: Path, *options: str) -> str:
    """Have a job wait for workers; its id."""
    return run("run", clip, *INVERT, *options, "--dispatch-only", "--quiet", folder=folder).stdout.strip()


def until(found: Callable[[], bool], *running: Worker, pause: float = 0.02) -> None:
    """Wait for what workers do."""
    deadline = time.monotonic() + 120
    while not found():
        assert time.monotonic() < deadline, [worker.errors for worker in running]
        time.sleep(pause)


def own(folder: Path, job: str, kind: str, pattern: str) -> list[Path]:
    return list((folder / ".scorer" / kind / job).glob(pattern))


def is_as_far(folder: Path, job: str, parts: int) -> bool:
    """Whether so many parts are whole."""
    return whole(folder, job) >= parts


def whole(folder: Path, job: str) -> int:
    return len(own(folder, job, "work", "parts/*.json"))


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], bytes]:
    """What `scorer run` makes of the clip, which is the same in each test."""

    @cache
    def make(clip: Path) -> bytes:
        folder = tmp_path_factory.mktemp("alone")
        run("run", clip, *INVERT, "--workers", "1", "--out", "alone.mp4", folder=folder)
        return (folder / "alone.mp4").read_bytes()

    first: list[Path] = []

    def made(clip: Path) -> bytes:
        first.append(clip)
        return make(first[0])

    return made


def check(folder: Path, job: str, expected: bytes) -> None:
    """The result is what is expected, each frame has one record, and nothing of the work is left."""
    status = json.loads((folder / ".scorer/output" / job / "status.json").read_text())
    assert (status["state"], status["done"], status["failed"]) == ("done", status["frames"], 0)
    assert (folder / ".scorer/output" / job / "result.mp4").read_bytes() == expected
    logs = FolderStore(folder / ".scorer/logs")
    lines = [line for path in newest_records(job, logs).values() for line in from_lines(logs.get(path))]
    frames = Counter(line.frame for line in lines if isinstance(line, FrameRecord))
    assert frames == dict.fromkeys(range(status["frames"]), 1)
    assert {path.name for path in own(folder, job, "work", "**/*") if path.is_file()} == {"plan.json", "result.json"}


def test_workers_that_are_killed_at_random(
    tmp_path: Path, make_clip: MakeClip, workers: Workers, alone: Callable[[Path], bytes]
) -> None:
    clip = make_clip(frames=FRAMES)
    job = plan(tmp_path, clip, "--option", "sleep_ms=30")
    chance = random.Random(18)
    running = [workers.start(job) for _ in range(3)]
    for killed in range(3):
        more = min(whole(tmp_path, job) + chance.randrange(2), 6)
        until(partial(is_as_far, tmp_path, job, more), *running)
        time.sleep(chance.random() * 0.2)
        running.pop(chance.randrange(len(running))).send(signal.SIGKILL)
        if killed == 0:
            running.append(workers.start(job))
    for worker in running:
        worker.ends()
    check(tmp_path, job, alone(clip))


def test_a_job_is_shared_and_who_wakes_up_late_does_no_harm(
    tmp_path: Path, make_clip: MakeClip, workers: Workers, alone: Callable[[Path], bytes]
) -> None:
    """One is stopped in the middle of a chunk; the other takes that over, and merges. Then the first one wakes up."""
    clip = make_clip(frames=FRAMES)
    job = plan(tmp_path, clip, "--option", "sleep_ms=60")
    late = workers.start(job)
    until(partial(is_as_far, tmp_path, job, 1), late)
    late.send(signal.SIGSTOP)
    other = workers.start(job, free=0.5)
    other.ends()
    assert 0 < other.scored < FRAMES
    result = own(tmp_path, job, "output", "result.mp4")[0].read_bytes()
    late.send(signal.SIGCONT)
    late.ends()
    assert late.scored > 0
    assert own(tmp_path, job, "output", "result.mp4")[0].read_bytes() == result
    check(tmp_path, job, alone(clip))


def test_a_worker_that_is_asked_to_stop_lets_go_of_its_chunks(tmp_path: Path, make_clip: MakeClip, workers: Workers) -> None:
    clip = make_clip(frames=10)
    job = plan(tmp_path, clip, "--option", "sleep_ms=100000")
    worker = workers.start(job, processes=2, free=1000)
    until(lambda: len(own(tmp_path, job, "work", "claims/*.json")) == 2, worker)
    os.kill(worker.process.pid, signal.SIGTERM)
    worker.ends(130)
    claims = [json.loads(path.read_bytes()) for path in own(tmp_path, job, "work", "claims/*.json")]
    assert [claim["free"] for claim in claims] == [True, True]
    assert not own(tmp_path, job, "work", "failed/*")
    (log,) = own(tmp_path, job, "logs", "tasks/*/stderr.txt")
    assert "scoring 10 frames in 2 chunks" in log.read_text()


def test_a_job_that_is_cancelled_stops_its_workers(tmp_path: Path, make_clip: MakeClip, workers: Workers) -> None:
    job = plan(tmp_path, make_clip(frames=10), "--option", "sleep_ms=100000")
    worker = workers.start(job)
    until(lambda: bool(own(tmp_path, job, "work", "claims/*.json")), worker)
    (status,) = own(tmp_path, job, "output", "status.json")
    status.write_text(json.dumps({**json.loads(status.read_text()), "state": "cancelled"}))
    worker.ends(2)
    assert f"Job '{job}' was cancelled." in worker.errors
    again = workers.start(job)
    again.ends(2)
    assert json.loads(again.out)["error"]["kind"] == "RequestError"


@pytest.mark.parametrize(
    ("options", "limits", "why"),
    [
        (("--option", "deadly=1"), ("--tries", "1"), "ended its process with code 77"),
        (("--option", "sleep_ms=100000"), ("--tries", "1", "--task-minutes", "0.02"), "took longer than 0.02 minutes"),
    ],
)
def test_what_fails_each_time_is_left_to_the_merge(
    tmp_path: Path, make_clip: MakeClip, workers: Workers, options: tuple[str, str], limits: tuple[str, ...], why: str
) -> None:
    job = plan(tmp_path, make_clip(frames=5), *options, "--failure-threshold", "1")
    worker = workers.start(job, *limits)
    worker.ends()
    assert worker.errors.count(why) == 1
    assert worker.scored == 0
    assert json.loads(worker.out)["failed"] == 5


def test_a_machine_that_can_t_score_takes_no_chunks_from_others(tmp_path: Path, make_clip: MakeClip, workers: Workers) -> None:
    """What is missing there is missing for each chunk: one try is lost, not all of all."""
    job = plan(tmp_path, make_clip(frames=20), "--option", "needs=not_installed_here")
    worker = workers.start(job)
    worker.ends(7)
    (failure,) = own(tmp_path, job, "work", "failed/*.json")
    assert json.loads(failure.read_text())["tries"] == 1


def test_no_more_processes_than_the_machine_has_slots(tmp_path: Path) -> None:
    done = run("work", "job", "--processes", "3", folder=tmp_path, code=2, environment={"SCORER_SLOTS": "2"})
    assert "This machine has 2 slots" in done.stderr


def test_where_there_is_nothing_to_do(tmp_path: Path, make_clip: MakeClip) -> None:
    clip = make_clip(frames=10)
    job = json.loads(run("run", clip, *INVERT, "--out", "a.mp4", "--json", folder=tmp_path).stdout)["job"]
    done = run("work", job, folder=tmp_path)
    assert "10 frames, none of them scored here, 0 failed" in done.stdout
    assert not own(tmp_path, job, "work", "claims/*")
    missing = run("work", "nobody-0123456789abcdef0123", folder=tmp_path, code=4)
    assert "There is no job 'nobody-0123456789abcdef0123'" in missing.stderr
    assert "--dispatch-only" in missing.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("../up",), 4, "There is no job '../up'"),
        (("job", "--logs", "file:///tmp/logs"), 2, "--input-url is missing"),
        (("job", "--work", "az://films/work"), 2, "--input-url is missing"),
        (("job", "--processes", "0"), 64, "'--processes'"),
        (("job", "--task-minutes", "soon"), 64, "'soon' is no number"),
        (("job", "--tries", "many"), 64, "'many' is no whole number"),
        (("job", "--deployment", "{}"), 2, "The deployment's description can't be read"),
        (("job", "--deployment", json.dumps({**DOCUMENT, "mount": "nfs"})), 2, "name the folder with --parts"),
        ((), 64, "JOB"),
    ],
)
def test_what_is_typed_wrongly_is_said_in_a_sentence(
    tmp_path: Path, arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    done = run("work", *arguments, folder=tmp_path, code=code)
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
