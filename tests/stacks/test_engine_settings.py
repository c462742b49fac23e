"""What is set of one engine, and means nothing with the other, is told, each in a sentence."""

import json

import pytest
from pydantic.alias_generators import to_camel

from stacks.engine_misfits import OF_BATCH
from stacks.settings import parse
from tests.stacks.refused import ACCOUNT, GUID, NETWORK, PRIVATE, PROVIDERS, refusals

ZONE = f"{PROVIDERS}/Microsoft.Network/privateDnsZones"
# One value of each that isn't its default, and what belongs to it.
VALUES: dict[str, tuple[str, dict[str, str]]] = {
    "nodeImageVersion": ("24.04.2026010101", {}),
    "nodeDiskGb": ("512", {}),
    "encryptionAtHost": ("true", {}),
    "trustedLaunch": ("true", {}),
    "containerOptions": ("--read-only", {}),
    "taskMemoryGb": ("8", {}),
    "submitterEgress": ("azure-cloud", {}),
    "mount": ("blob", {}),
    "batchPrincipal": (GUID, {}),
    "egressIps": ('["20.1.2.3"]', {"existingVirtualNetworkResourceId": NETWORK}),
    "existingBatchAccountResourceId": (ACCOUNT, {}),
    "batchPrivateDnsZoneResourceId": ("none", {"existingVirtualNetworkResourceId": NETWORK, **PRIVATE}),
}


def test_each_setting_of_batch_is_tried() -> None:
    assert set(VALUES) == {to_camel(name) for name in OF_BATCH}


@pytest.mark.parametrize("key", VALUES)
def test_what_batch_alone_has_use_for_is_refused_with_azure_machine_learning(key: str) -> None:
    value, more = VALUES[key]
    (said,) = refusals(engine="machine-learning", **{key: value}, **more)
    told = json.loads(value)[0] if value.startswith("[") else value
    assert said.startswith(f"{key} is '{told}', and ")
    assert said.endswith(": leave it out, or set engine to 'batch'.")
    assert parse({"location": "westeurope", **{key: value}, **more}), "with Batch it counts"


@pytest.mark.parametrize("kind", ["workspace", "notebooks"])
def test_zones_of_a_workspace_are_no_use_to_batch(kind: str) -> None:
    key = f"{kind}PrivateDnsZoneResourceId"
    zone = f"{ZONE}/{'privatelink.api.azureml.ms' if kind == 'workspace' else 'privatelink.notebooks.azure.net'}"
    there = {"existingVirtualNetworkResourceId": NETWORK}
    (said,) = refusals(**{key: zone}, **there, egressIps='["20.1.2.3"]')
    assert said == f"{key} is '{zone}': only engine machine-learning has use for it."
    assert parse({"location": "westeurope", "engine": "machine-learning", key: zone, **there}), "in either isolation"


def test_a_workspaces_endpoint_is_in_both_zones_or_a_policys() -> None:
    settings = {
        "engine": "machine-learning",
        "existingVirtualNetworkResourceId": NETWORK,
        "workspacePrivateDnsZoneResourceId": "none",
    }
    (said,) = refusals(**settings)
    assert said.endswith("one endpoint is in both zones: set both to 'none', or neither.")
    assert parse({"location": "westeurope", **settings, "notebooksPrivateDnsZoneResourceId": "none"})


def test_what_is_on_spot_nodes_ends_after_a_week() -> None:
    settings = {"engine": "machine-learning", "workDays": "9"}
    assert refusals(**settings) == [
        "workDays is 9, and Azure Machine Learning ends what is on Spot nodes after 7 days: set 8 or less, or spotPercent to 0."
    ]
    assert parse({"location": "westeurope", **settings, "spotPercent": "0"})
    assert parse({"location": "westeurope", "workDays": "9"})


def test_another_engine_is_refused() -> None:
    assert refusals(engine="kubernetes") == ["engine 'kubernetes' is not 'batch' or 'machine-learning'."]
