"""Locks on open files: whoever has one keeps it until the file is closed, or the process ends.

On POSIX they are flock's, on files and folders. On Windows they are of one byte far behind a file's end, as a lock there keeps
others from reading what it is on; what is open can't be deleted there, so that sharing needs none.
"""

from __future__ import annotations

import os
import sys
import time

if sys.platform == "win32":
    import msvcrt
else:
    try:
        import fcntl
    except ImportError:  # a Python without it has nobody to share with
        fcntl = None  # type: ignore[assignment]  # asked for below

FAR = 2**40
NOT_FOLLOWED = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""Flags with which a file is opened that somebody else may have put there."""


def lock(file: int, *, shared: bool = False, wait: bool = True) -> None:
    """Lock the open file, alone or with others who share it. Raises BlockingIOError where it is taken and nobody is to `wait`."""
    if sys.platform == "win32":
        if not shared:
            _lock_byte(file, wait=wait)
    elif fcntl is not None:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))


if sys.platform == "win32":

    def _lock_byte(file: int, *, wait: bool) -> None:
        while True:
            os.lseek(file, FAR, os.SEEK_SET)
            try:
                msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
            except OSError as error:
                if not wait:
                    raise BlockingIOError from error
                time.sleep(0.05)
            else:
                return


def is_of_this_user(uid: int) -> bool:
    """Whether a file's owner is who we are; on Windows, where files have none that Python knows, it is."""
    return uid == os.geteuid() if hasattr(os, "geteuid") else True
