"""The workflow's definition: what Microsoft's engine says of it, and what that engine leaves to us."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

import pytest

from emulator.logic_app.engine import Engine, EngineError, Json
from scorer.errors import BusyError, ScanError
from scorer.submitter.rejection import REFUSALS
from stacks import submitter
from stacks.workflow_definition import polling_definition
from tests.logicapp.conftest import WORKFLOW

# Functions that look something up, which the engine doesn't count among its built-in ones.
LOOK_UPS = {"body", "outputs", "parameters", "triggerBody", "variables", "workflow"}
METHODS = {"GET", "PUT", "DELETE"}


def all_actions(actions: Json) -> Iterator[tuple[str, Json]]:
    """Every action by its name, those within others too."""
    for name, action in actions.items():
        yield name, action
        yield from all_actions(action.get("actions", {}))
        yield from all_actions(action.get("else", {}).get("actions", {}))


@pytest.fixture
def actions(workflow: Json) -> dict[str, Json]:
    return dict(all_actions(workflow["actions"]))


@pytest.fixture
def requests(actions: dict[str, Json]) -> dict[str, Json]:
    return {name: action for name, action in actions.items() if action["type"] == "Http"}


def test_microsofts_engine_takes_it(engine: Engine, workflow: Json) -> None:
    engine.validate(workflow)


Break = Callable[[Json, dict[str, Json]], object]
BROKEN: dict[str, Break] = {
    "another schema": lambda w, _: w.update({"$schema": "https://example.com/other.json#"}),
    "no schema": lambda w, _: w.pop("$schema"),
    "a trigger of no kind": lambda w, _: w["triggers"]["Request_uploaded"].update(type="Pigeon"),
    "an action of no kind": lambda _, a: a["Find"].update(type="Pigeon"),
    "after nothing known": lambda _, a: a["Delete"].update(runAfter={"Nowhere": ["Succeeded"]}),
    "after itself": lambda _, a: a["Delete"].update(runAfter={"Failure": ["Succeeded"]}),
    "no such status": lambda _, a: a["Delete"].update(runAfter={"Unless_it_went_well": ["Maybe"]}),
    "an expression that doesn't parse": lambda _, a: a["Group_name"].update(inputs="@concat('request-', "),
    "an unknown action": lambda _, a: a["Group"].update(inputs="@outputs('Nobody')"),
    "a later action": lambda _, a: a["Group_name"].update(inputs="@outputs('Request')"),
    "a parameter of no kind": lambda w, _: w["parameters"]["identity"].update(type="password"),
    "as many runs as a parameter says": lambda w, _: w["triggers"]["Request_uploaded"].update(
        runtimeConfiguration={"concurrency": {"runs": "@parameters('timeLimitMinutes')"}}
    ),
    "an end in a loop": lambda _, a: a["Start"]["actions"].update(End=a["End_as_failed"]),
}


@pytest.mark.parametrize("name", BROKEN)
def test_microsofts_engine_refuses_it(engine: Engine, workflow: Json, actions: dict[str, Json], name: str) -> None:
    BROKEN[name](workflow, actions)
    with pytest.raises((EngineError, KeyError)):
        engine.validate(workflow)


def test_the_designer_can_show_it(workflow: Json) -> None:
    assert list(workflow) == ["$schema", "contentVersion", "parameters", "triggers", "actions", "outputs"]
    names = [name for name, _ in all_actions(workflow["actions"])]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[A-Za-z0-9_]{1,80}", name) for name in names)


def test_every_function_is_known(engine: Engine, workflow: Json) -> None:
    called = {name for name, _ in engine.calls(workflow)}
    assert called >= LOOK_UPS
    assert [name for name in sorted(called - LOOK_UPS) if not engine.is_function(name)] == []


def test_an_unknown_function_is_found(engine: Engine) -> None:
    assert engine.calls("a @{concat(md5(triggerBody()?[sha1('x')]))}") == [
        ("concat", None),
        ("md5", None),
        ("triggerBody", None),
        ("sha1", "x"),
    ]
    assert not engine.is_function("md5")


@pytest.mark.parametrize("kind", ["parameters", "variables"])
def test_what_is_looked_up_is_declared_and_used(engine: Engine, workflow: Json, actions: dict[str, Json], kind: str) -> None:
    declared = set(workflow["parameters"])
    if kind == "variables":
        lists = [each["inputs"]["variables"] for each in actions.values() if each["type"] == "InitializeVariable"]
        declared = {variable["name"] for each in lists for variable in each}
    assert {argument for name, argument in engine.calls(workflow) if name == kind} == declared


def test_variables_that_are_set_are_declared(actions: dict[str, Json]) -> None:
    declared = {
        variable["name"]
        for each in actions.values()
        if each["type"] == "InitializeVariable"
        for variable in each["inputs"]["variables"]
    }
    changed = {each["inputs"]["name"] for each in actions.values() if each["type"] == "SetVariable"}
    assert changed == declared


def test_variables_are_made_outside_of_everything(workflow: Json, actions: dict[str, Json]) -> None:
    """Logic Apps refuses it elsewhere; the engine here does not."""
    made = {name for name, action in actions.items() if action["type"] == "InitializeVariable"}
    assert made
    assert made <= set(workflow["actions"])


def test_variables_are_never_set_from_themselves(engine: Engine, actions: dict[str, Json]) -> None:
    """Logic Apps refuses that when the definition is saved; the engine here does not."""
    for action in actions.values():
        if action["type"] == "SetVariable":
            assert ("variables", action["inputs"]["name"]) not in engine.calls(action["inputs"]["value"])


def test_parameters_are_described(workflow: Json) -> None:
    assert all(len(parameter["metadata"]["description"]) > 20 for parameter in workflow["parameters"].values())


def test_only_what_the_code_decides_has_a_default(workflow: Json) -> None:
    """What a deployment decides has none, so that it can't be forgotten."""
    defaults = {name: each["defaultValue"] for name, each in workflow["parameters"].items() if "defaultValue" in each}
    later = [BusyError.exit_code, ScanError.exit_code]
    assert defaults == {"answeredExitCodes": [*sorted(each.exit_code for each in REFUSALS), *later]}


def test_the_clocks_workflow_is_valid_too(engine: Engine, workflow: Json) -> None:
    polling = json.loads((WORKFLOW.parent / "polling.json").read_text())
    looks = polling_definition(workflow, polling, 7)
    engine.validate(looks)
    assert looks["triggers"]["Now_and_then"]["recurrence"] == {"frequency": "Minute", "interval": 7}
    assert looks["triggers"]["Now_and_then"]["runtimeConfiguration"]["concurrency"]["runs"] == 1
    # Everything else is the first one's, and nothing is left of its trigger.
    changed = {name for name, action in looks["actions"].items() if action != workflow["actions"][name]}
    assert changed == set(polling["actions"]) == {"Group_name", "Request"}
    assert all(looks["actions"][name]["runAfter"] == workflow["actions"][name]["runAfter"] for name in changed)
    assert "triggerBody" not in json.dumps(looks)


def test_a_schedule_of_ones_own_stays_as_it_is(engine: Engine, workflow: Json) -> None:
    """As CONTRIBUTING has it: a file of what differs is a trigger."""
    polling = json.loads((WORKFLOW.parent / "polling.json").read_text())
    nightly = {"frequency": "Day", "interval": 1, "schedule": {"hours": [2]}}
    polling["triggers"] = {"At_night": {**polling["triggers"]["Now_and_then"], "recurrence": nightly}}
    definition = polling_definition(workflow, polling, 7)
    engine.validate(definition)
    assert definition["triggers"]["At_night"]["recurrence"] == nightly


def test_the_trigger(workflow: Json) -> None:
    (trigger,) = workflow["triggers"].values()
    assert (trigger["type"], trigger["kind"], trigger["splitOn"]) == ("Request", "Http", "@triggerBody()")
    concurrency = trigger["runtimeConfiguration"]["concurrency"]
    # https://learn.microsoft.com/azure/logic-apps/logic-apps-limits-and-config: both between 1 and 100.
    assert all(isinstance(number, int) and 1 <= number <= 100 for number in concurrency.values())
    assert concurrency.keys() == {"runs", "maximumWaitingRuns"}


def test_requests_are_whole(engine: Engine, requests: dict[str, Json]) -> None:
    assert {name: each["inputs"]["method"] for name, each in requests.items()} == {
        "Find": "GET",
        "Create": "PUT",
        "Look": "GET",
        "Log": "GET",
        "Delete": "DELETE",
    }
    for each in requests.values():
        assert ("outputs", "Group") in engine.calls(each["inputs"]["uri"])
        assert each["inputs"]["queries"]["api-version"] == "@parameters('apiVersion')"
        assert ("body" in each["inputs"]) == (each["inputs"]["method"] == "PUT")
        assert each["operationOptions"] == "DisableAsyncPattern"


def test_every_request_is_made_as_the_workflows_identity(requests: dict[str, Json]) -> None:
    for each in requests.values():
        assert each["inputs"]["authentication"] == {
            "type": "ManagedServiceIdentity",
            "identity": "@parameters('identity')",
            "audience": "https://management.azure.com/",
        }


def test_every_request_is_tried_again(requests: dict[str, Json]) -> None:
    for each in requests.values():
        policy = each["inputs"]["retryPolicy"]
        assert policy["type"] == "exponential"
        # https://learn.microsoft.com/azure/logic-apps/error-exception-handling: at most 90 times, 5 seconds to a day apart.
        assert 1 <= policy["count"] <= 90
        lengths = [_seconds(policy[key]) for key in ("minimumInterval", "interval", "maximumInterval")]
        assert lengths == sorted(lengths)
        assert lengths[0] >= 5
        assert lengths[-1] <= 86_400


def test_loops_end(actions: dict[str, Json]) -> None:
    loops = [action for action in actions.values() if action["type"] == "Until"]
    assert len(loops) == 2
    for loop in loops:
        # https://learn.microsoft.com/azure/logic-apps/logic-apps-limits-and-config: 5,000 rounds, 30 days.
        assert 1 <= loop["limit"]["count"] <= 5000
        assert 60 <= _seconds(loop["limit"]["timeout"]) <= 30 * 86_400
        waits = [
            _seconds(f"PT{each['inputs']['interval']['count']}S")
            for _, each in all_actions(loop["actions"])
            if each["type"] == "Wait"
        ]
        assert waits
        assert min(waits) >= 15


def test_the_group_is_deleted_whatever_came_before(actions: dict[str, Json]) -> None:
    assert actions["Delete"]["runAfter"] == {"Unless_it_went_well": ["Succeeded", "Failed", "Skipped", "TimedOut"]}


def test_what_creates_the_group_is_hidden_and_nothing_else(requests: dict[str, Json]) -> None:
    """Its body holds the container's environment; everything else is what a person needs to see."""
    hidden = {
        name: each["runtimeConfiguration"]["secureData"]["properties"]
        for name, each in requests.items()
        if "runtimeConfiguration" in each
    }
    assert hidden == {"Create": ["inputs"]}


def test_no_secret_no_connection_and_no_address_of_anybody(workflow: Json) -> None:
    text = json.dumps(workflow)
    hosts = set(re.findall(r"https?://([^/\"' ]+)", text))
    # The schema's name, and the audience of the identity's tokens.
    assert hosts == {"schema.management.azure.com", "management.azure.com"}
    assert not re.search(r"sig=|sv=\d|AccountKey|SharedAccess|password|Bearer|\$connections|ApiConnection", text, re.IGNORECASE)
    assert not re.search(r"[A-Za-z0-9+/]{40,}={0,2}\"", re.sub(r"[A-Za-z]+/[A-Za-z0-9/.-]+", "", text))
    assert "/subscriptions/" not in text


def test_the_log_is_the_submitters(engine: Engine, requests: dict[str, Json]) -> None:
    assert requests["Log"]["inputs"]["uri"].count("/containers/") == 1
    assert submitter.CONTAINER == "submitter"
    assert any(
        name == "parameters" and argument == "containerGroup" for name, argument in engine.calls(requests["Log"]["inputs"]["uri"])
    )


def _seconds(duration: str) -> int:
    found = re.fullmatch(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?", duration)
    assert found, duration
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
