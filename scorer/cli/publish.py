"""`scorer publish`: a team's own model joins a deployment without a new image.

The wheels are installed in a folder that goes away again, without a network, and asked there for their models, in a process of
their own: their code never runs in ours.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError

from scorer.azure.identity import sign_in
from scorer.cli.console import AsJson, answer, errors
from scorer.cli.target import DeploymentText, StackName, find_deployment
from scorer.documents import paths
from scorer.errors import InputError, MissingError, ModelError
from scorer.file_names import unfit
from scorer.packages.install import WEIGHTS, install_wheels, pip
from scorer.packages.manifest import ModelFacts, Package, package_id
from scorer.store import Store, open_store
from scorer.validation import faults

# Run where the wheels are installed: what of the models comes from there, and not from the scorer itself.
_ASK = """
import json, sys
from importlib.metadata import distributions
from scorer import models
found = {}
for distribution in distributions(path=[sys.argv[1]]):
    for entry in distribution.entry_points.select(group="scorer.models"):
        spec = models.spec(entry.name)
        found[entry.name] = {"summary": spec.summary, "style": spec.style, "max_styles": spec.max_styles,
                             "over_time": spec.over_time, "options": dict(spec.options)}
print("\\n" + json.dumps(found))
"""
_FACTS = TypeAdapter(dict[str, ModelFacts])


def publish(
    wheels: Annotated[list[Path], typer.Argument(metavar="WHEEL", help="The model's own wheel first, then those it needs.")],
    weights: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="A file that the model finds in the folder SCORER_WEIGHTS.")
    ] = None,
    stack: StackName = "",
    deployment: DeploymentText = "",
    as_json: AsJson = False,
) -> None:
    """Put a model package where a deployment's nodes find it; print the id that requests name it by."""
    target = find_deployment(stack, deployment)
    sign_in()
    package = publish_package(wheels, weights or [], open_store(target.scripts))
    for name, facts in package.models.items():
        errors.print(f"model '{name}': {facts.summary}")
    models = {name: facts.model_dump(mode="json") for name, facts in package.models.items()}
    answer({"package": package.id, "models": models}, [package.id], as_json=as_json)


def publish_package(wheels: Sequence[Path], weights: Sequence[Path], scripts: Store) -> Package:
    """Publish; the same content again uploads nothing. Raises ModelError, InputError, MissingError, StoreError."""
    files = _files([*wheels, *weights])
    models = read_models(wheels, weights)
    digests = {name: _digest(path) for name, path in files.items()}
    package = Package(
        id=package_id(wheels[0].name.partition("-py")[0], digests), models=models,
        wheels=tuple(path.name for path in wheels), weights=tuple(path.name for path in weights), sha256=digests,
    )  # fmt: skip
    if scripts.find(paths.package(package.id)) is None:
        for name, path in files.items():
            scripts.put(package.path(name), path.read_bytes())
        scripts.put(paths.package(package.id), package.model_dump_json(indent=1).encode())
    return package


def _files(paths: Sequence[Path]) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for path in paths:
        if not path.is_file():
            raise MissingError(f"There is no file '{path}': name a wheel, or a file of weights.")
        if why := unfit(path.name):
            raise InputError(f"'{path}' can't be published by its name: {why}. Rename it.")
        if path.name in files:
            raise InputError(f"Two files are called '{path.name}': rename one.")
        files[path.name] = path
    return files


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_models(wheels: Sequence[Path], weights: Sequence[Path]) -> dict[str, ModelFacts]:
    """The models that the wheels bring. Raises ModelError where they bring none, need what isn't there, or can't be loaded."""
    for wheel in wheels:
        if wheel.suffix != ".whl":
            raise ModelError(f"'{wheel}' is no wheel: make one with 'pip wheel --no-deps .'.")
    with TemporaryDirectory() as name:
        site, beside = Path(name) / "site", Path(name) / "weights"
        _check_requirements(wheels)
        install_wheels(wheels, site)
        beside.mkdir()
        for path in weights:
            try:
                (beside / path.name).symlink_to(path.absolute())
            except OSError:  # Windows lets few people make links
                shutil.copyfile(path, beside / path.name)
        environment = {**os.environ, "PYTHONPATH": _first(site), WEIGHTS: str(beside)}
        command = [sys.executable, "-P", "-c", _ASK, str(site)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603  # ours
    if done.returncode:
        raise ModelError(f"'{wheels[0].name}' can't be loaded: {_last_line(done.stderr)}")
    try:
        models = _FACTS.validate_json(done.stdout.splitlines()[-1])
    except ValidationError as error:
        why = f"describes its models otherwise than a ModelSpec does ({faults(error)[0]})"
        raise ModelError(f"'{wheels[0].name}' {why}: see examples/edges.") from error
    if not models:
        raise ModelError(f"'{wheels[0].name}' has no entry point in the group 'scorer.models': see examples/edges.")
    return models


def _check_requirements(wheels: Sequence[Path]) -> None:
    """Raise ModelError where the wheels need more than each other and what is installed here, which pip finds out."""
    links = [text for wheel in wheels for text in ("--find-links", str(wheel.absolute().parent))]
    done = pip("install", "--dry-run", "--no-index", *links, *map(str, wheels))
    if done.returncode:
        raise ModelError(
            f"'{wheels[0].name}' needs what the scorer doesn't have: {_last_line(done.stderr)}; publish its wheel, too."
        )


def _first(site: Path) -> str:
    return os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))


def _last_line(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if not line.startswith(("[notice]", "WARNING"))]
    return lines[-1].removeprefix("ERROR: ")[:300] if lines else "no reason given"
