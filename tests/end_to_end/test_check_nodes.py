"""`scorer check` on nodes that something is wrong with: which line says so, and what to do."""

import os
import re
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from emulator import forked
from emulator.batch.container import read_image
from emulator.local_azure import PERSON, LocalAzure
from emulator.logic_app.trigger import Trigger
from tests.end_to_end.checks import check, left_out, wrong
from tests.end_to_end.test_unkind import without_user
from tests.stacks.test_nodes import driver, said


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
