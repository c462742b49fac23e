"""What all simulations of nodes have in common: jobs arrive, things happen in the order of their time, and are seen by others."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Self

from autoscale.world import Job, Kind, Moment


class Timeline(ABC):
    """Nodes, event by event, for `jobs` in the order of their arrival; `moments` tells what there was."""

    def __init__(self, jobs: Iterable[Job], *, keep_moments: bool) -> None:
        self._arrivals: Iterator[Job] = iter(jobs)
        self._arrived = 0
        self._next = next(self._arrivals, None)
        self._keep_moments = keep_moments
        self._last_state: tuple[int, ...] = ()
        self.second = 0.0
        self.done: dict[int, float] = {}
        """When each job was, by its number in the order of arrival."""
        self.moments: list[Moment] = []
        self.node_seconds: dict[Kind, float] = {"dedicated": 0.0, "spot": 0.0}
        self.most_nodes = 0

    @property
    @abstractmethod
    def is_done(self) -> bool:
        """Whether there is nothing to do, and no job comes any more."""

    @property
    @abstractmethod
    def nodes(self) -> int:
        """How many can run work."""

    @property
    @abstractmethod
    def here(self) -> Mapping[Kind, int]:
        """How many can run work, by kind."""

    @property
    @abstractmethod
    def targets(self) -> Mapping[Kind, int]:
        """How many nodes there are to be, by kind."""

    @property
    @abstractmethod
    def pending(self) -> int:
        """What waits or runs: tasks, or workers."""

    def run(self, minutes: float, until: Callable[[Self], bool] = lambda _: False) -> Self:
        """Let so much time pass from the beginning, or less where `until` says so. Goes on where an earlier run stopped."""
        end = minutes * 60
        while (second := self._next_event()) <= end:
            self._pass(second)
            self._happen()
            if self._keep_moments:
                self._record()
            if until(self):
                return self
        self._pass(end)
        return self

    @abstractmethod
    def _next_event(self) -> float:
        """When something happens next; infinity where nothing ever does."""

    @abstractmethod
    def _pass(self, second: float) -> None:
        """Nothing happens up to that second."""

    @abstractmethod
    def _happen(self) -> None:
        """All that is due at this second."""

    def _arriving(self) -> Iterator[tuple[int, Job]]:
        """The jobs that arrive at this second, each with its number."""
        while self._next is not None and self._next.arrives == self.second:
            number, job = self._arrived, self._next
            self._arrived += 1
            self._next = next(self._arrivals, None)
            if self._next is not None and self._next.arrives < job.arrives:
                raise ValueError(f"A job arrives at {self._next.arrives:g} after one at {job.arrives:g}: sort them.")
            yield number, job

    def _record(self) -> None:
        here, targets = self.here, self.targets
        state = here["dedicated"], here["spot"], targets["dedicated"], targets["spot"], self.pending
        if state != self._last_state:
            self._last_state = state
            self.moments.append(Moment(self.second, *state))
