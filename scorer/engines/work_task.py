"""A worker that is a task of an engine: it shares a job with the engine's other tasks, and merges nothing.

The engine begins it again where its machine is lost or its container dies, and begins others after it. So it doesn't wait for
chunks that others have, which may take hours on a machine that somebody pays for; and it makes way at the end of a chunk once its
time is over, for jobs whose turn has come. Source: https://learn.microsoft.com/azure/batch/batch-task-errors
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

from scorer.documents.plan import Chunk, Plan
from scorer.engines.processes import Ending
from scorer.engines.work import WorkEngine
from scorer.errors import FailureThresholdError
from scorer.job.finish import done_before
from scorer.job.remaining import Remaining

# Between two looks at who has what is left.
LOOK_SECONDS = 2.0


@dataclass
class TaskEngine(WorkEngine):
    """A Runner of what its engine's other tasks don't run. Its `claims` have the task's name."""

    leave_after: float | None = None
    """Minutes after which it takes no other chunk than its first; None: as long as there are any to be had."""
    _began: float = field(default_factory=time.monotonic)
    _has_had: bool = False
    _polled: float = -math.inf

    def _is_over(self, plan: Plan) -> bool:
        """Whether the job is done. Where it was cancelled, the engine ends its tasks, whatever stands in its status."""
        return done_before(plan, self.stores) is not None

    def _next(self, left: Remaining) -> Chunk | None:
        """Like any worker's. Raises FailureThresholdError where whatever is scored is in vain."""
        if left.hopeless is not None:
            raise left.hopeless.error()
        chunk = None if self._time_is_over else super()._next(left)
        self._has_had = self._has_had or chunk is not None
        return chunk

    @property
    def _time_is_over(self) -> bool:
        spent = (time.monotonic() - self._began) / 60
        return self._has_had and self.leave_after is not None and spent >= self.leave_after

    def _leaves(self, left: Remaining) -> bool:
        """Whether each chunk that is left is another task's, by a new poll; what nobody begins again is waited for."""
        if self._time_is_over:
            return True
        if time.monotonic() - self._polled < LOOK_SECONDS:
            return False
        self._polled = time.monotonic()
        return bool(self._patiently(lambda: self._are_others(left)))

    def _are_others(self, left: Remaining) -> bool:
        self.claims.poll()
        left.poll()
        return all(map(self.claims.is_tasks, left.open))

    def _settle(self, plan: Plan, left: Remaining, ending: Ending) -> None:
        super()._settle(plan, left, ending)
        if isinstance(ending.error, FailureThresholdError):
            raise ending.error
