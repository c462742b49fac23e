"""The pipelines that ship: whole by their platforms' rules, and without known holes."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.examples.pipelines import AZURE, GITHUB, PIPELINES, ROOT, run

SCRIPTS = sorted(PIPELINES.rglob("*.sh"))
MAKEFILE = (ROOT / "Makefile").read_text()
ACTIONLINT_VERSION = "1.7.12"


def workflow() -> Any:
    return yaml.safe_load(GITHUB.read_text())


def steps_of_github() -> list[dict[str, Any]]:
    return [step for job in workflow()["jobs"].values() for step in job["steps"]]


def tool(name: str) -> str:
    """A program that came with Python's packages: it lies beside Python, on PATH or not."""
    found = shutil.which(name, path=str(Path(sys.executable).parent))
    assert found, f"{name} isn't installed: make test does it"
    return found


def actionlint() -> str:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "batch-scoring")
    found = shutil.which("actionlint") or cache / f"actionlint-{ACTIONLINT_VERSION}" / "actionlint"
    return str(found)


def test_actionlint_has_nothing_against_it(tmp_path: Path) -> None:
    options = ("-no-color", "-shellcheck", tool("shellcheck"), "-pyflakes=")
    done = run(actionlint(), *options, GITHUB)
    assert done.returncode == 0, done.stdout + done.stderr
    broken = tmp_path / "broken.yml"
    broken.write_text(GITHUB.read_text().replace("needs: images", "needs: image"))
    assert 'job "up" needs job "image" which does not exist' in run(actionlint(), *options, broken).stdout


def test_zizmor_finds_no_hole(tmp_path: Path) -> None:
    options = ("--offline", "--no-config", "--no-progress", "--persona=pedantic", "--format=plain", "--color=never")
    files = [GITHUB, GITHUB.with_name("dependabot.yml")]
    done = run(tool("zizmor"), *options, *files)
    assert done.returncode == 0, done.stdout
    broken = tmp_path / "broken.yml"
    broken.write_text(re.sub(r"actions/checkout@\w+ .*", "actions/checkout@v6", GITHUB.read_text()))
    assert "unpinned-uses" in run(tool("zizmor"), *options, broken).stdout


def test_azure_devops_schema_takes_it() -> None:
    schema = json.loads((resources.files("check_jsonschema") / "builtin_schemas/vendor/azure-pipelines.json").read_text())
    # Azure DevOps reads each scalar as text, as the schema does.
    content = yaml.load(AZURE.read_text(), Loader=yaml.BaseLoader)  # noqa: S506  # makes texts, lists and mappings alone
    rules = jsonschema.Draft7Validator(schema)
    assert not [error.message[:300] for error in rules.iter_errors(content)]
    content["stages"][0]["jobs"][0]["steps"][0]["chekout"] = "self"
    assert list(rules.iter_errors(content))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_sound(script: Path) -> None:
    assert script.stat().st_mode & 0o111 == 0o111, "a pipeline runs it"
    done = run(tool("shellcheck"), "--enable=all", "--exclude=SC2250,SC2312", script)
    assert done.returncode == 0, done.stdout


def test_what_is_called_is_there() -> None:
    """Scripts, make's targets and files that the pipelines name."""
    texts = [path.read_text() for path in (GITHUB, AZURE, *SCRIPTS)]
    for text in texts:
        code = "\n".join(line.split(" #")[0] for line in text.splitlines() if not line.lstrip().startswith("#"))
        for path in re.findall(r"\bexamples/pipelines/[\w./-]+\.sh", code):
            assert ROOT / path in SCRIPTS
        for target in re.findall(r"\bmake ([a-z]+)", code):
            assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), target
        for pack in re.findall(r"--policy-pack (\S+)", code):
            assert (ROOT / pack / "PulumiPolicy.yaml").exists()
        for version in re.findall(r"(?i)pulumi_?version: (\d\S+)", code):
            assert f"PULUMI_VERSION := {version}\n" in MAKEFILE


def test_nobody_has_more_rights_than_their_job_needs() -> None:
    content = workflow()
    assert content["permissions"] == {}
    for name, job in content["jobs"].items():
        assert job["permissions"] == {"contents": "read", "id-token": "write"}, name
        assert job["environment"], "each identity is bound to an environment"
    assert "pull_request_target" not in GITHUB.read_text()
    assert {job["environment"] for job in content["jobs"].values()} == {"preview", "images", "${{ vars.STACK }}"}
    for text in (GITHUB.read_text(), AZURE.read_text()):
        assert not re.search(r"(?i)secrets\.|client.?secret|password|passphrase|account.?key|access.?token", text)


def test_actions_are_pinned_by_commit_one_commit_each() -> None:
    uses = [step["uses"] for step in steps_of_github() if "uses" in step]
    for each in uses:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", each)
    assert len({each.partition("@")[0] for each in uses}) == len(set(uses))
    for line in GITHUB.read_text().splitlines():
        assert "uses:" not in line or re.search(r"# v\d+\.\d+\.\d+$", line), "the version that the commit is"


def test_an_update_comes_after_a_scan_and_a_signature_of_the_same_images() -> None:
    jobs = workflow()["jobs"]
    assert jobs["up"]["needs"] == "images"
    said = [step.get("run", "") + step.get("uses", "") for step in jobs["images"]["steps"]]
    scans = [number for number, each in enumerate(said) if "scan-action" in each]
    pushes = [number for number, each in enumerate(said) if "push_signed.sh" in each]
    assert len(scans) == len(pushes) == 2
    assert max(scans) < min(pushes)
    up = [step.get("run", "") for step in jobs["up"]["steps"]]
    verified = next(number for number, each in enumerate(up) if "cosign verify" in each)
    updated = next(number for number, each in enumerate(up) if "pulumi up" in each)
    checked = next(number for number, each in enumerate(up) if "scorer check" in each)
    assert verified < updated < checked
    last = jobs["up"]["steps"][-1]
    assert last["if"] == "always()"
    assert last["run"].startswith("examples/pipelines/runner_address.sh remove")


def test_azure_devops_reads_the_variables_that_the_guide_names() -> None:
    text, guide = AZURE.read_text(), (PIPELINES / "README.md").read_text()
    content = yaml.safe_load(text)
    own = {each["name"] for each in content["variables"] if "name" in each} | {"scorer", "submitter"}
    read = set(re.findall(r"\$\((\w+)\)", text)) - own
    assert read == {
        "stack",
        "stateAccount",
        "registry",
        "signingKey",
        "previewConnection",
        "imagesConnection",
        "deployConnection",
    }
    assert all(f"`{name}`" in guide for name in read)
    _, images, up = content["stages"]
    assert up["dependsOn"] == images["stage"] == "images"
    (job,) = up["jobs"]
    steps = {step.get("name") for each in images["jobs"] for step in each["steps"]}
    for variable in job["variables"]:
        assert variable["value"] == f"$[ stageDependencies.images.images.outputs['build.{variable['name']}'] ]"
    assert "build" in steps
