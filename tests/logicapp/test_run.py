"""What the workflow does, from an event to its end, against a stand-in of Azure's container groups."""

from __future__ import annotations

import copy
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from stacks import submitter
from stacks.workflow import looking
from tests.logicapp.conftest import WORKFLOW
from tests.logicapp.engine import Context, Engine, Json
from tests.logicapp.runner import Call, Run

GROUP = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/scoring-dev"
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/scoringdata"
IDENTITIES = f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities"
PREFIX = "/blobServices/default/containers/input/blobs/"
SCHEMA = "Microsoft.ContainerInstance.containerGroups@2024-05-01-preview.json"

BODY = submitter.body(
    location="westeurope",
    image="scoring.azurecr.io/submitter:0123456789abcdef",
    registry_server="scoring.azurecr.io",
    identity_id=f"{IDENTITIES}/submitter",
    subnet_id=f"{GROUP}/providers/Microsoft.Network/virtualNetworks/scoring/subnets/submitter",
    environment={"SCORER_DEPLOYMENT": json.dumps({"pool": "gpu"}), "AZURE_CLIENT_ID": "2" * 8},
    tags={"team": "post-production"},
)
PARAMETERS: Json = {
    "armEndpoint": "https://management.azure.com",
    "resourceGroupId": GROUP,
    "apiVersion": submitter.API_VERSION,
    "identity": f"{IDENTITIES}/workflow",
    "dataAccountId": ACCOUNT,
    "inputUrl": "az://scoringdata/input",
    "containerGroup": BODY,
    "timeLimitMinutes": 30,
}


def event(blob: str = "requests/waves.json", **changes: Any) -> Json:
    """What storage sends: https://learn.microsoft.com/azure/event-grid/event-schema-blob-storage."""
    return {
        "topic": ACCOUNT,
        "subject": PREFIX + blob,
        "eventType": "Microsoft.Storage.BlobCreated",
        "eventTime": "2026-11-24T10:00:00.1234567Z",
        "id": "831e1650-001e-001b-66ab-eeb76e069631",
        "data": {"api": "PutBlob", "eTag": "0x8D4BCC2E4835CD0", "blobType": "BlockBlob", "contentLength": 524},
        "dataVersion": "",
        "metadataVersion": "1",
    } | changes


@dataclass
class Containers:
    """Container groups as ARM shows them: each ends with `exit_code` after `looks` looks at it."""

    exit_code: int | None = 0
    looks: int = 2
    refusals: list[int] = field(default_factory=list)
    """Statuses that the first creations are answered with."""
    deletes: int = 200
    broken: dict[str, Any] = field(default_factory=dict)
    """Properties of every group that is looked at, over its own."""
    calls: list[Call] = field(default_factory=list)
    groups: dict[str, Json] = field(default_factory=dict)

    def __call__(self, call: Call) -> tuple[int, Any]:
        self.calls.append(call)
        assert call.uri.startswith("https://management.azure.com" + GROUP + "/providers/Microsoft.ContainerInstance/")
        assert call.queries["api-version"] == submitter.API_VERSION
        name, _, rest = call.uri.partition("/containerGroups/")[2].partition("/")
        if rest:
            assert (call.method, rest) == ("GET", "containers/submitter/logs")
            return (200, {"content": "what dispatch wrote"}) if name in self.groups else (404, {})
        return {"PUT": self._put, "GET": self._get, "DELETE": self._delete}[call.method](name, call.body)

    def _put(self, name: str, body: Json) -> tuple[int, Any]:
        if self.refusals:
            return self.refusals.pop(0), {"error": {"code": "No"}}
        assert list(_validator().iter_errors(body)) == []
        self.groups[name] = copy.deepcopy(body) | {"looks": 0}
        return 201, body

    def _get(self, name: str, _body: object) -> tuple[int, Any]:
        if name not in self.groups:
            return 404, {"error": {"code": "ResourceNotFound"}}
        group = self.groups[name]
        group["looks"] += 1
        ended = self.exit_code is not None and group["looks"] >= self.looks
        state = ("Failed" if self.exit_code else "Succeeded") if ended else "Running"
        current = {"state": "Terminated", "exitCode": self.exit_code} if ended else {"state": "Running"}
        container = copy.deepcopy(group["properties"]["containers"][0])
        container["properties"]["instanceView"] = {"currentState": current}
        properties = {**group["properties"], "provisioningState": "Succeeded", "instanceView": {"state": state}}
        return 200, {"tags": group["tags"], "properties": {**properties, "containers": [container], **self.broken}}

    def _delete(self, name: str, _body: object) -> tuple[int, Any]:
        if self.deletes < 300:
            self.groups.pop(name, None)
        return self.deletes, None

    @property
    def methods(self) -> list[str]:
        return [call.method for call in self.calls]


def _validator() -> Draft202012Validator:
    folder = Path(__file__).parents[1] / "azure" / "arm-schemas"
    return Draft202012Validator(json.loads((folder / SCHEMA).read_text()))


@pytest.fixture
def start(engine: Engine, workflow: Json) -> Any:
    """Runs the workflow for an event: the run."""

    def run(arm: Containers, name: str = "run-1", what: Json | None = None, **parameters: Any) -> Run:
        made = Run(engine, workflow, PARAMETERS | parameters, arm, name)
        assert made.start(what or event())
        return made

    return run


def test_a_request_is_dispatched(start: Any) -> None:
    azure = Containers(looks=3)
    run = start(azure)
    assert (run.status, run.error) == ("Succeeded", {})
    assert azure.methods == ["GET", "PUT", "GET", "GET", "GET", "DELETE"]
    assert azure.groups == {}
    (body,) = [call.body for call in azure.calls if call.method == "PUT"]
    expected = copy.deepcopy(BODY)
    expected["tags"] = {"team": "post-production", "run": "run-1"}
    containers: Any = expected["properties"]
    containers["containers"][0]["properties"]["command"] = ["scorer", "dispatch", "az://scoringdata/input/requests/waves.json"]
    assert body == expected


@pytest.mark.parametrize("code", [2, 3, 4, 5, 6, 7, 15])
def test_a_refused_request_is_an_answer(start: Any, code: int) -> None:
    azure = Containers(exit_code=code)
    run = start(azure)
    assert run.status == "Succeeded"
    assert azure.groups == {}
    assert run.actions["Log"]["outputs"]["body"] == {"content": "what dispatch wrote"}


def test_the_clock_starts_a_look_for_all_that_wait(engine: Engine, workflow: Json) -> None:
    polling = json.loads((WORKFLOW.parent / "polling.json").read_text())
    azure = Containers()
    run = Run(engine, looking(workflow, polling, 5), PARAMETERS, azure, "08585287554177334956853859655CU00")
    assert run.start({})
    assert run.status == "Succeeded"
    (put,) = [call for call in azure.calls if call.method == "PUT"]
    assert put.uri.endswith("/containerGroups/look-08585287554177334956853859655cu00")
    assert put.body["properties"]["containers"][0]["properties"]["command"] == [
        "scorer", "dispatch", "az://scoringdata/input/requests/",
    ]  # fmt: skip
    assert azure.groups == {}


@pytest.mark.parametrize("code", [1, 8, 9, 10, 11, 12, 13, 14, 137])
def test_a_failed_dispatch_fails_visibly_and_leaves_its_log(start: Any, code: int) -> None:
    azure = Containers(exit_code=code)
    run = start(azure)
    assert (run.status, run.error["code"]) == ("Failed", "DispatchFailed")
    assert f"exit code {code}, state Failed" in run.error["message"]
    assert "az://scoringdata/input/requests/waves.json" in run.error["message"]
    assert run.actions["Log"]["outputs"]["body"] == {"content": "what dispatch wrote"}
    assert azure.groups == {}


def test_a_group_that_takes_too_long_is_ended(start: Any) -> None:
    azure = Containers(exit_code=None)
    run = start(azure, timeLimitMinutes=-1)
    assert (run.status, run.error["code"]) == ("Failed", "TimedOut")
    assert "exit code none, state Running" in run.error["message"]
    assert azure.methods == ["GET", "PUT", "GET", "GET", "DELETE"]
    assert run.actions["Log"]["status"] == "Succeeded"
    assert azure.groups == {}


def test_an_event_that_is_delivered_again_does_nothing(start: Any) -> None:
    azure = Containers()
    name = next(iter(_group_of(start)))
    azure.groups[name] = {"tags": {"run": "run-1"}, "properties": BODY["properties"], "looks": 0}
    run = start(azure, name="run-2")
    assert run.status == "Succeeded"
    assert azure.methods == ["GET"]
    assert name in azure.groups


def _group_of(start: Any) -> dict[str, Json]:
    azure = Containers(deletes=500)
    start(azure)
    return azure.groups


def test_of_two_runs_at_the_same_instant_one_has_the_group(start: Any) -> None:
    """The other one's creation came later: the group is its own, and it watches it to its end."""

    class Race(Containers):
        def _put(self, name: str, body: Json) -> tuple[int, Any]:
            answer = super()._put(name, body)
            self.groups[name]["tags"] = {"run": "run-2"}
            return answer

    azure = Race()
    run = start(azure)
    assert run.status == "Succeeded"
    assert azure.methods == ["GET", "PUT", "GET"]
    assert len(azure.groups) == 1


def test_creation_waits_for_roles_to_take_effect(start: Any) -> None:
    azure = Containers(refusals=[403, 403])
    run = start(azure)
    assert run.status == "Succeeded"
    assert azure.methods[:6] == ["GET", "PUT", "GET", "PUT", "GET", "PUT"]


def test_roles_that_are_missing_fail_visibly(start: Any) -> None:
    azure = Containers(refusals=[403] * 100)
    run = start(azure)
    assert (run.status, run.error["code"]) == ("Failed", "GroupRefused")
    assert "Azure answered 403" in run.error["message"]
    assert azure.methods.count("PUT") == 20


def test_an_identity_that_may_not_even_look_fails_visibly(start: Any) -> None:
    class Forbidden(Containers):
        def _get(self, _name: str, _body: object) -> tuple[int, Any]:
            return 403, None

    azure = Forbidden()
    run = start(azure)
    assert (run.status, run.error["code"]) == ("Failed", "GroupRefused")
    assert azure.methods == ["GET"] * 21 + ["DELETE"]


@pytest.mark.parametrize("status", [400, 409, 500])
def test_a_group_that_azure_refuses_fails_visibly(start: Any, status: int) -> None:
    azure = Containers(refusals=[status])
    run = start(azure)
    assert (run.status, run.error["code"]) == ("Failed", "GroupRefused")
    assert f"Azure answered {status}" in run.error["message"]
    assert azure.methods == ["GET", "PUT", "GET", "DELETE"]
    assert run.actions["Create"]["outputs"]["body"] == {"error": {"code": "No"}}


def test_a_group_that_never_started_fails_visibly(start: Any) -> None:
    azure = Containers(exit_code=None, broken={"provisioningState": "Failed"})
    run = start(azure)
    assert (run.status, run.error["code"]) == ("Failed", "GroupFailed")
    assert azure.methods == ["GET", "PUT", "GET", "GET", "DELETE"]
    assert azure.groups == {}


def test_a_group_that_somebody_deleted_fails_visibly(start: Any) -> None:
    class Deleted(Containers):
        def _get(self, name: str, body: object) -> tuple[int, Any]:
            answer = super()._get(name, body)
            self.groups.clear()
            return answer

    azure = Deleted()
    run = start(azure)
    assert (run.status, run.error["code"]) == ("Failed", "GroupGone")
    assert azure.methods == ["GET", "PUT", "GET", "GET", "DELETE"]


def test_a_group_that_stays_fails_visibly(start: Any) -> None:
    run = start(Containers(deletes=500))
    assert (run.status, run.error["code"]) == ("Failed", "GroupNotDeleted")


def test_a_group_whose_creation_got_no_answer_is_found(start: Any) -> None:
    """The answer was lost, the group was not: the run has it by its tag, watches it and deletes it."""

    class Lost(Containers):
        def _put(self, name: str, body: Json) -> tuple[int, Any]:
            super()._put(name, body)
            return 504, None

    azure = Lost()
    assert start(azure).status == "Succeeded"
    assert azure.groups == {}


def test_azure_that_doesnt_answer_for_a_while_is_waited_for(start: Any) -> None:
    class Shaky(Containers):
        def _get(self, name: str, body: object) -> tuple[int, Any]:
            return (503, None) if self.methods.count("GET") in {2, 3} else super()._get(name, body)

    azure = Shaky()
    assert start(azure).status == "Succeeded"
    assert azure.groups == {}


@pytest.mark.parametrize(
    "forged",
    [
        {"eventType": "Microsoft.Storage.BlobDeleted"},
        {"eventType": None},
        {"topic": ACCOUNT + "2"},
        {"topic": None},
        {"subject": PREFIX + "videos/waves.json"},
        {"subject": PREFIX + "requests/waves.mp4"},
        {"subject": PREFIX + "Requests/waves.json"},
        {"subject": PREFIX.replace("input", "output") + "requests/waves.json"},
        {"subject": None},
        {"id": "../../../../x"},
        {"id": "831e1650-001e-001b-66ab-eeb76e06963/"},
        {"id": "831e1650-001e-001b-66ab-eeb76e06963?"},
        {"id": ""},
        {"id": None},
    ],
)
def test_what_is_no_request_starts_nothing(engine: Engine, workflow: Json, forged: Json) -> None:
    def nobody(call: Call) -> tuple[int, Any]:
        raise AssertionError(call)

    assert not Run(engine, workflow, PARAMETERS, nobody).start(event(**forged))


def test_the_accounts_name_may_be_written_in_capitals(engine: Engine, workflow: Json) -> None:
    """Resource ids are the same in any case, and Azure's services don't agree on one."""
    assert Run(engine, workflow, PARAMETERS, Containers()).start(event(topic=ACCOUNT.upper()))


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
    assert list(_validator().iter_errors(body)) == []
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
    assert list(_validator().iter_errors(others)) == []


@pytest.mark.parametrize("broken", [{"osType": "Linux"}, {"containers": [{"name": "x"}]}, {"containers": [], "password": "x"}])
def test_a_broken_body_is_refused_by_arms_schema(broken: Json) -> None:
    assert list(_validator().iter_errors({**BODY, "properties": broken}))
