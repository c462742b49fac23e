"""What a camera says of a picture (CIPA DC-008): a small TIFF with a directory whose entries may point anywhere."""

from __future__ import annotations

from tests.fuzz.fields import Fields

_ORIENTATION, _MAKE, _SUB_DIRECTORY = 0x0112, 0x010F, 0x8769


def tiff(f: Fields) -> bytes:
    """A TIFF in big-endian order: the picture's orientation, a maker's name, a directory below it."""
    entry = _entry(f, "orientation", _ORIENTATION, 3, 1, 6 << 16) + _entry(f, "make", _MAKE, 2, 4, 0x41000000)
    entry += _entry(f, "below", _SUB_DIRECTORY, 4, 1, 8)
    entries = f.repeat("exif.times", entry, 1)
    directory = _number(f, "exif.count", len(entries) // 12, 16) + entries + _number(f, "exif.next", 0)
    return b"MM\0*" + _number(f, "exif.first", 8) + directory + bytes(f.count("exif.more", 0, 1 << 20))


def _entry(f: Fields, name: str, tag: int, kind: int, count: int, value: int) -> bytes:
    name = f"exif.{name}"
    head = _number(f, f"{name}.tag", tag, 16) + _number(f, f"{name}.type", kind, 16)
    return head + _number(f, f"{name}.count", count) + _number(f, f"{name}.value", value)


def _number(f: Fields, name: str, usual: int, bits: int = 32) -> bytes:
    return f.number(name, usual, bits).to_bytes(bits // 8, "big")
