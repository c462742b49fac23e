"""Documents agree with each other and with the program: links, options, exit codes, rooms; and they make a site."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from posixpath import normpath
from typing import Any

import pytest
import yaml

from scorer import errors
from scorer.cli.help import loaded
from scorer.cli.main import STOPPED_EXIT_CODE
from tests.docs.commands import ROOT

DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for path in ROOT.rglob("*.md")
    if not any(part.startswith(".") or part in ("node_modules", "site", "demo", "cases") for part in path.relative_to(ROOT).parts)
)


def prose(name: str) -> str:
    """The document without its code, in which nothing is a link or a heading."""
    text = re.sub(r"^```.*?^```$", "", (ROOT / name).read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return "\n".join(line for line in text.splitlines() if not line.startswith("    "))


@cache
def anchors(name: str) -> set[str]:
    """Of a document's headings, as GitHub makes them."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.+)$", prose(name), re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        slug = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        found.add(slug if slug not in found else f"{slug}-1")
    return found


def dead(name: str) -> list[str]:
    """The links of a document that lead nowhere."""
    bad = []
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", prose(name))):
        if re.match(r"(https|mailto):", target):
            continue
        path, _, anchor = target.partition("#")
        there = normpath(str(Path(name).parent / path)) if path else name
        if not (ROOT / there).exists() or (anchor and (not there.endswith(".md") or anchor not in anchors(there))):
            bad.append(target)
    return bad


@pytest.mark.parametrize("name", DOCUMENTS)
def test_each_link_leads_somewhere(name: str) -> None:
    assert dead(name) == []


def test_a_dead_link_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.md").write_text(
        "# One `two`: three\n\n[good](#one-two-three) [bad](#four) [gone](b.md) [no page](a.txt#x) [web](https://a.b)\n"
    )
    (tmp_path / "a.txt").write_text("")
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    assert dead("a.md") == ["#four", "b.md", "a.txt#x"]


def table(name: str, heading: str) -> list[list[str]]:
    """The cells of each row of the first table behind `heading`."""
    part = (ROOT / name).read_text(encoding="utf-8").split(heading, 1)[1]
    rows = re.search(r"^\|.*\n\|[-|]+\n((?:\|.*\n)+)", part, re.MULTILINE)
    assert rows
    return [re.split(r"(?<!\\) *\| *", row.strip("| ")) for row in rows[1].splitlines()]


@pytest.mark.parametrize(("command", "heading"), [("run", "# Running"), ("work", "## Several machines on one job")])
def test_the_options_that_are_told_are_those_that_the_program_has(command: str, heading: str) -> None:
    rows = table("docs/running.md", heading)
    told = {re.findall(r"--[a-z-]+", row[0])[0]: set(re.findall(r"\bSCORER_[A-Z_]+", row[1])) for row in rows}
    shown = [each for each in loaded(command).params if not getattr(each, "hidden", False)]
    options = {option: each for each in shown for option in each.opts}
    assert set(told) == {option for option in options if option.startswith("--")} - {"--help"}
    for option, variables in told.items():
        assert variables <= {options[option].envvar}, option


def manifest() -> dict[str, Any]:
    """The Kubernetes Job of the guide."""
    text = (ROOT / "docs/jobs-on-azure.md").read_text(encoding="utf-8").split("## Any machine may help", 1)[1]
    found = re.search(r"^```yaml$(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert found
    document: dict[str, Any] = yaml.safe_load(found[1])
    return document


def test_the_job_for_kubernetes_is_one_of_workers() -> None:
    """https://kubernetes.io/docs/concepts/workloads/controllers/job/: as a work queue it has no completions, and a policy for
    failures needs pods that aren't restarted in their place."""
    document = manifest()
    assert (document["apiVersion"], document["kind"]) == ("batch/v1", "Job")
    job = document["spec"]
    assert set(job) == {"parallelism", "backoffLimit", "podFailurePolicy", "template"}
    pod = job["template"]["spec"]
    assert pod["restartPolicy"] == "Never"
    (container,) = pod["containers"]
    ignored, final = job["podFailurePolicy"]["rules"]
    assert ignored == {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}
    assert final["onExitCodes"]["containerName"] == container["name"]
    codes = set(final["onExitCodes"]["values"])
    retried = {kind.exit_code for kind in kinds() if kind.retry}
    assert codes <= {kind.exit_code for kind in kinds()} - retried - {STOPPED_EXIT_CODE}
    mounts = {mount["name"] for mount in container["volumeMounts"]}
    assert mounts == {volume["name"] for volume in pod["volumes"]}
    assert {"/tmp", "/work"} <= {mount["mountPath"] for mount in container["volumeMounts"]}  # noqa: S108  # it is read-only else
    secure = container["securityContext"]
    assert secure["readOnlyRootFilesystem"]
    assert not secure["allowPrivilegeEscalation"]


def test_the_job_for_kubernetes_is_typed_as_the_program_takes_it() -> None:
    (container,) = manifest()["spec"]["template"]["spec"]["containers"]
    name, *words = container["args"]
    command = loaded(name)
    context = command.make_context(name, [str(word) for word in words])
    assert context.params["processes"] == container["resources"]["limits"]["nvidia.com/gpu"]
    variables = {each["name"] for each in container["env"]}
    assert variables - {"SCORER_NODE_DIR"} <= {str(each.envvar) for each in command.params}
    assert "SCORER_DEPLOYMENT" in variables


def kinds(base: type[errors.ScorerError] = errors.ScorerError) -> set[type[errors.ScorerError]]:
    return {base, *(found for kind in base.__subclasses__() for found in kinds(kind) if found.__module__ == errors.__name__)}


def test_exit_codes_are_those_that_the_program_has_in_order() -> None:
    told = [int(row[0]) for row in table("docs/running.md", "## Exit codes")]
    # 1 is the base's own, which nothing raises.
    assert told == sorted({0, STOPPED_EXIT_CODE, *(kind.exit_code for kind in kinds())} - {1})


def test_each_room_has_its_line_on_the_map() -> None:
    here = ROOT / "scorer"
    rooms = {path.name for path in here.iterdir() if (path / "__init__.py").exists()}
    told = re.findall(
        r"^\| \[`(\w+)/`\]\(\.\./scorer/(\w+)\)", (ROOT / "docs/architecture.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert {name for name, _ in told} == rooms
    assert all(name == target for name, target in told)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` does: a warning ends it."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_site_has_each_document_that_is_for_readers(site: Path) -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    nav: Any = yaml.safe_load(text.split("nav:\n")[1])
    named = set(re.findall(r"[\w./-]+\.md", str(nav)))
    assert named == set(DOCUMENTS) - {name for name in DOCUMENTS if name.startswith(("tests/", "emulator/"))}
    for name in named:
        page = site / name.replace("README.md", "index.html").replace(".md", ".html")
        assert "<h1" in page.read_text(encoding="utf-8"), name


def test_the_site_loads_nothing_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r'<(?:script|img|iframe|source)\b[^>]*\bsrc="?([^"\s>]+)', text)
        loaded += [
            url
            for tag in re.findall(r"<link\b[^>]*>", text)
            if "canonical" not in tag
            for url in re.findall(r'href="?([^"\s>]+)', tag)
        ]
        assert loaded, page
        assert [url for url in loaded if re.match(r"(https?:)?//", url)] == [], page
        # The theme fetches a library from a host of its own where it meets a diagram.
        assert 'class="mermaid"' not in text, page
    for style in site.rglob("*.css"):
        assert re.findall(r"url\(['\"]?(?:https?:)?//[^)]*\)", style.read_text(encoding="utf-8")) == [], style
