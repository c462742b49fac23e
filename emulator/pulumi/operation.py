"""One operation of the Pulumi engine, in a process of its own as the program of every `pulumi up` has one.

A program that is run within a process shares it with all that was there before: modules that keep what an earlier program
said, event loops, and the memory of every native library that other tests loaded.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import runpy
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pulumi import automation as auto
from pulumi import log
from pulumi.automation._stack import StackInitMode
from pulumi.automation.events import EngineEvent

from emulator import clock
from stacks import patience

ROOT = Path(__file__).parents[2]
PULUMI_VERSION = "3.259.0"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "batch-scoring"
BUILT = CACHE / f"pulumi-v{PULUMI_VERSION}"

Name = Literal["preview", "up", "refresh", "destroy"]


# What marks a secret in a state: `_special_secret_sig` in the SDK's pulumi/runtime/rpc.py.
SECRET = "1b47061264138c4ac30d75fd1eb44270"


class EngineError(Exception):
    """An operation of the engine failed; the text is what a person would have read."""


@dataclass(frozen=True)
class Violation:
    """What a policy says about a resource, by its logical name."""

    policy: str
    resource: str
    message: str
    mandatory: bool


@dataclass(frozen=True)
class Operation:
    """What a process is asked to do."""

    name: Name
    folder: str
    port: int
    stack: str
    program: str
    policies: Sequence[str]
    policy_settings: Sequence[str]
    """A file for each of the policies."""
    result: str
    """The file for what comes of it."""
    errors: str
    """The file for what it prints beside that, if it crashes."""


@dataclass
class Heard:
    """What the engine says while it works."""

    lines: list[str] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)

    def on_event(self, event: EngineEvent) -> None:
        """Keep what a policy says."""
        said = event.policy_event
        if said:
            resource = (said.resource_urn or "").rpartition("::")[2]
            self.violations.append(
                Violation(said.policy_name, resource, said.message, mandatory=said.enforcement_level == "mandatory")
            )


def perform(operation: Operation, heard: Heard) -> tuple[dict[str, int], dict[str, Any]]:
    """How many resources changed in which way, and the stack's outputs. Raises CommandError."""
    stack = _select(operation)
    listen: dict[str, Any] = {"on_output": heard.lines.append}
    if operation.policies:
        listen.update(on_event=heard.on_event, policy_packs=operation.policies, policy_pack_configs=operation.policy_settings)
    match operation.name:
        case "preview":
            return _counts(stack.preview(**listen).change_summary), {}
        case "up":
            made = stack.up(**listen, show_secrets=False)
            return _counts(made.summary.resource_changes), {name: output.value for name, output in made.outputs.items()}
        case "refresh":
            return _counts(stack.refresh(on_output=heard.lines.append, show_secrets=False).summary.resource_changes), {}
        case _:
            return _counts(stack.destroy(on_output=heard.lines.append, show_secrets=False).summary.resource_changes), {}


def _counts(changes: Mapping[auto.OpType, int] | None) -> dict[str, int]:
    return {str(getattr(kind, "value", kind)): count for kind, count in (changes or {}).items()}


class _Workspace(auto.LocalWorkspace):
    """A workspace that asks the engine's program for no more than is needed: to derive its key takes a third of a second."""

    state: Path

    def select_stack(self, stack_name: str) -> None:
        """Nothing: each command names its stack."""

    def stack_outputs(self, stack_name: str) -> auto.OutputMap:
        """The outputs as they lie in the state; those that are secret lie there encrypted, and the engine has the key."""
        latest = json.loads(_newest(self.state, f"stacks/*/{stack_name}.json"))["checkpoint"]["latest"]
        stacks = [each for each in latest.get("resources", []) if each["type"] == "pulumi:pulumi:Stack"]
        outputs: dict[str, Any] = stacks[0].get("outputs", {}) if stacks else {}
        if SECRET in json.dumps(outputs):
            shown = self._run_pulumi_cmd_sync(["stack", "output", "--json", "--show-secrets", "--stack", stack_name]).stdout
            outputs = json.loads(shown)
        return {name: auto.OutputValue(value=value, secret=False) for name, value in outputs.items()}


class _Stack(auto.Stack):
    """A stack whose last operation is read where the engine writes it."""

    def info(self, show_secrets: bool = True) -> auto.UpdateSummary:  # noqa: ARG002  # as the SDK has it
        """What the last operation did."""
        assert isinstance(self.workspace, _Workspace)
        last = json.loads(_newest(self.workspace.state, f"history/*/{self.name}/*.history.json"))
        started = datetime.fromtimestamp(last["startTime"], UTC)
        return auto.UpdateSummary(last["kind"], started, "", {}, {}, last["result"], resource_changes=last.get("resourceChanges"))


def _newest(state: Path, pattern: str) -> str:
    """The content of the last by name of the state's files."""
    return max((state / ".pulumi").glob(pattern)).read_text()


def _select(operation: Operation) -> auto.Stack:
    program, folder = Path(operation.program), Path(operation.folder)
    project = yaml.safe_load((program.parent / "Pulumi.yaml").read_text())
    state = folder / "state"
    workspace = _Workspace(
        work_dir=str(folder / "work"),
        pulumi_command=command(),
        program=lambda: _run(program),
        project_settings=auto.ProjectSettings(
            name=project["name"],
            runtime="python",
            backend=auto.ProjectBackend(url=f"file://{state}"),
            config=project.get("config"),
            main=str(folder / "work"),
        ),
        env_vars={
            "PULUMI_CONFIG_PASSPHRASE": "of a test",
            "PULUMI_DEBUG_PROVIDERS": f"azure-native:{operation.port}",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "GOGC": "400",  # the engine, too, ends before its garbage matters
            # The state is written once, at the end of an operation, be it a failed one: to write it often costs most of its time.
            "PULUMI_EXPERIMENTAL": "true",
            "PULUMI_SKIP_CHECKPOINTS": "true",
            "PULUMI_HOME": str(folder / "home"),
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        },
    )
    workspace.state = state
    is_there = any(state.glob(f".pulumi/stacks/*/{operation.stack}.json"))
    return _Stack(operation.stack, workspace, StackInitMode.SELECT if is_there else StackInitMode.CREATE)


def _run(program: Path) -> None:
    log.debug = _unheard
    patience.pause = _pause
    runpy.run_path(str(program), run_name="__main__")


def _unheard(*_: object, **__: object) -> None:
    """What the SDK says of each property, a call to the engine each, which shows it only to those who ask for it."""


async def _pause(seconds: float) -> None:
    """A program's wait, on Azure's clock instead of the wall's."""
    await asyncio.to_thread(clock.tell, seconds)


@cache
def command() -> auto.PulumiCommand:
    """An installed Pulumi, or the one that was built for the tests. Raises EngineError."""
    if shutil.which("pulumi"):
        return auto.PulumiCommand()
    if not (BUILT / "bin/pulumi").exists():
        raise EngineError(f"There is no 'pulumi' on the PATH nor in {BUILT}: 'make pulumi' builds it.")
    return auto.PulumiCommand(root=str(BUILT))


def main(operation: Operation, environment: Mapping[str, str]) -> None:
    """Perform it; the result goes where it says. Whoever is forked has the environment of the process that it came from."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(ROOT)
    gc.disable()  # a process of seconds ends before its garbage matters
    with Path(operation.errors).open("w") as errors:
        os.dup2(errors.fileno(), sys.stderr.fileno())
    heard = Heard()
    changes: dict[str, int] = {}
    outputs: dict[str, Any] = {}
    error = ""
    try:
        changes, outputs = perform(operation, heard)
    except (auto.CommandError, EngineError) as problem:
        error = str(problem)
    answer = {
        "error": error,
        "changes": changes,
        "log": "\n".join(heard.lines),
        "outputs": outputs,
        "violations": [asdict(violation) for violation in heard.violations],
    }
    Path(operation.result).write_text(json.dumps(answer))
    os._exit(0)  # everything is said; the SDK would take seconds to close its connections
