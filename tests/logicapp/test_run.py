"""What the workflow does, from an event to its end, against emulated container groups."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from emulator.logic_app.containers import ACCOUNT, BODY, PARAMETERS, PREFIX, Containers, event
from emulator.logic_app.engine import Engine, Json
from emulator.logic_app.runner import Call, Run
from stacks.workflow_definition import polling_definition
from tests.logicapp.conftest import WORKFLOW


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
    run = Run(engine, polling_definition(workflow, polling, 5), PARAMETERS, azure, "08585287554177334956853859655CU00")
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
