"""Whoever forgot to sign in reads one sentence, from every command that needs a login."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scorer.documents.test_deployment import DOCUMENT


@pytest.mark.parametrize(
    "command",
    [
        "status", "status job-0123456789ab", "fetch job-0123456789ab", "cancel job-0123456789ab", "restart job-0123456789ab",
        "submit film.mp4 --model painted --style 7", "share film.mp4 --sender acme --model painted --style 7",
        "plan requests/film.json", "publish model.whl",
    ],
)  # fmt: skip
def test_nobody_is_signed_in(tmp_path: Path, command: str) -> None:
    (tmp_path / "film.mp4").touch()
    environment = {
        "PATH": "/nowhere", "HOME": str(tmp_path), "PYTHONPATH": os.environ["PYTHONPATH"],
        "SCORER_DEPLOYMENT": json.dumps(DOCUMENT),
        "AZURE_TOKEN_CREDENTIALS": "dev",  # no look for a machine's own identity, which takes its time
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "scorer", *command.split()],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 16, done.stderr
    assert done.stderr == "error: Nobody is signed in to Azure here: run 'az login', then this command again.\n"
    assert not done.stdout
