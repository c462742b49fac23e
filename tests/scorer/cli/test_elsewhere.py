"""A system that lacks what is Linux's alone: `scorer run` and the commands of a deployment need none of it.

The interpreters here refuse those modules, and have none of those names; those that they start are like them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import MakeClip, frame_hashes, write_images
from tests.scorer.cli.command_line import SCORER
from tests.scorer.documents.test_deployment import DOCUMENT

LACKING = """
import os, signal, sys

class Refuse:
    names = {"fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "syslog", "pyseccomp"}

    def find_spec(self, name, path=None, target=None):
        if name in self.names:
            raise ModuleNotFoundError(f"no {name} here", name=name)

sys.meta_path.insert(0, Refuse())
for name in Refuse.names:
    sys.modules.pop(name, None)
for module, names in {
    os: "getuid geteuid getgid killpg getpgid setsid sched_getaffinity getloadavg statvfs mkfifo fchmod fchown chown sysconf "
        "O_NOFOLLOW O_NONBLOCK O_DIRECTORY O_CLOEXEC O_SYNC",
    signal: "pthread_sigmask SIGXCPU SIGHUP SIGUSR1 SIGALRM setitimer alarm",
}.items():
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)
"""


@pytest.fixture
def lacking(tmp_path: Path) -> dict[str, str]:
    """The environment of such a system."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(LACKING)
    paths = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": paths, "SCORER_NODE_DIR": str(tmp_path / "node")}


def call(*arguments: str | Path, folder: Path, environment: dict[str, str], code: int = 0) -> subprocess.CompletedProcess[str]:
    command = [*SCORER, *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == code, done.stderr
    return done


def test_it_is_lacking(tmp_path: Path, lacking: dict[str, str]) -> None:
    for code in ("import fcntl", "import os; os.geteuid()", "import signal; signal.pthread_sigmask"):
        done = subprocess.run([sys.executable, "-c", code], env=lacking, cwd=tmp_path, capture_output=True, check=False)
        assert done.returncode


def test_a_video_and_a_folder_are_scored(tmp_path: Path, make_clip: MakeClip, lacking: dict[str, str]) -> None:
    clip = make_clip(frames=4, size="32x32")
    call("run", clip, "--model", "invert", "--out", "out.mp4", "--chunk-frames", "2", folder=tmp_path, environment=lacking)
    assert len(frame_hashes(tmp_path / "out.mp4")) == 4
    write_images(tmp_path / "shots", ["a.png"])
    call("run", "shots", "--model", "invert", "--out", "done", folder=tmp_path, environment=lacking)
    assert (tmp_path / "done/a.png").is_file()


def test_a_trained_style_is_scored(tmp_path: Path, lacking: dict[str, str]) -> None:
    write_images(tmp_path / "shots", ["a.png"])
    write_images(tmp_path, ["style.png"])
    call("run", "shots", "--style", "style.png", "--out", "done", folder=tmp_path, environment=lacking)
    assert (tmp_path / "done/a.png").is_file()


def test_the_commands_of_a_deployment_begin(tmp_path: Path, lacking: dict[str, str]) -> None:
    """They come as far as to Azure, which nobody is signed in to."""
    assert "submit" in call("--help", folder=tmp_path, environment=lacking).stdout
    assert "adaptive" in call("models", folder=tmp_path, environment=lacking).stdout
    modules = ("client.client", "client.upload", "client.revoke", "cli.share", "cli.publish", "cli.estimate", "store.blob")
    code = "import " + ", ".join(f"scorer.{module}" for module in modules)
    subprocess.run([sys.executable, "-c", code], env=lacking, cwd=tmp_path, check=True)
    nobody = {
        **lacking, "SCORER_DEPLOYMENT": json.dumps(DOCUMENT), "PATH": "/nowhere", "HOME": str(tmp_path),
        "AZURE_TOKEN_CREDENTIALS": "AzureCliCredential",
    }  # fmt: skip
    done = call("status", folder=tmp_path, environment=nobody, code=16)
    assert "az login" in done.stderr
