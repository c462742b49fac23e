"""How much memory tasks use, as the kernel counts it."""

from __future__ import annotations

import os
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

# To look goes through every process of the machine: all tasks of all nodes share one look.
LOOK_SECONDS = 0.3
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Memory:
    """Bytes that process groups have in memory, as they were a moment ago."""

    def __init__(self) -> None:
        self._looked = 0.0
        self._groups: Counter[int] = Counter()

    def of(self, group: int) -> int:
        """Bytes of all processes of a group; 0 for one that began since the last look."""
        if time.monotonic() - self._looked >= LOOK_SECONDS:
            self._groups = _look()
            self._looked = time.monotonic()
        return self._groups[group]


def _look() -> Counter[int]:
    found: Counter[int] = Counter()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, IndexError):  # it has just ended
            fields = stat.read_text().rpartition(")")[2].split()
            found[int(fields[2])] += int(fields[21]) * _PAGE
    return found
