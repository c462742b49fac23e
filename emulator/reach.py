"""Access for other users to what forked processes need: Python itself may lie in a folder of root's that is closed to others.

Where it does, the process that the copies are forked from gets mounts of its own (https://man7.org/linux/man-pages/man7/
mount_namespaces.7.html): each closed folder above is covered by an open one with the same content. Nothing changes elsewhere.
"""

from __future__ import annotations

import ctypes
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

_NEW_MOUNTS = 0x20000  # CLONE_NEWNS
_BIND, _MOVE, _RECURSIVE, _PRIVATE = 0x1000, 0x2000, 0x4000, 0x40000
_DUMPABLE = 4  # PR_SET_DUMPABLE


def open_up(paths: Iterable[str | Path]) -> None:
    """Let every user get to these paths, as far as this process and its children see. Raises OSError."""
    if os.geteuid() != 0:  # who isn't root has no other users
        return
    above = {parent for path in paths for parent in Path(path).resolve().parents}
    closed = sorted(folder for folder in above if not folder.stat().st_mode & 0o001)
    if closed:
        _checked(_libc().unshare(_NEW_MOUNTS))
        _mount("none", "/", _RECURSIVE | _PRIVATE)
    for folder in closed:
        _cover(folder)


def become(uid: int | None) -> None:
    """Be that user from here on, for good; nobody else where we aren't root, and nothing changes for None."""
    if uid is None or os.geteuid() != 0:
        return
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)
    _libc().prctl(_DUMPABLE, 1, 0, 0, 0)  # or /proc/self would be root's, as it isn't where a program was executed since


def _cover(folder: Path) -> None:
    made = Path(tempfile.mkdtemp())
    _mount("tmpfs", made, 0, "tmpfs", "mode=0755")
    for entry in folder.iterdir():
        place = made / entry.name
        if entry.is_symlink():
            place.symlink_to(entry.readlink())
        elif entry.is_dir():
            place.mkdir()
            _mount(entry, place, _BIND | _RECURSIVE)
        elif entry.is_file():
            place.touch()
            _mount(entry, place, _BIND)
    _mount(made, folder, _MOVE)
    made.rmdir()


def _mount(source: str | Path, target: str | Path, flags: int, kind: str = "", data: str = "") -> None:
    _checked(_libc().mount(str(source).encode(), str(target).encode(), kind.encode(), flags, data.encode()))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"{os.strerror(number)}: other users need a way to Python, or tests that aren't root's")
