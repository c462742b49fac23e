"""How far a job's workers are, counted in chunks: their store tells, since Azure Machine Learning knows of no chunks."""

from __future__ import annotations

import time

from scorer.documents import paths
from scorer.documents.plan import Plan
from scorer.documents.status import find_status
from scorer.engines.base import Tasks
from scorer.job.claims import FREE_SECONDS
from scorer.job.remaining import Remaining
from scorer.store import Stores


def count(plan: Plan, stores: Stores, tries: int, *, at_work: bool) -> Tasks:
    """The plan's chunks and its merge: which wait, which somebody has (if anybody is `at_work`), which are over.

    A chunk is at work whose claim was written in the last two minutes. Clocks of machines may differ: that is only for people.
    """
    status = find_status(plan.job, stores)
    if status is not None and status.state == "done":  # its parts are gone
        return Tasks(0, 0, len(plan.chunks) + 1, 0)
    left = Remaining(plan, stores, tries)
    left.poll()
    since = time.time() - FREE_SECONDS
    claims = stores.work.list(f"{plan.job}/{paths.CLAIMS}") if at_work else ()
    claimed = {entry.path.rpartition("/")[2].removesuffix(".json") for entry in claims if entry.modified > since}
    running = len(claimed & left.open.keys())
    merging = int(at_work and not left.open)
    done = len(plan.chunks) - len(left.open)
    return Tasks(len(left.open) - running + 1 - merging, running + merging, done, left.given_up)
