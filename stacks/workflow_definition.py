"""What a workflow does, in Logic Apps' language: the files of logicapp/ made fit for a deployment."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

from scorer.azure import clouds

# Runs that wait while as many are at work as may: ten more than those at least, 100 at most, and 50 wherever that is enough.
# https://learn.microsoft.com/azure/logic-apps/logic-apps-limits-and-configuration#concurrency-looping-and-debatching-limits
WAITING_RUNS, WAITING_BESIDE = 50, 10
# In logicapp/workflow.json, the parameter that says as whom it calls Azure.
IDENTITY = "identity"


def read_definition(text: str, arm_endpoint: str) -> dict[str, Any]:
    """The definition in a file's text, with tokens for the resource manager at `arm_endpoint`: their audiences are literals."""
    known: dict[str, Any] = json.loads(text.replace(clouds.PUBLIC.resource_manager, arm_endpoint))
    return known


def acting_as(definition: Mapping[str, Any], identity_id: str) -> dict[str, Any]:
    """The definition whose actions call Azure as this identity.

    The file has a parameter there, which workflows of the Consumption plan refuse: a user-assigned identity is named by its id.
    Sources: https://github.com/Azure/LogicAppsUX/issues/2907, https://github.com/Azure/logicapps/issues/465,
    https://github.com/Azure/logicapps/issues/903
    """

    def named(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: named(value) for key, value in part.items()}
        if isinstance(part, list):
            return [named(value) for value in part]
        return identity_id if part == f"@parameters('{IDENTITY}')" else part

    declared = {name: each for name, each in definition["parameters"].items() if name != IDENTITY}
    return {**definition, "parameters": declared, "actions": named(definition["actions"])}


def told_of_requests(definition: Mapping[str, Any], runs: int) -> dict[str, Any]:
    """The definition of the workflow that is told of each request, `runs` of which are at work at once.

    Logic Apps takes no parameters for these numbers, only literals.
    """
    changed, waiting = copy.deepcopy(dict(definition)), max(WAITING_RUNS, runs + WAITING_BESIDE)
    for trigger in changed["triggers"].values():
        trigger["runtimeConfiguration"]["concurrency"].update(runs=runs, maximumWaitingRuns=waiting)
    return changed


def polling_definition(definition: Mapping[str, Any], polling: Mapping[str, Any], minutes: int) -> dict[str, Any]:
    """The definition of the workflow that a schedule starts: the first one's, but for what `polling` has instead.

    A schedule that counts minutes does so every `minutes`; another one, such as each night, is as it says.
    """
    changed = copy.deepcopy(dict(polling))
    for trigger in changed["triggers"].values():
        if trigger["recurrence"]["frequency"] == "Minute":
            trigger["recurrence"]["interval"] = minutes
    return {**definition, "triggers": changed["triggers"], "actions": {**definition["actions"], **changed["actions"]}}
