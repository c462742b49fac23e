"""`scorer plan`: the command as a person types it, the deployment from a real Pulumi stack."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pulumi
import pytest
from pulumi import automation as auto

from emulator.pulumi.engine import BUILT, ROOT
from scorer.cli import main
from tests.conftest import MakeClip
from tests.scorer.documents.test_deployment import DOCUMENT

SMALL = {**DOCUMENT, "gpuSize": "Standard_NC4as_T4_v3", "gpusPerNode": 1, "slotsPerNode": 1, "nodesMax": 4}


def plan(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    path = f"{BUILT / 'bin'}:{os.environ['PATH']}"
    paths = f"{os.environ.get('PYTHONPATH', '')}:{ROOT}"
    return subprocess.run(
        [sys.executable, "-m", "scorer", "plan", *arguments], cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "PATH": path, "PYTHONPATH": paths, "COLUMNS": "100", **environment},
    )  # fmt: skip


@pytest.fixture
def request_file(tmp_path: Path, make_clip: MakeClip) -> Path:
    """A request here, its video in the folder `media`."""
    clip = make_clip(frames=100, size="64x48")
    folder = tmp_path / "work"
    (folder / "media").mkdir(parents=True)
    clip.rename(folder / "media/clip.mp4")
    path = folder / "request.json"
    path.write_text(json.dumps({"name": "trailer", "input": "clip.mp4", "model": "painted", "styles": [{"source": 7}]}))
    return path


def test_a_table_of_what_it_takes(request_file: Path) -> None:
    limits = {"requestBytes": 1000, "maxFrames": 2000, "maxPixels": 4000}
    document = json.dumps({**SMALL, "limits": limits})
    done = plan(
        request_file.parent, "request.json", "--input-url", f"file://{request_file.parent}/media", SCORER_DEPLOYMENT=document
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "trailer: 100 frames, 64x48, model painted"
    assert lines[1] == "5 chunks of 4 to 24 frames in 1 task, then a merge"
    row = next(line for line in lines if line.startswith("as set"))
    assert row.split()[2] == "1", "less than five minutes of work"
    assert all(len(line) <= 100 for line in lines)
    assert any("keepWarmMinutes 0" in line for line in lines)
    assert any("1 Standard_NC64as_T4_v3" in line for line in lines)
    whole = {**json.loads(request_file.read_text()), "chunk_frames": 100}
    request_file.write_text(json.dumps(whole))
    done = plan(
        request_file.parent, "request.json", "--input-url", f"file://{request_file.parent}/media", SCORER_DEPLOYMENT=document
    )
    assert done.stdout.splitlines()[1] == "1 chunk of 100 frames in 1 task, then a merge"
    # Nothing was left behind.
    assert sorted(path.name for path in request_file.parent.iterdir()) == ["media", "request.json"]


def test_the_limits_of_the_stack_hold(request_file: Path) -> None:
    limits = {"requestBytes": 1000, "maxFrames": 2000, "maxPixels": 3000}
    document = json.dumps({**SMALL, "limits": limits})
    done = plan(
        request_file.parent, "request.json", "--input-url", f"file://{request_file.parent}/media", SCORER_DEPLOYMENT=document
    )
    assert done.returncode == 3
    assert "3072" in done.stderr or "64x48" in done.stderr


def test_a_stack_by_its_name(request_file: Path) -> None:
    folder = request_file.parent / "project"
    folder.mkdir()
    (request_file.parent / "state").mkdir()
    settings = auto.ProjectSettings(
        name="films", runtime="python", backend=auto.ProjectBackend(url=f"file://{request_file.parent / 'state'}")
    )
    environment = {"PULUMI_CONFIG_PASSPHRASE": "of a test", "PULUMI_SKIP_UPDATE_CHECK": "true"}
    command = auto.PulumiCommand(root=str(BUILT)) if (BUILT / "bin/pulumi").exists() else auto.PulumiCommand()
    document = {**SMALL, "limits": {"requestBytes": 1000, "maxFrames": 2000, "maxPixels": 4000}}
    auto.create_stack(
        "dev", project_name="films", program=lambda: pulumi.export("deployment", document),
        opts=auto.LocalWorkspaceOptions(
            work_dir=str(folder), project_settings=settings, pulumi_command=command, env_vars=environment
        ),
    ).up()  # fmt: skip
    media = f"file://{request_file.parent}/media"
    done = plan(folder, "../request.json", "--stack", "dev", "--input-url", media, "--frames-per-second", "30", **environment)
    assert done.returncode == 0, done.stderr
    assert "Standard_NC4as_T4_v3: 30 frames/s a GPU" in done.stdout
    wrong = plan(folder, "../request.json", "--stack", "prod", **environment)
    assert wrong.returncode == 2
    assert (
        "Stack 'prod' can't be read from this folder: run this in the project's checkout, or set SCORER_DEPLOYMENT"
        in wrong.stderr
    )
    elsewhere = plan(request_file.parent, "request.json", "--stack", "dev", **environment)
    assert elsewhere.returncode == 2
    assert "Stack 'dev' can't be read from this folder" in elsewhere.stderr
    assert elsewhere.stderr.endswith(").\n")


DEV = str(ROOT / "stacks/Pulumi.dev.yaml")


def test_settings_are_enough(request_file: Path) -> None:
    """Neither a stack nor a login, nor Pulumi itself."""
    nothing = {"PATH": "/nowhere"}
    (request_file.parent / "clip.mp4").symlink_to("media/clip.mp4")
    done = plan(request_file.parent, "request.json", "--settings", DEV, **nothing)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "trailer: 100 frames, 64x48, model painted"
    assert "nodesMax 4" in done.stdout
    wished = plan(
        request_file.parent, "media/clip.mp4", "--model", "painted", "--style", "7", "--settings", DEV, "--json", **nothing
    )
    assert wished.returncode == 0, wished.stderr
    facts = json.loads(wished.stdout)
    assert (facts["frames"], facts["size"], facts["model"], facts["chunks"]) == (100, [64, 48], "painted", 5)
    first = facts["estimates"][0]
    assert (first["if"], first["gpu_size"], first["nodes"]) == ("as set", "Standard_NC4as_T4_v3", 1)
    assert first["minutes"][0] <= first["minutes"][1]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (None, "'settings.yaml' can't be read as a stack's settings (No such file or directory): name one such as"),
        ("a: [", "'settings.yaml' can't be read as a stack's settings ("),
        ("location: westeurope", "(it has no 'config')"),
        ("config:\n  batch-scoring:location: weseurope", "'weseurope' is no region of Azure: did you mean 'westeurope'?"),
        ("config:\n  batch-scoring:nodesMax: 2", "location is not set"),
    ],
)
def test_settings_that_are_none(
    settings: str | None, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    if settings is not None:
        Path("settings.yaml").write_text(settings)
    monkeypatch.setattr("sys.argv", ["scorer", "plan", "request.json", "--settings", "settings.yaml"])
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        ((), {}, "No deployment was named: give --stack, or its settings without one: --settings stacks/Pulumi.dev.yaml"),
        (("--settings", DEV, "--size", "64"), {}, "'request.json' says itself how frames are scored"),
        (("--stack", "dev"), {"PATH": "/nowhere"}, "Pulumi isn't installed here"),
    ],
)
def test_no_deployment(request_file: Path, arguments: tuple[str, ...], environment: dict[str, str], words: str) -> None:
    done = plan(request_file.parent, "request.json", *arguments, **environment)
    assert done.returncode == 2
    assert words in " ".join(done.stderr.split())
