"""Writing a file so that it is there whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import av

from scorer.errors import DISK_FULL, OutputError, ScorerError, StorageFullError

_OF_THE_FOLDER = {
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP,
    errno.EBUSY, errno.EIO,
}  # fmt: skip


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; what is written there appears as `path` when the block ends without an error."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with writing(path):
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
            _sync_folder(path.parent)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Around calls that write for `path`: what the system refuses becomes StorageFullError or OutputError."""
    try:
        yield
    except (OSError, av.FFmpegError) as error:
        raise _output_error(path, error) from error


def _output_error(path: Path, error: OSError | av.FFmpegError) -> ScorerError:
    if error.errno in DISK_FULL:
        return StorageFullError(f"The disk is full, '{path}' can't be written: free some space, then run the same command again.")
    if error.errno in _OF_THE_FOLDER:
        return OutputError(f"'{path}' can't be written ({error.strerror}): check the folder's name and permissions.")
    return OutputError(
        f"'{path}' can't be written ({error.strerror}): its container doesn't take the video or its sound; try another."
    )


def _sync_folder(folder: Path) -> None:
    """A new name is only durable once its folder is."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
