"""An intake of folders, with a cluster that is a list."""

import json
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from scorer.documents.deployment import read_deployment
from scorer.documents.plan import Plan
from scorer.engines.base import CANCELLED, JobLine, Tasks
from scorer.errors import BusyError, ScorerError, SenderLimitError
from scorer.store import FolderStore
from scorer.submitter.intake import Intake
from scorer.submitter.rejection import Rejection
from scorer.telemetry import Telemetry
from tests.folders import FolderStores
from tests.scorer.documents.test_deployment import DOCUMENT

LIMITS = {"requestBytes": 4096, "maxFrames": 200, "maxPixels": 100_000}

ASKED = {"name": "clip", "input": "videos/clip.mp4", "model": "invert"}
"""A request for a video."""


def asked(**more: object) -> bytes:
    """That request, changed."""
    return json.dumps({**ASKED, **more}).encode()


@dataclass(frozen=True)
class List:
    """A cluster that is a list."""

    senders: dict[str, str] = field(default_factory=dict)
    """Whose each job is."""
    most: int = 100
    begun: list[str] = field(default_factory=list)
    """Jobs that lack tasks."""
    ended: dict[str, datetime] = field(default_factory=dict)
    """When, by job."""
    cancelled: set[str] = field(default_factory=set)
    """Those of them that a person ended."""
    unprepared: dict[str, str] = field(default_factory=dict)
    """Why no node can begin it, by job."""

    def jobs(self) -> list[JobLine]:
        return [JobLine(job, "active", sender, 0, 0.0) for job, sender in self.senders.items()]

    def tasks_of(self, job: str) -> tuple[Tasks | None, str | None]:
        why = "AllTasksComplete" if job in self.ended else None
        return (Tasks(1, 0, 0, 0), why) if job in self.senders else (None, None)

    def pages(self, _: str) -> dict[str, str]:
        return {}

    def held_up(self) -> str:
        return ""

    def delete(self, job: str) -> None:
        self.senders.pop(job, None)
        self.ended.pop(job, None)

    def has(self, job: str) -> bool:
        return job in self.senders

    def admit(self, sender: str) -> int:
        own = list(self.senders.values()).count(sender)
        if len(self.senders) >= self.most:
            raise BusyError("full")
        if own * 2 >= self.most:
            raise SenderLimitError("its share")
        return own

    def at_work(self) -> Counter[str]:
        return Counter(self.senders.values())

    def submit(self, plan: Plan, sender: str, others: int) -> None:
        assert plan.job in self.senders or others == list(self.senders.values()).count(sender)
        self.senders.setdefault(plan.job, sender)
        self.finish(plan)

    def finish(self, plan: Plan) -> None:
        if plan.job in self.senders and plan.job in self.begun:
            self.begun.remove(plan.job)

    def share_slots(self) -> None:
        pass

    def end(self, job: str) -> None:
        del self.senders[job]

    def end_unprepared(self, now: datetime) -> dict[str, str]:
        for job in self.unprepared:
            del self.senders[job]
            self.ended[job] = now
        return self.unprepared

    def unfinished(self) -> list[str]:
        return list(self.begun)

    def ends(self) -> dict[str, tuple[datetime, str]]:
        reasons = {**dict.fromkeys(self.cancelled, CANCELLED), **self.unprepared}
        return {job: (end, reasons.get(job, "AllTasksComplete")) for job, end in self.ended.items()}

    def forget(self, before: datetime) -> None:
        assert before < datetime.now(UTC)
        for job in [job for job, end in self.ended.items() if end < before]:
            del self.ended[job]


@dataclass(frozen=True)
class IntakeHarness:
    """An intake, and its folders."""

    intake: Intake
    stores: FolderStores
    quarantine: FolderStore
    cluster: List
    told: list[str]

    @classmethod
    def open(cls, stores: FolderStores, folder: Path) -> "IntakeHarness":
        """A new one."""
        target = read_deployment(json.dumps({**DOCUMENT, "limits": LIMITS}))
        told: list[str] = []
        cluster = List()
        quarantine = FolderStore(folder / "quarantine")
        intake = Intake(target, stores, FolderStore(folder / "scripts"), quarantine, cluster, Telemetry(), told.append)
        return cls(intake, stores, quarantine, cluster, told)

    def with_room_for(self, most: int) -> "IntakeHarness":
        """The same harness before an empty cluster of that many jobs."""
        cluster = List(most=most)
        return replace(self, cluster=cluster, intake=replace(self.intake, cluster=cluster))

    def put(self, data: bytes | object, path: str = "requests/video.json") -> str:
        """Upload a request."""
        self.stores.input.put(path, data if isinstance(data, bytes) else json.dumps(data).encode())
        return path

    def refused(self, path: str) -> tuple[ScorerError, Rejection]:
        """The error, and what was written of it."""
        with pytest.raises(ScorerError) as caught:
            self.intake.take(path)
        (written,) = self.stores.output.root.glob("*/rejected.json")
        (beside,) = self.quarantine.root.glob("*/rejected.json")
        assert written.read_bytes() == beside.read_bytes()
        assert written.parent.name == beside.parent.name
        return caught.value, Rejection.model_validate_json(written.read_bytes())
