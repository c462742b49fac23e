"""Blob storage, emulated: Azurite, and before it what Azurite doesn't play: roles, shared keys refused, faults."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

import aiohttp
from aiohttp import web
from azure.storage.blob import BlobServiceClient
from yarl import URL

from emulator.arm import outputs
from emulator.arm.cloud import Cloud
from emulator.arm.rest import ResourceManager, Service, to_bytes
from emulator.arm.rules import lets_nobody_in
from emulator.blob import defender
from emulator.blob.azurite import ACCOUNTS, Azurite
from emulator.blob.links import Links
from emulator.blob.rights import DeniedError, actions, puts_blob
from emulator.entra import Identities, TokenError
from emulator.rbac.access import allowed
from emulator.rbac.definitions import ADD
from emulator.tls import Authority

AUDIENCE = "https://storage.azure.com"
ARM = "https://management.azure.com"
# What is about one hop alone.
_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "upgrade", "proxy-authorization", "content-length"}


class Call(NamedTuple):
    """One request, as it came."""

    method: str
    account: str
    container: str
    blob: str
    who: str
    """A principal, or 'sas'."""


Fault = Callable[[str, str], int | tuple[int, str] | None]
"""Asked at each request, with its method and path: a status (0: the line drops), with a code if need be, instead of an answer."""


@dataclass
class BlobService:
    """The storage accounts of a cloud, at one address."""

    cloud: Cloud
    identities: Identities
    authority: Authority
    folder: Path
    port: int = 0
    fault: Fault | None = None
    page: int | None = None
    """How many names a list holds at most before it has to be asked for the next ones; None: as many as Azure's, 5,000."""
    on_created: Callable[[str, str, str, str], None] | None = None
    """Told of each blob that is committed: account, container, name, ETag."""
    on_scan: Callable[[str], str | None] = lambda _: defender.CLEAN
    """What Microsoft Defender finds in a blob of that name, where it scans: None, it doesn't come to it."""
    calls: list[Call] = field(default_factory=list)
    reads: Counter[str] = field(default_factory=Counter)
    """Bytes that were read, by account/container/blob."""
    manager: ResourceManager = field(init=False)
    """Answers at the same address."""
    _clients: dict[tuple[str, str], BlobServiceClient] = field(default_factory=dict)
    _azurite: Azurite = field(init=False)
    _links: Links = field(default_factory=Links)

    def __post_init__(self) -> None:
        self.manager = ResourceManager(self.cloud, self.identities)
        self._azurite = Azurite(self.cloud, self.identities, self.authority, self.folder)

    @property
    def endpoint(self) -> str:
        """The address of an account, with a place for its name."""
        return f"https://127.0.0.1:{self.port}/{{account}}"

    def client(self, account: str, principal: str) -> BlobServiceClient:
        """The account as the principal sees it."""
        if (account, principal) not in self._clients:
            self._clients[account, principal] = BlobServiceClient(
                self.endpoint.format(account=account), credential=self.identities.credential(principal),
                connection_verify=str(self.authority.bundle),
            )  # fmt: skip
        return self._clients[account, principal]

    def start(self) -> None:
        """Start Azurite on the data that it left, if it did."""
        self._azurite.start()

    def stop(self) -> None:
        """Stop Azurite; its data stay."""
        self._azurite.stop()

    def owner(self, account: str) -> BlobServiceClient:
        """The account behind the front, where nobody is refused."""
        return self._azurite.owner(account)

    # The front

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Check the request, then hand it on."""
        raw = request.raw_path
        path = unquote(raw.partition("?")[0])
        _, account, container, blob = [*path.split("/", 3), "", "", ""][:4]
        if account == "subscriptions" or account.endswith(".azurecr.io"):
            return await self._manage(request, path)
        if self.fault is not None and (fault := self.fault(request.method, path)) is not None:
            return self._fault(request, *(fault if isinstance(fault, tuple) else (fault, "")))
        try:
            who = await self._who(request, account, container, blob)
        except DeniedError as denied:
            return _error(denied.status, denied.code)
        self.calls.append(Call(request.method, account, container, blob, who))
        session: aiohttp.ClientSession = request.app[_SESSION]
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP}
        body: bytes | aiohttp.StreamReader | None = request.content if request.body_exists else None
        if request.query.get("comp") == "userdelegationkey":
            body = await request.read()
            self._links.give(account, body.decode())
        if request.content_length is not None:
            headers["Content-Length"] = str(request.content_length)
        url = URL(f"{self._azurite.address}{raw}", encoded=True)
        if self.page is not None and request.query.get("comp") == "list":
            url = url.update_query(maxresults=self.page)
        try:
            async with session.request(request.method, url, headers=headers, data=body, allow_redirects=False) as answer:
                return await self._pass_on(request, answer, (account, container, blob))
        except (aiohttp.ClientError, OSError):
            return _error(503, "ServerBusy")

    async def _manage(self, request: web.Request, path: str) -> web.Response:
        """What isn't storage's: the resource manager's calls, and a registry's."""
        if service := next((each for each in self.manager.services if each.serves(path)), None):
            return await self._serve(service, request, path)
        if path.startswith("/subscriptions/") and request.method != "GET":
            return self._revoke(request, path)
        if path.startswith("/subscriptions/"):
            status, content = self.manager.read(path, request.headers.get("Authorization"))
        else:
            form = {name: str(value) for name, value in (await request.post()).items()}
            status, content = self.manager.registry(request.method, path, request.headers, form)
        return web.Response(status=status, body=to_bytes(content), content_type="application/json")

    async def _serve(self, service: Service, request: web.Request, path: str) -> web.Response:
        data, authorization = await request.read(), request.headers.get("Authorization")
        reply = await asyncio.to_thread(service.handle, request.method, path, request.query, authorization, data)
        if reply.status == 0 and request.transport is not None:
            request.transport.abort()
        content = to_bytes(reply.content) if reply.content is not None else b""
        return web.Response(
            status=reply.status or 503, body=content, content_type="application/json", headers=reply.headers
        )  # fmt: skip

    def _revoke(self, request: web.Request, path: str) -> web.Response:
        """The one call of the resource manager that is about links."""
        account, _, verb = path.rpartition("/")
        try:
            principal = self.identities.principal(request.headers.get("Authorization"), ARM)
        except TokenError:
            return _error(401, "AuthenticationFailed")
        found = self.cloud.find(account)
        if request.method != "POST" or verb != "revokeUserDelegationKeys" or "api-version" not in request.query or found is None:
            return _error(404, "ResourceNotFound")
        if not allowed(self.cloud, principal, f"{ACCOUNTS}/{verb}/action", account):
            return _error(403, "AuthorizationFailed")
        self._links.revoke(found.request.name)
        return web.Response()

    def _fault(self, request: web.Request, status: int, code: str) -> web.StreamResponse:
        if status == 0 and request.transport is not None:
            request.transport.abort()
        return _error(status or 503, code or ("ServerBusy" if status in (429, 503) else "InternalError"))

    async def _pass_on(
        self, request: web.Request, answer: aiohttp.ClientResponse, names: tuple[str, str, str]
    ) -> web.StreamResponse:
        committed = request.method == "PUT" and answer.status == 201 and request.query.get("comp") in (None, "blocklist")
        if committed and names[2] and self.on_created is not None:
            self.on_created(*names, answer.headers.get("ETag", ""))
        if committed and names[2]:
            await asyncio.to_thread(self._scan, *names)
        headers = [(name, value) for name, value in answer.headers.items() if name.lower() not in _HOP]
        front = web.StreamResponse(status=answer.status, headers=headers)
        if "Content-Length" in answer.headers:
            front.content_length = int(answer.headers["Content-Length"])
        await front.prepare(request)
        async for data in answer.content.iter_chunked(2**18):
            await front.write(data)
            if request.method == "GET" and names[2] and answer.status < 300:
                self.reads["/".join(names)] += len(data)
        await front.write_eof()
        return front

    def _scan(self, account: str, container: str, blob: str) -> None:
        """Tag a new blob, where Microsoft Defender scans its account."""
        (found,) = (each for each in self.cloud.of_type(ACCOUNTS) if each.request.name == account)
        if defender.scans(self.cloud, found) and (result := self.on_scan(blob)):
            self.tag(account, container, blob, defender.tags(result))

    def tag(self, account: str, container: str, blob: str, tags: dict[str, str]) -> None:
        """Tag a blob, whoever may."""
        with self.owner(account) as client:
            client.get_blob_client(container, blob).set_blob_tags(tags)

    async def _who(self, request: web.Request, account: str, container: str, blob: str) -> str:
        """Whose request it is. Raises DeniedError."""
        authorization = request.headers.get("Authorization")
        if authorization is None and "sig" in request.query:
            self._links.check(request, account)
            return "sas"  # Azurite checks the rest
        if (authorization or "").startswith("SharedKey"):
            raise DeniedError(403, "KeyBasedAuthenticationNotPermitted")
        try:
            principal = self.identities.principal(authorization, AUDIENCE)
        except TokenError as error:
            raise DeniedError(401, "InvalidAuthenticationInfo") from error
        scope, needed = self._scope(account, container), actions(request, container)

        def may(action: str) -> bool:
            return allowed(self.cloud, principal, action, scope, blob or None)

        may_all = bool(needed) and all(map(may, needed))
        if not may_all and puts_blob(request, blob) and may(ADD):
            may_all = not await self._is_there(request)
        if not may_all:
            raise DeniedError(403, "AuthorizationPermissionMismatch")
        return principal

    async def _is_there(self, request: web.Request) -> bool:
        token, _ = self.identities.token(outputs.guid("owner"), AUDIENCE)
        url = URL(f"{self._azurite.address}{request.raw_path.partition('?')[0]}", encoded=True)
        headers = {"Authorization": f"Bearer {token}", "x-ms-version": request.headers.get("x-ms-version", "2021-12-02")}
        session: aiohttp.ClientSession = request.app[_SESSION]
        async with session.head(url, headers=headers) as answer:
            return answer.status < 300

    def _scope(self, account: str, container: str) -> str:
        for each in self.cloud.of_type(ACCOUNTS):
            if each.request.name == account:
                if lets_nobody_in(self.cloud, each):
                    raise DeniedError(403, "AuthorizationFailure")
                return f"{each.id}/blobServices/default/containers/{container}" if container else each.id
        raise DeniedError(404, "ResourceNotFound")


def _error(status: int, code: str) -> web.Response:
    text = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{code}</Message></Error>'
    return web.Response(status=status, text=text, content_type="application/xml", headers={"x-ms-error-code": code})


_SESSION = web.AppKey("session", aiohttp.ClientSession)


@contextmanager
def serve(cloud: Cloud, identities: Identities, authority: Authority, folder: Path) -> Iterator[BlobService]:
    """The cloud's storage accounts, at work until the block ends."""
    service = BlobService(cloud, identities, authority, folder)
    loop = asyncio.new_event_loop()

    async def session(app: web.Application) -> None:
        connector = aiohttp.TCPConnector(ssl=False, limit=64)
        app[_SESSION] = aiohttp.ClientSession(connector=connector, auto_decompress=False, timeout=aiohttp.ClientTimeout(120))

    async def close(app: web.Application) -> None:
        await app[_SESSION].close()

    async def begin() -> web.AppRunner:
        app = web.Application(client_max_size=2**40)
        app.on_startup.append(session)
        app.on_cleanup.append(close)
        app.router.add_route("*", "/{path:.*}", service.handle)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=authority.server_context())
        await site.start()
        service.port = runner.addresses[0][1]
        return runner

    thread = threading.Thread(target=loop.run_forever, name="blobs", daemon=True)
    thread.start()
    runner = asyncio.run_coroutine_threadsafe(begin(), loop).result(30)
    try:
        service.start()
        yield service
    finally:
        service.stop()
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        shutil.rmtree(folder, ignore_errors=True)
