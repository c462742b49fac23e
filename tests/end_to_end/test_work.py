"""Workers on two machines share a job over one deployment's stores, as its nodes, and without Batch."""

from __future__ import annotations

import json
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator import forked
from emulator.local_azure import PERSON, LocalAzure
from scorer.documents.records import FrameRecord, from_lines
from tests.conftest import MakeClip
from tests.end_to_end.job_helpers import ask, runs
from tests.scorer.cli.command_line import run
from tests.scorer.engines.test_work import until
from tests.scorer.engines.workers import Workers, workers_in

FREE, POLL = 4.0, 0.5
STORES = ("input", "output", "work", "logs")


@pytest.fixture
def azure(local_azure: LocalAzure) -> LocalAzure:
    return local_azure


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    with workers_in(tmp_path) as some:
        yield some


def as_node(azure: LocalAzure, node: Path) -> dict[str, str]:
    """A machine that is told the deployment alone."""
    variables = azure.environment(azure.principal("nodes"))
    return {name: value for name, value in variables.items() if name not in addresses(azure)} | {"SCORER_NODE_DIR": str(node)}


def addresses(azure: LocalAzure) -> dict[str, str]:
    return {f"SCORER_{name.upper()}": azure.deployment[name] for name in STORES}


def plan(azure: LocalAzure, request: str) -> str:
    """Have a job wait for workers, which no Batch knows; its id."""
    variables = azure.environment(azure.principal("submitter")) | addresses(azure) | {"SCORER_DEPLOYMENT": ""}
    done = forked.run(["dispatch", request], variables, azure.folder)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_two_machines_make_what_the_laptop_makes(
    azure: LocalAzure, tmp_path: Path, make_clip: MakeClip, workers: Workers
) -> None:
    clip = make_clip(frames=30)
    azure.put("films/shared.mp4", clip.read_bytes())
    job = plan(azure, ask(azure, "shared", "films/shared.mp4", chunk_frames=5, options={"sleep_ms": 60}))
    machines = [as_node(azure, tmp_path / f"node-{number}") for number in range(2)]
    killed = workers.start(job, environment=machines[0], free=FREE, poll=POLL)
    until(lambda: any(name.endswith(".json") for name in azure.names("work", f"{job}/parts/")), killed, pause=0.5)
    killed.send(signal.SIGKILL)
    running = [workers.start(job, environment=machine, free=FREE, poll=POLL) for machine in machines]
    for worker in running:
        worker.ends()
    run("run", clip, "--model", "invert", "--chunk-frames", "5", "--workers", "1", "--out", "alone.mp4", folder=tmp_path)
    assert azure.get("output", f"{job}/result.mp4") == (tmp_path / "alone.mp4").read_bytes()
    status = json.loads(azure.get("output", f"{job}/status.json"))
    assert (status["state"], status["done"], status["failed"]) == ("done", 30, 0)
    assert sum(worker.scored for worker in running) > 0
    assert azure.names("work", f"{job}/") == [f"{job}/plan.json", f"{job}/result.json"]
    # Records, telemetry, and what was printed, are where tasks leave them.
    logs = azure.names("logs", f"{job}/")
    records = [line for name in logs if name.endswith(".jsonl") for line in from_lines(azure.get("logs", name))]
    assert set(Counter(line.frame for line in records if isinstance(line, FrameRecord))) == set(range(30))
    printed = [azure.get("logs", name) for name in logs if "/tasks/" in name]
    assert len(printed) == 2
    assert all(b"scoring 30 frames in 6 chunks" in text for text in printed)
    sent = sum(value for value, known in azure.insights.points("scorer.frames") if known["job"] == job)
    assert sent > 0, [worker.errors for worker in running]
    assert [each["failed"] for each in azure.insights.events("job.finished") if each["job"] == job] == ["0"]


def test_workers_help_with_a_job_that_batch_has(azure: LocalAzure, tmp_path: Path, make_clip: MakeClip, workers: Workers) -> None:
    """They are quicker; its tasks have nothing to do."""
    azure.put("films/helped.mp4", make_clip(frames=10).read_bytes())
    azure.batch.pool.fixed = 0
    job = azure.dispatch(ask(azure, "helped", "films/helped.mp4", chunk_frames=5))
    workers.start(job, environment=as_node(azure, tmp_path / "node"), poll=POLL).ends()
    made = azure.get("output", f"{job}/result.mp4")
    azure.batch.pool.fixed = None
    assert azure.wait(job)["state"] == "done"
    assert azure.get("output", f"{job}/result.mp4") == made
    assert runs(azure, job)["0"] == 1
    assert azure.get("logs", f"{job}/tasks/0/stderr.txt") == b"0 frames scored here\n"


def test_who_may_not_write_results_is_told_so(azure: LocalAzure, tmp_path: Path, make_clip: MakeClip, workers: Workers) -> None:
    azure.put("films/own.mp4", make_clip(frames=5).read_bytes())
    job = plan(azure, ask(azure, "own", "films/own.mp4"))
    person = {name: value for name, value in azure.environment(PERSON).items() if name not in addresses(azure)}
    worker = workers.start(job, environment=person | {"SCORER_NODE_DIR": str(tmp_path / "node")})
    worker.ends(8)
    assert "can't be written" in worker.errors
    assert not azure.names("work", f"{job}/claims")
