"""Names of files that strangers chose: which of them are one plain name in one folder, on every system."""

from __future__ import annotations

import re

from scorer.text import is_clean

LONGEST = 255
"""Bytes of a file's name at most."""
LONGEST_BLOB = 1024
"""Characters of a blob's name at most."""

# Nearly every name there is: a job may have a million of them.
_USUAL = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_. -]{0,200}[A-Za-z0-9]")
# https://learn.microsoft.com/windows/win32/fileio/naming-a-file
_KEPT_BY_WINDOWS = re.compile(r'.*[<>:"|?*]|(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$) *(\.|$)', re.IGNORECASE)


def unfit(name: str) -> str:
    """Why `name` can't be a file's name; '' where it can."""
    if _USUAL.fullmatch(name):
        return ""
    if "\\" in name:
        return "it has a backslash in it"
    if name in ("", ".", "..") or "/" in name or re.match("[A-Za-z]:", name):
        return "it leads to another folder"
    if not is_clean(name):
        return "it has a control or an invisible character in it, or bytes that are no text"
    if len(name.encode()) > LONGEST:
        return f"it has {len(name.encode())} bytes, and {LONGEST} are the most"
    return "it ends with a dot or a space" if name.endswith((".", " ")) else ""


def bars_windows(name: str) -> bool:
    """Whether Windows takes no file of this name, which other systems do: a device's, or one with a character it keeps."""
    return _KEPT_BY_WINDOWS.match(name) is not None


def shortened(name: str, most: int) -> str:
    """The beginning of `name`, of `most` bytes at most, no character cut in two."""
    data = name.encode(errors="surrogateescape")
    return name if len(data) <= most else data[:most].decode(errors="ignore")
