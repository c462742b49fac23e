"""Processes start with what their caller has at that time, though they are forked from one that is older, and end with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from scorer.engines.process_start import make_ready, start
from tests.scorer.engines import test_process_start as here

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere each process starts anew")


def tell(variable: str, link: Connection[Any, Any]) -> None:
    """What a worker finds."""
    kept_back = signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    link.send((os.environ.get(variable), str(Path.cwd()), "scorer.job.score" in sys.modules, kept_back))


def hang(link: Connection[Any, Any]) -> None:
    """Until its parent is gone."""
    from multiprocessing import parent_process
    from multiprocessing.connection import wait

    link.send(os.getpid())
    parent = parent_process()
    assert parent is not None
    wait([parent.sentinel])


def told(variable: str) -> tuple[str | None, str, bool, bool]:
    process, link = start(here.tell, variable, name="one")
    found: tuple[str | None, str, bool, bool] = link.recv()
    process.join()
    assert process.exitcode == 0
    return found


@LINUX
def test_a_process_has_the_environment_and_folder_of_now(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SCORER_TEST", "before")
    make_ready()
    assert told("SCORER_TEST")[0] == "before"
    monkeypatch.setenv("SCORER_TEST", "after")
    monkeypatch.chdir(tmp_path)
    value, folder, has_loaded, no_interrupts = told("SCORER_TEST")
    assert (value, folder) == ("after", str(tmp_path))
    assert has_loaded
    assert no_interrupts
    monkeypatch.delenv("SCORER_TEST")
    assert told("SCORER_TEST")[0] is None


@LINUX
def test_without_a_place_for_a_socket_a_process_starts_anew(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    code = (
        "from tests.scorer.engines.test_process_start import start, tell\n"
        "process, link = start(tell, 'TMPDIR', name='one')\n"
        "print(link.recv()[0])\nprocess.join()\n"
    )
    environment = {**os.environ, "TMPDIR": str(folder)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == str(folder)


@LINUX
def test_nobody_stays_when_the_caller_is_killed() -> None:
    code = (
        "from tests.scorer.engines.test_process_start import hang, start\n"
        "process, link = start(hang, name='one')\n"
        "print(link.recv(), flush=True)\nprocess.join()\n"
    )
    caller = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert caller.stdout is not None
    worker = int(caller.stdout.readline())
    listing = ["ps", "-o", "pid=", "--ppid", str(caller.pid)]
    family = [worker, *map(int, subprocess.run(listing, capture_output=True, text=True, check=True).stdout.split())]
    assert len(family) >= 2
    caller.kill()
    caller.wait()
    deadline = time.monotonic() + 60
    while left := [each for each in family if _runs(each)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def _runs(process: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
