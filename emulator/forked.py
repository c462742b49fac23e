"""Processes that begin as copies of one that has loaded what they import: Azure's SDKs take `scorer` two seconds of a processor.

A copy has an environment, a folder, streams and a process group of its own, as any process that is started has, and may be
another user's, as tasks of Azure Batch are. Only what a module reads while it is loaded is that of the process which loaded it.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import connection, util
from pathlib import Path
from typing import Any

from emulator import clock
from emulator.reach import become

SCORER = (sys.executable, "-m", "scorer")
# By how much shorter the times are after which workers renew their claims, and others take them over.
HASTE = "SMALL_AZURE_HASTE"
MOUNTED = (sys.executable, "-m", "emulator.batch.mounts")

_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["emulator.preload"])
# To start a process also looks whether others have ended, and an end can be read once.
_LOCK = threading.Lock()
# The sentinel says at once that a process has ended, but where another thread has read it meanwhile.
_LOOK_SECONDS = 1.0


class CopiedProcess:
    """A process that calls `target`; what subprocess.Popen has, as far as tests need it."""

    def __init__(self, target: Callable[..., None], *arguments: Any) -> None:
        self._process = _PROCESSES.Process(target=target, args=arguments)
        with _LOCK:
            self._process.start()
        self.pid: int = self._process.pid or 0

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""
        with _LOCK:
            return self._process.exitcode

    def wait(self) -> int:
        """The exit code, once there is one."""
        while (code := self.poll()) is None:
            connection.wait([self._process.sentinel], _LOOK_SECONDS)
        return code

    def kill(self) -> None:
        """End it at once."""
        with _LOCK:
            self._process.kill()


Process = CopiedProcess


def start(
    command: Sequence[str], environment: Mapping[str, str], folder: Path, out: Path, errors: Path, uid: int | None = None
) -> Process:
    """Run a command in a folder and a process group of its own; what it says goes to two files, which may be the same.

    With `uid` it runs as that user, if we are root.
    """
    place = Place(dict(environment), str(folder), str(out), str(errors), uid)
    for program, target in ((SCORER, _scorer), (MOUNTED, _mounted)):
        if tuple(command[: len(program)]) == program:
            return CopiedProcess(target, list(command[len(program) :]), place)
    return CopiedProcess(_program, list(command), place)


@dataclass(frozen=True)
class Place:
    """Where a process finds itself."""

    environment: dict[str, str]
    folder: str
    out: str
    errors: str
    uid: int | None

    def enter(self) -> None:
        """Be there, in a process that has just been forked; whatever started the server may have kept interrupts back.

        Or ignores them, as all do that a shell starts in its background.
        """
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        os.environ.clear()
        os.environ.update(self.environment)
        os.chdir(self.folder)
        for path, stream in ((self.out, sys.stdout), (self.errors, sys.stderr)):
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            os.dup2(file, stream.fileno())
            os.close(file)
        become(self.uid)


def run(arguments: Sequence[str], environment: Mapping[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    """`scorer` with these arguments, and what it said."""
    with tempfile.TemporaryDirectory() as place:
        out, errors = Path(place, "out"), Path(place, "errors")
        code = start([*SCORER, *arguments], environment, folder, out, errors).wait()
        return subprocess.CompletedProcess(arguments, code, out.read_text(), errors.read_text())


def _wait_by_azures_clock() -> None:
    """Waiting for roles and identities takes Azure's time, and none of the wall's."""
    from scorer.azure.retries import patience

    waited = clock.Clock()

    def sleep(seconds: float) -> None:
        waited.wait(seconds)
        clock.tell(seconds)

    patience.clock, patience.sleep = lambda: waited.now, sleep


def _hurry(by: float) -> None:
    """Workers that are lost are noticed within seconds."""
    from scorer.engines import work
    from scorer.job import claims

    claims.RENEW_SECONDS /= by
    claims.FREE_SECONDS /= by
    work.POLL_SECONDS /= by
    work.BUSY_POLL_SECONDS /= by


def _program(command: list[str], place: Place) -> None:
    """Any other program."""
    place.enter()
    os.execvpe(command[0], command, place.environment)  # noqa: S606  # as the test says


def _scorer(arguments: list[str], place: Place) -> None:
    """What `scorer` does."""
    place.enter()
    if arguments[:1] == ["run"]:  # `work` may be another user's, as nodes' tasks are: forked_workers.py
        _have_workers_forked()
    be_scorer(arguments)


def _have_workers_forked() -> None:
    """Start what forks the product's workers as a copy of this process, as long as it has no threads: it has loaded all of it."""
    from scorer.engines.process_start import make_ready

    anew, util.spawnv_passfds = util.spawnv_passfds, _fork
    try:
        make_ready()
    finally:
        util.spawnv_passfds = anew


def _fork(path: bytes, args: Sequence[Any], passfds: Sequence[int]) -> int:  # noqa: ARG001  # as multiprocessing calls it
    """Run a Python program, the last of the arguments, with these files alone."""
    if pid := os.fork():
        return pid
    try:
        for number in {int(each.name) for each in Path("/proc/self/fd").iterdir()} - {0, 1, 2, *passfds}:
            with suppress(OSError):  # that of the listing
                os.close(number)
        exec(args[-1], {})  # noqa: S102  # as multiprocessing says
    finally:
        os._exit(0)


def _mounted(arguments: list[str], place: Place) -> None:
    """What a program does that has mounts."""
    place.enter()

    from emulator.batch import mounts

    sys.exit(mounts.main(*arguments))


def be_scorer(arguments: list[str]) -> None:
    """Do what `scorer` does, in a process that has just been forked."""
    sys.argv = ["scorer", *arguments]
    # Both were looked up in another environment.
    tempfile.tempdir = None
    multiprocessing.current_process()._config.pop("tempdir", None)  # type: ignore[attr-defined]  # as multiprocessing itself keeps it

    from emulator import forked_workers
    from scorer.cli.main import main

    if arguments[:1] == ["work"]:
        forked_workers.use_copies()
    if clock.VARIABLE in os.environ:
        _wait_by_azures_clock()
    if HASTE in os.environ:
        _hurry(float(os.environ[HASTE]))
    try:
        main()
    finally:
        atexit._run_exitfuncs()  # multiprocessing leaves it out
