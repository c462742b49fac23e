"""Names that Azure takes: the rules that bind us, in one place.

Most names are left to Pulumi, which adds eight random letters to a resource's own name, so that a replacement can be made while
the old resource is still there. Source: https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules
"""

from __future__ import annotations

import re
import uuid

# Any fixed namespace will do: it keeps our GUIDs apart from those that others derive.
_NAMESPACE = uuid.UUID("3c1f6a52-5d3e-4b0e-9d55-1f1a6c0b7a11")
# Storage and Batch accounts have names of 24 lower-case letters and digits at most; Pulumi's random letters take 8 of them.
ACCOUNT_LENGTH = 24 - 8
# Long enough to tell deployments apart, short enough for every name that is made of it.
PREFIX_LENGTH = 24


def prefix(stack: str) -> str:
    """What all names of the stack's resources begin with: lower-case letters, digits and single hyphens, a letter first."""
    words = re.findall(r"[a-z0-9]+", stack.lower())
    return "-".join(["scoring", *words])[:PREFIX_LENGTH].rstrip("-")


def guid(*words: str) -> str:
    """The GUID that these words make, where Azure wants one for a name: always the same."""
    return str(uuid.uuid5(_NAMESPACE, "|".join(words)))


def account(name: str, kind: str) -> str:
    """What an account's or a registry's name begins with: the letters and digits of `name`, shortened, then `kind`."""
    letters = re.sub(r"[^a-z0-9]", "", name.lower())
    return letters[: ACCOUNT_LENGTH - len(kind)] + kind
