"""What a job has put where on a person's machine: nothing is replaced that it didn't make.

A line is written before its file appears, so that whoever is killed in between finds nothing foreign when the same command runs
again. A file that somebody has changed since has another time or size, and is foreign.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from scorer.errors import OutputError
from scorer.store import storage_errors


class Placed:
    """The record of one job's results: work/<job>/placed.jsonl below the folder that `scorer run` works in."""

    def __init__(self, folder: Path, job: str, *, overwrite: bool = False, inputs: Iterable[Path] = ()) -> None:
        """Know what the job has put where; `overwrite` lets it replace other files, though none of its `inputs`."""
        self._record = folder.absolute() / "work" / job / "placed.jsonl"
        self._overwrite = overwrite
        self._inputs = {_place(path) for path in inputs} | {os.path.realpath(path) for path in inputs}
        self._own = set(self._read())

    def _read(self) -> Iterable[tuple[str, int, int]]:
        try:
            lines = self._record.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            return
        for line in lines:
            with suppress(ValueError, TypeError):  # a line that was cut off
                place, size, time = json.loads(line)
                yield str(place), int(size), int(time)

    def check(self, target: Path) -> None:
        """Raise OutputError where a file at `target` isn't this job's, and may not be replaced."""
        with storage_errors(str(target), writing=True):
            try:
                found = target.lstat()
            except (FileNotFoundError, NotADirectoryError):
                return
        if _place(target) in self._inputs or os.path.realpath(target) in self._inputs:
            raise OutputError(f"'{target}' is what the result is made of: give the result another name.")
        if not self._overwrite and not self._made((_place(target), found.st_size, found.st_mtime_ns)):
            raise OutputError(
                f"'{target}' is there already, and this job didn't make it: give the result another name with --out, or write "
                "--overwrite to replace it."
            )

    def _made(self, line: tuple[str, int, int]) -> bool:
        if line not in self._own:
            self._own |= set(self._read())  # the same command may run twice at once
        return line in self._own

    def add(self, target: Path, made: Path) -> None:
        """Say that the file `made` is about to appear at `target`."""
        found = made.lstat()
        line = (_place(target), found.st_size, found.st_mtime_ns)
        if line in self._own:
            return
        with storage_errors(str(self._record), writing=True):
            self._record.parent.mkdir(parents=True, exist_ok=True)
            with self._record.open("a", encoding="utf-8") as file:
                file.write(f"\n{json.dumps(line)}\n")  # whatever an earlier one was cut off in
        self._own.add(line)


def _place(path: Path) -> str:
    """Where a file stands, whatever the folder is called by; a link is not followed."""
    return str(Path(os.path.realpath(path.absolute().parent)) / path.name)
