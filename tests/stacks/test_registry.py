"""Images in the real engine: built by an update, or brought by the user."""

from __future__ import annotations

import pytest

from emulator.arm.builds import RUNS
from emulator.arm.cloud import Cloud
from emulator.pulumi.engine import EngineError
from stacks.image_age import CLOCK_VARIABLE
from tests.azure_fixtures import Deploy

POOL = "Microsoft.Batch/batchAccounts/pools"
MONDAY = 1_795_392_000  # 2026-11-23, UTC
WORKFLOW = "Microsoft.Logic/workflows"


def test_a_subscription_that_may_not_build_says_what_to_do(azure: Cloud, deploy: Deploy) -> None:
    deployment = deploy("dev")
    azure.fail(RUNS, "TasksOperationsNotAllowed", "ACR Tasks requests are not permitted.", times=2)
    with pytest.raises(EngineError) as refused:
        deployment.up()
    assert "name it in the stack's settings" in str(refused.value)


def test_a_build_that_failed_shows_its_log_and_is_built_by_the_next_update(azure: Cloud, deploy: Deploy) -> None:
    deployment = deploy("dev")
    azure.fail(RUNS, "Failed", "pip: no such package")
    with pytest.raises(EngineError) as refused:
        deployment.up()
    assert "was not built" in str(refused.value)
    assert "pip: no such package" in str(refused.value)
    # The pool may be there: whether it was made before the build failed is chance, and no job can name an image that isn't there.
    assert not azure.of_type(WORKFLOW), "a request would start a container whose image isn't there"
    deployment.up()
    assert sorted(image.rpartition("/")[2].partition(":")[0] for image in azure.images) == ["scorer", "submitter"]
    assert azure.of_type(POOL)
    assert azure.of_type(WORKFLOW)
    assert deployment.up().is_unchanged


def test_another_content_or_age_is_another_image_built_beside_the_old_one(
    azure: Cloud, deploy: Deploy, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = deploy("dev")
    first = deployment.up().outputs["deployment"]["image"]
    deployment.settings["baseImage"] = "mirror.example/python:3.11.15-slim-bookworm"
    with azure.fresh_record() as events:
        second = deployment.up().outputs["deployment"]["image"]
    assert first != second
    built = [image for image in azure.images if "/scorer:" in image]
    assert built == [reference.replace(".azurecr.io", "") for reference in (first, second)]
    assert {event.verb for event in events} == {"update"}

    monkeypatch.setenv(CLOCK_VARIABLE, str(MONDAY))
    deployment.settings["rebuildDays"] = "7"
    weekly = deployment.up().outputs["deployment"]["image"]
    assert weekly == f"{second}-20261123"
    monkeypatch.setenv(CLOCK_VARIABLE, str(MONDAY + 7 * 86_400 - 1))
    assert deployment.up().is_unchanged, "until the week is over"
    monkeypatch.setenv(CLOCK_VARIABLE, str(MONDAY + 7 * 86_400))
    with azure.fresh_record() as events:
        assert deployment.up().outputs["deployment"]["image"] == f"{second}-20261130"
    assert POOL not in {event.type for event in events}, "nodes and the jobs on them stay"
    names = {first, second, weekly, f"{second}-20261130"}
    assert {reference.replace(".azurecr.io", "") for reference in names} <= set(azure.images), "jobs keep theirs"


def test_images_that_are_ready_are_not_built(azure: Cloud, deploy: Deploy) -> None:
    ready = {"image": "docker.io/acme/scorer:1.4", "submitterImage": "docker.io/acme/submitter:1.4"}
    outputs = deploy("dev", **ready).up().outputs
    assert outputs["deployment"]["image"] == ready["image"]
    assert not azure.images
    assert not azure.uploads


def test_nodes_may_pull_a_ready_image_from_the_stacks_own_registry(azure: Cloud, deploy: Deploy) -> None:
    deployment = deploy("dev")
    server = deployment.up().outputs["deployment"]["image"].partition("/")[0]
    deployment.settings |= {"image": f"{server}/scorer:1.4", "submitterImage": f"{server}/submitter:1.4"}
    with azure.fresh_record() as events:
        deployment.up()
    assert POOL not in {event.type for event in events}, "the pool knows the registry already"
    (pool,) = azure.of_type(POOL)
    machine = pool.body["properties"]["deploymentConfiguration"]["virtualMachineConfiguration"]
    assert [each["registryServer"] for each in machine["containerConfiguration"]["containerRegistries"]] == [server]
    rules = [
        rule["name"]
        for group in azure.of_type("Microsoft.Network/networkSecurityGroups")
        for rule in group.body["properties"]["securityRules"]
    ]
    assert "foreign-registry" not in rules


def test_a_private_registry_is_closed_once_nothing_is_built_in_it(azure: Cloud, deploy: Deploy) -> None:
    deployment = deploy("prod")
    deployment.up()
    (registry,) = azure.of_type("Microsoft.ContainerRegistry/registries")
    assert registry.body["properties"]["publicNetworkAccess"] == "Enabled"
    deployment.settings |= {"image": "docker.io/acme/scorer:1.4", "submitterImage": "docker.io/acme/submitter:1.4"}
    deployment.up()
    assert azure.get(registry.id).body["properties"]["publicNetworkAccess"] == "Disabled"
