"""Nodes: what each does before its first task."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from emulator.arm.cloud import Cloud
from stacks.cluster import start_command
from tests.azure_fixtures import Deploy

POOL = "Microsoft.Batch/batchAccounts/pools"


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """The programs of a node whose clock doesn't make anybody wait."""
    program(tmp_path, "sleep", "true")
    return tmp_path


def program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/bash\n{script}\n")
    path.chmod(0o755)


def check(folder: Path, gpus: int) -> int:
    return said(folder, gpus).returncode


def said(folder: Path, gpus: int) -> subprocess.CompletedProcess[str]:
    """What Batch does with a command line: no shell is there but the one that it names itself."""
    command = shlex.split(start_command(gpus))
    return subprocess.run(command, env={"PATH": f"{folder}:/usr/bin:/bin"}, capture_output=True, text=True, check=False)


def driver(folder: Path, gpus: int, exit_code: int = 0, version: str = "580.105.08") -> None:
    listed = "; ".join(f"echo 'GPU {number}: Tesla T4'" for number in range(gpus)) or "true"
    versions = "; ".join(["echo " + version] * gpus) or "true"
    asked = f"case $1 in --list-gpus) {listed};; --query-gpu=driver_version) {versions};; esac"
    program(folder, "nvidia-smi", f"{asked}\nexit {exit_code}")


@pytest.mark.parametrize("gpus", [1, 4])
def test_a_node_with_all_its_gpus_takes_tasks(gpus: int, node: Path) -> None:
    driver(node, gpus)
    assert check(node, gpus) == 0


@pytest.mark.parametrize(("found", "exit_code"), [(4, 9), (3, 0), (0, 0)], ids=["broken driver", "one lost", "none"])
def test_a_node_without_them_does_not(found: int, exit_code: int, node: Path) -> None:
    driver(node, found, exit_code)
    assert check(node, 4) == 1


@pytest.mark.parametrize("version", ["570.172.08", "", "[N/A]"])
def test_a_node_whose_driver_is_too_old_says_so_and_takes_none(version: str, node: Path) -> None:
    driver(node, 4, version=version)
    found = said(node, 4)
    assert found.returncode == 3
    assert f"The NVIDIA driver of this node is {version}, and CUDA 13 needs 580 or newer: set nodeImageVersion" in found.stdout


def test_a_newer_driver_will_do(node: Path) -> None:
    driver(node, 1, version="595.12")
    assert check(node, 1) == 0


def test_a_node_without_a_driver_does_not(node: Path) -> None:
    assert check(node, 1) == 1


def test_every_node_looks_at_its_gpus_first(azure: Cloud, deploy: Deploy) -> None:
    deployment = deploy("dev", gpuSize="Standard_NC64as_T4_v3", mount="blob")
    deployment.up()
    (pool,) = azure.of_type(POOL)
    properties = pool.body["properties"]
    start = properties["startTask"]
    assert start["commandLine"] == start_command(4)
    assert start["waitForSuccess"] is True
    assert 1 <= start["maxTaskRetryCount"] <= 2
    assert "containerSettings" not in start
    assert "start-task-failed" in str([each.request.name for each in azure.of_type("Microsoft.Insights/metricAlerts")])

    (mount,) = properties["mountConfiguration"]
    options = mount["azureBlobFileSystemConfiguration"]["blobfuseOptions"].split()
    assert {"allow_other", "direct_io", "--file-cache-timeout=0"} <= set(options)
    (guard,) = (each for each in azure.of_type("Microsoft.Network/networkSecurityGroups") if "-nodes" in each.request.name)
    rules = {rule["name"]: rule["properties"] for rule in guard.body["properties"]["securityRules"]}
    packages = rules["packages"]
    assert (packages["destinationAddressPrefix"], packages["destinationPortRanges"]) == ("Internet", ["80", "443"])
    assert packages["access"] == "Allow"
    assert packages["direction"] == "Outbound"
    assert packages["priority"] < rules["no-other-way-out"]["priority"]
    assert rules["batch"]["protocol"] == "*"
    assert {name for name, rule in rules.items() if rule["direction"] == "Inbound"} == {"nothing-in"}
    # Container groups are called from the VNet, by Azure itself; nobody else gets in by Azure's own rules.
    (other,) = (each for each in azure.of_type("Microsoft.Network/networkSecurityGroups") if "-submitter" in each.request.name)
    assert {rule["properties"]["direction"] for rule in other.body["properties"]["securityRules"]} == {"Outbound"}


def disk(azure: Cloud) -> tuple[str, int]:
    """The pool's id, and the size of its nodes' disk."""
    (pool,) = azure.of_type(POOL)
    machine = pool.body["properties"]["deploymentConfiguration"]["virtualMachineConfiguration"]
    return pool.id, machine["osDisk"]["diskSizeGB"]


def test_another_disk_comes_with_another_pool(azure: Cloud, deploy: Deploy) -> None:
    deployment = deploy("dev")
    deployment.up()
    old, size = disk(azure)
    assert size == 256
    deployment.settings["nodeDiskGb"] = 512
    deployment.up()
    new, size = disk(azure)
    assert size == 512
    assert new != old
