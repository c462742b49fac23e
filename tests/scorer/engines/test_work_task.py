"""Workers that are an engine's tasks: they leave what others have, come back for what they had, make way, and merge nothing."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import MakeClip, write_images
from tests.scorer.cli.command_line import run
from tests.scorer.engines.test_work import is_as_far, own, plan, until, whole
from tests.scorer.engines.workers import Workers, workers_in

NEVER = 1000.0
"""Seconds after which claims are free: longer than any test."""


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    with workers_in(tmp_path) as some:
        yield some


def test_it_leaves_what_another_task_has_to_that_one(tmp_path: Path, make_clip: MakeClip, workers: Workers) -> None:
    job = plan(tmp_path, make_clip(frames=10), "--option", "sleep_ms=200")
    first = workers.start(job, "--task", "0", free=NEVER)
    until(lambda: len(own(tmp_path, job, "work", "claims/*.json")) == 1, first)
    second = workers.start(job, "--task", "1", free=NEVER)
    for worker in (first, second):
        worker.ends()
        assert "5 frames scored here" in worker.errors
    assert whole(tmp_path, job) == 2
    assert not own(tmp_path, job, "output", "result.mp4"), "the merge is another task"


def test_a_task_whose_container_died_comes_back_and_puts_last_what_it_was_at(
    tmp_path: Path, make_clip: MakeClip, workers: Workers
) -> None:
    clip = make_clip(frames=20)
    job = plan(tmp_path, clip, "--option", "sleep_ms=150")
    lost = workers.start(job, "--task", "0", free=NEVER)
    until(lambda: is_as_far(tmp_path, job, 1), lost)
    until(lambda: len(at_work(tmp_path, job)) == 1, lost)
    lost.send(signal.SIGKILL)
    lost.process.wait()
    (had,) = at_work(tmp_path, job)
    again = workers.start(job, "--task", "0", free=NEVER)
    again.ends()
    scored = [line.partition(":")[0] for line in again.errors.splitlines() if line.startswith("chunk ")]
    assert scored[-1] == f"chunk {int(had.partition('-')[0])}"
    assert whole(tmp_path, job) == 4
    workers.start(job).ends()  # whoever merges
    run("run", clip, "--model", "invert", "--chunk-frames", "5", "--out", "alone.mp4", folder=tmp_path)
    assert own(tmp_path, job, "output", "result.mp4")[0].read_bytes() == (tmp_path / "alone.mp4").read_bytes()


def at_work(folder: Path, job: str) -> list[str]:
    """The chunks that somebody has and whose parts aren't whole."""
    found = [(path.stem, path.read_bytes()) for path in own(folder, job, "work", "claims/*.json")]
    done = {path.stem for path in own(folder, job, "work", "parts/*.json")}
    return [key for key, data in found if data and not json.loads(data).get("free") and key not in done]


def test_it_makes_way_at_the_end_of_a_chunk(tmp_path: Path, make_clip: MakeClip, workers: Workers) -> None:
    job = plan(tmp_path, make_clip(frames=20))
    for parts in (1, 2):
        worker = workers.start(job, "--task", str(parts), "--leave-after", "0")
        worker.ends()
        assert "5 frames scored here" in worker.errors
        assert whole(tmp_path, job) == parts


def test_what_no_engine_begins_again_is_waited_for(tmp_path: Path, make_clip: MakeClip, workers: Workers) -> None:
    job = plan(tmp_path, make_clip(frames=5), "--option", "sleep_ms=60000")
    person = workers.start(job)
    until(lambda: len(own(tmp_path, job, "work", "claims/*.json")) == 1, person)
    task = workers.start(job, "--task", "0", free=3.0)
    until((task.folder / "errors").exists)
    until(lambda: "with other workers" in task.errors, task)
    person.send(signal.SIGKILL)
    until(lambda: len(own(tmp_path, job, "work", "claims/*.json")) == 1, task)
    until(lambda: json.loads(own(tmp_path, job, "work", "claims/*.json")[0].read_bytes()).get("task") == "0", task)


def test_once_too_many_frames_failed_no_task_goes_on(tmp_path: Path, workers: Workers) -> None:
    write_images(tmp_path / "shots", ["0.png"])
    for number in range(1, 8):
        (tmp_path / "shots" / f"{number}.png").write_bytes(b"no image")
    done = run(
        "run", "shots", "--model", "invert", "--chunk-frames", "1", "--failure-threshold", "0.2", "--dispatch-only", "--quiet",
        folder=tmp_path,
    )  # fmt: skip
    job = done.stdout.strip()
    for number in range(2):
        worker = workers.start(job, "--task", str(number))
        worker.ends(10)
        assert "at most 1 may" in worker.errors
    assert len(own(tmp_path, job, "logs", "*.jsonl")) <= 3, "those that it took to know"
