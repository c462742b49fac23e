"""`scorer check` on a deployment that works, and on the same one with something wrong: each line says what, and what to do."""

import json
import os
import re
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from emulator import forked
from emulator.batch.container import read_image
from emulator.batch.quota import Quota
from emulator.local_azure import PERSON, LocalAzure
from emulator.logic_app.trigger import Trigger
from tests.end_to_end.test_trigger_to_result import person
from tests.end_to_end.test_unkind import without_user
from tests.stacks.test_nodes import driver, said

WHOLE = [
    "sign-in", "data store", "ops store", "Spot quota", "dedicated quota", "pool quota", "job quota", "nodes' image",
    "submitter's image", "batch", "pool", "workflow", "workflow", "nodes", "node's folder", "slots", "GPUs", "driver", "token",
    "nodes' stores", "frame", "request",
]  # fmt: skip
OPERATORS = "pulumi config set --path 'operators[0]'"
QUICK = WHOLE[: WHOLE.index("nodes")]

Json = dict[str, Any]


@pytest.fixture
def checked(trigger: Trigger) -> Iterator[Trigger]:
    """The deployment, with the rights of whoever deployed it; as it was afterwards."""
    azure = trigger.azure
    azure.blobs.manager.readers.add(PERSON)
    before = leftovers(azure)
    yield trigger
    azure.blobs.manager.readers.clear()
    azure.batch.pool.start_fails = azure.batch.pool.fixed = None
    assert leftovers(azure) == before, "all that a check makes is gone"


@pytest.fixture
def steady(checked: Trigger) -> Trigger:
    """The same on a node that stays, however many simulated minutes a busy machine lets pass between two tasks to share it."""
    checked.azure.batch.pool.fixed = 1
    return checked


def leftovers(azure: LocalAzure) -> set[str]:
    """What checks make where people may delete it."""
    blobs = {f"{name}/{each}" for name in ("input", "output") for each in azure.names(name) if "check" in each}
    return blobs | {job for job in azure.batch.ledger.jobs if job.startswith("check-")}


def check(trigger: Trigger, folder: Path, *options: str, code: int = 0) -> list[Json]:
    """The findings of a check that ends with that code, which also says whether anything is wrong."""
    done = person(trigger, folder, "check", "--json", "--every", "0.1", *options)
    assert done.returncode == code, done.stdout + done.stderr
    facts = json.loads(done.stdout)
    assert facts["ok"] == (code == 0)
    assert facts["ok"] == all(each["state"] != "wrong" for each in facts["checks"])
    assert all(bool(each["todo"]) == (each["state"] == "wrong") for each in facts["checks"]), "what is wrong can be fixed"
    found: list[Json] = facts["checks"]
    return found


def wrong(findings: list[Json]) -> dict[str, str]:
    """What is wrong and what to do, by name."""
    return {each["name"]: f"{each['text']} -> {each['todo']}" for each in findings if each["state"] == "wrong"}


def left_out(findings: list[Json]) -> dict[str, str]:
    """Why each of what wasn't looked at wasn't, by name."""
    return {each["name"]: each["text"] for each in findings if each["state"] == "left out"}


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


@contextmanager
def new_node(azure: LocalAzure, **unkind: object) -> Iterator[None]:
    """While the block runs the pool has a node that is as these attributes of the pool say."""
    pool = azure.batch.pool
    kept = {name: getattr(pool, name) for name in unkind}
    _begin_anew(azure, {**unkind, "fixed": 1})
    try:
        yield
    finally:
        _begin_anew(azure, {**kept, "fixed": None})


def _begin_anew(azure: LocalAzure, attributes: Mapping[str, object]) -> None:
    pool = azure.batch.pool
    pool.fixed = 0
    azure.batch.wait(lambda: not pool.nodes)
    for name, value in attributes.items():
        setattr(pool, name, value)


def test_nodes_whose_driver_is_old(checked: Trigger, tmp_path: Path) -> None:
    """What the declared start task says of such a driver."""
    driver(tmp_path, 1, version="570.172.08")
    refusal = said(tmp_path, 1)
    pool = checked.azure.batch.pool
    with new_node(checked.azure, start_fails=(refusal.returncode, refusal.stdout)):
        checked.azure.batch.wait(lambda: [node.ready_at <= pool.now for node in pool.nodes] == [True])
        found = check(checked, tmp_path, code=21)
    bad = wrong(found)
    assert [each["name"] for each in found].count("nodes") == 1, "they are told of once"
    assert left_out(found) == {"request": "fix nodes first"}
    assert list(bad) == ["nodes"]
    assert "is starttaskfailed (its start task ended with 3; " in bad["nodes"]
    assert "The NVIDIA driver of this node is 570.172.08, and CUDA 13 needs 580 or newer" in bad["nodes"]
    assert "-> pulumi config set nodeImageVersion" in bad["nodes"]


@pytest.mark.parametrize("kept", ["", "NVIDIA_VISIBLE_DEVICES"], ids=["no GPU", "no CUDA"])
def test_an_image_that_does_not_ask_for_gpus(checked: Trigger, tmp_path: Path, kept: str) -> None:
    image = read_image()
    quiet = {name: value for name, value in image.environment.items() if not name.startswith("NVIDIA_") or name == kept}
    with new_node(checked.azure, image=replace(image, environment=quiet)):
        found = check(checked, tmp_path, code=21)
    bad = wrong(found)
    assert list(bad) == ["GPUs"]
    assert bad["GPUs"].startswith("0 of 1 GPUs, torch ")
    assert "the image doesn't set NVIDIA_VISIBLE_DEVICES and NVIDIA_DRIVER_CAPABILITIES" in bad["GPUs"]
    assert "-> set image to 'build' and pulumi up" in bad["GPUs"]
    left = {each["name"]: each["text"] for each in found if each["state"] == "left out"}
    assert list(left) == ["driver", "frame", "request"]
    assert left["request"] == "fix GPUs first"


def test_tasks_that_lock_each_other_out(checked: Trigger, tmp_path: Path) -> None:
    """Users of their own, in folders where nobody may use what others made."""
    image = read_image()
    checked.azure.batch.earlier = without_user
    with new_node(checked.azure, image=replace(image, modes=dict.fromkeys(image.modes, 0o1777))):
        found = check(checked, tmp_path, code=21)
    bad = wrong(found)
    assert list(bad) == ["node's folder", "slots"]
    users = re.match(r"tasks run as (\d+):\d+ and (\d+):\d+, and what they share can't be used: '/", bad["node's folder"])
    assert users is not None
    assert users[1] != users[2]
    assert "can't be written: check its permissions. -> /node and /slots of the image must be open" in bad["node's folder"]
    assert bad["node's folder"].endswith(" --user 10001:10001', then pulumi up")
    assert found[-1]["text"] == "fix node's folder, slots first"


def test_an_option_of_containers_that_batch_refuses(checked: Trigger, tmp_path: Path) -> None:
    with new_node(checked.azure, refused=frozenset({"--cap-drop"})):
        bad = wrong(check(checked, tmp_path, code=21))
    assert list(bad) == ["nodes"]
    assert "unrecognized arguments: --cap-drop) -> pulumi config set containerOptions '--read-only " in bad["nodes"]
    assert "--cap-drop" not in bad["nodes"].partition(" -> ")[2]


def test_a_node_that_starts_no_container(checked: Trigger, tmp_path: Path) -> None:
    pool = checked.azure.batch.pool
    with new_node(checked.azure):
        checked.azure.batch.wait(lambda: len(pool.nodes) == 1)
        with checked.azure.batch.lock:
            (node,) = pool.nodes
            node.is_broken = True
        bad = wrong(check(checked, tmp_path, code=21))
    assert list(bad) == ["nodes"]
    assert bad["nodes"].startswith(
        f"node {node.id} starts no container (FailureExitCode: The task exited with 126.) -> run it again"
    )
    assert f"pool > nodes: remove {node.id}" in bad["nodes"]


def test_no_node_comes_in_time(checked: Trigger, tmp_path: Path) -> None:
    pool = checked.azure.batch.pool
    checked.azure.batch.wait(lambda: not pool.nodes)
    pool.fixed = 0
    try:
        bad = wrong(check(checked, tmp_path, "--minutes", "0.01", code=21))
    finally:
        pool.fixed = None
    assert list(bad) == ["nodes"]
    assert bad["nodes"].startswith("no node came in the time it had; the pool looks for work every 5 minutes")


def test_ctrl_c_takes_everything_away(checked: Trigger, tmp_path: Path) -> None:
    pool = checked.azure.batch.pool
    checked.azure.batch.wait(lambda: not pool.nodes)
    pool.fixed = 0
    process = forked.start(
        [*forked.SCORER, "check", "--every", "0.1"],
        checked.azure.environment(PERSON),
        tmp_path,
        tmp_path / "out",
        tmp_path / "errors",
    )
    try:
        checked.azure.batch.wait(lambda: any(job.startswith("check-") for job in checked.azure.batch.ledger.jobs))
        os.kill(process.pid, signal.SIGINT)
        assert process.wait() == 130, (tmp_path / "errors").read_text() + (tmp_path / "out").read_text()
    finally:
        process.kill()
        pool.fixed = None
    assert "Stopped. What the check had made is taken away" in (tmp_path / "errors").read_text()
