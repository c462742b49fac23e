"""A poll of all that waits in a container's memory: one file that would take all of it ends nothing but itself."""

import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scorer.submitter.pending import waiting
from tests.scorer.hostile.media import mp4
from tests.scorer.media.video.samples import make
from tests.scorer.sandbox.cases import raw
from tests.scorer.submitter.intake_harness import IntakeHarness

MEMORY = 2 * 2**30
"""What stacks/submitter.py gives the container."""

POLL = """
import sys, time
from dataclasses import replace
from pathlib import Path
from scorer.media.limits import Limits
from tests.folders import FolderStores
from tests.scorer.submitter.intake_harness import IntakeHarness

folder = Path(sys.argv[1])
intake = IntakeHarness.open(FolderStores.below(folder), folder).intake
intake = replace(intake, target=intake.target.model_copy(update={"limits": Limits()}), log=lambda text: print(text, flush=True))
start = time.monotonic()
intake.poll(float("inf"))
print(f"{time.monotonic() - start:.1f} s")
"""


@contextmanager
def capped() -> Iterator[tuple[str, str]]:
    """A shell's words that cap the memory of what runs behind them, and the name of the cap.

    A memory cgroup like a container's where we may make one; else a cap on the address space of each process.
    """
    files = {"/sys/fs/cgroup/memory": "memory.limit_in_bytes", "/sys/fs/cgroup": "memory.max"}
    for top, limit in files.items():
        group = Path(top) / f"test-{secrets.token_hex(4)}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            (group / limit).write_text(str(MEMORY))
        except OSError:  # the controller isn't handed down
            group.rmdir()
            continue
        try:
            yield f"echo $$ > {group}/cgroup.procs", limit
        finally:
            group.rmdir()
        return
    yield f"ulimit -v {MEMORY >> 10}", "ulimit -v"


def test_a_bomb_before_three_good_requests_is_refused_and_they_are_taken(harness: IntakeHarness, tmp_path: Path) -> None:
    (harness.stores.input.root / "videos").mkdir(parents=True)
    mp4(harness.stores.input.root / "videos/bomb.mp4", raw(80_000_000))
    bomb = harness.put({"name": "bomb", "input": "videos/bomb.mp4", "model": "invert"}, "requests/0.json")
    make(harness.stores.input.root / "videos/good.mp4", "-c:v", "libx264")
    for number in (1, 2, 3):
        harness.put({"name": f"good{number}", "input": "videos/good.mp4", "model": "invert"}, f"requests/{number}.json")
    assert waiting(harness.stores, 7, {})[0].path == bomb
    with capped() as (cap, name):
        command = ["sh", "-c", f'{cap} && exec "$@"', "sh", sys.executable, "-c", POLL, str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    print(f"\n{name}:\n{done.stdout}{done.stderr}")
    assert done.returncode == 0, done.stderr
    assert waiting(harness.stores, 7, {}) == []
    (refused,) = harness.stores.output.root.glob("*/rejected.json")
    assert refused.parent.name.startswith("bomb-")
    assert "'" + harness.stores.input.where("videos/bomb.mp4") + "'" in refused.read_text()
    assert len(list(harness.stores.work.root.glob("good*/plan.json"))) == 3
