"""Azure's clouds: one table, which nobody else repeats, and which a process is told of by its deployment."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from emulator.arm.cloud import Cloud
from emulator.pulumi.engine import EngineError
from scorer.azure import clouds
from scorer.cli.target import find_deployment
from scorer.errors import RequestError
from scorer.store.blob import blob_endpoint
from tests.azure_fixtures import Deploy
from tests.scorer.documents.test_deployment import DOCUMENT

ROOT = Path(__file__).parents[3]
HOSTS = re.compile(
    r"[\w{}.-]*(?:azure\.(?:com|net|us|cn)|windows\.net|azurecr\.(?:io|us|cn)|microsoftonline\.(?:com|us)"
    r"|chinacloudapi\.cn|usgovcloudapi\.net)"
)
# Pages of documentation, and the name of a format: no addresses that anything is sent to.
NO_ADDRESSES = {"learn.microsoft.com", "azure.microsoft.com", "azure.github.io", "schema.management.azure.com"}
# What tokens for storage and registries are for, by one name in all clouds:
# https://learn.microsoft.com/azure/storage/blobs/authorize-access-azure-active-directory
EVERYWHERE = {"storage.azure.com", "containerregistry.azure.net"}
# Values of settings that are examples; and the workflow's audiences, which are put right when it is deployed: a test below.
REPLACED = {"stacks/Pulumi.example.yaml", "logicapp/workflow.json"}


def sources() -> list[Path]:
    folders = [ROOT / name for name in ("scorer", "stacks", "logicapp", "images", "policies")]
    found = [
        path
        for folder in folders
        for path in folder.rglob("*")
        if path.suffix in (".py", ".json", ".yaml") or "Docker" in path.name
    ]
    return [*found, ROOT / "__main__.py", ROOT / "Pulumi.yaml"]


def hosts(path: Path) -> set[str]:
    return set(HOSTS.findall(path.read_text(encoding="utf-8"))) - EVERYWHERE - NO_ADDRESSES


def test_no_other_module_names_a_host_of_a_cloud() -> None:
    named = {str(path.relative_to(ROOT)): hosts(path) for path in sources()}
    assert len(named.pop("scorer/azure/clouds.py")) > 10
    assert {path: found for path, found in named.items() if found and path not in REPLACED} == {}


def test_each_cloud_has_its_own_of_everything() -> None:
    for attribute in ("authority", "resource_manager", "portal", "batch_scope", "blobs", "registries", "vaults"):
        assert len({getattr(cloud, attribute) for cloud in clouds.CLOUDS.values()}) == 3, attribute
    for kind in ("blob", "registry", "batch"):
        assert len({cloud.zones[kind] for cloud in clouds.CLOUDS.values()}) == 3
    for cloud in clouds.CLOUDS.values():
        assert cloud.zones["blob"] == cloud.blobs.replace("https://{account}.", "privatelink.")
        assert cloud.zones["registry"] == f"privatelink{cloud.registries}"


@pytest.mark.parametrize(
    ("region", "name"),
    [("westeurope", "public"), ("usgovvirginia", "usgovernment"), ("usdodeast", "usgovernment"), ("chinanorth3", "china")],
)
def test_a_region_is_in_one_cloud(region: str, name: str) -> None:
    assert clouds.of_region(region).name == name


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for variable in (clouds.VARIABLE, clouds.BLOB_ENDPOINT, clouds.AUTHORITY):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    return monkeypatch


def test_a_process_is_where_its_deployment_is(nowhere: pytest.MonkeyPatch) -> None:
    assert (clouds.current(), clouds.told()) == (clouds.PUBLIC, {})
    clouds.enter("public", "https://{account}.blob.core.windows.net")
    assert clouds.told() == {}, "nothing is set that holds anyway"
    clouds.enter("china", "https://{account}.z1.blob.storage.chinacloudapi.cn")
    assert clouds.current() == clouds.CHINA
    assert blob_endpoint("films") == "https://films.z1.blob.storage.chinacloudapi.cn"
    assert clouds.told()["AZURE_AUTHORITY_HOST"] == "login.chinacloudapi.cn"
    nowhere.setitem(os.environ, clouds.VARIABLE, "moon")
    with pytest.raises(RequestError, match="'moon' is none of Azure's clouds: those are public, usgovernment, china"):
        clouds.current()


def test_a_person_s_command_is_where_the_deployment_is(nowhere: pytest.MonkeyPatch) -> None:
    del nowhere
    text = json.dumps({**DOCUMENT, "cloud": "usgovernment", "blobEndpoint": ""})
    find_deployment("", text)
    assert clouds.told() == clouds.environment(clouds.US_GOVERNMENT, clouds.US_GOVERNMENT.blobs)
    with pytest.raises(RequestError, match="'mars' is none of Azure's clouds"):
        find_deployment("", json.dumps({**DOCUMENT, "cloud": "mars"}))


def test_a_deployment_elsewhere_names_no_host_of_the_public_cloud(azure: Cloud, deploy: Deploy) -> None:
    settings = {"azure-native:environment": "china", "location": "chinanorth3"}
    outcome = deploy("dev", **settings).up()
    sent = json.dumps([each.body for each in azure]) + json.dumps(dict(outcome.outputs))
    # Where workflows and telemetry are, Azure itself says.
    found = {host for host in HOSTS.findall(sent) if not host.endswith(("logic.azure.com", "applicationinsights.azure.com"))}
    ours = {host for host in found - EVERYWHERE - NO_ADDRESSES if not host.endswith((".cn",))}
    assert ours == set()
    assert {"login.chinacloudapi.cn", "management.chinacloudapi.cn", "portal.azure.cn"} <= found
    assert outcome.outputs["deployment"]["cloud"] == "china"
    with pytest.raises(
        EngineError, match="azure-native:environment is 'china', and location 'westeurope' is in the cloud 'public'"
    ):
        deploy("dev", **{**settings, "location": "westeurope"}).preview()
