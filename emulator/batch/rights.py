"""What somebody must be allowed to do for a request of the Batch service.

Source: https://learn.microsoft.com/azure/batch/batch-role-based-access-control#assign-a-custom-role
"""

from __future__ import annotations

from emulator.rbac.definitions import BATCH

_VERBS = {"GET": "read", "DELETE": "delete"}


def action(method: str, path: str) -> str:
    """The action: on jobs and their tasks, or on the pool and its nodes; all else is read of the account."""
    kind = path.split("/")[1]
    if kind not in ("jobs", "pools"):
        return f"{BATCH}/read"
    return f"{BATCH}/{kind}/{_VERBS.get(method, 'write')}"
