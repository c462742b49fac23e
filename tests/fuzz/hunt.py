"""Looking at made files for as long as asked, on all processors; what breaks a promise becomes a case that the tests look at.

    python -m tests.fuzz.hunt --seconds 600

One process of two draws files at random and looks at them as the tests do, in locked children; what it finds is made smaller.
The other is guided by coverage (atheris): it looks at files in itself, and keeps those that reach code of scorer or Pillow that
none reached before. What it reached is kept in .fuzz, from where the next hunt goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, Verbosity, given, seed, settings
from hypothesis.errors import FlakyFailure

from tests.fuzz.cases import FORMATS, Case, cases
from tests.fuzz.finds import CASES, STATE, Hunt, keep, kind_of
from tests.fuzz.pool import Looker

ROUND = 500
"""Files drawn with one seed."""


def draw(until: float) -> None:
    """Look at files drawn at random, with one seed after the other."""
    hunt = Hunt("drawn")
    with TemporaryDirectory() as folder, Looker(Path(folder)) as looker:
        while time.time() < until:
            number = random.SystemRandom().randrange(2**32)
            found = _drawn(number, hunt, looker, until)
            if found is not None:
                hunt.keep(*found, number)
    (STATE / "drawn.count").write_text(str(hunt.looked))


def _drawn(number: int, hunt: Hunt, looker: Looker, until: float) -> tuple[Case, str] | None:
    """The smallest file of those of one seed that breaks a promise, and how it does."""
    found: list[tuple[Case, str]] = []

    @seed(number)
    @settings(
        max_examples=ROUND, deadline=None, database=None, verbosity=Verbosity.quiet, suppress_health_check=list(HealthCheck)
    )
    @given(cases(FORMATS))
    def holds(case: Case) -> None:
        if time.time() > until:
            return
        hunt.begin(case)
        outcome = looker.look(case)
        if outcome["end"] == "broken" and hunt.is_new(outcome["told"]):
            found.append((case, outcome["told"]))
            raise AssertionError(kind_of(outcome["told"]))

    try:
        holds()
    except (AssertionError, ExceptionGroup, FlakyFailure):  # the last where time was over before it was made smaller
        return found[-1]
    return None


def main() -> int:
    """Hunt; the exit code is 1 where something was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--drawn", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    STATE.mkdir(exist_ok=True)
    until = time.time() + asked.seconds
    if asked.drawn:
        draw(until)
        return 0
    for old in STATE.glob("*.count"):
        old.unlink()
    before = set(CASES.glob("*.json"))
    hunters = {part: _start(part, until) for part in ["drawn"] + ["guided"] * (find_spec("atheris") is not None)}
    while time.time() < until:
        time.sleep(1)
        process = hunters.get("guided")
        if process is not None and process.poll() is not None and until - time.time() > 10:
            _keep_crash(process.returncode)
            hunters["guided"] = _start("guided", until)
    for process in hunters.values():
        process.wait(120)
    counts = {name: int(path.read_text()) for name in ("drawn", "guided") if (path := STATE / f"{name}.count").exists()}
    found = set(CASES.glob("*.json")) - before
    print(f"{' and '.join(f'{count:,} files {name}' for name, count in counts.items())}: {len(found)} found")
    return int(bool(found))


def _start(part: str, until: float) -> subprocess.Popen[bytes]:
    seconds = str(max(int(until - time.time()), 1))
    command = [sys.executable, "-m"]
    command += ["tests.fuzz.hunt", "--drawn", "--seconds", seconds] if part == "drawn" else ["tests.fuzz.guided", seconds]
    quiet = subprocess.DEVNULL if part == "guided" else None  # the libraries print what they think of the files
    return subprocess.Popen(command, stderr=quiet, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})


def _keep_crash(code: int) -> None:
    path = STATE / "guided.json"
    if path.exists() and code:
        keep(Case(**json.loads(path.read_text())), f"The process that looked at it ended with {code}.", 0)
        path.unlink()


if __name__ == "__main__":
    sys.exit(main())
