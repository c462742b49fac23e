"""`scorer` in a process of its own, as a person types it: a copy of one that has loaded it, which takes a second."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from emulator import forked
from scorer.cli import main

SCORER = [sys.executable, "-m", "scorer"]
LOADING = {"COLUMNS", "PYTHONPATH"}
"""What Python and its libraries read of the environment while they are loaded: who is given it begins anew."""


def run(
    *arguments: str | Path, folder: Path, code: int = 0, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """What a person types, which must end with that code."""
    command, given = [*map(str, arguments)], environment or {}
    variables = {**os.environ, **given}
    if given.keys() & LOADING:
        done = subprocess.run([*SCORER, *command], cwd=folder, capture_output=True, text=True, check=False, env=variables)
    else:
        done = forked.run(command, variables, folder)
    assert done.returncode == code, done.stderr
    return done


def typed(
    *arguments: str | Path, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], code: int = 0
) -> subprocess.CompletedProcess[str]:
    """The same in this process, whose workers are its own: for what ends soon."""
    command = [*map(str, arguments)]
    with monkeypatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("sys.argv", ["scorer", *command])
        with pytest.raises(SystemExit) as ended:
            main.main()
    said = capsys.readouterr()
    assert (ended.value.code or 0) == code, said.err
    return subprocess.CompletedProcess(command, code, said.out, said.err)


def status(folder: Path) -> dict[str, object]:
    """The status of the one job that was run in the folder."""
    (path,) = (folder / ".scorer/output").glob("*/status.json")
    content: dict[str, object] = json.loads(path.read_text())
    return content
