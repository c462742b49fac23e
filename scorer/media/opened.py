"""A file that is open already: whoever reads it needs no right to open any."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import BinaryIO


class OpenedFile:
    """A file by its descriptor. Its name is for messages and, by its ending, for guesses at its format."""

    def __init__(self, descriptor: int, name: str) -> None:
        self.descriptor, self.name = descriptor, name

    def __str__(self) -> str:
        return self.name


Source = Path | OpenedFile
"""A file by its path, or already open."""


def reader(source: Source) -> BinaryIO:
    """Read `source` from its start; any number of readers can be used in turns. Raises OSError."""
    return source.open("rb") if isinstance(source, Path) else io.BufferedReader(_Reader(source))


class _Reader(io.RawIOBase):
    """Reads at a position of its own, which is set before each read: the descriptor's is shared by all of its readers."""

    def __init__(self, file: OpenedFile) -> None:
        self._descriptor, self._at, self.name = file.descriptor, 0, file.name

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_CUR:
            offset, whence = self._at + offset, os.SEEK_SET
        self._at = os.lseek(self._descriptor, offset, whence)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # the library's stub wants any buffer
        os.lseek(self._descriptor, self._at, os.SEEK_SET)
        data = os.read(self._descriptor, len(buffer))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
