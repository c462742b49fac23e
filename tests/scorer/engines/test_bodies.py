"""What Azure Batch is told of a job."""

from __future__ import annotations

import pytest
from azure.batch import models as batch

from emulator.batch.options import parse
from scorer.cli.steps import PREPARE_SECONDS
from scorer.documents.deployment import Deployment
from scorer.engines.azure_batch.bodies import digest_of, job_body, merge_task, sender_of, worker_task
from scorer.engines.azure_batch.engine import check_plan
from scorer.engines.task_count import TaskCount
from scorer.errors import ChangedError
from stacks.container_options import CONTAINER_OPTIONS
from tests.folders import FolderStores
from tests.scorer.documents.test_deployment import DOCUMENT
from tests.scorer.job.scoring import plan_folder

COUNT = TaskCount(all=1, at_once=1)


def test_whatever_decodes_is_locked_in_and_has_its_share_of_the_machine(stores: FolderStores) -> None:
    plan = plan_folder(stores)
    for document, memory in (({**DOCUMENT, "taskMemoryGb": 6}, 6 * 2**30), (DOCUMENT, None)):
        deployment = Deployment.model_validate(document)
        job = job_body(plan, deployment, "", 0)
        assert job.job_preparation_task is not None
        assert job.job_release_task is not None
        worker, merge = worker_task(plan, 0, COUNT, deployment), merge_task(plan, 1, deployment)
        for task in (job.job_preparation_task, job.job_release_task, worker, merge):
            assert task.container_settings is not None
            said = task.container_settings.container_run_options or ""
            assert parse(said).memory == memory
            assert parse(said).volumes == {"/node": f"scorer-{plan.job}", "/slots": "scorer-slots"}
            for option in ("--read-only", "--cap-drop ALL", "--security-opt no-new-privileges", "--pids-limit 4096"):
                assert option in said
            for folder in ("tmp", "work"):
                assert f"--tmpfs /{folder}:rw,exec,nosuid,nodev,mode=1777,size=1g" in said


@pytest.mark.parametrize(
    ("mount", "work", "parts"),
    [
        ("none", "az://films/work", None),
        ("blob", "file:///mnt/batch/tasks/fsmounts/work", None),
        ("nfs", "az://films/work", "file:///mnt/batch/tasks/fsmounts/parts"),
    ],
)
def test_tasks_find_what_their_nodes_mount(mount: str, work: str, parts: str | None, stores: FolderStores) -> None:
    deployment = Deployment.model_validate({**DOCUMENT, "mount": mount})
    job = job_body(plan_folder(stores), deployment, "", 0)
    told = {setting.name: setting.value for setting in job.common_environment_settings or []}
    assert (told["SCORER_WORK"], told.get("SCORER_PARTS")) == (work, parts)
    assert told.get("SCORER_PARTS_DAYS") == ("7" if parts else None)
    assert job.job_preparation_task is not None
    assert job.job_preparation_task.container_settings is not None
    bound = job.job_preparation_task.container_settings.container_host_batch_bind_mounts or []
    assert [each.source for each in bound] == ([] if mount == "none" else ["VfsMounts"])


def test_all_tasks_of_a_node_are_one_user_and_no_administrator(stores: FolderStores) -> None:
    plan, deployment = plan_folder(stores), Deployment.model_validate(DOCUMENT)
    job = job_body(plan, deployment, "", 0)
    assert job.job_preparation_task is not None
    assert job.job_release_task is not None
    worker, merge = worker_task(plan, 0, COUNT, deployment), merge_task(plan, 1, deployment)
    for task in (job.job_preparation_task, job.job_release_task, worker, merge):
        said = {"userIdentity": {"autoUser": {"scope": "pool", "elevationLevel": "nonadmin"}}}
        assert task.as_dict().items() >= said.items()
        assert task.container_settings is not None
        # Batch reads the options itself: of a volume's, this one alone was ever seen to work.
        assert (task.container_settings.container_run_options or "").count("-v ") == 2


def test_a_stack_says_what_containers_are_locked_in_with(stores: FolderStores) -> None:
    plan = plan_folder(stores)
    document = {**DOCUMENT, "taskMemoryGb": 3}
    volumes = f"-v scorer-{plan.job}:/node -v scorer-slots:/slots"
    for said, told in (("", volumes), ("--read-only --memory {memory}", f"{volumes} --read-only --memory 3g")):
        deployment = Deployment.model_validate({**document, "containerOptions": said})
        task = worker_task(plan, 0, COUNT, deployment)
        assert task.container_settings is not None
        assert task.container_settings.container_run_options == told
    # What a stack says where nobody chose, and what holds for deployments that were made before a stack could say it.
    assert Deployment.model_fields["container_options"].default == CONTAINER_OPTIONS


def test_a_node_that_starts_no_container_is_given_no_task(stores: FolderStores) -> None:
    job = job_body(plan_folder(stores), Deployment.model_validate(DOCUMENT), "", 0)
    assert job.job_preparation_task is not None
    assert job.job_preparation_task.wait_for_success is True
    assert job.job_preparation_task.rerun_on_node_reboot_after_success is True
    assert job.job_preparation_task.constraints is not None
    limit = job.job_preparation_task.constraints.max_wall_clock_time
    assert limit is not None
    assert limit.total_seconds() > PREPARE_SECONDS


def test_tasks_and_whoever_goes_on_know_the_plan(stores: FolderStores) -> None:
    plan, deployment = plan_folder(stores), Deployment.model_validate(DOCUMENT)
    job = job_body(plan, deployment, "acme", 0)
    assert job.job_preparation_task is not None
    assert job.job_release_task is not None
    worker, merge = worker_task(plan, 0, COUNT, deployment), merge_task(plan, 1, deployment)
    for task in (job.job_preparation_task, job.job_release_task, worker, merge):
        assert task.command_line.endswith(f" --plan {plan.digest}")
    begun = batch.BatchJob(
        {"id": plan.job, "metadata": [{"name": item.name, "value": item.value} for item in job.metadata or []]}
    )
    assert (digest_of(begun), sender_of(begun)) == (plan.digest, "acme")
    check_plan(begun, plan)
    check_plan(batch.BatchJob({"id": plan.job}), plan)  # of an earlier version
    with pytest.raises(ChangedError, match="isn't the one that it was begun with"):
        check_plan(begun, plan_folder(stores, strength=0.5))


def test_a_task_knows_how_often_it_is_tried(stores: FolderStores) -> None:
    body = job_body(plan_folder(stores), Deployment.model_validate(DOCUMENT), "", 0)
    told = {each.name: each.value for each in body.common_environment_settings or []}
    assert (told["SCORER_TRIES"], told["SCORER_DEBUG"]) == ("4", "1")
