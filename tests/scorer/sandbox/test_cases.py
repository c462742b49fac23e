"""What looking at each costs: `pytest -s tests/scorer/sandbox/test_cases.py` prints a table of seconds and memory."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from scorer.media.limits import Limits
from tests.scorer.sandbox.cases import STYLES, VIDEOS

MEASURE = """
import json, resource, sys, time
from pathlib import Path
from scorer.errors import ScorerError
from scorer.media.limits import Limits
from scorer.sandbox import check_style, probe_video
start = time.monotonic()
try:
    index = (probe_video if sys.argv[1] == "video" else check_style)(Path(sys.argv[2]), Limits(probe_seconds=int(sys.argv[3])))
    kind, said = "", f"{index.info.frames} frames" if index else "a style"
except ScorerError as error:
    kind, said = type(error).__name__, str(error)
other = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10
own = next(int(line.split()[1]) >> 10 for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps({"kind": kind, "said": said, "own": own, "other": other, "seconds": time.monotonic() - start}))
"""

FINE = {
    "one of 1280x720",
    "one of 3840x2160",
    "one of 7680x4320, 10 bits",
    "an AVI, which is decoded",
    "an animation",
    "one of 4000x3000",
}
"""What is taken; also an animation, of which the first picture is the style."""


@dataclass(frozen=True)
class Cost:
    """Of looking at one file."""

    kind: str
    """Of the error, if it is refused."""
    said: str
    own: int
    """MiB that the asking process had at most."""
    other: int
    """MiB that the sandboxed process had at most."""
    seconds: float


SECONDS = {"a million edits": 5}
"""What goes on for minutes is given few."""


def cost(kind: str, path: Path, seconds: int) -> Cost:
    command = [sys.executable, "-P", "-c", MEASURE, kind, str(path), str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Cost(**json.loads(done.stdout))


@pytest.mark.parametrize(("kind", "name"), [*(("video", name) for name in VIDEOS), *(("style", name) for name in STYLES)])
def test_each_is_taken_or_refused_within_the_limits(tmp_path: Path, kind: str, name: str) -> None:
    file, write = (VIDEOS if kind == "video" else STYLES)[name]
    path = write(tmp_path / file)
    found = cost(kind, path, SECONDS.get(name, 120))
    row = f"{name:43} {path.stat().st_size:>10,} B {found.seconds:6.2f} s {found.other:5} MiB, {found.own:4} here"
    print(f"\n{row}  {found.said.replace(str(path), file)}", end="")
    assert found.kind == ("" if name in FINE else "InputError" if kind == "video" else "StyleError")
    assert found.said.isprintable()
    assert found.other < Limits().probe_memory_mb
    assert found.own < 300  # the asking one pays nothing for it
