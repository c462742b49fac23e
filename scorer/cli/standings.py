"""Where jobs stand, as `scorer status` and whoever follows one say it: in words, and as facts for programs."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.measure import Measurement
from rich.table import Table

from scorer.cli.console import facts_of, screen
from scorer.documents.paths import REPORT, task_logs
from scorer.documents.status import Status
from scorer.store import Entry
from scorer.submitter.pending import sender

if TYPE_CHECKING:  # Azure's SDKs take a second to load
    from scorer.client.client import Client, Standing
    from scorer.engines.base import JobLine


def places(standing: Standing, client: Client) -> dict[str, str]:
    """Where its request, its report and its tasks' logs are, as far as there are any."""
    found: dict[str, str] = {}
    request, stores = "", client.stores
    if standing.status is not None:
        request = standing.status.request or ""
        found["report"] = stores.output.where(f"{standing.job}/{REPORT}")
        found["logs"] = stores.logs.where(task_logs(standing.job))
    if standing.position is not None:
        request = standing.position.path
    if standing.rejection is not None:
        request = standing.rejection.request
    return {"request": stores.input.where(request), **found} if request else found


def standing_facts(standing: Standing, client: Client, pages: Mapping[str, str]) -> dict[str, Any]:
    """The same for programs; `state` is a status's, or 'waiting', 'refused' or 'taken in' before there is one.

    `pages` is where its machines are seen in a browser.
    """
    status, position = standing.status, standing.position
    known = status.model_dump(mode="json", exclude={"request"}) if status is not None and position is None else {}
    before = "waiting" if position is not None else "refused" if standing.rejection is not None else "taken in"
    return {
        "job": standing.job, "state": before, **known, **places(standing, client),
        "tasks": asdict(standing.tasks) if standing.tasks is not None else None,
        "parts": standing.parts, "held_up": standing.held_up, "pages": dict(pages),
        "place": position.number if position is not None else None, "of": position.of if position is not None else None,
        "error": facts_of(standing.error) if standing.error is not None else None,
    }  # fmt: skip


def done_facts(status: Status, result: Path, report: str | None) -> dict[str, Any]:
    """Of a job that is done, whose result and report are here."""
    return {
        "job": status.job, "state": status.state, "result": str(result.absolute()), "report": report,
        "frames": status.frames, "failed": status.failed, "seconds": round(status.updated - status.started, 3),
        "stage_seconds": status.stage_seconds, "notes": status.notes,
    }  # fmt: skip


def facts_of_all(waiting: Sequence[tuple[str, Entry]], jobs: Sequence[JobLine]) -> dict[str, Any]:
    """All requests that wait, the next first, and all jobs."""
    return {
        "waiting": [
            {"job": job, "place": place, "sender": sender(entry.path), "uploaded": entry.modified}
            for place, (job, entry) in enumerate(waiting, 1)
        ],
        "jobs": [
            {"job": each.job, "state": each.state, "sender": each.sender, "priority": each.priority, "created": each.created}
            for each in jobs
        ],
    }


def show_all(waiting: Sequence[tuple[str, Entry]], jobs: Sequence[JobLine]) -> None:
    """The same as a table."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("job", "state", "sender", "priority", "created"):
        table.add_column(name, no_wrap=True)
    for place, (job, entry) in enumerate(waiting, 1):
        table.add_row(job, f"waits, number {place}", sender(entry.path), "", _minute(entry.modified))
    for line in jobs:
        table.add_row(line.job, line.state, line.sender, str(line.priority), _minute(line.created))
    # Whole, however narrow the screen: an id is there to be copied.
    table.width = Measurement.get(screen, screen.options.update(max_width=1000), table).maximum
    screen.print(table, crop=False)


def _minute(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(moment))
