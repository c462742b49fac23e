"""What documents and scripts tell people to type is there: commands, options, make's targets, settings and outputs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from functools import cache

import pytest
import yaml

from emulator.pulumi.operation import BUILT
from scorer.cli.commands import COMMANDS
from scorer.cli.help import loaded
from tests.docs.commands import KEPT, ROOT, commands, split, texts

CODE = dict(texts())
AZ: dict[str, list[str]] = json.loads(KEPT.read_text())
AZ_EVERYWHERE = {"--output", "--query", "--help"}
SETTINGS = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]


def used(program: str) -> list[tuple[str, list[str]]]:
    return [(name, words) for name, text in CODE.items() for words in commands(text, program)]


def test_documents_and_scripts_are_read() -> None:
    assert len(used("az")) > 40
    assert len(used("pulumi")) > 40
    assert len(used("scorer")) > 20
    assert {name for name, _ in used("az")} >= {"docs/operations.md", "examples/pipelines/bootstrap.sh", "stacks/README.md"}


def test_the_azure_cli_has_what_is_typed() -> None:
    for name, words in used("az"):
        command, options = split(words)
        assert command in AZ, f"{name}: run 'python -m tests.docs.commands AZ' if 'az {command}' is right"
        assert options <= {*AZ[command], *AZ_EVERYWHERE}, f"{name}: az {command}"


@cache
def pulumi_help(command: str) -> str:
    program = shutil.which("pulumi") or BUILT / "bin/pulumi"
    return subprocess.run([program, *command.split(), "--help"], capture_output=True, text=True, check=True).stdout


def test_pulumi_has_what_is_typed() -> None:
    groups = {"config": {"set", "rm"}, "stack": {"init", "output", "rm", "select", "export", "import", "change-secrets-provider"}}
    for name, words in used("pulumi"):
        if not words or words[0].startswith("-"):
            continue
        assert words[0] not in groups or words[1] in groups[words[0]], f"{name}: {words}"
        command = " ".join(words[: 2 if words[0] in groups else 1])
        text = pulumi_help(command)
        # For a word that it doesn't know, Pulumi shows the page of what stands before it.
        assert text != pulumi_help(command.rpartition(" ")[0]), f"{name}: pulumi {command}"
        _, options = split(words)
        assert options <= set(re.findall(r"--[a-z-]+", text)), f"{name}: pulumi {command}"


def test_scorer_has_what_is_typed() -> None:
    offered = {name: loaded(name) for name in COMMANDS}
    for name, words in used("scorer"):
        if not words or words[0].startswith("-") or "…" in words:
            continue
        if words[0] in ("submitter", "new"):  # the other image's name, beside the first
            continue
        assert words[0] in offered, f"{name}: scorer {words[0]}"
        options = {option for parameter in offered[words[0]].params for option in (*parameter.opts, *parameter.secondary_opts)}
        assert split(words)[1] <= {*options, "--help"}, f"{name}: scorer {words}"


def test_make_has_what_is_typed() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for name, words in used("make"):
        if name.endswith(".md"):
            assert {word for word in words if re.fullmatch(r"[a-z]+", word)} <= targets, f"{name}: make {words}"


def test_stacks_have_the_settings_and_outputs_that_are_named() -> None:
    program = (ROOT / "__main__.py").read_text()
    for name, words in used("pulumi"):
        plain = [word for word in words if not word.startswith("-")]
        if plain[:2] in (["config", "set"], ["config", "rm"]) and len(plain) > 2 and re.match(r"[a-z]", plain[2]):
            setting = re.split(r"[.\[]", plain[2])[0]
            assert setting in SETTINGS or setting in ("STACK", "azure-native:environment"), f"{name}: {words}"
        if plain[:2] == ["stack", "output"] and len(plain) > 2 and re.match(r"[a-z]", plain[2]):
            assert re.search(rf'pulumi\.export\(\s*"{plain[2]}"', program), f"{name}: {words}"


@pytest.mark.parametrize("document", ["docs/operations.md", "examples/pipelines/README.md"])
def test_links_lead_somewhere(document: str) -> None:
    path = ROOT / document
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text()):
        assert target.startswith("https://") or (path.parent / target).exists(), target


VARIABLES = ("stateAccount", "signingKey", "previewConnection", "imagesConnection", "deployConnection")


def test_settings_that_the_guide_names_are_there() -> None:
    for name in ("docs/operations.md", "examples/pipelines/README.md"):
        text = (ROOT / name).read_text()
        for word in re.findall(r"`([a-z]+[A-Z]\w*)(?:: [^`]+)?`", text):
            assert word in SETTINGS or word in VARIABLES, f"{name}: {word}"
