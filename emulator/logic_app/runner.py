"""Runs a workflow definition: the few kinds of action that ours has, each expression by Microsoft's engine, ARM by a function.

Waits take the time that `wait` makes of them: none by default. What retry policies and limits would do is left to Azure.
Source: https://learn.microsoft.com/azure/logic-apps/logic-apps-workflow-actions-triggers
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from emulator.logic_app.engine import Context, Engine, Json


@dataclass(frozen=True)
class Call:
    """One HTTP request that an action makes."""

    method: str
    uri: str
    queries: dict[str, str]
    body: Any


Arm = Callable[[Call], tuple[int, Any]]
"""Answers a request with a status and a body."""


class _TerminatedError(Exception):
    pass


class Run:
    """One run of the workflow, from its event to its end."""

    def __init__(
        self, engine: Engine, definition: Json, parameters: Json, arm: Arm, name: str = "run-1",
        wait: Callable[[float], None] = lambda _: None,
    ) -> None:  # fmt: skip
        self._engine, self._definition, self._arm, self._wait = engine, definition, arm, wait
        defaults = {key: value["defaultValue"] for key, value in definition["parameters"].items() if "defaultValue" in value}
        self._context = Context(parameters={**defaults, **parameters}, run=name)
        self.status = "Waiting"
        self.error: Json = {}
        self.actions: Json = self._context.actions
        """By name: the status and the outputs that the run's history shows, those of the last round for actions in loops."""

    def start(self, event: Json) -> bool:
        """Run for one event of those that a delivery brings; False where the trigger's conditions refuse it."""
        self._context.trigger = {"body": event}
        (trigger,) = self._definition["triggers"].values()
        if not all(self._value(each["expression"]) for each in trigger.get("conditions", [])):
            return False
        with suppress(_TerminatedError):
            self.status = self._run_all(self._definition["actions"])
        return True

    def _value(self, template: object) -> Any:
        return self._engine.evaluate(template, self._context)

    def _run_all(self, actions: Json) -> str:
        """Run actions in the order of their runAfter; the status of what holds them."""
        waiting = dict(actions)
        done: dict[str, str] = {}
        while waiting:
            name = next(name for name, action in waiting.items() if set(action.get("runAfter", {})) <= set(done))
            action = waiting.pop(name)
            before = action.get("runAfter", {})
            if all(done[other] in statuses for other, statuses in before.items()):
                done[name] = self._run(name, action)
            else:
                done[name] = "Skipped"
                self.actions[name] = {"status": "Skipped", "outputs": None}
        leaves = set(actions) - {other for action in actions.values() for other in action.get("runAfter", {})}
        return "Succeeded" if all(self._fine(actions[leaf], done, done[leaf]) for leaf in leaves) else "Failed"

    @staticmethod
    def _fine(leaf: Json, done: dict[str, str], status: str) -> bool:
        if status == "Skipped":
            return all(done[other] == "Succeeded" for other in leaf["runAfter"])
        return status == "Succeeded"

    def _run(self, name: str, action: Json) -> str:
        kinds: dict[str, Callable[[str, Json], tuple[str, Any]]] = {
            "Compose": lambda _, each: ("Succeeded", self._value(each["inputs"])),
            "Wait": self._pause,
            "InitializeVariable": self._initialize,
            "SetVariable": self._set,
            "Http": self._http,
            "If": self._if,
            "Until": self._until,
            "Terminate": self._terminate,
        }
        status, outputs = kinds[action["type"]](name, action)
        self.actions[name] = {"status": status, "outputs": outputs}
        return status

    def _pause(self, _name: str, action: Json) -> tuple[str, Any]:
        interval = action["inputs"]["interval"]
        self._wait(interval["count"] * {"Second": 1, "Minute": 60}[interval["unit"]])
        return "Succeeded", None

    def _initialize(self, _name: str, action: Json) -> tuple[str, Any]:
        for variable in self._value(action["inputs"])["variables"]:
            self._context.variables[variable["name"]] = variable["value"]
        return "Succeeded", None

    def _set(self, _name: str, action: Json) -> tuple[str, Any]:
        if action["inputs"]["name"] not in self._context.variables:
            raise KeyError(action["inputs"]["name"])
        self._context.variables[action["inputs"]["name"]] = self._value(action["inputs"]["value"])
        return "Succeeded", None

    def _http(self, _name: str, action: Json) -> tuple[str, Any]:
        inputs = self._value(action["inputs"])
        status, body = self._arm(Call(inputs["method"], inputs["uri"], inputs["queries"], inputs.get("body")))
        return "Succeeded" if status < 400 else "Failed", {"statusCode": status, "body": body}

    def _if(self, _name: str, action: Json) -> tuple[str, Any]:
        chosen = action["actions"] if self._holds(action["expression"]) else action.get("else", {}).get("actions", {})
        return self._run_all(chosen), None

    def _until(self, _name: str, action: Json) -> tuple[str, Any]:
        status = "Failed"
        for _ in range(action["limit"]["count"]):
            status = self._run_all(action["actions"])
            if self._value(action["expression"]):
                break
        return status, None

    def _terminate(self, name: str, action: Json) -> tuple[str, Any]:
        inputs = self._value(action["inputs"])
        self.status, self.error = inputs["runStatus"], inputs.get("runError", {})
        self.actions[name] = {"status": "Succeeded", "outputs": None}
        raise _TerminatedError

    def _holds(self, condition: Json) -> bool:
        ((kind, operands),) = condition.items()
        if kind == "and":
            return all(self._holds(each) for each in operands)
        if kind == "or":
            return any(self._holds(each) for each in operands)
        if kind == "not":
            return not self._holds(operands)
        if kind == "equals":
            left, right = self._value(operands)
            return bool(left == right)
        raise ValueError(f"Conditions of kind '{kind}' aren't known here: our workflow has none.")
