"""The numbers of a file by name: each is what a sane file has there, unless the case at hand twists it.

A writer asks for every number it writes, and for every count of things, by a name of its own. What can be absurd in a format is
then known by running its writer once, and a case is a small table of names and numbers: readable, and easy to make smaller.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Literal

MOST_BYTES = 256 << 10
"""What is repeated ends here: cases are small files that ask for much."""


class Fields:
    """The numbers of one file. `seen` has the bits of each one asked for."""

    def __init__(self, twists: Mapping[str, int], order: Literal["big", "little"] = "big") -> None:
        self._twists, self._order = twists, order
        self.seen: dict[str, int] = {}

    def number(self, name: str, usual: int, bits: int = 32) -> int:
        """The number called `name`, from 0 to 2**bits - 1."""
        self.seen.setdefault(name, bits)
        return self._twists.get(name, usual) % (1 << bits)

    def count(self, name: str, usual: int, most: int) -> int:
        """How many things of a kind there really are: `most` at most."""
        return min(self.number(name, usual, max(most.bit_length(), 1)), most)

    def pack(self, name: str, usual: int, bits: int = 32) -> bytes:
        """The number called `name` as it stands in the file."""
        return self.number(name, usual, bits).to_bytes(bits // 8, self._order)

    def repeat(self, name: str, entry: bytes, usual: int) -> bytes:
        """As many equal entries as the number called `name` says, or as fit."""
        return entry * self.count(name, usual, MOST_BYTES // max(len(entry), 1))

    def cut(self, data: bytes) -> bytes:
        """The file, without the bytes at its end that the case takes away."""
        return data[: len(data) - self.count("file.cut", 0, len(data))]

    def spoilt(self, name: str, data: bytes) -> bytes:
        """Some data with one byte of them changed, if the case says so: 0 changes nothing."""
        where, change = self.number(f"{name}.at", 0, 16), self.number(f"{name}.xor", 0, 8)
        if not data or not change:
            return data
        where %= len(data)
        return data[:where] + bytes([data[where] ^ change]) + data[where + 1 :]


def crc(data: bytes, value: int = 0) -> int:
    """The checksum of Ogg's pages and, with all bits of `value` set, of a transport stream's tables.

    It is zlib's with all bits in the opposite order, and without its two inversions.
    """
    return _reversed(zlib.crc32(data.translate(_REVERSED), _reversed(value) ^ 0xFFFFFFFF) ^ 0xFFFFFFFF)


def _reversed(value: int) -> int:
    return int(f"{value:032b}"[::-1], 2)


_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
