"""Conditions on role assignments: below which paths of a container blobs may be written and deleted.

A path is a pattern in which '*' stands for any letters, slashes among them.
Sources: https://learn.microsoft.com/azure/role-based-access-control/conditions-format,
https://learn.microsoft.com/azure/storage/blobs/storage-auth-abac-attributes
"""

from __future__ import annotations

from collections.abc import Sequence

VERSION = "2.0"

BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
READ, WRITE, DELETE = f"{BLOBS}/read", f"{BLOBS}/write", f"{BLOBS}/delete"
# Makes a blob that isn't there, by one Put Blob; one that is there is neither changed nor replaced. WRITE does all of it.
ADD = f"{BLOBS}/add/action"
# What is written into a blob's tags, by others than those who write blobs.
READ_TAGS = f"{BLOBS}/tags/read"
_PATH = f"@Resource[{BLOBS}:path]"


def paths(write: Sequence[str], delete: Sequence[str] = ()) -> str:
    """The condition that blobs are written at paths like one of `write`, and deleted at those like one of `delete`."""
    return f"{_only([WRITE, ADD], write)} AND {_only([DELETE], delete)}"


def _only(actions: Sequence[str], patterns: Sequence[str]) -> str:
    other = " AND ".join(f"!(ActionMatches{{'{action}'}})" for action in actions)
    like = " OR ".join(f"{_PATH} StringLike '{pattern}'" for pattern in patterns)
    return f"(({other}) OR ({like}))" if patterns else f"({other})"
