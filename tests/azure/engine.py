"""The real Pulumi engine, driven from a test: a real program against a stand-in provider, with no account and no network."""

from __future__ import annotations

import os
import runpy
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pulumi import automation as auto

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "__main__.py"
PULUMI_VERSION = "3.259.0"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "batch-scoring"
BUILT = CACHE / f"pulumi-v{PULUMI_VERSION}"


class EngineError(Exception):
    """An operation of the engine failed; the text is what a person would have read."""


@dataclass(frozen=True)
class Outcome:
    """What an operation did."""

    changes: Mapping[str, int]
    """How many resources were created, updated, replaced, left the same, ...; none are left out, nothing is 0."""
    log: str
    """What a person would have read."""
    outputs: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Deployment:
    """One stack of a program, with a state of its own in a folder of its own."""

    folder: Path
    port: int
    """Where the provider listens."""
    stack: str = "dev"
    program: Path = PROGRAM
    policies: Sequence[Path] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    """On top of the stack's file; None takes a setting away."""
    log: str = ""
    """All that the engine ever printed here."""
    _selected: auto.Stack | None = None

    def preview(self) -> Outcome:
        """What `up` would do."""
        lines: list[str] = []
        result = self._run(lambda stack: stack.preview(on_output=lines.append, policy_packs=self._policies), lines)
        return Outcome(
            {str(getattr(kind, "value", kind)): count for kind, count in result.change_summary.items()}, "\n".join(lines)
        )

    def up(self) -> Outcome:
        """Make what the program declares. Raises EngineError."""
        lines: list[str] = []
        result = self._run(lambda stack: stack.up(on_output=lines.append, policy_packs=self._policies), lines)
        outputs = {name: output.value for name, output in result.outputs.items()}
        return Outcome(result.summary.resource_changes or {}, "\n".join(lines), outputs)

    def refresh(self) -> Outcome:
        """Read what stands in the cloud into the state."""
        lines: list[str] = []
        result = self._run(lambda stack: stack.refresh(on_output=lines.append), lines)
        return Outcome(result.summary.resource_changes or {}, "\n".join(lines))

    def destroy(self) -> Outcome:
        """Delete everything. Raises EngineError."""
        lines: list[str] = []
        result = self._run(lambda stack: stack.destroy(on_output=lines.append), lines)
        return Outcome(result.summary.resource_changes or {}, "\n".join(lines))

    def state(self) -> str:
        """The state's file, as it lies on the disk."""
        return "\n".join(path.read_text() for path in sorted((self.folder / "state").rglob("*.json")))

    def resources(self) -> list[dict[str, Any]]:
        """The resources in the state."""
        deployment = self._stack().export_stack().deployment
        return list((deployment or {}).get("resources", []))

    @property
    def _policies(self) -> list[str] | None:
        return [str(path) for path in self.policies] or None

    def _run(self, operation: Any, lines: list[str]) -> Any:
        try:
            return operation(self._stack())
        except auto.CommandError as error:
            raise EngineError(str(error)) from error
        finally:
            self.log += "\n".join(lines) + "\n"

    def _stack(self) -> auto.Stack:
        work = self.folder / "work"
        work.mkdir(parents=True, exist_ok=True)
        (self.folder / "state").mkdir(exist_ok=True)
        project = yaml.safe_load((self.program.parent / "Pulumi.yaml").read_text())
        self._write_config(project, work)
        if self._selected is None:
            self._selected = self._select(project, work)
        return self._selected

    def _select(self, project: Mapping[str, Any], work: Path) -> auto.Stack:
        return auto.create_or_select_stack(
            self.stack,
            project_name=project["name"],
            program=self._program,
            opts=auto.LocalWorkspaceOptions(
                work_dir=str(work),
                pulumi_command=_command(),
                project_settings=auto.ProjectSettings(
                    name=project["name"],
                    runtime="python",
                    backend=auto.ProjectBackend(url=f"file://{self.folder / 'state'}"),
                    config=project.get("config"),
                    main=str(work),
                ),
                env_vars={
                    "PULUMI_CONFIG_PASSPHRASE": "of a test",
                    "PULUMI_DEBUG_PROVIDERS": f"azure-native:{self.port}",
                    "PULUMI_SKIP_UPDATE_CHECK": "true",
                    "PULUMI_HOME": str(self.folder / "home"),
                    "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
                },
            ),
        )

    def _write_config(self, project: Mapping[str, Any], work: Path) -> None:
        """The stack's own file and the test's settings; what the engine added to it before (its salt) stays."""
        kept = work / f"Pulumi.{self.stack}.yaml"
        shipped = self.program.parent / project.get("stackConfigDir", ".") / kept.name
        content = yaml.safe_load(kept.read_text()) if kept.exists() else {}
        config = yaml.safe_load(shipped.read_text())["config"] if shipped.exists() else {}
        for key, value in self.settings.items():
            config[f"{project['name']}:{key}"] = value
        content["config"] = {key: value for key, value in config.items() if value is not None}
        kept.write_text(yaml.safe_dump(content))

    def _program(self) -> None:
        if str(ROOT) not in sys.path:
            sys.path.insert(0, str(ROOT))
        runpy.run_path(str(self.program), run_name="__main__")


def _command() -> auto.PulumiCommand:
    """An installed Pulumi, or the one that was built for the tests."""
    if shutil.which("pulumi"):
        return auto.PulumiCommand()
    if not (BUILT / "bin/pulumi").exists():
        raise EngineError(f"There is no 'pulumi' on the PATH nor in {BUILT}: 'make pulumi' builds it.")
    return auto.PulumiCommand(root=str(BUILT))
