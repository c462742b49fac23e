"""The page of all jobs of a folder, with what each leaves for it: `scorer run` and `scorer report` write it anew."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from scorer import documents
from scorer.boundary import typed
from scorer.documents import Count, Number, Words
from scorer.documents.paths import REPORT, STATUS, SUMMARY
from scorer.documents.request_fields import ID_DIGITS, NAME
from scorer.documents.status import Status
from scorer.errors import ScorerError
from scorer.job.samples import MOST_SMALL_BYTES
from scorer.report.page import STATES
from scorer.report.pages import page
from scorer.store import FolderStore, Stores
from scorer.text import clean

INDEX = "index.html"
MOST_JOBS = 300
"""That the page shows, the newest of them."""
_MOST_BYTES = 100_000
"""Of what a job leaves for the page."""
_JOB = re.compile(f"{NAME}-[0-9a-f]{{{ID_DIGITS}}}")

LABEL = 255
"""Characters of a name or a value."""

Label = Annotated[Words, Field(max_length=LABEL + 1)]


class Summary(BaseModel):
    """What a job leaves for a page of many jobs: output/<job>/summary.json. What changes while it runs is in its status."""

    model_config = ConfigDict(frozen=True, ser_json_bytes="base64", val_json_bytes="base64")

    job: str
    input: Label
    """The input's name, and what tells it from others of that name."""
    input_key: Annotated[str, Field(pattern="^[0-9a-f]{16}$")]
    media: Literal["video", "frames"]
    model: Label
    styles: Annotated[tuple[Label, ...], Field(max_length=32)]
    settings: Annotated[dict[Label, Label], Field(max_length=64)]
    """Those that differ from the defaults."""
    width: Count
    height: Count
    aspect: Annotated[Number, Field(gt=0)] = 1.0
    """Width of a pixel to its height."""
    rate: Annotated[Number, Field(ge=0)] = 0.0
    """Frames a second; 0 where it is no video."""
    picture: Annotated[bytes, Field(max_length=MOST_SMALL_BYTES)] = b""
    """A frame of the result, as JPEG."""


@dataclass(frozen=True)
class Row:
    """A job on the page."""

    status: Status
    summary: Summary | None
    """None of one that older code did, or that never got so far."""
    result: str
    """A link relative to the page, '' where there is none; so is `report`."""
    report: str
    bytes: int
    """Of the result, where it is a video."""

    @property
    def kind(self) -> str:
        """How its state is coloured."""
        return STATES.get(self.status.state, "busy")

    @property
    def seconds(self) -> float:
        """How long it took."""
        return sum(self.status.stage_seconds.values())

    @property
    def started(self) -> str:
        """When, in UTC."""
        return f"{datetime.fromtimestamp(self.status.started, UTC):%Y-%m-%d %H:%M}"

    @property
    def film(self) -> dict[str, object] | None:
        """What the page's script must know to play the result beside another of the same input; None where it is no video."""
        summary = self.summary
        if summary is None or not self.bytes:
            return None
        called = [*summary.styles, *(f"{name} {value}" for name, value in summary.settings.items())]
        return {
            "input": summary.input_key, "source": self.result, "rate": summary.rate, "name": clean(", ".join(called), 80),
            "ratio": round(max(summary.width, 1) * summary.aspect / max(summary.height, 1), 5),
        }  # fmt: skip


def keep_summary(summary: Summary, stores: Stores) -> None:
    """Leave what a page of many jobs will show of this one."""
    stores.output.put(f"{summary.job}/{SUMMARY}", documents.to_json(summary))


def write_index(work: Path) -> Path | None:
    """Write the page of all jobs that `scorer run` did in `work`, whole or not at all; None where there are none.

    Raises OutputError, StorageFullError.
    """
    store = FolderStore(work / "output")
    jobs = list(_jobs(store.root))
    if not jobs:
        return None
    rows = [row for job in jobs[:MOST_JOBS] if (row := _row(job, store)) is not None]
    html = page("index", rows=rows, more=max(len(jobs) - MOST_JOBS, 0))
    FolderStore(work).put(INDEX, html.encode())
    return work / INDEX


@contextmanager
def indexed(work: Path) -> Iterator[None]:
    """Around a job's work: however it ends, the page shows it."""
    try:
        yield
    finally:
        with suppress(ScorerError), typed():  # how the job ended is what counts
            write_index(work)


def _jobs(folder: Path) -> Iterator[str]:
    """The jobs in `folder`, the newest first."""
    found: list[tuple[float, str]] = []
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False) and _JOB.fullmatch(entry.name):
                found.append((entry.stat().st_mtime, entry.name))
    return (name for _, name in sorted(found, reverse=True))


def _row(job: str, store: FolderStore) -> Row | None:
    """What the page shows of a job; None where it left nothing that holds."""
    status = documents.find(Status, store, f"{job}/{STATUS}", job=job)
    if status is None:
        return None
    summary = documents.find(Summary, store, f"{job}/{SUMMARY}", most=_MOST_BYTES, job=job)
    result = f"{job}/{status.result}" if status.state == "done" and status.result else ""
    entry = store.find(result) if result and not result.endswith("/") else None
    report = store.find(f"{job}/{REPORT}")
    return Row(
        status, summary, result=f"output/{result}" if result else "", report=f"output/{job}/{REPORT}" if report else "",
        bytes=entry.size if entry else 0,
    )  # fmt: skip
