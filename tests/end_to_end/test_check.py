"""`scorer check` on a deployment that works, and on the same one with something wrong: each line says what, and what to do."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from emulator import forked
from emulator.batch.quota import Quota
from emulator.local_azure import PERSON, LocalAzure
from emulator.logic_app.trigger import Trigger
from tests.end_to_end.checks import check, left_out, wrong
from tests.end_to_end.test_trigger_to_result import person

WHOLE = [
    "sign-in", "data store", "ops store", "Spot quota", "dedicated quota", "pool quota", "job quota", "nodes' image",
    "submitter's image", "batch", "pool", "workflow", "workflow", "nodes", "node's folder", "slots", "GPUs", "driver", "token",
    "nodes' stores", "frame", "request",
]  # fmt: skip
OPERATORS = "pulumi config set --path 'operators[0]'"
QUICK = WHOLE[: WHOLE.index("nodes")]


def test_all_is_well(steady: Trigger, tmp_path: Path) -> None:
    found = check(steady, tmp_path)
    assert [each["name"] for each in found] == WHOLE
    assert {each["state"] for each in found} == {"ok"}
    told = {each["name"]: each["text"] for each in found}
    assert told["sign-in"] == f"as {PERSON}"
    assert told["Spot quota"] == "1000 Spot cores: 4 of 4 nodes of Standard_NC4as_T4_v3"
    assert told["node's folder"].startswith("two tasks share it, as ")
    assert told["frame"].startswith("as it should be")
    assert told["request"].startswith("8 frames came back styled in ")
    job = next(event.job for event in steady.azure.batch.pool.timeline if event.job.startswith("check-"))
    nodes = {event.node for event in steady.azure.batch.pool.timeline if event.job == job and event.what == "start"}
    assert len(nodes) == 1, "both looked at the same node"


def test_lines_for_people(checked: Trigger, tmp_path: Path) -> None:
    done = person(checked, tmp_path, "check", "--quick")
    assert done.returncode == 0, done.stderr
    *lines, last = done.stdout.splitlines()
    assert [line[10:28].strip() for line in lines] == QUICK
    assert {line[:9].strip() for line in lines} == {"ok"}
    assert last == f"{len(QUICK)} checks are well"
    with fixed(checked.azure, "Microsoft.Logic/workflows", "properties", "state", "Disabled"):
        done = person(checked, tmp_path, "check", "--quick")
    assert done.returncode == 21
    assert "wrong     workflow" in done.stdout
    assert "> Enable" in done.stdout
    assert f"2 checks of {len(QUICK)} found something wrong" in done.stderr


@contextmanager
def fixed(azure: LocalAzure, kind: str, *path: str | object) -> Iterator[None]:
    """While the block runs, the resources of a kind have another value at a path of their bodies, the last of `path`."""
    *keys, value = path
    kept = []
    for each in azure.cloud.of_type(kind):
        place = each.body
        for key in keys[:-1]:
            place = place[str(key)]
        kept.append((place, place.get(str(keys[-1]))))
        place[str(keys[-1])] = value
    try:
        yield
    finally:
        for place, before in kept:
            place[str(keys[-1])] = before


def answered(status: int, code: str, where: str) -> Any:
    """A fault of the stores: requests below a path get that answer."""
    return lambda _, path: (status, code) if where in path else None


REFUSALS = {
    "AuthorizationFailure": (403, "this machine's public address isn't let in -> pulumi config set --path 'allowedIps[0]'"),
    "AuthorizationPermissionMismatch": (403, f"you have no role there (AuthorizationPermissionMismatch) -> {OPERATORS} {PERSON}"),
    "InvalidAuthenticationInfo": (401, "this sign-in doesn't count there (InvalidAuthenticationInfo) -> az login --tenant"),
    "ContainerNotFound": (404, "it isn't there (ContainerNotFound) -> pulumi refresh"),
}


@pytest.mark.parametrize("code", REFUSALS)
def test_stores_that_refuse_say_why(checked: Trigger, tmp_path: Path, code: str) -> None:
    status, words = REFUSALS[code]
    _, _, account, container = checked.azure.deployment["logs"].split("/")
    of_one = code in ("AuthorizationPermissionMismatch", "ContainerNotFound")
    checked.azure.blobs.fault = answered(status, code, f"/{account}/{container}" if of_one else f"/{account}/")
    found = wrong(check(checked, tmp_path, "--quick", code=21))
    assert list(found) == ["ops store"]
    assert words in found["ops store"]
    assert ("logs: " in found["ops store"]) == of_one


def test_a_store_that_isnt_there(checked: Trigger, tmp_path: Path) -> None:
    environment = {**checked.azure.environment(PERSON), "SCORER_BLOB_ENDPOINT": "https://{account}.storage.invalid"}
    done = forked.run(("check", "--quick", "--json"), environment, tmp_path)
    found = wrong(json.loads(done.stdout)["checks"])
    assert list(found) == ["data store", "ops store"]
    assert ".storage.invalid' here -> see that the deployment is the right one" in found["data store"]


def test_no_quota(checked: Trigger, tmp_path: Path) -> None:
    checked.azure.batch.pool.quota = Quota(spot=3, dedicated=0, jobs=5, pools=1)
    found = check(checked, tmp_path, code=21)
    bad = wrong(found)
    assert list(bad) == ["Spot quota", "dedicated quota", "pool quota", "job quota"]
    assert bad["Spot quota"].startswith("3 Spot cores: 0 of 4 nodes of Standard_NC4as_T4_v3 -> portal > Batch account ")
    assert bad["Spot quota"].endswith("> Quotas: ask for 16")
    assert bad["dedicated quota"].startswith("0 dedicated cores (standardNCASv3_T4Family): 0 of 4 nodes")
    assert left_out(found) == {
        "nodes": "fix Spot quota, dedicated quota first",
        "request": "fix Spot quota, dedicated quota first",
    }
    checked.azure.batch.pool.quota = Quota(spot=9, families={"standardNCASv3_T4Family": 0}, by_family=False)
    bad = wrong(check(checked, tmp_path, "--quick", code=21))
    assert list(bad) == ["Spot quota"]
    assert bad["Spot quota"].endswith("ask for 16, or pulumi config set nodesMax 2")


def test_an_image_that_lacks(checked: Trigger, tmp_path: Path) -> None:
    images = checked.azure.cloud.images
    kept = list(images)
    images[:] = [each for each in images if "submitter" in each]
    try:
        bad = wrong(check(checked, tmp_path, "--quick", code=21))
    finally:
        images[:] = kept
    assert list(bad) == ["nodes' image"]
    assert "isn't in the registry -> pulumi up" in bad["nodes' image"]


def test_a_request_that_nobody_would_take_in_is_not_tried(steady: Trigger, tmp_path: Path) -> None:
    """It would be waited for as long as the check lasts, for what was known before."""
    images = steady.azure.cloud.images
    kept = list(images)
    images[:] = [each for each in images if "submitter" not in each]
    try:
        with fixed(steady.azure, "Microsoft.Logic/workflows", "properties", "state", "Disabled"):
            found = check(steady, tmp_path, "--minutes", "10", code=21)
    finally:
        images[:] = kept
    assert list(wrong(found)) == ["submitter's image", "workflow"]
    assert left_out(found) == {"request": "fix submitter's image, workflow first"}
    assert {"name": "frame", "state": "ok"}.items() <= found[-2].items(), "nodes are looked at all the same"


def test_no_node_is_paid_for_whose_answers_cannot_be_read(checked: Trigger, tmp_path: Path) -> None:
    _, _, account, _ = checked.azure.deployment["output"].split("/")
    checked.azure.blobs.fault = answered(403, "AuthorizationFailure", f"/{account}/")
    try:
        found = check(checked, tmp_path, code=21)
    finally:
        checked.azure.blobs.fault = None
    assert list(wrong(found)) == ["data store"]
    assert left_out(found) == {"nodes": "fix data store first", "request": "fix data store first"}


def test_an_operator_who_may_not_read_all(checked: Trigger, tmp_path: Path) -> None:
    checked.azure.blobs.manager.readers.clear()
    found = check(checked, tmp_path, "--quick")
    left = [each["name"] for each in found if each["state"] == "left out"]
    assert left == ["nodes' image", "submitter's image", "workflow", "workflow"]


def test_an_earlier_deployment(checked: Trigger, tmp_path: Path) -> None:
    later = ("batchAccount", "workflows", "submitterImage", "registryServer", "gpuCores", "gpuFamily")
    document = {name: value for name, value in checked.azure.deployment.items() if name not in later}
    found = check(checked, tmp_path, "--quick", "--deployment", json.dumps(document))
    left = [each for each in found if each["state"] == "left out"]
    assert [each["name"] for each in left] == ["quota", "nodes' image", "submitter's image", "workflow"]
    assert all("an earlier version described this deployment: 'pulumi up'" in each["text"] for each in left)
