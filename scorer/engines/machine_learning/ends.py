"""Which jobs have ended, and why: a job's status says so, or there is nothing left to be hoped of its workers."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from scorer.boundary import typed
from scorer.documents.paths import CLAIMS, STATUS
from scorer.documents.status import ENDED, Status, find_status
from scorer.engines.base import CANCELLED
from scorer.engines.machine_learning.bodies import Worker
from scorer.errors import ScorerError
from scorer.store import Stores

# Tries of one of a job's workers that ended while the job went on, of which nothing else is left: more is no bad luck any more.
MOST_LOST = 50
# Workers of a job that nobody ever began to work on: so many, and so long since the first of them, and no node can.
MOST_UNBEGUN = 3
GRACE = timedelta(hours=1)


@dataclass(frozen=True)
class Ends:
    """The ends of jobs, as one process finds them out."""

    stores: Stores
    days: int
    """That a job may last."""
    _over: dict[str, Status] = field(default_factory=dict)
    """Statuses of jobs that have ended: they stay so while this process asks."""

    def find(self, job: str, workers: list[Worker]) -> tuple[datetime, str] | None:
        """When the job ended, which had these workers, and why; nothing while it is at work."""
        if (status := self._status(job)) is not None and status.state in ENDED:
            self._over[job] = status
            return datetime.fromtimestamp(status.updated, UTC), CANCELLED if status.state == "cancelled" else status.state
        began, now = min(each.created for each in workers), datetime.now(UTC)
        over = all(each.has_ended for each in workers)
        if over and self._was_deleted(job):
            # When it ended was known by its status alone; from this time on its workers are kept for as long as others.
            return max(each.created for each in workers), "what it wrote was deleted"
        if now - began > timedelta(days=self.days):
            return now, f"it took longer than {self.days} days"
        why = self._why_hopeless(job, workers, began, now) if over else ""
        return (now, why) if why else None

    def _why_hopeless(self, job: str, workers: list[Worker], began: datetime, now: datetime) -> str:
        """Why nothing is to be hoped of more workers than these, which have ended; '' where they may do it."""
        if (lost := max(Counter(each.index for each in workers).values())) > MOST_LOST:
            return f"one of its workers was lost {lost} times"
        failed = [each for each in workers if each.state == "Failed"]
        if len(failed) >= MOST_UNBEGUN and now - began > GRACE and not any(self.stores.work.list(f"{job}/{CLAIMS}")):
            return "no node could start its workers: their pages in Azure Machine Learning's Studio say why"
        return ""

    def is_done(self, job: str) -> bool:
        """Whether it ended well."""
        return (status := self._status(job)) is not None and status.state == "done"

    def forget(self, job: str) -> None:
        """The job is gone, and may begin anew."""
        self._over.pop(job, None)

    def _was_deleted(self, job: str) -> bool:
        """Whether a person has deleted what the job wrote: it has a status from before its first worker on."""
        with suppress(ScorerError), typed():
            return self.stores.output.find(f"{job}/{STATUS}") is None
        return False

    def _status(self, job: str) -> Status | None:
        with suppress(ScorerError), typed():  # one that doesn't hold says nothing
            return self._over.get(job) or find_status(job, self.stores)
        return None
