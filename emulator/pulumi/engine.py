"""The real Pulumi engine, driven from a test: a real program against an emulated provider, with no account and no network."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from emulator.forked import CopiedProcess
from emulator.pulumi.operation import BUILT, CACHE, ROOT, EngineError, Name, Operation, Violation, main

__all__ = ["BUILT", "CACHE", "PROGRAM", "ROOT", "Deployment", "EngineError", "Outcome", "Violation"]

PROGRAM = ROOT / "__main__.py"


@dataclass(frozen=True)
class Outcome:
    """What an operation did."""

    changes: Mapping[str, int]
    """How many resources were created, updated, replaced, left the same, ...; none are left out, nothing is 0."""
    log: str
    """What a person would have read."""
    outputs: Mapping[str, Any] = field(default_factory=dict)
    violations: Sequence[Violation] = ()

    @property
    def is_unchanged(self) -> bool:
        """Whether everything stayed as it was."""
        return set(self.changes) == {"same"}


@dataclass
class Deployment:
    """One stack of a program, with a state of its own in a folder of its own."""

    folder: Path
    port: int
    """Where the provider listens."""
    stack: str = "dev"
    program: Path = PROGRAM
    policies: Sequence[Path] = ()
    all_advisory: bool = False
    """Whether policies advise only, so that the engine goes on after the first that is broken."""
    settings: dict[str, Any] = field(default_factory=dict)
    """On top of the stack's file; None takes a setting away. Other owners' have their name and a colon."""
    log: str = ""
    """All that the engine ever printed here."""

    def preview(self) -> Outcome:
        """What `up` would do. Raises EngineError."""
        return self._perform("preview")

    def up(self) -> Outcome:
        """Make what the program declares. Raises EngineError."""
        return self._perform("up")

    def refresh(self) -> Outcome:
        """Read what stands in the cloud into the state. Raises EngineError."""
        return self._perform("refresh")

    def destroy(self) -> Outcome:
        """Delete everything. Raises EngineError."""
        return self._perform("destroy")

    def state(self) -> str:
        """The state's file, as it lies on the disk."""
        return "\n".join(path.read_text() for path in sorted((self.folder / "state").rglob("*.json")))

    def resources(self) -> list[dict[str, Any]]:
        """The resources in the state."""
        (state,) = (self.folder / "state").rglob(f"stacks/*/{self.stack}.json")
        return list(json.loads(state.read_text())["checkpoint"]["latest"].get("resources", []))

    def _perform(self, name: Name) -> Outcome:
        for folder in ("work", "state"):
            (self.folder / folder).mkdir(parents=True, exist_ok=True)
        self._write_config()
        result, errors = self.folder / "result.json", self.folder / "errors.txt"
        result.unlink(missing_ok=True)
        operation = Operation(
            name, str(self.folder), self.port, self.stack, str(self.program), [str(path) for path in self.policies],
            [str(self._write_policy_settings())] * len(self.policies), str(result), str(errors),
        )  # fmt: skip
        code = CopiedProcess(main, operation, dict(os.environ)).wait()
        if not result.exists():
            raise EngineError(f"The process of 'pulumi {name}' ended with {code}: {errors.read_text()}")
        answer = json.loads(result.read_text())
        self.log += answer["log"] + "\n"
        if answer["error"]:
            raise EngineError(answer["error"])
        violations = [Violation(**each) for each in answer["violations"]]
        return Outcome(answer["changes"], answer["log"], answer["outputs"], violations)

    def _write_config(self) -> None:
        """The stack's own file and the test's settings; what the engine added to it before (its salt) stays."""
        project = yaml.safe_load((self.program.parent / "Pulumi.yaml").read_text())
        kept = self.folder / "work" / f"Pulumi.{self.stack}.yaml"
        shipped = self.program.parent / project.get("stackConfigDir", ".") / kept.name
        content = yaml.safe_load(kept.read_text()) if kept.exists() else {}
        config = yaml.safe_load(shipped.read_text())["config"] if shipped.exists() else {}
        for key, value in self.settings.items():
            config[key if ":" in key else f"{project['name']}:{key}"] = value
        content["config"] = {key: value for key, value in config.items() if value is not None}
        kept.write_text(yaml.safe_dump(content))

    def _write_policy_settings(self) -> Path:
        path = self.folder / "policies.json"
        path.write_text(json.dumps({"all": "advisory"} if self.all_advisory else {}))
        return path
