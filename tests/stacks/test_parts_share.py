"""`mount: nfs`: an account that nobody reaches but nodes, by a private endpoint; its share, opened by each node's first task."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.arm.cloud import Cloud, Resource
from emulator.pulumi import provider
from emulator.pulumi.engine import Deployment
from scorer.check.pool import _todo
from scorer.engines.azure_batch.pool import BadNode
from stacks.cluster import start_command
from stacks.cost import at_rest
from stacks.settings import Settings
from tests.azure_fixtures import Deploy
from tests.stacks.refused import refusals

ACCOUNTS = "Microsoft.Storage/storageAccounts"
SHARES = f"{ACCOUNTS}/fileServices/shares"
ENDPOINTS = "Microsoft.Network/privateEndpoints"
ZONES = "Microsoft.Network/privateDnsZones"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cloud, Deployment]]:
    """Where other accounts are reached by service endpoints. Its tests stand in the order in which they change it."""
    azure = Cloud()
    with provider.serve(azure) as port:
        deployment = Deployment(
            folder=tmp_path_factory.mktemp("nfs"), port=port, stack="dev", settings={"mount": "nfs", "nfsGb": 128}
        )
        deployment.up()
        yield azure, deployment


def account(azure: Cloud) -> Resource:
    (found,) = (each for each in azure.of_type(ACCOUNTS) if each.body["kind"] == "FileStorage")
    return found


def test_the_account_takes_no_key_and_is_closed_to_all_networks(made: tuple[Cloud, Deployment]) -> None:
    azure, _ = made
    found = account(azure)
    assert found.body["sku"]["name"] == "Premium_LRS"
    properties = found.body["properties"]
    assert properties["allowSharedKeyAccess"] is False
    assert properties["publicNetworkAccess"] == "Disabled"
    assert properties["supportsHttpsTrafficOnly"] is False  # which NFS without TLS needs
    assert properties["networkAcls"] == {"defaultAction": "Deny", "bypass": "None", "ipRules": [], "virtualNetworkRules": []}
    assert set(properties["encryption"]["services"]) == {"file"}
    (share,) = azure.of_type(SHARES)
    assert share.id == f"{found.id}/fileServices/default/shares/parts"
    assert share.body["properties"] == {"enabledProtocols": "NFS", "rootSquash": "NoRootSquash", "shareQuota": 128}


def test_nodes_reach_it_by_a_private_endpoint_on_the_port_of_nfs(made: tuple[Cloud, Deployment]) -> None:
    azure, _ = made
    (endpoint,) = azure.of_type(ENDPOINTS)
    (connection,) = endpoint.body["properties"]["privateLinkServiceConnections"]
    assert connection["properties"]["groupIds"] == ["file"]
    assert connection["properties"]["privateLinkServiceId"] == account(azure).id
    (zone,) = azure.of_type(ZONES)
    assert zone.request.name == "privatelink.file.core.windows.net"
    guards = {
        next(subnet for subnet in ("nodes", "submitter", "endpoints") if f"-{subnet}" in each.request.name): each.body[
            "properties"
        ]
        for each in azure.of_type("Microsoft.Network/networkSecurityGroups")
    }
    (way,) = (rule["properties"] for rule in guards["nodes"]["securityRules"] if rule["name"] == "parts")
    assert (way["destinationAddressPrefix"], way["destinationPortRanges"]) == ("VirtualNetwork", ["2049"])
    assert "2049" not in str(guards["submitter"])


def test_nodes_mount_it_and_wait_for_its_name(made: tuple[Cloud, Deployment]) -> None:
    azure, deployment = made
    (pool,) = azure.of_type("Microsoft.Batch/batchAccounts/pools")
    (mount,) = pool.body["properties"]["mountConfiguration"]
    own = account(azure).request.name
    assert mount["nfsMountConfiguration"] == {
        "source": f"{own}.file.core.windows.net:/{own}/parts",
        "relativeMountPath": "parts",
        "mountOptions": "-o vers=4,minorversion=1,sec=sys,nconnect=4",
    }
    assert pool.body["properties"]["startTask"]["commandLine"] == start_command(1, share=True)
    resources = deployment.resources()
    (declared,) = (each for each in resources if each["type"].endswith("batch:Pool"))
    needed = {each["urn"] for each in resources if each["type"].endswith(("VirtualNetworkLink", "PrivateDnsZoneGroup"))}
    assert len(needed) == 2
    assert needed <= set(declared["dependencies"])


def test_its_logs_are_kept_and_people_are_told_its_price(made: tuple[Cloud, Deployment]) -> None:
    azure, deployment = made
    logged = [
        each.id.partition("/providers/Microsoft.Insights")[0] for each in azure.of_type("Microsoft.Insights/diagnosticSettings")
    ]
    assert f"{account(azure).id}/fileServices/default" in logged
    assert deployment.up().is_unchanged


def test_a_larger_share_grows_in_place_and_goes_with_its_account(made: tuple[Cloud, Deployment]) -> None:
    azure, deployment = made
    before = account(azure).id
    deployment.settings["nfsGb"] = 256
    deployment.up()
    (share,) = azure.of_type(SHARES)
    assert (account(azure).id, share.body["properties"]["shareQuota"]) == (before, 256)
    (old,) = azure.of_type("Microsoft.Batch/batchAccounts/pools")
    del deployment.settings["nfsGb"]
    deployment.settings["mount"] = "none"
    deployment.up()
    assert not [each for each in azure if "fileServices" in each.id or each.body.get("kind") == "FileStorage"]
    assert not azure.of_type(ENDPOINTS)
    (new,) = azure.of_type("Microsoft.Batch/batchAccounts/pools")
    assert new.id != old.id


def test_where_all_is_private_it_has_an_endpoint_beside_the_others(azure: Cloud, deploy: Deploy) -> None:
    deploy("prod", mount="nfs").up()
    kinds = [
        connection["properties"]["groupIds"][0]
        for each in azure.of_type(ENDPOINTS)
        for connection in each.body["properties"]["privateLinkServiceConnections"]
    ]
    assert sorted(kinds) == ["batchAccount", "blob", "blob", "file", "nodeManagement", "registry"]
    assert len(azure.of_type(ZONES)) == 4
    assert account(azure).body["sku"]["name"] == "Premium_ZRS"


# What a node does


def program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/bash\n{script}\n")
    path.chmod(0o755)


def started(folder: Path, mounts: Path, *, mounted: bool) -> subprocess.CompletedProcess[str]:
    """A start task on a node with its GPU, whose share is mounted or not."""
    programs = folder / "bin"
    programs.mkdir()
    program(programs, "sleep", "true")
    program(programs, "mountpoint", f"[ $2 = {mounts}/parts ] && exit {0 if mounted else 32}")
    program(programs, "nvidia-smi", "case $1 in --list-gpus) echo GPU;; --query-gpu=driver_version) echo 580.1;; esac")
    environment = {"PATH": f"{programs}:/usr/bin:/bin", "AZ_BATCH_NODE_MOUNTS_DIR": str(mounts)}
    command = shlex.split(start_command(1, share=True))
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_the_start_task_opens_the_share_to_tasks(tmp_path: Path) -> None:
    (tmp_path / "mounts/parts").mkdir(parents=True)
    assert started(tmp_path, tmp_path / "mounts", mounted=True).returncode == 0
    assert (tmp_path / "mounts/parts").stat().st_mode & 0o7777 == 0o1777


def test_a_node_without_the_share_takes_no_tasks_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "mounts/parts").mkdir(parents=True)  # which would be the node's own disk
    done = started(tmp_path, tmp_path / "mounts", mounted=False)
    assert done.returncode == 4
    assert f"The share for parts is not mounted at {tmp_path}/mounts/parts" in done.stdout
    assert (tmp_path / "mounts/parts").stat().st_mode & 0o7777 != 0o1777
    node = BadNode("node", "starttaskfailed", "its start task ended with 4")
    assert "port 2049" in _todo(node, done.stdout), "scorer check says what to do"


# Settings and costs


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"nfsGb": "200"}, "nfsGb is '200', and mount is 'none', which makes no share: leave it out."),
        ({"nfsGb": "99", "mount": "nfs"}, "nfsGb 99 is no whole number from 100 to 102400."),
        ({"filePrivateDnsZoneResourceId": "none"}, "filePrivateDnsZoneResourceId is 'none': only mount nfs has use for it."),
        (
            {"filePrivateDnsZoneResourceId": "none", "mount": "nfs"},
            "filePrivateDnsZoneResourceId is 'none', and its owner links it to VNets that exist: "
            "set existingVirtualNetworkResourceId, too.",
        ),
    ],
    ids=lambda value: "" if isinstance(value, str) else str(sorted(value)),
)
def test_what_makes_no_sense_is_refused(settings: dict[str, str], said: str) -> None:
    assert refusals(**settings) == [said]


def test_the_whole_share_is_paid_for_whether_it_is_used_or_not() -> None:
    usual = at_rest(Settings(location="westeurope"))
    dev = at_rest(Settings(location="westeurope", mount="nfs"))
    assert {part: dollars for part, dollars in dev.items() if part not in usual} == {
        "file share": pytest.approx(100 * 0.16), "private endpoints": pytest.approx(7.3), "private DNS zones": 0.5,
    }  # fmt: skip
    safe = at_rest(Settings(location="westeurope", mount="nfs", nfs_gb=500, zone_redundant=True, registry_sku="Premium"))
    assert safe["file share"] == pytest.approx(500 * 0.2)
