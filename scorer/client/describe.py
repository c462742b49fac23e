"""Where a job stands, in one line."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from scorer.report.text import counted, duration

if TYPE_CHECKING:  # Azure's SDKs take a second to load
    from scorer.client.client import Standing


def describe(standing: Standing, waited: float | None = None) -> str:
    """One line of where a job stands."""
    status, tasks = standing.status, standing.tasks
    since = f" · {duration(waited)}" if waited is not None else ""
    if status is None or standing.position is not None:
        return f"{standing.job}: {_before(standing)}{since}"
    line = f"{standing.job}: {status.state}"
    if status.state in ("planned", "scoring", "merging") and tasks is not None:
        done, of, what = tasks.done, tasks.all, "tasks"
        if standing.parts is not None:  # a task scores many chunks
            done, of, what = min(standing.parts, status.chunks), status.chunks, "chunks"
        line += f" · {counted(status.frames, 'frame')} · {done} of {of} {what} done"
        line += f", {tasks.running} running" if what == "tasks" else f", {counted(tasks.running, 'task')} running"
        line += f", {tasks.failed} failed" if tasks.failed else ""
        spent = time.time() - status.started
        line += f" · {standing.held_up}" if standing.held_up else ""
        if done and not standing.held_up:
            line += f" · about {duration(spent / done * (of - done))} left"
    elif status.state == "done":
        line += f" · {counted(status.frames, 'frame')}, {status.failed} failed · {duration(status.updated - status.started)}"
    return line + since


def _before(standing: Standing) -> str:
    """Where it stands before it has a status."""
    if standing.rejection is not None:
        return "refused"
    if standing.position is not None:
        return f"the request waits to be taken in, number {standing.position.number} of {standing.position.of}"
    return "the request is being taken in"
