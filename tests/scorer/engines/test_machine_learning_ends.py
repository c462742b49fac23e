"""How jobs end on Azure Machine Learning, and what is known of them: against a workspace whose jobs' processes only wait."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from emulator.batch.quota import Quota
from scorer.documents.paths import claim, part
from scorer.documents.status import State, StatusWriter, find_status
from scorer.engines.base import CANCELLED, Tasks
from tests.folders import FolderStores
from tests.scorer.engines.workspace import (
    Workspace,
    end,
    engine,
    plan_of,
    states,
    until,
    worker,
)


def test_all_workers_are_lost_again_and_again(azure: Workspace, stores: FolderStores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scorer.engines.machine_learning.ends.MOST_LOST", 1)
    plan = plan_of(stores)
    cluster = engine(stores)
    cluster.submit(plan, "", 0)
    end(azure, "Failed")
    assert cluster.unfinished() == ["film"]
    cluster.finish(plan)
    assert len(states(azure)) == 8
    assert cluster.ends() == {}, "those that are at work may do it"
    end(azure, "Canceled")
    ((_, why),) = cluster.ends().values()
    assert "lost" in why
    assert cluster.tasks_of("film")[1] == why
    assert cluster.unfinished() == []


def test_many_workers_that_are_lost_at_once_are_one_loss(
    azure: Workspace, stores: FolderStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scorer.engines.machine_learning.ends.MOST_LOST", 3)
    plan = plan_of(stores)
    cluster = engine(stores)
    cluster.submit(plan, "", 0)
    end(azure, "Canceled")
    assert cluster.ends() == {}
    cluster.finish(plan)
    assert len(states(azure)) == 8


@pytest.mark.parametrize(("state", "workers"), [("done", "Completed"), ("failed", "Failed"), ("cancelled", "Canceled")])
def test_a_job_whose_output_was_deleted_stays_over(azure: Workspace, stores: FolderStores, state: State, workers: str) -> None:
    """As the deployment's guide says how, or by outputDays: its workers are still there, for as long as its plan."""
    plan = plan_of(stores)
    engine(stores).submit(plan, "", 0)
    StatusWriter.resume("film", stores).state(state)
    end(azure, workers)
    stores.output.delete("film/status.json")
    later = engine(stores)  # the next poll's
    assert later.unfinished() == []
    later.finish(plan)
    assert len(states(azure)) == 4, "nothing is scored again"
    assert not later.at_work()
    ((when, why),) = later.ends().values()
    assert why == "what it wrote was deleted"
    for each in azure.azure.workers("film"):
        each.created -= timedelta(days=7)
    later.forget(when - timedelta(days=6))
    assert states(azure) == {}


def test_a_job_at_work_goes_on_without_its_output(azure: Workspace, stores: FolderStores) -> None:
    cluster = engine(stores)
    cluster.submit(plan_of(stores), "", 0)
    stores.output.delete("film/status.json")
    cluster.share_slots()
    assert cluster.ends() == {}
    assert not {"Canceled", "CancelRequested"} & set(states(azure).values())


def test_no_node_can_begin_it(azure: Workspace, stores: FolderStores) -> None:
    plan = plan_of(stores)
    cluster = engine(stores)
    cluster.submit(plan, "", 0)
    end(azure, "Failed")
    assert cluster.ends() == {}, "the next node may"
    for each in azure.azure.workers("film"):
        each.created -= timedelta(hours=2)
    ((_, why),) = cluster.ends().values()
    assert "no node could start its workers" in why
    stores.work.put(claim("film", plan.chunks[0].key), b"{}")
    assert cluster.ends() == {}, "one could"


@pytest.mark.parametrize(
    "state",
    ["NotStarted", "Starting", "Provisioning", "Queued", "Preparing", "Running", "Paused", "NotResponding", "Unknown", "Odd"],
)
def test_a_job_is_cancelled_in_each_state_of_a_worker(azure: Workspace, stores: FolderStores, state: str) -> None:
    plan = plan_of(stores, images=2)
    cluster = engine(stores)
    cluster.submit(plan, "", 0)
    azure.azure.stands_still = True
    worker(azure, "film-w0-t0").state = state
    cluster.end("film")
    assert worker(azure, "film-w0-t0").state == "CancelRequested"
    azure.azure.stands_still = False
    until(azure, {"Canceled": 1})
    assert cluster.ends()["film"][1] == CANCELLED
    assert cluster.unfinished() == []
    status = find_status("film", stores)
    assert status is not None
    assert status.state == "cancelled"
    cluster.end("film")
    cluster.finish(plan)
    assert len(states(azure)) == 1


def test_a_job_that_is_done_stays_done(azure: Workspace, stores: FolderStores) -> None:
    cluster = engine(stores)
    cluster.submit(plan_of(stores, images=2), "", 0)
    StatusWriter.resume("film", stores).state("done")
    cluster.end("film")
    status = find_status("film", stores)
    assert status is not None
    assert status.state == "done"
    assert not {"Canceled", "CancelRequested"} & set(states(azure).values())


@pytest.mark.parametrize("state", ["Completed", "Failed", "Canceled"])
def test_a_worker_that_ended_before_it_was_cancelled(azure: Workspace, stores: FolderStores, state: str) -> None:
    cluster = engine(stores)
    cluster.submit(plan_of(stores), "", 0)
    listed = cluster._of

    def late(job: str) -> list[object]:
        found = listed(job)
        end(azure, state, "film-w0-t0")
        return list(found)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster, "_of", late)
        cluster.end("film")
    until(azure, Counter({state: 1}) + Counter({"Canceled": 3}))


def test_a_job_begins_anew_under_ids_that_nobody_had(azure: Workspace, stores: FolderStores) -> None:
    plan = plan_of(stores, images=4)
    cluster = engine(stores)
    cluster.submit(plan, "", 0)
    cluster.delete("film")
    assert states(azure) == {}
    assert not cluster.has("film")
    cluster.delete("film")
    StatusWriter("film", stores).state("scoring", frames=plan.frames)
    cluster.submit(plan, "", 0)
    assert sorted(states(azure)) == ["film-w0-t1", "film-w1-t1"]


def test_what_is_left_of_jobs_that_are_over_goes(azure: Workspace, stores: FolderStores) -> None:
    azure.azure.clusters["spot"].quota = Quota(spot=4)
    cluster = engine(stores, nodesMax=20)
    for job in ("done", "failed", "odd"):
        cluster.submit(plan_of(stores, job, images=4), "", 0)
        until(azure, {"Running": 1, "Queued": 1}, "done")
    StatusWriter.resume("done", stores).state("done")
    StatusWriter.resume("failed", stores).state("failed")
    cluster.share_slots()
    until(azure, {"Running": 1, "Canceled": 1}, "done")
    until(azure, {"Canceled": 2}, "failed")
    until(azure, {"Queued": 2}, "odd")
    assert {job: why for job, (_, why) in cluster.ends().items()} == {"done": "done", "failed": "failed"}
    end(azure, "Completed")
    cluster.forget(datetime.now(UTC) + timedelta(seconds=5))
    assert {each.own["scorer_job"] for each in azure.azure.ledger.jobs.values()} == {"odd"}


def test_a_job_that_takes_too_long(azure: Workspace, stores: FolderStores) -> None:
    cluster = engine(stores)
    cluster.submit(plan_of(stores, images=1), "", 0)
    worker(azure, "film-w0-t0").created -= timedelta(days=7)
    assert cluster.ends()["film"][1] == "it took longer than 6 days"
    cluster.share_slots()
    until(azure, {"Canceled": 1})


def test_chunks_are_counted_by_what_is_in_the_store(azure: Workspace, stores: FolderStores) -> None:
    plan = plan_of(stores, images=4)
    cluster = engine(stores)
    assert cluster.tasks_of("film") == (None, None)
    cluster.submit(plan, "", 0)
    until(azure, {"Running": 2})
    assert cluster.tasks_of("film") == (Tasks(5, 0, 0, 0), None)
    keys = [chunk.key for chunk in plan.chunks]
    stores.work.put(part("film", keys[0]), b"{}")
    stores.work.put(claim("film", keys[1]), b"{}")
    failure = {"exit_code": 3, "message": "broken", "for_good": True}
    stores.work.put(f"film/failed/{keys[2]}.json", json.dumps(failure).encode())
    assert cluster.tasks_of("film") == (Tasks(2, 1, 2, 1), None)
    StatusWriter.resume("film", stores).state("done")
    assert cluster.tasks_of("film") == (Tasks(0, 0, 5, 0), "done")
    stores.work.delete("film/plan.json")
    assert engine(stores).tasks_of("film") == (Tasks(0, 0, 0, 0), "done")


def test_somebody_elses_jobs_are_left_alone(azure: Workspace, stores: FolderStores) -> None:
    cluster = engine(stores)
    cluster.submit(plan_of(stores, images=1), "", 0)
    body = {**worker(azure, "film-w0-t0").body}
    with azure.azure.lock:
        body = {"properties": {**body["properties"], "properties": {"scorer_job": "film", "mine": "1"}}}
        azure.azure.ledger.add("training", body)
        azure.azure.ledger.add("other", {"properties": {**body["properties"], "properties": {}}})
    cluster.end("film")
    until(azure, {"Canceled": 1, "Running": 1})
    cluster.delete("film")
    assert {"training", "other"} == set(azure.azure.ledger.jobs)
