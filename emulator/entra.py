"""Entra ID, emulated: tokens for managed identities, as a node's SDKs ask for them, signed so that only it can make them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.server
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from azure.core.credentials import AccessToken

from emulator.arm.requests import TENANT
from emulator.clock import VARIABLE, Clock

LIFETIME = 3600
# https://github.com/MicrosoftDocs/azure-docs/issues/41107, https://github.com/Azure/azure-sdk-for-python/issues/8557
LATE = 2


class TokenError(Exception):
    """No token, or one that doesn't count here."""


@dataclass
class Identities:
    """Gives out tokens, and knows its own. The protocol is that of App Service's managed identities, which the SDKs speak.

    Source: https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference
    """

    clock: Clock = field(default_factory=Clock)
    endpoint: str = ""
    late: int = LATE
    """How many of a machine's first calls are answered as if it had no identity."""
    _late: dict[str, int] = field(default_factory=dict)
    """By header, those that are left."""
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    _headers: dict[str, str] = field(default_factory=dict)
    _clients: dict[str, str] = field(default_factory=dict)
    """By header, the client id that goes with it, where one has to."""

    def environment(self, principal: str, *, machine: bool = True) -> dict[str, str]:
        """What a process needs to act as the principal; a machine's identity comes later than the machine."""
        header = secrets.token_hex(16)
        self._headers[header] = principal
        self._late[header] = self.late if machine else 0
        return {"IDENTITY_ENDPOINT": self.endpoint, "IDENTITY_HEADER": header, VARIABLE: self.endpoint}

    def machine_learning(self, principal: str, client_id: str) -> dict[str, str]:
        """The same for a job of Azure Machine Learning: the protocol's first version, in which a request names the client id.

        Source: azure_ml.py in azure-identity 1.25, and msal's managed_identity.py
        """
        known = self.environment(principal)
        self._clients[known["IDENTITY_HEADER"]] = client_id
        return {"MSI_ENDPOINT": known["IDENTITY_ENDPOINT"], "MSI_SECRET": known["IDENTITY_HEADER"], VARIABLE: known[VARIABLE]}

    def means(self, header: str | None, client_id: str | None) -> bool:
        """Whether a request with that header may be answered, which names that client id as Azure Machine Learning's do."""
        return self._clients.get(header or "") == client_id

    def credential(self, principal: str) -> Credential:
        """The same for this process."""
        return Credential(self, principal)

    def holder(self, header: str | None) -> str | None:
        """Whose header it is."""
        return self._headers.get(header or "")

    def is_late(self, header: str | None) -> bool:
        """Whether the identity isn't there yet, at this call."""
        left = self._late.get(header or "", 0)
        self._late[header or ""] = max(left - 1, 0)
        return left > 0

    def token(self, principal: str, audience: str) -> tuple[str, int]:
        """A token for the principal, and until when it counts."""
        now = int(time.time())
        ends = now + LIFETIME
        claims = {
            "aud": audience, "iss": f"https://sts.windows.net/{TENANT}/", "tid": TENANT, "oid": principal, "sub": principal,
            "appid": principal, "iat": now, "nbf": now - 60, "exp": ends, "ver": "1.0",
        }  # fmt: skip
        signed = f"{_encoded({'alg': 'HS256', 'typ': 'JWT'})}.{_encoded(claims)}"
        return f"{signed}.{self._signature(signed)}", ends

    def principal(self, authorization: str | None, audience: str) -> str:
        """Who sends this header. Raises TokenError where the token isn't ours, has expired, or is meant for somebody else."""
        scheme, _, token = (authorization or "").partition(" ")
        signed, _, signature = token.rpartition(".")
        if scheme.lower() != "bearer" or not hmac.compare_digest(signature, self._signature(signed)):
            raise TokenError("The token isn't one of ours.")
        claims: dict[str, Any] = json.loads(_decoded(signed.partition(".")[2]))
        if claims["aud"].rstrip("/") != audience.rstrip("/"):
            raise TokenError(f"The token is meant for {claims['aud']}, not for {audience}.")
        if claims["exp"] < time.time():
            raise TokenError("The token has expired.")
        return str(claims["oid"])

    def _signature(self, signed: str) -> str:
        return base64.urlsafe_b64encode(hmac.new(self._key, signed.encode(), hashlib.sha256).digest()).decode().rstrip("=")


@dataclass(frozen=True)
class Credential:
    """A principal's credential, as azure-identity's are."""

    identities: Identities
    principal: str

    def get_token(self, *scopes: str, **_: object) -> AccessToken:
        """A token for the scope."""
        return AccessToken(*self.identities.token(self.principal, scopes[0].removesuffix("/.default")))


def _encoded(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@contextmanager
def serve(clock: Clock | None = None) -> Iterator[Identities]:
    """Answer on loopback until the block ends; machines that wait do so on `clock`."""
    identities = Identities(clock or Clock())

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # A header and a body are two packets, and the second would wait for the first's receipt.
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            header = self.headers.get("X-IDENTITY-HEADER") or self.headers.get("secret")
            principal, query = identities.holder(header), parse_qs(urlsplit(self.path).query)
            resource = query.get("resource", [""])[0]
            if "secret" in self.headers and not identities.means(header, query.get("clientid", [None])[0]):
                principal = None
            if principal is None or not resource:
                self._answer(401, {"error": "unauthorized_client", "error_description": "No identity here has this header."})
                return
            if identities.is_late(header):
                self._answer(400, {"error": "invalid_request", "error_description": "Identity not found"})
                return
            token, expires = identities.token(principal, resource)
            answer = {"access_token": token, "expires_on": str(expires), "resource": resource, "token_type": "Bearer"}
            self._answer(200, answer)

        def do_POST(self) -> None:
            identities.clock.wait(float(parse_qs(urlsplit(self.path).query)["seconds"][0]))
            self._answer(200, {})

        def _answer(self, code: int, content: object) -> None:
            data = json.dumps(content).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        identities.endpoint = f"http://127.0.0.1:{server.server_address[1]}/msi/token"
        threading.Thread(target=server.serve_forever, args=(0.1,), name="identities", daemon=True).start()
        yield identities
        server.shutdown()
