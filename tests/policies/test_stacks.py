"""Each of the shipped stacks as it would be made: it breaks no rule of the pack, and passes checkov but for what is waived."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from emulator.arm.cloud import Cloud
from emulator.pulumi.engine import Deployment, EngineError
from emulator.pulumi.provider import serve
from tests.policies.built_in import GROUP, POLICIES, BuiltIn, refused
from tests.policies.checkov_run import Body, Finding, complaints, idle, load_waivers, scan
from tests.policies.engine import PACK, starter

STACKS = ("dev", "example", "prod")
# The others have Batch.
SETTINGS = {"dev": {"engine": "machine-learning"}}


@dataclass(frozen=True)
class Made:
    """A stack that was made: what stands in the cloud, and what the engine said."""

    cloud: Cloud
    log: str


@pytest.fixture(scope="module")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Made]:
    """Every stack, made with the pack, whose rules are all mandatory: had one broken a rule, it wouldn't be there."""
    return {stack: make(stack, tmp_path_factory.mktemp(stack)) for stack in STACKS}


def make(stack: str, folder: Path) -> Made:
    cloud = Cloud()
    cloud.people = {"11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"}  # the example names them
    with pytest.MonkeyPatch.context() as patch, serve(cloud) as port:
        patch.setenv("PATH", os.pathsep.join([str(starter(folder / "bin")), os.environ["PATH"]]))
        deployment = Deployment(folder=folder, port=port, stack=stack, policies=[PACK], settings=dict(SETTINGS.get(stack, {})))
        deployment.up()
        return Made(cloud, deployment.log)


@pytest.fixture(scope="module")
def findings(stacks: dict[str, Made]) -> dict[str, list[Finding]]:
    """What checkov says of each stack."""
    return dict(zip(stacks, scan(*(bodies(made.cloud) for made in stacks.values())), strict=True))


def bodies(cloud: Cloud) -> list[Body]:
    """What Azure got, as the resources of an ARM template."""
    return [
        {**each.body, "type": each.type, "apiVersion": each.api_version, "name": own_name(each.id)} for each in cloud.bodies()
    ]


def own_name(resource_id: str) -> str:
    """The name as templates write it: those of the parents, too, between slashes."""
    own = resource_id.rpartition("/providers/")[2] or resource_id
    return "/".join(own.split("/")[2::2])


@pytest.mark.parametrize("stack", STACKS)
def test_no_rule_is_broken(stack: str, stacks: dict[str, Made]) -> None:
    log = stacks[stack].log
    assert f"✅ batch-scoring@v0.1.0 (local: {PACK})" in log
    assert "can't run policy" not in log


@pytest.mark.parametrize("stack", STACKS)
def test_checkov_finds_nothing(stack: str, findings: dict[str, list[Finding]]) -> None:
    types = {finding.type for finding in findings[stack]}
    engine = (
        {"Microsoft.KeyVault/vaults", "Microsoft.MachineLearningServices/workspaces"}
        if stack in SETTINGS
        else {"Microsoft.Batch/batchAccounts"}
    )
    assert (
        engine
        | {
            "Microsoft.ContainerRegistry/registries",
            "Microsoft.Network/networkSecurityGroups",
            "Microsoft.Storage/storageAccounts",
            "Microsoft.Storage/storageAccounts/blobServices/containers",
        }
        <= types
    )
    assert complaints(findings[stack], load_waivers()) == []


def test_no_waiver_is_idle(findings: dict[str, list[Finding]]) -> None:
    assert idle([finding for found in findings.values() for finding in found], load_waivers()) == []


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.id)
def test_azures_own_policies_refuse_what_is_told_and_nothing_else(policy: BuiltIn, stacks: dict[str, Made]) -> None:
    found = {stack for stack, made in stacks.items() if list(refused(policy, bodies(made.cloud)))}
    assert found == policy.fails
    assert bool(policy.reason) == bool(policy.fails)


def test_azures_own_policies_are_about_what_there_is(stacks: dict[str, Made]) -> None:
    """A policy about a type that no stack has would pass for nothing."""
    types = {body["type"] for made in stacks.values() for body in bodies(made.cloud)} | {GROUP}
    assert {policy.type for policy in POLICIES} <= types


@pytest.mark.parametrize(
    ("policy", "change"),
    [
        ("6f68b69f-05fe-49cd-b361-777ee9ca7e35", {"allowedAuthenticationModes": ["AAD", "SharedKey"]}),
        ("74c5a0ae-5e48-4738-b093-65e23a060488", {"publicNetworkAccess": "Enabled"}),
        ("8c6a50c6-9ffd-4ae7-986f-5fa6111f9a54", {"allowSharedKeyAccess": True}),
        ("34c877ad-507e-4c82-993e-3452a6e0ad3c", {"networkAcls": {"defaultAction": "Allow"}}),
        ("dc921057-6b28-4fbe-9b83-f7bec05db6c2", {"adminUserEnabled": True}),
        ("7bca8353-aa3b-429b-904a-9229c4385837", {"subnets": [{"name": "a", "properties": {}}]}),
    ],
)
def test_azures_own_policies_would_refuse_worse(policy: str, change: dict[str, Any], stacks: dict[str, Made]) -> None:
    (known,) = (each for each in POLICIES if each.id == policy)
    changed: list[dict[str, Any]] = [dict(body) for body in bodies(stacks["prod"].cloud) if body["type"] == known.type]
    for body in changed:
        body["properties"] = {**body["properties"], **change}
    assert list(refused(known, changed))


def test_a_stack_that_breaks_a_rule_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.pathsep.join([str(starter(tmp_path / "bin")), os.environ["PATH"]]))
    (tmp_path / "Pulumi.yaml").write_text("name: trial\nruntime: python\n")
    (tmp_path / "__main__.py").write_text(
        "from pulumi_azure_native import storage\n"
        "storage.StorageAccount('open', resource_group_name='trial', kind='StorageV2', sku={'name': 'Standard_LRS'})\n"
    )
    cloud = Cloud()
    with serve(cloud) as port:
        deployment = Deployment(
            folder=tmp_path / "state", port=port, stack="trial", program=tmp_path / "__main__.py", policies=[PACK]
        )
        with pytest.raises(EngineError, match="storage-no-shared-key"):
            deployment.up()
    assert len(cloud) == 0
