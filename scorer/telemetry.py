"""What Application Insights gets: jobs, tasks, frames and their times. Without a connection string, nothing is loaded or sent.

The names are a contract with the deployment's workbook and alerts (stacks/monitoring.py). Telemetry never fails the work, and
holds up its end by a few seconds at most. Source: https://learn.microsoft.com/azure/azure-monitor/app/opentelemetry-overview
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Literal

from azure.core.credentials import TokenCredential

from scorer.boundary import typed
from scorer.documents.records import FrameRecord, Line
from scorer.errors import BusyError, ScorerError
from scorer.text import clean

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk.metrics import MeterProvider

ROLE = "scorer"
FRAMES = "scorer.frames"
FRAME_MILLISECONDS = "scorer.frame.milliseconds"
TASKS = "scorer.tasks"
CONNECTION = "APPLICATIONINSIGHTS_CONNECTION_STRING"

# What the end of the work waits for telemetry at most.
FLUSH_SECONDS = 5.0

Outcome = Literal["finished", "failed"]


class Telemetry:
    """Says nothing to nobody; what is sent where there is a connection is said by its subclass."""

    def event(self, name: str, job: str, step: str, **properties: str | int | float) -> None:
        """Something that happened to a job: job.started, job.finished, job.failed."""

    def failure(self, error: BaseException, job: str, step: str) -> None:
        """An error that ended a step."""

    def task(self, job: str, chunk: int, outcome: Outcome, records: Iterable[Line] = ()) -> None:
        """A task has ended, and left these records."""

    @contextmanager
    def step(self, job: str, step: str) -> Iterator[None]:
        """Around a step whose error ends the job, unless it only has to wait. A try that does better tells so later."""
        try:
            with typed():
                yield
        except ScorerError as error:
            if not isinstance(error, BusyError):
                self.event("job.failed", job, step, reason=str(error), code=error.exit_code)
                self.failure(error, job, step)
            raise


class _Connected(Telemetry):
    def __init__(self, logs: LoggerProvider, metrics: MeterProvider) -> None:
        self._logs, self._metrics = logs, metrics
        self._logger = logs.get_logger(ROLE)
        meter = metrics.get_meter(ROLE)
        self._frames = meter.create_counter(FRAMES, unit="frames", description="Frames scored")
        self._tasks = meter.create_counter(TASKS, unit="tasks", description="Tasks ended")
        self._milliseconds = meter.create_histogram(FRAME_MILLISECONDS, unit="ms", description="Time of one frame, by step")
        self._node = os.environ.get("AZ_BATCH_NODE_ID") or socket.gethostname()

    def event(self, name: str, job: str, step: str, **properties: str | int | float) -> None:
        self._emit(name, {"event": name, "job": job, "step": step, "node": self._node, **properties})

    def failure(self, error: BaseException, job: str, step: str) -> None:
        kind = type(error).__name__
        known = {"exception.type": kind, "exception.message": str(error), "job": job, "step": step, "node": self._node}
        self._emit(str(error), known, failed=True)

    def task(self, job: str, chunk: int, outcome: Outcome, records: Iterable[Line] = ()) -> None:
        with suppress(Exception):
            self._count({"job": job, "chunk": str(chunk), "node": self._node}, outcome, records)

    def _count(self, where: Mapping[str, str], outcome: Outcome, records: Iterable[Line]) -> None:
        self._tasks.add(1, {**where, "outcome": outcome})
        scored = 0
        for record in records:
            if isinstance(record, FrameRecord) and record.error is None:
                scored += 1
                for step, spent in (("decode", record.decode_ms), ("score", record.model_ms), ("encode", record.encode_ms)):
                    self._milliseconds.record(spent, {**where, "step": step})
        self._frames.add(scored, where)

    def _emit(self, body: str, attributes: Mapping[str, str | int | float], *, failed: bool = False) -> None:
        from opentelemetry._logs import LogRecord, SeverityNumber

        severity = SeverityNumber.ERROR if failed else SeverityNumber.INFO
        known = {name: clean(value) if isinstance(value, str) else value for name, value in attributes.items()}
        with suppress(Exception):
            self._logger.emit(LogRecord(severity_number=severity, body=clean(body), attributes=known))

    def close(self) -> None:
        """Send what is left, as long as that takes, but for a few seconds at most."""

        def send() -> None:
            self._logs.shutdown()
            self._metrics.shutdown(FLUSH_SECONDS * 1000)

        sender = threading.Thread(target=send, name="telemetry", daemon=True)
        sender.start()
        sender.join(FLUSH_SECONDS)


@contextmanager
def open_telemetry(credential: Callable[[], TokenCredential]) -> Iterator[Telemetry]:
    """Telemetry to where APPLICATIONINSIGHTS_CONNECTION_STRING says, sent by the end of the block."""
    address = os.environ.get(CONNECTION)
    if not address:
        yield Telemetry()
        return
    connected: _Connected | None = None
    with suppress(Exception):  # an address that makes no sense is no reason for no work
        connected = _connect(address, credential())
    try:
        yield connected or Telemetry()
    finally:
        if connected is not None:
            with suppress(Exception):  # no thread may be left to a task that has used up its own
                connected.close()


def _connect(address: str, credential: TokenCredential) -> _Connected:
    # Its own statistics, and settings from elsewhere, would need ways out that the nodes' network doesn't have.
    for what in ("STATSBEAT_DISABLED_ALL", "SDKSTATS_DISABLED", "CONTROLPLANE_DISABLED"):
        os.environ.setdefault(f"APPLICATIONINSIGHTS_{what}", "true")
    from azure.monitor.opentelemetry.exporter import AzureMonitorLogExporter, AzureMonitorMetricExporter
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import Resource

    for name in ("azure", "opentelemetry"):  # what they complain of is of no use to whoever reads a task's log
        logging.getLogger(name).setLevel(logging.CRITICAL)
    resource = Resource({"service.name": ROLE, "service.instance.id": os.environ.get("AZ_BATCH_NODE_ID") or socket.gethostname()})
    options = {"connection_string": address, "credential": credential, "disable_offline_storage": True, "timeout": FLUSH_SECONDS}
    logs = LoggerProvider(resource, shutdown_on_exit=False)
    logs.add_log_record_processor(BatchLogRecordProcessor(AzureMonitorLogExporter(**options)))
    reader = PeriodicExportingMetricReader(AzureMonitorMetricExporter(**options))
    return _Connected(logs, MeterProvider([reader], resource, shutdown_on_exit=False))
