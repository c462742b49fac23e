"""Make all cases, run each through `scorer run`, and write a table of what ffmpeg shows of inputs and results.

python -m tests.cases [FOLDER] [NAME ...]
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.cases import VIDEOS, VideoCase
from tests.cases.look import Shown, differences, look
from tests.trial_site import install

MOST = 90
"""Characters of what is said of a stream."""


def main(folder: Path, names: list[str]) -> None:
    """Write `folder`/table.md, and print its lines as they come."""
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(install(folder / "models")), os.environ.get("PYTHONPATH", "")])
    lines = ["| case | input | result | notes | verdict |", "|---|---|---|---|---|"]
    print(*lines, sep="\n")
    for name in names or VIDEOS:
        lines.append(row(VIDEOS[name], folder / name.replace(".", "_")))
        print(lines[-1], flush=True)
    (folder / "table.md").write_text("\n".join(lines) + "\n")


def row(case: VideoCase, folder: Path) -> str:
    """The line of one case."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    path = folder / case.name
    case.make(path)
    command = [sys.executable, "-m", "scorer", "run", case.name, "--model", "invert", "--chunk-frames", "16", "--work", "work"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    before = look(path)
    results = sorted((folder / "work").rglob("result.m*"))
    told = sorted((folder / "work").rglob("status.json"))
    notes = "; ".join(json.loads(told[0].read_text()).get("notes", [])) if told else ""
    if not results:
        said = done.stderr.strip().splitlines()[-1:] or [f"code {done.returncode}"]
        return cells(f"**{case.name}** {case.what}", facts(before), "none", notes, said[0].replace(str(folder), ""))
    after = look(results[0])
    verdict = "; ".join(differences(before, after, case.rough)) or "as the input"
    return cells(f"**{case.name}** {case.what}", facts(before), f"{results[0].suffix} {facts(after)}", notes, verdict)


def facts(shown: Shown) -> str:
    """What is shown, and of which streams."""
    return "<br>".join([shown.text(), *(each[:MOST] for each in shown.streams)])


def cells(*texts: str) -> str:
    """A line of the table."""
    return "| " + " | ".join(text.replace("|", "/").replace("\n", " ") for text in texts) + " |"


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "cases").absolute(), sys.argv[2:])
