"""Encoding leaves the machine to others, too: encoders start with the priority of the process that they run in."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def priority_kept() -> Iterator[None]:
    """Give all threads of this process the scheduling back that the calling one has before the block.

    Where the user is root, SVT-AV1 gives its threads and the one that opens it the highest real-time priority (SCHED_FIFO 99);
    they keep it after the video, hand it on to each program that is started, and leave nothing to the rest of the machine.
    """
    if sys.platform != "linux":
        yield
        return
    policy, parameter = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        for thread in Path("/proc/self/task").iterdir():
            with suppress(ProcessLookupError):  # it has ended meanwhile
                if os.sched_getscheduler(int(thread.name)) != policy:
                    os.sched_setscheduler(int(thread.name), policy, parameter)
