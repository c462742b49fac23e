"""Application Insights, emulated: keeps what it is sent, if the sender may send.

Source: https://learn.microsoft.com/azure/azure-monitor/app/azure-ad-authentication
"""

from __future__ import annotations

import gzip
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from emulator.entra import Identities, TokenError
from emulator.tls import Authority

Json = dict[str, Any]
AUDIENCE = "https://monitor.azure.com"
KEY = "5c2f7b4e-1d5a-4b6e-9c67-3a1f0e2d4b58"


@dataclass
class Insights:
    """One component."""

    identities: Identities
    may_send: Callable[[str], bool]
    """Whether a principal may."""
    answer: Callable[[], int] = lambda: 200
    """Asked at each request: the status of the answer."""
    address: str = ""
    items: list[Json] = field(default_factory=list)

    @property
    def connection(self) -> str:
        """The connection string."""
        return f"InstrumentationKey={KEY};IngestionEndpoint={self.address}/"

    def points(self, metric: str) -> list[tuple[float, Json]]:
        """Values and dimensions of a metric."""
        data = [item["data"]["baseData"] for item in self.items if item["name"].endswith("Metric")]
        return [(each["metrics"][0]["value"], each["properties"]) for each in data if each["metrics"][0]["name"] == metric]

    def events(self, name: str) -> list[Json]:
        """Properties of the log events of a name."""
        data = [item["data"]["baseData"]["properties"] for item in self.items if item["name"].endswith("Message")]
        return [each for each in data if each.get("event") == name]

    def exceptions(self) -> list[Json]:
        """What went wrong."""
        return [item["data"]["baseData"]["exceptions"][0] for item in self.items if item["name"].endswith("Exception")]

    def take(self, authorization: str | None, items: list[Json]) -> int:
        """Keep the items, if all is well; the status."""
        try:
            allowed = self.may_send(self.identities.principal(authorization, AUDIENCE))
        except TokenError:
            return 401
        status = self.answer() if allowed else 403
        if status == 200:
            self.items.extend(items)
        return status


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    insights: Insights


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        items = json.loads(gzip.decompress(data) if self.headers.get("Content-Encoding") == "gzip" else data)
        status = self.server.insights.take(self.headers.get("Authorization"), items)
        body = json.dumps({"itemsReceived": len(items), "itemsAccepted": len(items), "errors": []}).encode()
        with suppress(OSError):  # whoever sent it didn't wait
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serve(identities: Identities, authority: Authority, may_send: Callable[[str], bool] = lambda _: True) -> Iterator[Insights]:
    """One component, at work until the block ends."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.insights = Insights(identities, may_send, address=f"https://127.0.0.1:{server.server_address[1]}")
    server.socket = authority.server_context().wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.1,), name="insights", daemon=True).start()
    yield server.insights
    server.shutdown()
    server.server_close()
