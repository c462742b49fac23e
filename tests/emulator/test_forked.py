"""Processes that begin as copies of one that has loaded what they import."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.commands import ROOT

# As where the product's workers are the first that are forked: it keeps interrupts from them.
PROGRAM = """
import multiprocessing, os, signal, sys, time
from multiprocessing import resource_tracker
from pathlib import Path
from emulator import forked

if __name__ == "__main__":
    here = Path(sys.argv[1])
    multiprocessing.get_context("forkserver").set_forkserver_preload([])  # what takes seconds to load, and isn't asked for
    resource_tracker.ensure_running()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    process = forked.start(["sh", "-c", "echo begun; exec sleep 20"], dict(os.environ), here, here / "out", here / "errors")
    while "begun" not in ((here / "out").read_text() if (here / "out").exists() else ""):
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGINT)
    print(process.wait())
"""


@pytest.mark.parametrize("how", ["--default-signal=INT", "--ignore-signal=INT"], ids=["terminal", "background"])
def test_an_interrupt_reaches_what_is_forked_whoever_started_the_server(tmp_path: Path, how: str) -> None:
    """A shell has what it starts in its background ignore interrupts."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["env", how, sys.executable, program, tmp_path], capture_output=True, text=True, check=False, timeout=120, env=environment
    )
    assert (done.returncode, done.stdout.strip()) == (0, "-2"), done.stderr
