"""How worker processes start: on Linux forked from one that has loaded what all of them need, elsewhere each anew.

That one starts while its caller still plans the job. It has no device open and runs no code but imports, so that forking shares
nothing but memory. Elsewhere forking isn't safe, or not possible:
https://docs.python.org/3.11/library/multiprocessing.html#contexts-and-start-methods
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import resource_tracker, spawn
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

# Before, any user of the machine could have the server run what they like (CVE-2022-42919).
_FORKS = sys.platform == "linux" and sys.version_info >= (3, 11, 1)
# What isn't installed is left out.
LOADED = ["scorer.engines.processes", "scorer.models.openvino_networks"]


def make_ready() -> bool:
    """Begin to load what workers need, in the background; a second time it does nothing. Whether they can be forked here."""
    if not _FORKS:
        return False
    from multiprocessing import forkserver

    multiprocessing.get_context("forkserver").set_forkserver_preload(LOADED)
    try:
        with _interrupts_kept_back():
            forkserver.ensure_running()
    except OSError:  # its socket has no place: the folder for such has a longer path than sockets may have
        return False
    return True


def start(work: Callable[..., None], *arguments: Any, name: str) -> tuple[BaseProcess, Connection[Any, Any]]:
    """A process that does `work`, a module's function, with our environment, and ends with us; and the link to it.

    `work` gets its end of the link behind its arguments. Ctrl-C, which reaches all processes of a terminal, doesn't reach it.
    """
    context = multiprocessing.get_context("forkserver") if make_ready() else multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_begin, args=(dict(os.environ), work, *arguments, theirs), name=name, daemon=True)
    with _interrupts_kept_back(), _caller_left_out():
        process.start()
    theirs.close()
    return process, ours


def _begin(environment: Mapping[str, str], work: Callable[..., None], *arguments: Any) -> None:
    """The process that it is forked from may be older than the environment, and others may have started it, with interrupts."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    if dict(os.environ) != environment:
        os.environ.clear()
        os.environ.update(environment)
    work(*arguments)


@contextmanager
def _interrupts_kept_back() -> Iterator[None]:
    """A process that is started in the block gets no interrupt, where the system has signals to keep back."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # by starting it, start() would let the signal through
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_LEAVING_OUT = threading.Lock()


@contextmanager
def _caller_left_out() -> Iterator[None]:
    """A process that this thread starts in the block imports nothing of the program that we are in.

    It would run that again, as far as nothing guards it, only to find functions there, of which we need none.
    https://docs.python.org/3/library/multiprocessing.html#the-spawn-and-forkserver-start-methods
    """
    module: dict[str, Any] = vars(spawn)
    thread = threading.get_ident()
    with _LEAVING_OUT:
        told = module["get_preparation_data"]

        def tell(name: str) -> dict[str, Any]:
            data: dict[str, Any] = told(name)
            if threading.get_ident() == thread:
                data = {key: value for key, value in data.items() if not key.startswith("init_main_")}
            return data

        module["get_preparation_data"] = tell
        try:
            yield
        finally:
            module["get_preparation_data"] = told
