"""The Azure Machine Learning engine against a workspace that works, whose jobs' processes only wait: a test says how they end."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from azure.core.exceptions import HttpResponseError

from emulator.batch.quota import Quota
from emulator.machine_learning.cluster import Manner
from scorer.azure import resource_manager
from scorer.engines.machine_learning.bodies import USER, worker_body
from scorer.engines.machine_learning.engine import MachineLearningEngine
from scorer.errors import BatchError, BusyError, ChangedError, SenderLimitError
from tests.folders import FolderStores
from tests.scorer.engines.workspace import (
    PLACE,
    Workspace,
    compute,
    deployment,
    engine,
    plan_of,
    states,
    until,
    worker,
)


def test_a_plan_becomes_workers_which_share_it(azure: Workspace, stores: FolderStores) -> None:
    plan = plan_of(stores)
    cluster = engine(stores)
    assert not cluster.has("film")
    cluster.submit(plan, "acme", 0)
    assert list(states(azure)) == [f"film-w{index}-t0" for index in range(4)], "8 chunks, 2 at a time a node, 4 nodes"
    body = worker(azure, "film-w1-t0").properties
    assert body["computeId"] == compute("spot")
    assert body["command"] == (
        f"setpriv --reuid {USER} --regid {USER} --clear-groups --no-new-privs scorer work film --plan {plan.digest}"
    )
    assert body["limits"]["timeout"] == "P6D"
    assert body["properties"] == {
        "scorer_job": "film", "scorer_sender": "acme", "scorer_plan": plan.digest, "scorer_worker": "1"
    }  # fmt: skip
    cluster.submit(plan, "acme", 0)
    assert len(states(azure)) == 4, "the same again changes nothing"
    assert cluster.has("film")
    until(azure, {"Running": 4})
    assert [(line.job, line.state, line.sender) for line in cluster.jobs()] == [("film", "active", "acme")]
    assert next(iter(cluster.pages("film").values())).startswith("https://ml.azure.com/runs/film-w0-t0")


def test_a_small_job_has_few_workers(azure: Workspace, stores: FolderStores) -> None:
    engine(stores).submit(plan_of(stores, images=3), "", 0)
    assert len(states(azure)) == 2


def test_a_job_has_as_many_workers_as_it_is_worth(azure: Workspace, stores: FolderStores) -> None:
    """A node of seven minutes' start is for five minutes of work at the least, by the speed that is reckoned with."""
    plan = plan_of(stores)
    minutes = plan.frames * plan.pixels[1] / 60
    # A node's two slots share its GPU: 12 minutes of one are three tasks of five minutes, on two nodes.
    engine(stores, gpusPerNode=1, pixelsPerSecond={plan.request.model: int(minutes / 6)}).submit(plan, "", 0)
    assert len(states(azure)) == 2


def test_the_image_and_the_command_have_one_user() -> None:
    text = Path("images/scorer/Dockerfile").read_text()
    assert f"useradd --uid {USER} --gid {USER}" in text


@pytest.mark.parametrize("manner", get_args(Manner))
def test_nodes_that_are_taken_away(azure: Workspace, stores: FolderStores, manner: Manner) -> None:
    plan = plan_of(stores)
    cluster = engine(stores)
    cluster.submit(plan, "", 0)
    until(azure, {"Running": 4})
    with azure.azure.lock:
        spot = azure.azure.clusters["spot"]
        spot.preempt(worker(azure, "film-w2-t0").node, manner)
    assert cluster.unfinished() == ([] if manner == "again" else ["film"])
    cluster.finish(plan)
    again = {} if manner == "again" else {"film-w2-t1"}
    until(azure, {"Running": 4} if manner == "again" else {"Running": 4, manner.capitalize(): 1})
    assert set(states(azure)) == {f"film-w{index}-t0" for index in range(4)} | set(again)


def test_spot_has_no_node_for_a_quarter_of_an_hour(azure: Workspace, stores: FolderStores) -> None:
    plan = plan_of(stores)
    azure.azure.clusters["spot"].quota = Quota(spot=8)
    cluster = engine(stores, dedicatedCompute=compute("dedicated"), spotPercent=100)
    cluster.submit(plan, "", 0)
    until(azure, {"Running": 2, "Queued": 2})
    held = cluster.held_up()
    assert "no quota" in held
    assert "ClusterCoreQuotaReached" in held
    assert cluster.unfinished() == []
    for each in azure.azure.workers("film"):
        each.created -= timedelta(minutes=16)
    assert cluster.unfinished() == ["film"]
    cluster.finish(plan)
    until(azure, {"Running": 4, "Canceled": 2})
    moved = [each for each in azure.azure.workers("film") if each.name.endswith("-t1")]
    assert {each.compute for each in moved} == {compute("dedicated").lower()}
    cluster.finish(plan)
    assert len(states(azure)) == 6


def test_a_part_of_the_nodes_is_spot(azure: Workspace, stores: FolderStores) -> None:
    cluster = engine(stores, dedicatedCompute=compute("dedicated"), spotPercent=50)
    cluster.submit(plan_of(stores), "", 0)
    assert Counter(each.compute.rpartition("/")[2] for each in azure.azure.workers("film")) == {"spot": 2, "dedicated": 2}


def test_a_submitter_that_is_killed_at_each_call(azure: Workspace, stores: FolderStores, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was done before stays."""
    plan = plan_of(stores)
    call = resource_manager.call
    left = 0

    def once(*arguments: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        return call(*arguments)

    monkeypatch.setattr(resource_manager, "call", once)
    for calls in range(20):
        left = calls
        with suppress(KeyboardInterrupt):
            engine(stores).submit(plan, "", 0)
            break
    assert calls > 3
    assert sorted(states(azure)) == [f"film-w{index}-t0" for index in range(4)]


def test_answers_that_get_lost_and_calls_that_azure_wants_later(azure: Workspace, stores: FolderStores) -> None:
    """Each PUT is done, and its answer lost; or refused at first. A repeated one is refused, in one form or another."""
    seen: Counter[tuple[str, str]] = Counter()

    def fault(method: str, path: str) -> int | None:
        seen[method, path] += 1
        if method == "PUT" and seen[method, path] == 1:
            return -1
        if seen[method, path] == 2:
            return 429
        return 503 if method == "POST" and seen[method, path] == 1 else None

    azure.azure.fault = fault
    cluster = engine(stores)
    cluster.submit(plan_of(stores, images=4), "", 0)
    assert sorted(states(azure)) == ["film-w0-t0", "film-w1-t0"]
    cluster.end("film")
    until(azure, {"Canceled": 2})


@pytest.mark.usefixtures("azure")
def test_another_plan_of_the_same_job_is_refused(stores: FolderStores) -> None:
    cluster = engine(stores)
    cluster.submit(plan_of(stores), "", 0)
    other = plan_of(stores, images=7)
    with pytest.raises(ChangedError, match="scorer restart film"):
        cluster.submit(other, "", 0)
    with pytest.raises(ChangedError, match="scorer restart film"):
        cluster.finish(other)


def test_senders_share_the_nodes(azure: Workspace, stores: FolderStores) -> None:
    cluster = engine(stores)
    first, second = plan_of(stores, "first"), plan_of(stores, "second", sender="acme")
    cluster.submit(first, "", 0)
    until(azure, {"Running": 4}, "first")
    cluster.submit(second, "acme", 0)
    until(azure, {"Running": 2, "Canceled": 2}, "first")
    until(azure, {"Running": 2}, "second")
    cluster.finish(first)
    cluster.share_slots()
    assert Counter(states(azure, "first").values()) == {"Running": 2, "Canceled": 2}
    assert cluster.at_work() == {"": 1, "acme": 1}


def test_whoever_has_more_than_its_share_keeps_it_while_there_are_nodes_for_all(azure: Workspace, stores: FolderStores) -> None:
    cluster = engine(stores, nodesMax=6)
    cluster.submit(plan_of(stores, "first", images=10), "", 0)
    cluster.submit(plan_of(stores, "second", images=1, sender="acme"), "acme", 0)
    assert not {"CancelRequested", "Canceled"} & set(states(azure, "first").values())
    assert len(states(azure, "first")) == 5
    assert len(states(azure, "second")) == 1


@pytest.mark.usefixtures("azure")
def test_how_many_jobs_may_be_at_work(stores: FolderStores) -> None:
    cluster = engine(stores)
    assert cluster.admit("acme") == 0
    for number in range(2):
        cluster.submit(plan_of(stores, f"job{number}", images=1), "acme", number)
    with pytest.raises(SenderLimitError, match="2 jobs of 'acme' run"):
        cluster.admit("acme")
    assert cluster.admit("") == 0
    for number in range(2, 4):
        cluster.submit(plan_of(stores, f"job{number}", images=1), "", 0)
    with pytest.raises(BusyError, match="4 jobs run and 4 may at once"):
        cluster.admit("other")


def test_whoever_may_not_is_told_so(azure: Workspace, stores: FolderStores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource_manager, "credential", lambda: azure.identities.credential("somebody"))
    with pytest.raises(BatchError, match=r"refused \(403 AuthorizationFailed\): the identity needs a role"):
        engine(stores).at_work()


def test_a_list_that_goes_on_elsewhere_is_refused(stores: FolderStores, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its address would be given a token."""
    answer = {"value": [], "nextLink": "https://evil.example/subscriptions/x/jobs?$skip=1"}
    monkeypatch.setattr(resource_manager, "call", lambda *_: answer)
    with pytest.raises(BatchError, match="none of its own"):
        engine(stores).at_work()


def test_azure_away(azure: Workspace, stores: FolderStores) -> None:
    azure.azure.fault = lambda _, __: 0
    with pytest.raises(BatchError, match="didn't answer"):
        MachineLearningEngine(deployment(), stores, interactive=True).at_work()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"priority": 7}, "Additional properties are not allowed"),
        ({"limits": {"timeout": "P1D"}}, "jobLimitsType"),
        ({"computeId": "/subscriptions/1/computes/none"}, "no cluster"),
        ({"environmentId": "/subscriptions/1/environments/none"}, "no environment"),
        ({"identity": {"identityType": "Managed", "clientId": "00000000-0000-0000-0000-00000000000f"}}, "no identity"),
    ],
)
def test_what_a_workspace_refuses(azure: Workspace, stores: FolderStores, change: dict[str, Any], words: str) -> None:
    """The bodies of workers are held against Azure's own types; this is what comes of others."""
    body = worker_body(plan_of(stores, images=1), deployment(), "", 0, compute("spot"))
    changed = {"properties": {**body["properties"], **change}}
    with pytest.raises(HttpResponseError, match=words) as refused:
        resource_manager.call("PUT", f"{PLACE}/jobs/film-w0-t0", "2025-12-01", changed)
    assert refused.value.status_code == 400
    assert states(azure) == {}
