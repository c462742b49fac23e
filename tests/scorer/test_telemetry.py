"""What Application Insights gets, by the real exporter, and that its absence or its faults harm nothing."""

import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from emulator import entra, insights
from emulator.entra import Identities
from emulator.tls import Authority
from scorer import telemetry
from stacks import monitoring

WORK = textwrap.dedent("""
    from scorer.azure.identity import credential
    from scorer.documents.records import FrameRecord
    from scorer.telemetry import open_telemetry
    with open_telemetry(credential) as said:
        said.event("job.started", "job-1", "dispatch", frames=3)
        frames = [FrameRecord(frame=0, decode_ms=1, model_ms=10, encode_ms=2), FrameRecord(frame=1, decode_ms=3, error="bad")]
        said.task("job-1", 7, "finished", frames)
        said.failure(ValueError("poison"), "job-1", "score")
    print("done")
""")


def work(environment: dict[str, str]) -> str:
    """Do the work in a process of its own; what it printed beside its result."""
    done = subprocess.run(
        [sys.executable, "-c", WORK], env={**os.environ, **environment}, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "done\n"
    return done.stderr


def environment(identities: Identities) -> dict[str, str]:
    """That of a node whose stores were asked before, and have waited for its identity."""
    return identities.environment("node", machine=False)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.make(tmp_path / "tls")


def test_names_are_those_that_the_workbook_reads() -> None:
    for name in ("ROLE", "FRAMES", "FRAME_MILLISECONDS", "TASKS"):
        assert getattr(telemetry, name) == getattr(monitoring, name)


def test_what_arrives(authority: Authority) -> None:
    with entra.serve() as identities, insights.serve(identities, authority) as sent:
        who = {**environment(identities), **authority.environment(), "AZ_BATCH_NODE_ID": "tvmps_1"}
        work({**who, telemetry.CONNECTION: sent.connection})
    assert {item["tags"]["ai.cloud.role"] for item in sent.items} == {"scorer"}
    where = {"job": "job-1", "chunk": "7", "node": "tvmps_1"}
    for metric in (telemetry.FRAMES, telemetry.TASKS, telemetry.FRAME_MILLISECONDS):
        assert all(known.items() >= where.items() for _, known in sent.points(metric))
    assert [value for value, _ in sent.points(telemetry.FRAMES)] == [1]
    assert [(value, known["outcome"]) for value, known in sent.points(telemetry.TASKS)] == [(1, "finished")]
    times = {known["step"]: value for value, known in sent.points(telemetry.FRAME_MILLISECONDS)}
    assert times == {"decode": 1, "score": 10, "encode": 2}
    (event,) = sent.events("job.started")
    assert event.items() >= {"job": "job-1", "step": "dispatch"}.items()
    assert [(each["typeName"], each["message"]) for each in sent.exceptions()] == [("ValueError", "poison")]


def test_without_the_role_nothing_is_taken(authority: Authority) -> None:
    with entra.serve() as identities, insights.serve(identities, authority, lambda _: False) as sent:
        work({**environment(identities), **authority.environment(), telemetry.CONNECTION: sent.connection})
    assert not sent.items


@pytest.mark.parametrize("status", [400, 401, 403, 429, 500])
def test_refusals_harm_nothing(authority: Authority, status: int) -> None:
    with entra.serve() as identities, insights.serve(identities, authority) as sent:
        sent.answer = lambda: status
        printed = work({**environment(identities), **authority.environment(), telemetry.CONNECTION: sent.connection})
    assert not sent.items
    assert not printed


def test_nobody_there_harms_nothing(authority: Authority) -> None:
    address = "InstrumentationKey=5c2f7b4e-1d5a-4b6e-9c67-3a1f0e2d4b58;IngestionEndpoint=https://127.0.0.1:9/"
    with entra.serve() as identities:
        printed = work({**environment(identities), **authority.environment(), telemetry.CONNECTION: address})
    assert not printed


def test_an_endpoint_that_hangs_doesnt_hold_up_the_end(authority: Authority) -> None:
    hang = threading.Event()

    def never() -> int:
        hang.wait(60)
        return 500

    with entra.serve() as identities, insights.serve(identities, authority) as sent:
        sent.answer = never
        # `work` itself gives up after a minute: without a limit of its own, the flush would take longer.
        work({**environment(identities), **authority.environment(), telemetry.CONNECTION: sent.connection})
        hang.set()


BROKEN = """
import sys
from scorer import telemetry
from scorer.documents.records import FrameRecord
broken = telemetry._Connected.__new__(telemetry._Connected)  # all that it calls raises: it has nothing
telemetry._connect = lambda *_: broken
with telemetry.open_telemetry(lambda: None) as said:
    broken._node = "node"
    said.event("job.started", "job-1", "dispatch", frames=3)
    said.task("job-1", 7, "finished", [FrameRecord(frame=0)])
    said.failure(ValueError("poison"), "job-1", "score")
print("done")
"""


def test_faults_of_its_own_harm_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-c", BROKEN], env={**os.environ, telemetry.CONNECTION: "x"}, capture_output=True, text=True, check=False
    )
    assert done.stdout == "done\n", done.stderr


def test_without_a_connection_nothing_is_loaded() -> None:
    check = "import sys; from scorer.telemetry import open_telemetry\n"
    check += "with open_telemetry(lambda: 1/0) as said: said.event('x', 'j', 's')\n"
    check += "print([name for name in sys.modules if name.startswith(('opentelemetry', 'azure.monitor'))])"
    environment = {name: value for name, value in os.environ.items() if name != telemetry.CONNECTION}
    done = subprocess.run([sys.executable, "-c", check], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
