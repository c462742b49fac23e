"""What obstore, Azure's SDK and the system raise, turned into our own errors."""

from __future__ import annotations

import errno
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from azure.core.exceptions import HttpResponseError, ServiceRequestError, ServiceResponseError
from obstore.exceptions import BaseError, NotFoundError, PermissionDeniedError, PreconditionError, UnauthenticatedError

from scorer.azure.retries import on_machine
from scorer.errors import (
    DISK_FULL,
    ChangedError,
    DocumentError,
    InputError,
    LoginError,
    MissingError,
    OutputError,
    RequestError,
    ScorerError,
    StorageFullError,
    StoreError,
)

# A missing role and a firewall give the same answer.
ACCESS_HINT = (
    "your account must be among 'operators', and your public address among 'allowedIps', of the deployment: ask whoever runs it"
)

_MACHINE_ACCESS_HINT = (
    "Azure refused this machine's identity for two minutes, so a role lacks, or the account's firewall doesn't know the "
    "machine's subnet: 'pulumi up' gives both"
)

# Azure's answers to a name that no blob can have, such as one of more than 254 folders: the same question gets the same answer.
# https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata
_NO_NAME = (400, 414)
_REFUSED = (401, 403)
# Answers of a disk that allows nothing, or has no hard links (FAT, SMB, blobfuse), by which files are made that aren't there yet.
_UNABLE = (errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.ENOSYS)


def is_unsafe_name(path: str) -> bool:
    """Whether a blob's name can't be used as a path: obstore takes none of these, Azure does."""
    return any(part in ("", ".", "..") for part in path.split("/")) or any(unicodedata.category(char) == "Cc" for char in path)


@contextmanager
def storage_errors(where: str, *, writing: bool = False) -> Iterator[None]:
    """Turn what obstore and the system raise into our own errors, naming `where`."""
    try:
        yield
    except (BaseError, OSError) as error:
        raise_storage_error(error, where, writing=writing)
    except ValueError as error:
        if "parse path" not in str(error):
            raise
        raise _no_name(where) from error  # see is_unsafe_name


def _let_in() -> str:
    return _MACHINE_ACCESS_HINT if on_machine() else ACCESS_HINT


def is_refusal(error: BaseException) -> bool:
    """Whether it is what Azure answers to whoever isn't let in, or isn't yet."""
    if isinstance(error, HttpResponseError):
        return error.status_code in _REFUSED
    return isinstance(error, PermissionDeniedError | UnauthenticatedError)


def _no_name(where: str) -> RequestError:
    return RequestError(f"{where!r} is no name that can be used: give it a plain one.")


@contextmanager
def sdk_errors(where: str, *, writing: bool = False) -> Iterator[None]:
    """Turn what Azure's SDK raises into our own errors, naming `where`.

    Raises OutputError where this account or its address isn't let in, StoreError for everything else.
    """
    try:
        yield
    except (HttpResponseError, ServiceRequestError, ServiceResponseError) as error:
        status = getattr(error, "status_code", None)
        if status in _REFUSED:
            what = "written" if writing else "read"
            raise OutputError(f"'{where}' can't be {what}: {_let_in()}.") from error
        if not writing and status in _NO_NAME:
            raise _no_name(where) from error
        answer = f"answered {status}" if status else "didn't answer"
        raise StoreError(f"'{where}' {answer}: run the same command again.") from error


def raise_storage_error(error: Exception, where: str, *, writing: bool) -> NoReturn:
    """Raise the typed error that `error` is, naming `where`."""
    text = str(error).splitlines()[0]
    number = error.errno if isinstance(error, OSError) else None
    # obstore hands the system's error number over in words only.
    if number in DISK_FULL or any(f"os error {code})" in text for code in DISK_FULL):
        raise StorageFullError(f"No space is left to write '{where}': free some and run the same command again.") from error
    if isinstance(error, FileNotFoundError | NotFoundError) and not writing:
        raise MissingError(f"There is no '{where}': check the name.") from error
    if isinstance(error, PreconditionError):
        raise changed(where) from error
    if not writing and any(f"status code: {code} " in text for code in _NO_NAME):
        raise _no_name(where) from error
    if isinstance(error, PermissionError | PermissionDeniedError | UnauthenticatedError):
        if (unsigned := text.partition("LoginError: ")[2]) and isinstance(error, UnauthenticatedError):
            raise LoginError(unsigned) from error  # which obstore hands over in words only
        why = _let_in() if where.startswith("az://") else "check its permissions"
        raise OutputError(f"'{where}' can't be {'written' if writing else 'read'}: {why}.") from error
    if isinstance(error, NotADirectoryError | IsADirectoryError | FileExistsError) or "os error 20)" in text:
        raise OutputError(f"'{where}' can't be written, since a file or folder of that name is in the way.") from error
    if writing:
        _raise_unwritable(error, text, where)
    if "invalid path" in text:  # of a file in it: obstore gives the whole list up
        why = text.rpartition("invalid path: ")[2]
        raise InputError(f"'{where}' has a file in it whose name can't be used ({why}): rename it.") from error
    raise StoreError(f"'{where}' could not be reached: {text}") from error


def _raise_unwritable(error: Exception, text: str, where: str) -> None:
    if isinstance(error, OSError):
        raise OutputError(f"'{where}' can't be written: {error.strerror or text}; choose another place.") from error
    if any(f"os error {code})" in text for code in _UNABLE):
        raise OutputError(
            f"'{where}' can't be written: its disk doesn't allow that, or has no hard links, as it must; choose another place."
        ) from error


def changed(where: str) -> ChangedError:
    """The error that says so."""
    return ChangedError(f"'{where}' has changed since the job was planned: run the job again.")


def check_size(where: str, size: int, most: int | None) -> None:
    """Raise DocumentError where a document has more bytes than any of its kind."""
    if most is not None and size > most:
        raise DocumentError(f"'{where}' has {size} bytes and can have {most} at most: it isn't what its name says.")


@contextmanager
def called(path: Path, name: str) -> Iterator[None]:
    """Around work on a local copy: errors call it by the name of what it is a copy of, which people know."""
    try:
        yield
    except ScorerError as error:
        raise type(error)(str(error).replace(str(path), name)) from error
