"""Batch, emulated, by the real SDK: it refuses what Batch refuses, and runs tasks as Batch does."""

import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.batch import BatchClient
from azure.batch import models as batch
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceExistsError

from emulator import entra
from emulator.arm.cloud import Cloud
from emulator.batch import service
from emulator.batch.service import BatchService
from emulator.entra import Identities
from emulator.tls import Authority
from tests.emulator.sample_resources import SampleResources

SUBMITTER = "48e5e92e-a480-4e71-aa9c-2778f4c13781"
SOMEBODY = "a9f3a1f5-8f5e-4f54-8b8f-6d4f3a3b9d11"
FORMULA = """
measured = $PendingTasks.GetSamplePercent(TimeInterval_Minute * 5) > 0;
$TargetDedicatedNodes = min(2, measured ? $PendingTasks.GetSample(1) : 0);
"""
# What stands in for the image's entry point: its arguments are a Python program.
PYTHON = (sys.executable, "-c")


@pytest.fixture
def identities() -> Iterator[Identities]:
    with entra.serve() as serving:
        yield serving


@pytest.fixture
def running(identities: Identities, tmp_path: Path) -> Iterator[BatchService]:
    """A Batch account with one pool, whose nodes run Python."""
    cloud = Cloud()
    cloud.people.add(SOMEBODY)
    samples = SampleResources(cloud)
    samples.pool(
        taskSlotsPerNode=1,
        machine={"containerConfiguration": {"type": "DockerCompatible"}},
        scaleSettings={"autoScale": {"formula": FORMULA, "evaluationInterval": "PT5M"}},
        identity={"type": "UserAssigned", "userAssignedIdentities": [samples.identity.id]},
    )
    samples.given(SUBMITTER, SOMEBODY, samples.batch.id)
    authority = Authority.make(tmp_path / "tls")
    with service.serve(cloud, identities, authority, minute=0.05, launcher=PYTHON) as serving:
        yield serving


@pytest.fixture
def client(running: BatchService, identities: Identities, tmp_path: Path) -> BatchClient:
    return BatchClient(
        running.endpoint, identities.credential(SOMEBODY), connection_verify=str(tmp_path / "tls/authorities.pem"), retry_total=0
    )


CONTAINER = batch.BatchTaskContainerSettings(image_name="acme/scorer:1")
NO_OPTIONS = (
    "--privileged", "--memory 5m", "--memory many", "--memory 2g --memory-swap 1g", "--memory-swap 1g", "--pids-limit all",

    "--tmpfs /tmp:executable", "--tmpfs tmp:rw", "--volume /etc:/etc", "--security-opt seccomp=unconfined", "--read-only=maybe",
    "stray",
)  # fmt: skip


def told(options: str) -> batch.BatchTaskContainerSettings:
    """A container that is made with these options."""
    return batch.BatchTaskContainerSettings(image_name="acme/scorer:1", container_run_options=options)


def refused(code: str) -> pytest.RaisesExc[HttpResponseError]:
    return pytest.raises(HttpResponseError, check=lambda error: error.model is not None and error.model.code == code)


def job(name: str = "job", **more: Any) -> batch.BatchJobCreateOptions:
    return batch.BatchJobCreateOptions(
        **{"id": name, "pool_info": batch.BatchPoolInfo(pool_id="gpu"), "uses_task_dependencies": True, **more}
    )


def task(name: str, program: str = "pass", **more: Any) -> batch.BatchTaskCreateOptions:
    return batch.BatchTaskCreateOptions(**{"id": name, "command_line": f"'{program}'", "container_settings": CONTAINER, **more})


def ends(running: BatchService, client: BatchClient, name: str = "job") -> None:
    client.update_job(name, batch.BatchJobUpdateOptions(all_tasks_complete_mode=batch.BatchAllTasksCompleteMode.TERMINATE_JOB))
    running.wait(lambda: running.job(name).state == "completed", 60)


def test_a_job_from_no_nodes_to_no_nodes(running: BatchService, client: BatchClient) -> None:
    client.create_job(job())
    client.create_task_collection("job", batch.BatchTaskGroup(task_values=[task(str(number)) for number in range(5)]))
    last = batch.BatchTaskDependencies(task_id_ranges=[batch.BatchTaskIdRange(start=0, end=4)])
    client.create_task("job", task("last", depends_on=last))
    ends(running, client)
    assert {
        found.id: found.execution_info.exit_code for found in client.list_tasks("job") if found.execution_info
    } == dict.fromkeys(["0", "1", "2", "3", "4", "last"], 0)
    started = [event.task for event in running.pool.timeline if event.what == "start"]
    assert started[-1] == "last"
    assert client.get_job_task_counts("job").task_counts.succeeded == 6
    running.wait(lambda: not running.pool.nodes, 60)
    assert running.pool.node_minutes["dedicated"] > 0


REFUSED = {
    "no id": (job("a job"), "InvalidPropertyValue"),
    "too long": (job("j" * 65), "InvalidPropertyValue"),
    "no such pool": (job(pool_info=batch.BatchPoolInfo(pool_id="cpu")), "PoolNotFound"),
    "priority": (job(priority=1001), "InvalidPropertyValue"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_jobs_that_are_refused(client: BatchClient, what: str) -> None:
    body, code = REFUSED[what]
    with refused(code):
        client.create_job(body)


GOES_ON = batch.ExitConditions(default=batch.ExitOptions(job_action=batch.BatchJobActionKind.NONE))
REFUSED_TASKS = {
    "no container": (task("0", container_settings=None), "InvalidPropertyValue"),
    "no command": (task("0", command_line=""), "RequiredPropertyMissing"),
    **{text: (task("0", container_settings=told(text)), "InvalidPropertyValue") for text in NO_OPTIONS},
    "an action that the job doesn't take": (task("0", exit_conditions=GOES_ON), "InvalidPropertyValue"),
    "no identity for files": (
        task(
            "0",
            output_files=[
                batch.OutputFile(
                    file_pattern="*",
                    destination=batch.OutputFileDestination(
                        container=batch.OutputFileBlobContainerDestination(container_url="https://films.blob.core.windows.net/x")
                    ),
                    upload_options=batch.OutputFileUploadConfiguration(
                        upload_condition=batch.OutputFileUploadCondition.TASK_SUCCESS
                    ),
                )
            ],
        ),
        "InvalidPropertyValue",
    ),
}


@pytest.mark.parametrize("what", REFUSED_TASKS)
def test_tasks_that_are_refused(client: BatchClient, what: str) -> None:
    client.create_job(job())
    body, code = REFUSED_TASKS[what]
    with refused(code):
        client.create_task("job", body)


def test_what_is_there_is_there(client: BatchClient) -> None:
    client.create_job(job("Job"))
    with pytest.raises(ResourceExistsError):
        client.create_job(job("jOB"))
    results = client.create_task_collection("job", batch.BatchTaskGroup(task_values=[task("0"), task("0")])).result_values or []
    assert [result.error and result.error.code for result in results] == [None, "TaskExists"]


def test_quotas(running: BatchService, client: BatchClient) -> None:
    running.ledger.quota = 1
    client.create_job(job("one"))
    with refused("ActiveJobAndScheduleQuotaReached"):
        client.create_job(job("two"))
    with pytest.raises(HttpResponseError, match="101 tasks"):
        client.create_task_collection("one", batch.BatchTaskGroup(task_values=[task(str(number)) for number in range(101)]))


def test_only_who_has_a_role_and_a_token(running: BatchService, identities: Identities, tmp_path: Path) -> None:
    bundle = str(tmp_path / "tls/authorities.pem")
    stranger = BatchClient(running.endpoint, identities.credential("stranger"), connection_verify=bundle, retry_total=0)
    with pytest.raises(HttpResponseError) as caught:
        stranger.create_job(job())
    assert caught.value.status_code == 403
    with entra.serve() as others:
        forger = BatchClient(running.endpoint, others.credential(SOMEBODY), connection_verify=bundle, retry_total=0)
        with pytest.raises(ClientAuthenticationError):
            forger.create_job(job())


def test_retries_are_counted_and_dependents_blocked_or_let_go(running: BatchService, client: BatchClient) -> None:
    fails, twice = "raise SystemExit(3)", batch.BatchTaskConstraints(max_task_retry_count=2)
    goes_on = batch.ExitConditions(default=batch.ExitOptions(dependency_action=batch.DependencyAction.SATISFY))
    client.create_job(job())
    client.create_task("job", task("0", fails, constraints=twice, exit_conditions=goes_on))
    client.create_task("job", task("1", fails))
    client.create_task("job", task("after-0", depends_on=batch.BatchTaskDependencies(task_ids=["0"])))
    client.create_task("job", task("after-1", depends_on=batch.BatchTaskDependencies(task_ids=["1"])))
    running.wait(lambda: running.ledger.task("job", "after-0").state == "completed", 60)
    first = client.get_task("job", "0").execution_info
    assert first is not None
    assert (first.exit_code, first.retry_count, first.result) == (3, 2, batch.BatchTaskExecutionResult.FAILURE)
    running.wait(lambda: running.ledger.task("job", "1").state == "completed", 60)
    assert running.ledger.task("job", "after-1").state == "active"


def test_a_lost_node_gives_its_task_back_uncounted(running: BatchService, client: BatchClient) -> None:
    running.pool.fixed = 1
    client.create_job(job())
    client.create_task("job", task("0", "import time; time.sleep(600)"))
    running.wait(lambda: running.ledger.task("job", "0").state == "running", 60)
    process = running.pool.nodes[0].runs[0].process
    with running.lock:
        running.pool.preempt(running.pool.nodes[0].id)
    assert process.poll() == -9
    running.wait(lambda: running.ledger.task("job", "0").runs == 2, 60)
    info = client.get_task("job", "0").execution_info
    assert info is not None
    assert (info.retry_count, info.requeue_count) == (0, 1)


def test_limits_of_time_and_of_tasks_at_once(running: BatchService, client: BatchClient) -> None:
    running.pool.fixed = 2
    client.create_job(job(max_parallel_tasks=1))
    short = batch.BatchTaskConstraints(max_wall_clock_time=timedelta(minutes=1))
    for number in range(2):
        client.create_task("job", task(str(number), "import time; time.sleep(600)", constraints=short))
    ends(running, client)
    assert [found.exit_code for found in running.job("job").tasks.values()] == [137, 137]
    started = [event.second for event in running.pool.timeline if event.what == "start"]
    ended = [event.second for event in running.pool.timeline if event.what == "end 137"]
    assert started[1] >= ended[0]


def test_a_node_prepares_once_and_releases(running: BatchService, client: BatchClient) -> None:
    running.pool.fixed = 1
    prepare = batch.BatchJobPreparationTask(command_line="'pass'", container_settings=CONTAINER)
    release = batch.BatchJobReleaseTask(command_line="'pass'", container_settings=CONTAINER)
    client.create_job(job(job_preparation_task=prepare, job_release_task=release))
    client.create_task_collection("job", batch.BatchTaskGroup(task_values=[task(str(number)) for number in range(3)]))
    ends(running, client)
    whats = [event.what for event in running.pool.timeline if event.job == "job"]
    assert whats.count("prepare") == 1
    assert whats.index("jobpreparation ended 0") < whats.index("start")
    assert whats[-2:] == ["jobrelease ended 0", "job ended"]


def test_a_task_that_uses_more_memory_than_it_may_is_killed(running: BatchService, client: BatchClient) -> None:
    running.pool.fixed = 1
    client.create_job(job())
    hungry = "import time; kept = bytearray(200 * 2**20); time.sleep(600)"
    client.create_task("job", task("0", hungry, container_settings=told("--memory 64m --memory-swap 64m")))
    client.create_task("job", task("1", "import time; time.sleep(2)", container_settings=told("--memory 64m --memory-swap 64m")))
    ends(running, client)
    assert [found.exit_code for found in running.job("job").tasks.values()] == [137, 0]
