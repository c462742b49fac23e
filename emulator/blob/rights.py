"""What somebody must be allowed to do for a request of Blob storage, and how it is refused."""

from __future__ import annotations

from aiohttp import web

from emulator.rbac.definitions import DELEGATE, DELETE, READ, READ_TAGS, WRITE, WRITE_TAGS


class DeniedError(Exception):
    """A request that is refused, with its status and code."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status, self.code = status, code


def actions(request: web.Request, container: str) -> list[str]:
    """What somebody must be allowed to do; nothing where nobody is.

    Source: https://learn.microsoft.com/rest/api/storageservices/authorize-with-azure-active-directory
    """
    comp, is_container = request.query.get("comp"), request.query.get("restype") == "container"
    if comp == "userdelegationkey":
        return [DELEGATE]
    if not container:
        return []
    if comp == "batch":
        # Batches hold nothing but deletions. They are of no one path, so that whom conditions on paths bind can send none.
        return [WRITE, DELETE]
    if comp == "tags":
        return [READ_TAGS if request.method == "GET" else WRITE_TAGS]
    if request.method in ("GET", "HEAD"):
        return [READ, READ_TAGS] if "tags" in request.query.get("include", "").split(",") else [READ]
    if is_container:
        return []  # containers are the deployment's
    tagging = [WRITE_TAGS] if "x-ms-tags" in request.headers else []
    return [DELETE] if request.method == "DELETE" else [WRITE, *tagging]


def puts_blob(request: web.Request, blob: str) -> bool:
    """Whether it is one Put Blob, which makes a new blob also for whoever may only add blobs; blocks need more."""
    others = {"x-ms-copy-source", "x-ms-tags"} & set(map(str.lower, request.headers))
    return request.method == "PUT" and bool(blob) and "comp" not in request.query and not others
