"""How many tasks share a job's chunks: each has minutes of work, every slot gets one, and none has a long job for itself."""

from __future__ import annotations

from typing import Any

import pytest

from scorer.documents.deployment import Deployment
from scorer.documents.plan import FULL_HD, Plan
from scorer.engines.azure_batch.bodies import merge_task, worker_task
from scorer.engines.task_count import LEAST_SECONDS, LEAVE_MINUTES, TaskCount, count_tasks
from tests.folders import FolderStores
from tests.scorer.documents.test_deployment import DOCUMENT
from tests.scorer.job.scoring import plan_folder

PIXELS = FULL_HD[0] * FULL_HD[1]


@pytest.fixture
def plan(stores: FolderStores) -> Plan:
    """Ten frames, which count as full HD, in ten chunks."""
    return plan_folder(stores, chunk_frames=1)


def counted(plan: Plan, seconds: float | None, **more: Any) -> TaskCount:
    """Of a job that takes one slot so long, as the deployment says."""
    speed = {"invert": round(plan.frames * PIXELS / seconds)} if seconds else {}
    document = {"slotsPerNode": 1, "gpusPerNode": 1, "nodesMax": 4, "pixelsPerSecond": speed, **more}
    return count_tasks(plan, Deployment.model_validate({**DOCUMENT, **document}))


@pytest.mark.parametrize(
    ("seconds", "tasks"),
    [(10, 1), (LEAST_SECONDS - 1, 1), (2.5 * LEAST_SECONDS, 3), (4 * LEAST_SECONDS, 4), (7 * LEAST_SECONDS, 4)],
)
def test_a_task_has_minutes_of_work_as_long_as_every_slot_has_one(plan: Plan, seconds: float, tasks: int) -> None:
    assert counted(plan, seconds) == TaskCount(all=tasks, at_once=tasks)


def test_there_are_no_more_tasks_than_chunks_or_slots(plan: Plan) -> None:
    assert counted(plan, 3000, nodesMax=16).at_once == 10
    assert counted(plan, 3000, nodesMax=1, slotsPerNode=2, gpusPerNode=1).at_once == 2


def test_slots_of_one_gpu_share_its_speed(plan: Plan) -> None:
    assert counted(plan, 1.5 * LEAST_SECONDS).at_once == 2
    assert counted(plan, 1.5 * LEAST_SECONDS, slotsPerNode=2).at_once == 3


def test_of_a_long_job_others_follow_that_let_other_jobs_in_between(plan: Plan) -> None:
    count = counted(plan, 6.9 * LEAVE_MINUTES * 60)
    assert (count.at_once, count.all) == (4, 7)
    assert [count.leave_after(number) for number in range(7)] == [LEAVE_MINUTES] * 3 + [None] * 4
    assert counted(plan, 100 * LEAVE_MINUTES * 60).all == 10, "never more than chunks"


def test_a_model_that_nobody_has_counted_gets_every_slot(plan: Plan) -> None:
    assert counted(plan, None) == TaskCount(all=4, at_once=4)


def test_batch_ends_no_worker_that_makes_progress(plan: Plan) -> None:
    deployment, count = Deployment.model_validate(DOCUMENT), TaskCount(all=3, at_once=2)
    first, last = (worker_task(plan, number, count, deployment) for number in (0, 2))
    assert first.command_line == f"work job --task 0 --processes 1 --task-minutes 240 --leave-after 15 --plan {plan.digest}"
    assert last.command_line == f"work job --task 2 --processes 1 --task-minutes 240 --plan {plan.digest}"
    assert first.constraints is not None
    assert first.constraints.max_wall_clock_time is None
    assert first.constraints.max_task_retry_count == 3
    depends = merge_task(plan, count.all, deployment).depends_on
    assert depends is not None
    assert [(each.start, each.end) for each in depends.task_id_ranges or []] == [(0, 2)]
