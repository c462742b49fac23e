"""The container group that the workflow asks for: its name, its body, its one argument."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.logic_app.containers import BODY, PARAMETERS, PREFIX, event, validator
from emulator.logic_app.engine import Context, Engine, Json
from stacks import submitter
from tests.logicapp.conftest import WORKFLOW


def put(engine: Engine, **changes: Any) -> tuple[str, Json]:
    """The address and the body with which the workflow would create a group for an event."""
    definition = json.loads(WORKFLOW.read_text())
    context = Context(PARAMETERS, {"body": event(**changes)})
    for name in ("Group_name", "Group", "Request"):
        outputs = engine.evaluate(definition["actions"][name]["inputs"], context)
        context.actions[name] = {"status": "Succeeded", "outputs": outputs}
    create = definition["actions"]["Start"]["actions"]["If_new"]["actions"]["Create"]
    inputs = engine.evaluate(create["inputs"], context)
    return inputs["uri"], inputs["body"]


@settings(deadline=None, max_examples=60)
@given(ids=st.lists(st.uuids(), min_size=2, max_size=3, unique=True))
def test_names_are_valid_apart_and_the_same_again(engine: Engine, ids: list[Any]) -> None:
    names = [put(engine, id=str(each).upper())[0].rpartition("/")[2] for each in ids]
    assert len(set(names)) == len(ids)
    # https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules#microsoftcontainerinstance
    assert all(re.fullmatch(r"[a-z0-9](?:[a-z0-9]|-(?=[a-z0-9])){0,62}", name) for name in names)
    assert names == [put(engine, id=str(each))[0].rpartition("/")[2] for each in ids]


def test_names_of_the_vnet_are_asked_of_azure_and_nothing_of_a_preview(engine: Engine) -> None:
    _, body = put(engine)
    assert body["properties"]["dnsConfig"] == {"nameServers": ["168.63.129.16"]}
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", submitter.API_VERSION)


HOSTILE = [
    'requests/",\n"command":["sh"],"x":".json',
    "requests/@{parameters('identity')}.json",
    "requests/@parameters('identity').json",
    "requests/@@x.json",
    "requests/ --help .json",
    "requests/$(id);`id`|&<>.json",
    "requests/\u202egpj.json",
    "requests/\U0001f600/ü/\u0000.json",
    "requests/{{}}[[]]%22%2e%2e%2f.json",
    "requests/../../blobs/requests/x.json",
    "requests/2026-11-24T10:00:00Z.json",
    "requests/" + "x" * 1010 + ".json",
]


def assert_one_argument(engine: Engine, blob: str) -> None:
    _, body = put(engine, subject=PREFIX + blob)
    assert list(validator().iter_errors(body)) == []
    properties: Any = BODY["properties"]
    container: Any = body["properties"]["containers"][0]
    assert container["properties"]["command"] == ["scorer", "dispatch", "az://scoringdata/input/" + blob]
    del container["properties"]["command"]
    expected = copy.deepcopy(properties)
    del expected["containers"][0]["properties"]["command"]
    assert body["properties"] == expected


@pytest.mark.parametrize("blob", HOSTILE)
def test_a_hostile_name_stays_one_argument(engine: Engine, blob: str) -> None:
    assert_one_argument(engine, blob)


@settings(deadline=None, max_examples=100)
@given(text=st.text(st.characters(codec="utf-8"), max_size=100))
def test_any_name_stays_one_argument(engine: Engine, text: str) -> None:
    assert_one_argument(engine, f"requests/{text}.json")


def test_an_image_of_another_registry_is_pulled_without_our_identity() -> None:
    others = submitter.body(
        location="westeurope", image="docker.io/acme/submitter:1.4", registry_server="scoring.azurecr.io",
        identity_id="/i", subnet_id="/s", environment={}, tags={},
    )  # fmt: skip
    properties: Any = others["properties"]
    assert properties["imageRegistryCredentials"] == []
    assert list(validator().iter_errors(others)) == []


def test_who_reads_the_group_does_not_read_where_everything_is() -> None:
    environment = {"SCORER_DEPLOYMENT": "{}", "APPLICATIONINSIGHTS_CONNECTION_STRING": "i", "AZURE_CLIENT_ID": "c"}
    made = submitter.body(
        location="westeurope", image="docker.io/acme/submitter:1.4", registry_server="scoring.azurecr.io",
        identity_id="/i", subnet_id="/s", environment=environment, tags={},
    )  # fmt: skip
    properties: Any = made["properties"]
    assert properties["containers"][0]["properties"]["environmentVariables"] == [
        {"name": "APPLICATIONINSIGHTS_CONNECTION_STRING", "secureValue": "i"},
        {"name": "AZURE_CLIENT_ID", "value": "c"},
        {"name": "SCORER_DEPLOYMENT", "secureValue": "{}"},
    ]
    assert list(validator().iter_errors(made)) == []


@pytest.mark.parametrize("broken", [{"osType": "Linux"}, {"containers": [{"name": "x"}]}, {"containers": [], "password": "x"}])
def test_a_broken_body_is_refused_by_arms_schema(broken: Json) -> None:
    assert list(validator().iter_errors({**BODY, "properties": broken}))
