"""What Azure Batch is told of a job."""

from __future__ import annotations

import pytest
from azure.batch import models as batch

from scorer.deployment import Deployment
from scorer.engines.azure_batch import check_plan
from scorer.engines.batch_bodies import chunk_task, digest_of, job_body, merge_task, sender_of
from scorer.errors import ChangedError
from tests.azure.batch.options import parse
from tests.folders import FolderStores
from tests.scorer.scoring import plan_folder
from tests.scorer.test_deployment import DOCUMENT


def test_whatever_decodes_is_locked_in_and_has_its_share_of_the_machine(stores: FolderStores) -> None:
    plan = plan_folder(stores)
    for document, memory in (({**DOCUMENT, "taskMemoryGb": 6}, 6 * 2**30), (DOCUMENT, None)):
        deployment = Deployment.model_validate(document)
        job = job_body(plan, deployment, "", 0)
        assert job.job_preparation_task is not None
        assert job.job_release_task is not None
        chunk, merge = chunk_task(plan, plan.chunks[0], deployment), merge_task(plan, deployment)
        for task in (job.job_preparation_task, job.job_release_task, chunk, merge):
            assert task.container_settings is not None
            said = task.container_settings.container_run_options or ""
            assert parse(said).memory == memory
            assert parse(said).volumes == {"/node": f"scorer-{plan.job}", "/slots": "scorer-slots"}
            for option in ("--read-only", "--cap-drop ALL", "--security-opt no-new-privileges", "--pids-limit 4096"):
                assert option in said
            for folder in ("tmp", "work"):
                assert f"--tmpfs /{folder}:rw,exec,nosuid,nodev,mode=1777,size=1g" in said


def test_tasks_and_whoever_goes_on_know_the_plan(stores: FolderStores) -> None:
    plan, deployment = plan_folder(stores), Deployment.model_validate(DOCUMENT)
    job = job_body(plan, deployment, "acme", 0)
    assert job.job_preparation_task is not None
    assert job.job_release_task is not None
    chunk, merge = chunk_task(plan, plan.chunks[0], deployment), merge_task(plan, deployment)
    for task in (job.job_preparation_task, job.job_release_task, chunk, merge):
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
