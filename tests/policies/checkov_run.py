"""checkov over the bodies that Azure gets: every check that exists for a resource's type passes, or is waived with a reason.

checkov lives in a virtual environment of its own, made by `make checkov`; CHECKOV names another one's folder. It asks no server.
"""

from __future__ import annotations

import fnmatch
import json
import os
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TypeAlias

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Body: TypeAlias = "dict[str, Json]"
"""A resource as ARM templates write it: type, apiVersion, name, location, properties, ..."""

WAIVERS = Path(__file__).with_name("waivers.yaml")
SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
# Asked of checkov's own registries; the command `checkov --list` would ask its maker's server for descriptions.
LIST = "import json; from checkov.docs_generator import get_checks; print(json.dumps(get_checks(['arm'])))"


class Outcome(StrEnum):
    """What came of a check on a resource."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_RUN = "not run"


@dataclass(frozen=True, order=True)
class Finding:
    """One check on one resource."""

    check: str
    type: str
    name: str
    demands: str
    outcome: Outcome


class Waiver(BaseModel):
    """A check that resources of a type needn't pass, and why. `name` is a pattern: * stands for anything."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    check: str = Field(pattern=r"^CKV2?_AZURE_\d+$")
    type: str = Field(pattern=r"^Microsoft\.")
    name: str = "*"
    reason: str = Field(min_length=20)

    def covers(self, finding: Finding) -> bool:
        """Whether the finding is one of those that are waived."""
        same = (finding.check, finding.type.lower()) == (self.check, self.type.lower())
        return same and fnmatch.fnmatchcase(finding.name, self.name)


def environment() -> Path:
    """The folder of checkov's virtual environment."""
    cache_home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(os.environ.get("CHECKOV") or Path(cache_home) / "batch-scoring" / "checkov-3.3.30")


def load_waivers(path: Path = WAIVERS) -> list[Waiver]:
    """The waivers of a file; raises pydantic's ValidationError for one without a check, a type or a reason."""
    return TypeAdapter(list[Waiver]).validate_python(yaml.safe_load(path.read_text()) or [])


def _checkov(*arguments: str | Path) -> str:
    program = environment() / "bin" / "python"
    if not program.exists():
        message = f"checkov isn't installed in {environment()}: run 'make checkov', or name its virtual environment in CHECKOV."
        raise FileNotFoundError(message)
    # No key of a platform, no proxy and no telemetry: what's said here doesn't hang on whose machine it is.
    clean = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "LOG_LEVEL": "ERROR",
        "CHECKOV_RUN_SCA_PACKAGE_SCAN": "false",
    }
    done = subprocess.run([program, *arguments], capture_output=True, text=True, env=clean, check=False)
    if not done.stdout.strip():
        message = f"checkov said nothing (exit code {done.returncode}): {done.stderr.strip()[-2000:]}"
        raise RuntimeError(message)
    return done.stdout


@cache
def checks() -> dict[str, dict[str, str]]:
    """All checks of ARM resources: by lower-case resource type, each check's id and what it demands."""
    found: dict[str, dict[str, str]] = {}
    for number, _kind, entity, demands, *_ in json.loads(_checkov("-c", LIST)):
        found.setdefault(str(entity).lower(), {})[str(number)] = str(demands)
    return found


def scan(*templates: Sequence[Body]) -> list[list[Finding]]:
    """Of each template's resources: every check that exists for their types, and what came of it.

    One run of checkov for all, since it takes seconds to begin. Raises ValueError for what it can't read.
    """
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f"template{number}.json") for number in range(len(templates))]
        for path, resources in zip(paths, templates, strict=True):
            template = {"$schema": SCHEMA, "contentVersion": "1.0.0.0", "resources": resources}
            path.write_text(json.dumps(template, indent=2))  # checkov finds resources by their lines
        flags = ("--framework", "arm", "--output", "json", "--compact", "--skip-download", "--skip-results-upload", "--soft-fail")
        report = json.loads(_checkov("-m", "checkov.main", "--file", *paths, *flags))
    results = report.get("results", {})  # without results there was nothing to check
    if results.get("parsing_errors"):
        message = f"checkov can't read the bodies: {results['parsing_errors']}"
        raise ValueError(message)
    outcomes = {
        (Path(said["file_path"]).name, said["check_id"], said["resource"]): outcome
        for outcome in (Outcome.PASSED, Outcome.FAILED)
        for said in results.get(f"{outcome}_checks", [])
    }
    return [
        sorted(
            Finding(number, kind, name, demands, outcomes.get((path.name, number, f"{kind}.{name}"), Outcome.NOT_RUN))
            for kind, name in sorted({(str(resource["type"]), str(resource["name"])) for resource in resources})
            for number, demands in checks().get(kind.lower(), {}).items()
        )
        for path, resources in zip(paths, templates, strict=True)
    ]


def complaints(findings: Iterable[Finding], waivers: Sequence[Waiver]) -> list[str]:
    """A sentence for each check that failed or didn't run and isn't waived."""
    return [
        f"{finding.check} {finding.outcome} on {finding.type} {finding.name}: {finding.demands}"
        for finding in findings
        if finding.outcome is not Outcome.PASSED and not any(waiver.covers(finding) for waiver in waivers)
    ]


def idle(findings: Sequence[Finding], waivers: Sequence[Waiver]) -> list[str]:
    """A sentence for each waiver that waives nothing: what it names is gone, or passes."""
    unpassed = [finding for finding in findings if finding.outcome is not Outcome.PASSED]
    return [
        f"The waiver of {waiver.check} for {waiver.type} {waiver.name} waives nothing: remove it"
        for waiver in waivers
        if not any(waiver.covers(finding) for finding in unpassed)
    ]
