"""Which jobs have ended, and why: a job's status says so, or there is nothing left to be hoped of its workers."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from scorer.boundary import typed
from scorer.documents.paths import CLAIMS
from scorer.documents.status import ENDED, Status, find_status
from scorer.engines.base import CANCELLED
from scorer.engines.machine_learning.bodies import Worker
from scorer.errors import ScorerError
from scorer.store import Stores

# A job's workers that ended while it went on, of whom nothing is left but that they did: more is no bad luck any more.
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
        if now - began > timedelta(days=self.days):
            return now, f"it took longer than {self.days} days"
        if not all(each.has_ended for each in workers):
            return None
        if len(workers) > MOST_LOST:
            return now, f"its workers were lost {len(workers)} times"
        failed = [each for each in workers if each.state == "Failed"]
        if len(failed) >= MOST_UNBEGUN and now - began > GRACE and not any(self.stores.work.list(f"{job}/{CLAIMS}")):
            return now, "no node could start its workers: their pages in Azure Machine Learning's Studio say why"
        return None

    def is_done(self, job: str) -> bool:
        """Whether it ended well."""
        return (status := self._status(job)) is not None and status.state == "done"

    def forget(self, job: str) -> None:
        """The job is gone, and may begin anew."""
        self._over.pop(job, None)

    def _status(self, job: str) -> Status | None:
        with suppress(ScorerError), typed():  # one that doesn't hold says nothing
            return self._over.get(job) or find_status(job, self.stores)
        return None
