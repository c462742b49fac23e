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


def unfit(name: str) -> str:
    """Why `name` can't be a file's name; '' where it can."""
    if _USUAL.fullmatch(name):
        return ""
    if name in ("", ".", "..") or "/" in name or "\\" in name or re.match("[A-Za-z]:", name):
        return "it leads to another folder"
    if not is_clean(name):
        return "it has a control or an invisible character in it"
    if name.endswith((".", " ")):
        return "it ends with a dot or a space"
    return "it is too long" if len(name.encode()) > LONGEST else ""
