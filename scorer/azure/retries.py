"""What is asked of Azure again, how often, and after which pauses: calls without an answer, and refusals of new machines.

SDKs try a few times by themselves; these tries come on top, since a service may be away for longer.

Machines that Azure doesn't know yet are refused at first: they ask again for two minutes, and then a refusal holds. A container
group's identity isn't there from its first second, and a role counts minutes after it was given:
https://learn.microsoft.com/azure/container-instances/container-instances-managed-identity,
https://github.com/MicrosoftDocs/azure-docs/issues/41107, https://github.com/MicrosoftDocs/azure-docs/issues/61891,
https://github.com/Azure/azure-sdk-for-python/issues/8557. No library that is used here tries that again by itself.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential
from tenacity.stop import StopBaseT

# What a deployment's machines find in their environment, and nobody else: the SDKs ask for the machine's identity alone, at once
# and as often as they do when it is the only way.
# https://learn.microsoft.com/python/api/overview/azure/identity-readme#defaultazurecredential
ON_MACHINES = {"AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential"}
# In all, where nobody waits for the answer.
TRIES = 7
# Seconds: up to 1, 2, 4 ... at random, which is half a minute in all, at most a whole one.
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
# For refusals, from a process's first on.
SECONDS, LONGEST_REFUSED_PAUSE = 120.0, 15.0

T = TypeVar("T")


def retrying(may_pass: Callable[[BaseException], bool], tries: int | None = None) -> Retrying:
    """For a call that is tried again while it raises what may pass, TRIES times in all if not said; then that is raised."""
    return _retrying(may_pass, stop_after_attempt(tries or TRIES), LONGEST_PAUSE, time.sleep)


def _retrying(
    may_pass: Callable[[BaseException], bool], stop: StopBaseT, longest: float, sleep: Callable[[float], None]
) -> Retrying:
    wait = wait_random_exponential(multiplier=FIRST_PAUSE, max=longest)
    return Retrying(retry=retry_if_exception(may_pass), wait=wait, stop=stop, sleep=sleep, reraise=True)


def on_machine() -> bool:
    """Whether this is a machine of a deployment. A person is told at once what is refused."""
    return all(os.environ.get(name) == value for name, value in ON_MACHINES.items())


@dataclass
class Patience:
    """What is left of a process's time for refusals; its threads share it."""

    seconds: float = SECONDS
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _ends: float | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def granted(self, call: Callable[[], T], is_refusal: Callable[[BaseException], bool]) -> T:
        """What `call` gives, asked again while it is refused and time is left. Raises what it raises."""
        if not on_machine():
            return call()
        again = _retrying(
            is_refusal, lambda state: self._left() < state.upcoming_sleep, LONGEST_REFUSED_PAUSE, self.sleep
        )  # fmt: skip
        return again(call)

    def _left(self) -> float:
        """Seconds until the process has no more time; they begin with the first refusal."""
        with self._lock:
            if self._ends is None:
                self._ends = self.clock() + self.seconds
            return self._ends - self.clock()


patience = Patience()
"""Of this process."""
