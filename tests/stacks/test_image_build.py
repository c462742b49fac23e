"""Building images by Azure Resource Manager's calls, against a service that answers as the registries' build service does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.arm import builds, outputs
from emulator.arm.builds import RUNS, BuildService
from emulator.arm.cloud import Cloud
from emulator.arm.outputs import TOKEN, login_server
from emulator.arm.requests import Json
from scorer.azure import retries
from scorer.azure.clouds import PUBLIC
from stacks import image_build
from stacks.image_build import Builder, BuildError, upload
from stacks.image_context import ImageContext
from tests.emulator.sample_resources import SampleResources

ARM = PUBLIC.resource_manager
CONTEXT = ImageContext("submitter", Path(__file__).parents[2])


@pytest.fixture
def service() -> Iterator[BuildService]:
    with builds.serve(SampleResources(Cloud()).cloud) as running:
        yield running


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def builder(service: BuildService, told: list[str]) -> Builder:
    (registry,) = service.cloud.of_type("Microsoft.ContainerRegistry/registries")
    return Builder(registry.id, ARM, lambda: TOKEN, told.append)


def test_an_image_is_built_of_what_was_uploaded(service: BuildService, builder: Builder, told: list[str]) -> None:
    base = builder.build(CONTEXT, "submitter:1", "small.azurecr.io")
    assert base == f"registry.hub.docker.com/library/python:3.11.15-slim-bookworm@{builds.BASE_DIGEST}"
    assert list(service.cloud.uploads.values()) == [CONTEXT.archive()]
    assert service.cloud.images == ["images/submitter:1"]
    assert told == ["image submitter:1: run cb1, queued (0 min)", "image submitter:1: run cb1, running (0 min)"]


def test_another_base_is_a_build_argument(service: BuildService, builder: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Json] = []
    schedule = service._schedule

    def listen(registry: str, body: Json) -> Json:
        sent.append(body)
        return schedule(registry, body)

    monkeypatch.setattr(service, "_schedule", listen)
    builder.build(ImageContext(CONTEXT.name, CONTEXT.root, "mirror.example/python:3.11"), "submitter:1", "small.azurecr.io")
    assert sent[0]["arguments"] == [{"name": "BASE", "value": "mirror.example/python:3.11", "isSecret": False}]


def test_a_log_that_tells_no_base_ends_nothing(service: BuildService, builder: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "log", lambda _: "Run ID: cb1 was successful")
    assert builder.build(CONTEXT, "submitter:1", "small.azurecr.io") == ""
    assert service.cloud.images == ["images/submitter:1"]


@pytest.mark.parametrize("end", ["Failed", "Timeout", "Canceled", "Error"])
def test_a_build_that_failed_is_told_with_the_end_of_its_log(service: BuildService, builder: Builder, end: str) -> None:
    service.cloud.fail(RUNS, end, "\n".join(f"line {number}" for number in range(100)))
    with pytest.raises(BuildError, match=f"run cb1 ended as {end}") as failed:
        builder.build(CONTEXT, "submitter:1", "small.azurecr.io")
    text = str(failed.value)
    assert "line 99" in text
    assert "line 50" not in text
    assert outputs.SIGNATURE not in text
    assert not service.cloud.images


def test_without_its_log_one_is_told_how_to_get_it(
    service: BuildService, builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.cloud.fail(RUNS, "Failed", "no")
    monkeypatch.setattr(service, "log", lambda _: None)  # the connection ends without an answer
    monkeypatch.setattr(retries, "TRIES", 1)
    with pytest.raises(BuildError, match="az acr task logs --registry images --run-id cb1"):
        builder.build(CONTEXT, "submitter:1", "small.azurecr.io")


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("TasksOperationsNotAllowed", "This subscription may not build images in Azure"),
        ("QuotaExceeded", r"refused 'scheduleRun' \(QuotaExceeded: too many\): fix that"),
    ],
)
def test_a_refusal_says_what_to_do(service: BuildService, builder: Builder, code: str, says: str) -> None:
    service.cloud.fail(RUNS, code, "too many")
    with pytest.raises(BuildError, match=says):
        builder.build(CONTEXT, "submitter:1", "small.azurecr.io")


def test_a_login_that_isnt_one_and_a_registry_that_isnt_there(service: BuildService, builder: Builder) -> None:
    with pytest.raises(BuildError, match="InvalidAuthenticationToken"):
        Builder(builder.registry_id, ARM, lambda: "other", print).build(CONTEXT, "submitter:1", "small.azurecr.io")
    with pytest.raises(BuildError, match="ResourceNotFound"):
        Builder(builder.registry_id + "x", ARM, lambda: TOKEN, print).build(CONTEXT, "submitter:1", "small.azurecr.io")
    assert not service.cloud.uploads


def test_a_service_that_is_away_is_asked_again_and_then_told(builder: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(image_build.ENDPOINT_VARIABLE, "http://127.0.0.1:9")
    monkeypatch.setattr(retries, "TRIES", 2)
    with pytest.raises(BuildError, match="can't be reached"):
        builder.build(CONTEXT, "submitter:1", "small.azurecr.io")


def test_nothing_is_sent_unencrypted(builder: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(image_build.ENDPOINT_VARIABLE, "http://management.example")
    with pytest.raises(BuildError, match="can't be reached"):
        builder.build(CONTEXT, "submitter:1", "small.azurecr.io")
    with pytest.raises(BuildError, match="its address can't be used"):
        upload(f"http://account.example/source?sig={outputs.SIGNATURE}", b"")


def test_an_upload_that_is_refused_says_why_but_not_where(service: BuildService) -> None:
    with pytest.raises(BuildError, match="status 403") as refused:
        upload(f"{service.address}/source/context.tar.gz?sig=wrong", b"")
    assert service.address not in str(refused.value)


def test_the_service_refuses_what_azure_would(service: BuildService, builder: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    request = image_build._run_request(CONTEXT, "submitter:1", "source", "small.azurecr.io")
    for name, value, says in (
        ("API", "2020-01-01", "InvalidApiVersionParameter"),
        ("_run_request", lambda *_: {**request, "imageNames": "submitter:1"}, "InvalidRequestContent"),
        ("_run_request", lambda *_: request, "Nothing was uploaded"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(image_build, name, value)
            with pytest.raises(BuildError, match=says):
                builder.build(CONTEXT, "submitter:1", "small.azurecr.io")
    assert not service.cloud.images


def test_what_is_built_on_an_image_of_ours_needs_it_in_the_registry(builder: Builder, service: BuildService) -> None:
    (registry,) = service.cloud.of_type("Microsoft.ContainerRegistry/registries")
    server, context = login_server(registry), ImageContext("scorer-ml", CONTEXT.root)
    with pytest.raises(BuildError, match="manifest unknown"):
        builder.build(context, "scorer-ml:1", server)
    assert context.built_on
    service.cloud.images.append(f"{registry.request.name}/scorer:{context.built_on.tag}")
    builder.build(context, "scorer-ml:1", server)
    assert service.cloud.images[-1] == f"{registry.request.name}/scorer-ml:1"
