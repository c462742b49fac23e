"""`scorer` in a process of its own, as a person types it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

SCORER = [sys.executable, "-m", "scorer"]


def run(
    *arguments: str | Path, folder: Path, code: int = 0, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """What a person types, which must end with that code."""
    command = [*SCORER, *map(str, arguments)]
    variables = {**os.environ, **(environment or {})}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=variables)
    assert done.returncode == code, done.stderr
    return done


def status(folder: Path) -> dict[str, object]:
    """The status of the one job that was run in the folder."""
    (path,) = (folder / ".scorer/output").glob("*/status.json")
    content: dict[str, object] = json.loads(path.read_text())
    return content
