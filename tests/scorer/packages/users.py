"""Users of one machine: what each may do is what the system lets it do, so they are real ones. Needs root, as nodes have it."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

_FORKED = multiprocessing.get_context("fork")
# Batch's own, on a node of Ubuntu: any that are not root will do.
ONE, OTHER, THIRD = 61001, 61002, 61003


def as_user(uid: int, call: Callable[[], Any], umask: int = 0o022) -> Any:
    """What `call` gives when that user calls it; or the error that it raises."""
    with at_work(uid, call, umask) as said:
        return said


@contextmanager
def at_work(uid: int, call: Callable[[], Any], umask: int = 0o022) -> Iterator[Any]:
    """The same, by a process that lives on until the block ends: what it has locked stays so."""
    ours, theirs = _FORKED.Pipe()
    process = _FORKED.Process(target=_call, args=(uid, umask, call, theirs))
    process.start()
    theirs.close()
    try:
        yield ours.recv()
    finally:
        process.kill()
        process.join()


def _call(uid: int, umask: int, call: Callable[[], Any], said: Connection) -> None:
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)
    os.umask(umask)
    try:
        said.send(call())
    except Exception as error:
        said.send(error)
    signal.pause()
