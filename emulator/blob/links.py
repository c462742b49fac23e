"""Signed links: what Azurite doesn't look at, and the keys that sign them until all of an account's are revoked."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from aiohttp import web

from emulator.blob.rights import DeniedError


@dataclass
class Links:
    """Keys that were given out, and revoked."""

    _keys: dict[tuple[str, str, str], float] = field(default_factory=dict)
    """When keys were given out, by account, start and end."""
    _revoked: dict[str, float] = field(default_factory=dict)
    """When all keys of an account were revoked."""

    def give(self, account: str, asked: str) -> None:
        """Remember the key that somebody has asked for, in the words of Get User Delegation Key."""
        start, end = (re.search(f"<{name}>([^<]*)<", asked) for name in ("Start", "Expiry"))
        if start and end:
            self._keys[account, start[1], end[1]] = time.time()

    def revoke(self, account: str) -> None:
        """Every key given out so far signs no more."""
        self._revoked[account] = time.time()

    def check(self, request: web.Request, account: str) -> None:
        """Raises DeniedError."""
        if "sip" in request.query:
            first, _, last = request.query["sip"].partition("-")
            if not IPv4Address(first) <= IPv4Address(request.remote or "0.0.0.0") <= IPv4Address(last or first):  # noqa: S104  # compared
                raise DeniedError(403, "AuthorizationSourceIPMismatch")
        tagging = request.query.get("comp") == "tags" or "x-ms-tags" in request.headers
        if tagging and "t" not in request.query.get("sp", ""):
            raise DeniedError(403, "AuthorizationPermissionMismatch")
        given = self._keys.get((account, request.query.get("skt", ""), request.query.get("ske", "")), 0.0)
        if given <= self._revoked.get(account, -1.0):
            raise DeniedError(403, "AuthenticationFailed")
