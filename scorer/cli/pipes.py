"""`-` in a file's place: a video that comes through standard input, a result that goes through standard output.

A video is kept in a file before anything else: it is looked at as a whole, and each worker reads its own part of it. It is called
by what is in it, so that the same bytes are the same job, which goes on where it was stopped. A result goes out once it is whole;
of an mp4 what tells how to play it stands first, so that whoever reads it from a pipe needn't wait for its end.
"""

from __future__ import annotations

import hashlib
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from scorer.cli.console import to_stdout
from scorer.errors import InputError, RequestError
from scorer.media.limits import Limits
from scorer.store import called, storage_errors

PIPE = Path("-")
PIPED = "piped"
"""The folder in --work where videos are that came through standard input."""
_PIECE = 2**20
_DIGITS = 20


def stdin() -> BinaryIO:
    """Standard input, where something may come through it. Raises RequestError."""
    if sys.stdin is None or sys.stdin.closed or sys.stdin.isatty():
        raise RequestError("INPUT '-' is standard input, into which nothing is piped: write 'cat clip.mp4 | scorer run - ...'.")
    return sys.stdin.buffer


def check_stdout(*, as_json: bool, dispatch_only: bool) -> None:
    """Raise RequestError where no result can go through standard output."""
    if as_json or dispatch_only:
        other = "--json" if as_json else "--dispatch-only"
        raise RequestError(f"'--out -' and {other} both write to standard output: leave one of them out.")
    if sys.stdout is None or sys.stdout.closed or sys.stdout.isatty():
        raise RequestError("'--out -' is standard output, which is a terminal or closed: pipe it on, or give the result a name.")


def received(source: BinaryIO, work: Path, most: int = Limits().max_input_gb * 10**9) -> Path:
    """The file below `work` that has what comes through `source`. Raises InputError, OutputError, StorageFullError."""
    folder = work.absolute() / PIPED
    temporary = folder / f".{secrets.token_hex(8)}.part"
    digest, size = hashlib.sha256(), 0
    with storage_errors(str(folder), writing=True):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        with storage_errors(str(temporary), writing=True), temporary.open("xb") as file:
            while piece := source.read(_PIECE):
                size += len(piece)
                if size > most:
                    raise InputError(f"More than {most:,} bytes came through standard input: cut it into several inputs.")
                digest.update(piece)
                file.write(piece)
        if not size:
            raise InputError("Nothing came through standard input: look at the program before the pipe.")
        found = folder / digest.hexdigest()[:_DIGITS] / "stdin"
        with storage_errors(str(found), writing=True):
            found.parent.mkdir(exist_ok=True)
            if not found.exists():  # one that is there stays: a job of it goes by its time, too
                temporary.replace(found)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    return found


@contextmanager
def kept_if_usable(path: Path | None) -> Iterator[None]:
    """Around work on what was received, if something was: what is no video isn't kept, and errors don't name its file."""
    if path is None:
        yield
        return
    try:
        with called(path, "standard input"):
            yield
    except InputError:
        shutil.rmtree(path.parent, ignore_errors=True)
        raise


def send(path: Path) -> None:
    """Write the file to standard output, and nothing else. Raises OutputError, StorageFullError."""
    with (
        to_stdout("The result", f"it is at '{path}', and the same command sends it again"), path.open("rb") as file,
        open(sys.stdout.fileno(), "wb", closefd=False, buffering=0) as out,  # a number
    ):  # fmt: skip
        while piece := file.read(_PIECE):
            view = memoryview(piece)
            while view:
                view = view[out.write(view) or 0 :]
