"""Where the pipelines that ship are, and how one of their programs is run."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PIPELINES = ROOT / "examples" / "pipelines"
GITHUB = PIPELINES / "github" / "deploy.yml"
AZURE = PIPELINES / "azure-devops" / "azure-pipelines.yml"


def run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **environment}
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
