"""The cluster as Azure's public reports have it: what was declared holds, and what was declared before would not.

Each test alters what is said to Batch, or the image, into what an earlier version said: docs/emulator.md lists the sources.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.batch import BatchClient

from emulator.batch.container import read_image
from emulator.batch.pool import Pool
from emulator.local_azure import LocalAzure
from scorer.documents.deployment import read_deployment
from scorer.engines.azure_batch.engine import AzureBatchEngine
from scorer.engines.azure_batch.preparation import GRACE
from tests.end_to_end.job_helpers import ask, put_images, runs

Json = dict[str, Any]


@pytest.fixture
def azure(local_azure: LocalAzure) -> Iterator[LocalAzure]:
    """One node at a time, which comes with each job: a pool's nodes know the image that they began with."""
    pool = local_azure.batch.pool
    _empty(local_azure)
    yield local_azure
    pool.image, pool.refused = read_image(), frozenset({"--volume"})
    _empty(local_azure)


def _empty(azure: LocalAzure) -> None:
    azure.batch.pool.fixed = 0
    azure.batch.wait(lambda: not azure.batch.pool.nodes)


def bodies(body: Json) -> Iterator[Json]:
    """What is run of a job or of a task."""
    yield from (body[each] for each in ("jobPreparationTask", "jobReleaseTask") if each in body)
    yield body


def end(azure: LocalAzure, tmp_path: Path, name: str, **more: object) -> tuple[str, Json]:
    """The job's id, and its status at its end."""
    media = put_images(azure, tmp_path / name, 4)
    azure.batch.pool.fixed = 1
    job = azure.dispatch(ask(azure, name, media, chunk_frames=2, **more))
    return job, azure.wait(job)


def test_tasks_are_other_users_than_root_and_the_same(azure: LocalAzure, tmp_path: Path) -> None:
    job, status = end(azure, tmp_path, "users", failure_threshold=0)
    assert status["state"] == "done"
    assert {task.user for task in azure.batch.job(job).tasks.values()} == {61000}


def ends_of(azure: LocalAzure, job: str) -> set[int | None]:
    """How its chunks' tasks ended."""
    return {task.exit_code for name, task in azure.batch.job(job).tasks.items() if name != "merge"}


def without_user(body: Json) -> None:
    for each in bodies(body):
        each.pop("userIdentity", None)


def with_one_chunk_each(body: Json) -> None:
    """A task makes way for the next one after its first chunk."""
    if body.get("commandLine", "").startswith("work "):
        body["commandLine"] += " --leave-after 0"


def with_users(body: Json) -> None:
    without_user(body)
    with_one_chunk_each(body)


@pytest.mark.parametrize(("sticky", "pooled"), [(True, False), (False, False), (True, True)], ids=["both", "users", "sticky"])
def test_users_of_their_own_in_sticky_folders_lock_each_other_out(
    azure: LocalAzure, tmp_path: Path, sticky: bool, pooled: bool
) -> None:
    """Either remedy will do: one user for all, or folders that belong to all."""
    if sticky:
        azure.batch.pool.image = replace(read_image(), modes=dict.fromkeys(read_image().modes, 0o1777))
    azure.batch.earlier = with_one_chunk_each if pooled else with_users
    job, status = end(azure, tmp_path, f"sticky-{sticky}-{pooled}".lower(), failure_threshold=0)
    users = {task.user for task in azure.batch.job(job).tasks.values()}
    assert len(users) == (1 if pooled else 3)
    if sticky and not pooled:
        assert status["state"] == "failed"
        assert ends_of(azure, job) <= {0, 8}, "whoever came first could work"
        assert "check its permissions" in status["error"]
    else:
        assert status["state"] == "done"


def test_an_image_that_asks_for_no_gpu_gets_none_and_its_tasks_say_so(azure: LocalAzure, tmp_path: Path) -> None:
    quiet = {name: value for name, value in read_image().environment.items() if not name.startswith("NVIDIA_")}
    azure.batch.pool.image = replace(read_image(), environment=quiet)
    job, status = end(azure, tmp_path, "blind", failure_threshold=0)
    assert status["state"] == "failed"
    assert ends_of(azure, job) == {20}
    assert "should have 1 GPU(s), but was given none, as its image doesn't set NVIDIA_VISIBLE_DEVICES=all" in status["error"]


def with_long_names(body: Json) -> None:
    for each in bodies(body):
        if "containerSettings" in each:
            settings = each["containerSettings"]
            settings["containerRunOptions"] = settings["containerRunOptions"].replace("-v ", "--volume ")


def test_a_node_that_starts_no_container_gets_no_tasks(azure: LocalAzure, tmp_path: Path) -> None:
    """It would fail each of them at once, while the others are at work."""
    pool = azure.batch.pool
    pool.fixed = 2
    media = put_images(azure, tmp_path / "broken", 12)
    azure.batch.wait(lambda: len(pool.nodes) == 2)
    with azure.batch.lock:
        pool.nodes[0].is_broken = True
    job = azure.dispatch(ask(azure, "broken", media, chunk_frames=2, failure_threshold=0))
    status = azure.wait(job)
    assert status["state"] == "done", status["error"]
    assert runs(azure, job).total() == 5
    told = [event.what for event in pool.timeline if event.job == job and event.node == pool.nodes[0].id]
    assert "jobpreparation ended 126" in told
    assert "start" not in told


def test_a_job_whose_only_node_comes_back_broken_gets_another(azure: LocalAzure, tmp_path: Path) -> None:
    pool = azure.batch.pool
    media = put_images(azure, tmp_path / "alone", 2)
    pool.fixed = None
    began = pool.now
    job = azure.batch.job(azure.dispatch(ask(azure, "alone", media, chunk_frames=2, options={"sleep_ms": 500})))
    lost: list[str] = []

    def lose() -> bool:
        for node in list(pool.nodes):
            if not lost and any(run.task == "0" for run in node.runs):
                lost.append(node.id)
                pool.preempt(node.id)
        return job.state == "completed" or pool.now - began > 4 * 3600

    azure.batch.wait(lose)
    assert job.state == "completed"
    assert azure.wait(job.id)["state"] == "done"
    assert job.tasks["0"].requeues == 1
    (broken,) = (node for node, state in job.prepared.items() if state == "failed")
    assert job.tasks["0"].node not in (lost[0], broken)


def hurried(body: Json) -> None:
    if "jobPreparationTask" in body:
        body["jobPreparationTask"]["waitForSuccess"] = False


def test_a_job_that_does_not_wait_for_preparations_fails_by_one_such_node(azure: LocalAzure, tmp_path: Path) -> None:
    azure.batch.earlier = hurried
    azure.batch.pool.fixed = 1
    azure.batch.wait(lambda: len(azure.batch.pool.nodes) == 1)
    with azure.batch.lock:
        azure.batch.pool.nodes[0].is_broken = True
    media = put_images(azure, tmp_path / "hurried", 4)
    job = azure.dispatch(ask(azure, "hurried", media, chunk_frames=2, failure_threshold=0))
    azure.batch.wait(lambda: azure.batch.job(job).state == "completed")
    assert {task.exit_code for task in azure.batch.job(job).tasks.values()} == {126}


@contextmanager
def submitter(azure: LocalAzure) -> Iterator[AzureBatchEngine]:
    """The cluster as the submitter's identity sees it."""
    target = read_deployment(json.dumps(dict(azure.deployment)))
    credential = azure.identities.credential(azure.principal("submitter"))
    with BatchClient(target.batch_endpoint, credential, connection_verify=str(azure.authority.bundle)) as client:
        yield AzureBatchEngine(client, target)


def test_a_job_that_was_begun_is_ended_where_only_broken_nodes_are_left(azure: LocalAzure, tmp_path: Path) -> None:
    pool = azure.batch.pool
    pool.fixed = 1
    media = put_images(azure, tmp_path / "begun", 2)
    job = azure.batch.job(azure.dispatch(ask(azure, "begun", media, chunk_frames=2, options={"sleep_ms": 500})))

    def lose() -> bool:
        for node in [node for node in pool.nodes if any(run.task for run in node.runs)]:
            pool.preempt(node.id)
            pool.nodes[0].is_broken = True
        return "failed" in job.prepared.values()

    azure.batch.wait(lose)
    assert sorted(job.prepared.values()) == ["completed", "failed"]
    with submitter(azure) as engine:
        assert not engine.end_unprepared(datetime.now(UTC) + GRACE - timedelta(minutes=5))
        why = "no node could start its containers: exit code 126"
        assert engine.end_unprepared(datetime.now(UTC) + GRACE + timedelta(minutes=1)) == {job.id: why}


@pytest.mark.parametrize(
    ("name", "refused", "earlier"),
    [("refused-one", frozenset({"--cap-drop"}), None), ("long-names", Pool.refused, with_long_names)],
    ids=["refused-one", "long-names"],
)
def test_a_job_whose_containers_no_node_starts_is_ended_and_not_before_its_time(
    azure: LocalAzure, tmp_path: Path, name: str, refused: Set[str], earlier: Callable[[Json], None] | None
) -> None:
    azure.batch.pool.refused, azure.batch.earlier = refused, earlier
    azure.batch.pool.fixed = 1
    media = put_images(azure, tmp_path / name, 2)
    job = azure.batch.job(azure.dispatch(ask(azure, name, media, chunk_frames=2)))
    azure.batch.wait(lambda: "failed" in job.prepared.values())
    with submitter(azure) as engine:
        assert not engine.end_unprepared(datetime.now(UTC) + GRACE - timedelta(minutes=5))
        assert job.state == "active"
        why = "no node could start its containers: ContainerInvalidSettings"
        assert engine.end_unprepared(datetime.now(UTC) + GRACE + timedelta(minutes=1)) == {job.id: why}
        azure.batch.wait(lambda: job.state == "completed")
        assert engine.ends()[job.id][1] == why
