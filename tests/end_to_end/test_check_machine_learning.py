"""`scorer check` on a deployment with Azure Machine Learning: that works, and with something wrong."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.batch.quota import Quota
from emulator.local_azure import PERSON, LocalAzure
from emulator.logic_app.engine import Engine
from emulator.logic_app.trigger import Trigger
from emulator.logic_app.trigger import serve as serve_trigger
from emulator.machine_learning.service import VERSION
from tests.deployed import deploy
from tests.end_to_end.checks import check, left_out, wrong

WHOLE = [
    "sign-in", "data store", "ops store", "Spot quota", "nodes' image", "submitter's image", "workspace", "environment",
    "Spot cluster", "workflow", "workflow", "nodes", "GPUs", "driver", "token", "nodes' stores", "frame", "request",
]  # fmt: skip


@pytest.fixture(scope="module")
def learning(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAzure]:
    """One deployment for all tests."""
    with deploy(tmp_path_factory.mktemp("learning"), engine="machine-learning") as running:
        yield running


@pytest.fixture
def checked(learning: LocalAzure, engine: Engine, tmp_path: Path) -> Iterator[Trigger]:
    """The deployment, with the rights of whoever deployed it; as it was afterwards."""
    learning.blobs.manager.readers.add(PERSON)
    before = set(learning.names("output")) | set(learning.names("input"))
    with serve_trigger(learning, engine, tmp_path / "containers") as trigger:
        yield trigger
    learning.blobs.manager.readers.clear()
    learning.learning.quota = Quota()
    assert set(learning.names("output")) | set(learning.names("input")) == before, "all that a check makes is gone"
    assert not [name for name in learning.learning.ledger.jobs if name.startswith("check-")]


def test_all_is_well(checked: Trigger, tmp_path: Path) -> None:
    found = check(checked, tmp_path, "--minutes", "10")
    assert [each["name"] for each in found] == WHOLE
    assert {each["state"] for each in found} == {"ok"}, wrong(found)
    told = {each["name"]: each["text"] for each in found}
    assert told["Spot quota"] == "1000 cores: 4 of 4 nodes of Standard_NC4as_T4_v3"
    assert told["nodes"].startswith("a node came, and ran a job as 10001:10001 in ")
    assert "/scorer-ml:" in told["nodes' image"]
    assert told["frame"].startswith("as it should be")
    assert told["request"].startswith("8 frames came back styled in ")


def test_no_quota(checked: Trigger, tmp_path: Path) -> None:
    checked.azure.learning.quota = Quota(spot=3)
    found = check(checked, tmp_path, code=21)
    bad = wrong(found)
    assert list(bad) == ["Spot quota"]
    assert bad["Spot quota"].startswith("3 cores: 0 of 4 nodes of Standard_NC4as_T4_v3 -> Studio > Quota")
    assert bad["Spot quota"].endswith("ask for 16")
    assert left_out(found) == {"nodes": "fix Spot quota first", "request": "fix Spot quota first"}


def test_whoever_may_not_read_the_subscription_is_told_of_clusters_alone(checked: Trigger, tmp_path: Path) -> None:
    checked.azure.blobs.manager.readers.clear()
    found = check(checked, tmp_path, "--quick")
    assert "you may not read 'usages'" in left_out(found)["quota"]
    assert {"workspace", "environment", "Spot cluster"} <= {each["name"] for each in found if each["state"] == "ok"}


def test_no_node_comes_in_time(checked: Trigger, tmp_path: Path) -> None:
    """Who asks may know nothing of the quota: then the cluster says why."""
    checked.azure.blobs.manager.readers.clear()
    checked.azure.learning.quota = Quota(spot=0)
    found = check(checked, tmp_path, "--minutes", "0.05", code=21)
    bad = wrong(found)
    assert list(bad)[-1] == "nodes"
    assert bad["nodes"].startswith("no node did the job in the time it had: no quota: the subscription has no cores left")
    assert "its page in Studio says why: https://ml.azure.com/runs/check-" in bad["nodes"]


def test_an_environment_that_names_another_image(checked: Trigger, tmp_path: Path) -> None:
    (version,) = checked.azure.cloud.of_type(VERSION)
    properties = version.body["properties"]
    image = properties["image"]
    properties["image"] = "docker.io/acme/scorer:1"
    try:
        found = check(checked, tmp_path, code=21)
    finally:
        properties["image"] = image
    assert wrong(found)["environment"].startswith("it names docker.io/acme/scorer:1, and jobs are to run ")
    assert left_out(found) == {"nodes": "fix environment first", "request": "fix environment first"}


def test_a_workspace_that_nobody_lets_in(checked: Trigger, tmp_path: Path) -> None:
    checked.azure.learning.fault = lambda _, __: 403
    try:
        found = check(checked, tmp_path, "--quick", code=21)
    finally:
        checked.azure.learning.fault = None
    assert list(wrong(found)) == ["workspace"]
    assert "refused (403 " in wrong(found)["workspace"]
