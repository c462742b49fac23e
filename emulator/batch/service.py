"""Batch's data plane over HTTPS, as the SDK speaks it. Source: https://learn.microsoft.com/rest/api/batchservice/"""

from __future__ import annotations

import http.server
import json
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from emulator.arm import outputs
from emulator.arm.cloud import Cloud, Resource
from emulator.arm.rules import lets_nobody_in
from emulator.batch.jobs import Job, Ledger, RefusalError
from emulator.batch.nodes import Run, upload
from emulator.batch.pool import ALLOCATION, Pool
from emulator.batch.rights import action
from emulator.batch.routes import ROUTES
from emulator.entra import Identities, TokenError
from emulator.folders import open_folder
from emulator.forked import SCORER
from emulator.rbac.access import allowed
from emulator.tls import Authority
from emulator.waiting import TICK, wait_until

Json = dict[str, Any]
AUDIENCE = "https://batch.core.windows.net"
LARGEST = 4 * 2**20

Fault = Callable[[str, str], tuple[int, str] | None]
"""Asked at each request, with its method and path: a status and a code instead of an answer, or None."""


@dataclass
class BatchService:
    """One Batch account that works."""

    cloud: Cloud
    account: Resource
    identities: Identities
    pools: dict[str, Pool]
    ledger: Ledger
    minute: float
    """Wall seconds of a simulated minute."""
    endpoint: str = ""
    fault: Fault | None = None
    earlier: Callable[[Json], None] | None = None
    """Makes of the body of a job or a task what another version of the package would have said."""
    requests: list[tuple[str, str]] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)
    _began: float = field(default_factory=time.monotonic)

    @property
    def now(self) -> float:
        """Simulated seconds since the beginning."""
        return (time.monotonic() - self._began) / self.minute * 60

    @property
    def pool(self) -> Pool:
        """The only pool."""
        (pool,) = self.pools.values()
        return pool

    def quota(self) -> Json:
        """The account's, as Azure Resource Manager shows it."""
        return self.pool.quota.shown()

    def job(self, job_id: str) -> Job:
        """A job as the account keeps it."""
        return self.ledger.get(job_id)

    def wait(self, condition: Callable[[], bool], seconds: float = 300) -> None:
        """Until something has come true. Raises TimeoutError."""
        wait_until(condition, self.lock, self.told, seconds)

    def told(self) -> str:
        """How things stand, and what happened last, for people."""
        with self.lock:
            jobs = [f"{job.id} {job.state} {job.reason or ''}" for job in self.ledger.jobs.values()]
            tasks = [
                f"  {task.id} {task.state}, exit code {task.exit_code}, {task.retries} retries, {task.requeues} requeues"
                for job in self.ledger.active() for task in job.tasks.values()
            ]  # fmt: skip
            return "\n".join(jobs + tasks + [str(event) for each in self.pools.values() for event in each.timeline[-40:]])

    def break_down(self, method: str, path: str) -> None:
        """Fail where a test wants it. Raises RefusalError."""
        if self.fault is not None and (found := self.fault(method, path)):
            raise RefusalError(*found)

    def answer(self, method: str, path: str, query: Mapping[str, list[str]], body: Json) -> tuple[int, Json | bytes]:
        """What the service answers. Raises RefusalError."""
        for verb, pattern, call in ROUTES:
            if verb == method and (match := re.fullmatch(pattern, path)):
                return call(self, query, body, *map(unquote, match.groups()))
        raise RefusalError(501, "NotImplemented", f"{method} {path}")

    def authorize(self, method: str, path: str, authorization: str | None) -> None:
        """Raises RefusalError."""
        try:
            principal = self.identities.principal(authorization, AUDIENCE)
        except TokenError as error:
            raise RefusalError(401, "AuthenticationFailed", str(error)) from error
        needed = action(method, path)
        if lets_nobody_in(self.cloud, self.cloud.get(self.account.id)):
            raise RefusalError(403, "AuthorizationFailure", "The account's firewall doesn't let the address in.")
        if not allowed(self.cloud, principal, needed, self.account.id):
            raise RefusalError(403, "AuthorizationPermissionMismatch", f"'{principal}' may not {needed}.")


class _Server(http.server.ThreadingHTTPServer):
    """Serves one account."""

    daemon_threads = True

    def __init__(self, service: BatchService) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.service = service


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    # A header and a body are two packets, and the second would wait for the first's receipt.
    disable_nagle_algorithm = True

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        content: Json | bytes
        try:
            self.server.service.break_down(self.command, parts.path)
            with self.server.service.lock:
                self.server.service.requests.append((self.command, parts.path))
                self.server.service.authorize(self.command, parts.path, self.headers.get("Authorization"))
                if len(data) > LARGEST:
                    raise RefusalError(413, "RequestBodyTooLarge")
                status, content = self.server.service.answer(
                    self.command, parts.path, parse_qs(parts.query), json.loads(data) if data else {}
                )
        except RefusalError as refusal:
            status = refusal.status
            content = {"code": refusal.code, "message": {"lang": "en-US", "value": str(refusal)}}
        self._answer(status, content)

    def handle(self) -> None:
        with suppress(OSError):  # whoever asked was killed meanwhile
            super().handle()

    def _answer(self, status: int, content: Json | bytes) -> None:
        is_file = isinstance(content, bytes)
        data = content if isinstance(content, bytes) else json.dumps(content).encode() if content else b""
        self.send_response(status)
        self.send_header("Content-Type", "application/octet-stream" if is_file else "application/json; odata=minimalmetadata")
        self.send_header("Content-Length", str(len(data)))
        if status in (429, 503):
            self.send_header("Retry-After", "0")
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_PATCH(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def log_message(self, *_: object) -> None:
        pass


def _pools(cloud: Cloud, account: Resource) -> list[Resource]:
    found = cloud.of_type("Microsoft.Batch/batchAccounts/pools")
    return [each for each in found if each.id.lower().startswith(account.id.lower() + "/")]


@contextmanager
def serve(
    cloud: Cloud,
    identities: Identities,
    authority: Authority,
    *,
    minute: float = 0.2,
    allocation: float = ALLOCATION,
    launcher: Sequence[str] = SCORER,
    environment: Mapping[str, str] | None = None,
) -> Iterator[BatchService]:
    """The cloud's Batch account, at work until the block ends."""
    (account,) = cloud.of_type("Microsoft.Batch/batchAccounts")
    ledger = Ledger()
    service = BatchService(cloud, account, identities, {}, ledger, minute)
    stop = threading.Event()

    def schedule() -> None:
        while not stop.wait(TICK):
            with service.lock:
                for pool in service.pools.values():
                    pool.tick(service.now)

    server = _Server(service)
    server.socket = authority.server_context().wrap_socket(server.socket, server_side=True)
    service.endpoint = f"https://127.0.0.1:{server.server_address[1]}"
    threads = [
        threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True),
        threading.Thread(target=schedule, daemon=True),
    ]
    with open_folder("nodes-") as folder:
        bundle = shutil.copy(authority.bundle, folder)
        for each in _pools(cloud, account):
            service.pools[each.request.name] = _make(
                service, each, authority, folder, allocation, launcher, {**authority.trusting(bundle), **(environment or {})}
            )
        for thread in threads:
            thread.start()
        try:
            yield service
        finally:
            stop.set()
            threads[1].join()
            server.shutdown()
            server.server_close()
            for pool in service.pools.values():
                pool.stop()


def _make(
    service: BatchService, declared: Resource, authority: Authority, folder: Path, allocation: float,
    launcher: Sequence[str], environment: Mapping[str, str],
) -> Pool:  # fmt: skip
    (identity,) = declared.body["identity"]["userAssignedIdentities"]
    principal = outputs.guid("principal", identity)

    def put(run: Run, files: Sequence[Json], failed: bool) -> str | None:
        return upload(run, files, failed, service.identities.credential(principal), authority.bundle)

    return Pool(
        id=declared.request.name,
        declared=lambda: service.cloud.get(declared.id).body,
        ledger=service.ledger,
        folder=folder,
        environment=lambda: {**service.identities.environment(principal), **environment},
        upload=put,
        allocation=allocation,
        launcher=launcher,
    )
