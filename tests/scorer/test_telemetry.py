"""What Application Insights gets, by the real exporter, and that its absence or its faults harm nothing."""

import gzip
import http.server
import json
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from scorer import telemetry
from stacks import monitoring
from tests.azure import identity
from tests.azure.tls import Authority

WORK = textwrap.dedent("""
    from scorer.identity import credential
    from scorer.records import FrameRecord
    from scorer.telemetry import telemetry
    with telemetry(credential) as said:
        said.event("job.started", "job-1", "dispatch", frames=3)
        frames = [FrameRecord(frame=0, decode_ms=1, model_ms=10, encode_ms=2), FrameRecord(frame=1, decode_ms=3, error="bad")]
        said.task("job-1", 7, "finished", frames)
        said.failure(ValueError("poison"), "job-1", "score")
    print("done")
""")
Json = dict[str, Any]


@contextmanager
def insights(authority: Authority, answer: Callable[[], int]) -> Iterator[tuple[str, list[Json], list[str]]]:
    """An ingestion endpoint: its connection string, what arrived, and by which tokens."""
    items: list[Json] = []
    tokens: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                data = gzip.decompress(data)
            status = answer()
            found = json.loads(data)
            if status == 200:
                items.extend(found)
                tokens.append(self.headers["Authorization"])
            body = json.dumps({"itemsReceived": len(found), "itemsAccepted": len(found), "errors": []}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = authority.server_context().wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    key = "5c2f7b4e-1d5a-4b6e-9c67-3a1f0e2d4b58"
    yield f"InstrumentationKey={key};IngestionEndpoint=https://127.0.0.1:{server.server_address[1]}/", items, tokens
    server.shutdown()
    server.server_close()


def work(environment: dict[str, str]) -> tuple[float, str]:
    """Do the work in a process of its own; how long it took, and what it printed beside its result."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", WORK], env={**os.environ, **environment}, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "done\n"
    return time.monotonic() - began, done.stderr


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.make(tmp_path / "tls")


def test_names_are_those_that_the_workbook_reads() -> None:
    for name in ("ROLE", "FRAMES", "FRAME_MILLISECONDS", "TASKS"):
        assert getattr(telemetry, name) == getattr(monitoring, name)


def test_what_arrives(authority: Authority) -> None:
    with identity.serve() as identities, insights(authority, lambda: 200) as (address, items, tokens):
        who = {**identities.environment("node"), **authority.environment(), "AZ_BATCH_NODE_ID": "tvmps_1"}
        work({**who, telemetry.CONNECTION: address})
        assert {identities.principal(token, "https://monitor.azure.com") for token in tokens} == {"node"}
    assert {item["tags"]["ai.cloud.role"] for item in items} == {"scorer"}
    points = [
        (item["data"]["baseData"]["metrics"][0], item["data"]["baseData"]["properties"])
        for item in items
        if "Metric" in item["name"]
    ]
    where = {"job": "job-1", "chunk": "7", "node": "tvmps_1"}
    sums = {(point["name"], known.get("step"), known.get("outcome")): point["value"] for point, known in points}
    assert sums == {
        ("scorer.frames", None, None): 1, ("scorer.tasks", None, "finished"): 1,
        ("scorer.frame.milliseconds", "decode", None): 1, ("scorer.frame.milliseconds", "score", None): 10,
        ("scorer.frame.milliseconds", "encode", None): 2,
    }  # fmt: skip
    assert all(known.items() >= where.items() for _, known in points)
    (event,) = (item["data"]["baseData"] for item in items if item["name"].endswith("Message"))
    assert event["properties"].items() >= {"event": "job.started", "job": "job-1", "step": "dispatch"}.items()
    (failure,) = (item["data"]["baseData"] for item in items if item["name"].endswith("Exception"))
    assert failure["exceptions"][0]["typeName"] == "ValueError"
    assert failure["exceptions"][0]["message"] == "poison"


@pytest.mark.parametrize("status", [400, 401, 403, 429, 500])
def test_refusals_harm_nothing(authority: Authority, status: int) -> None:
    with identity.serve() as identities, insights(authority, lambda: status) as (address, items, _):
        _, printed = work({**identities.environment("node"), **authority.environment(), telemetry.CONNECTION: address})
    assert not items
    assert not printed


def test_nobody_there_harms_nothing(authority: Authority) -> None:
    address = "InstrumentationKey=5c2f7b4e-1d5a-4b6e-9c67-3a1f0e2d4b58;IngestionEndpoint=https://127.0.0.1:9/"
    with identity.serve() as identities:
        _, printed = work({**identities.environment("node"), **authority.environment(), telemetry.CONNECTION: address})
    assert not printed


def test_an_endpoint_that_hangs_doesnt_hold_up_the_end(authority: Authority) -> None:
    hang = threading.Event()

    def never() -> int:
        hang.wait(60)
        return 500

    with identity.serve() as identities, insights(authority, never) as (address, _, _):
        # `work` itself gives up after a minute: without a limit of its own, the flush would take longer.
        work({**identities.environment("node"), **authority.environment(), telemetry.CONNECTION: address})
        hang.set()


def test_without_a_connection_nothing_is_loaded() -> None:
    check = "import sys; from scorer.telemetry import telemetry\nwith telemetry(lambda: 1/0) as said: said.event('x', 'j', 's')\n"
    check += "print([name for name in sys.modules if name.startswith(('opentelemetry', 'azure.monitor'))])"
    environment = {name: value for name, value in os.environ.items() if name != telemetry.CONNECTION}
    done = subprocess.run([sys.executable, "-c", check], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
