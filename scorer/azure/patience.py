"""Machines that Azure doesn't know yet: refusals are asked about again for two minutes, and then they hold.

A container group's identity isn't there from its first second, and a role counts minutes after it was given:
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

from tenacity import Retrying, retry_if_exception, wait_random_exponential

# What a deployment's machines find in their environment, and nobody else: the SDKs ask for the machine's identity alone, at once
# and as often as they do when it is the only way.
# https://learn.microsoft.com/python/api/overview/azure/identity-readme#defaultazurecredential
ON_MACHINES = {"AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential"}
# From a process's first refusal on.
SECONDS = 120.0
# Seconds between two tries at most.
LONGEST_PAUSE = 15.0

T = TypeVar("T")


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
        again = Retrying(
            retry=retry_if_exception(is_refusal),
            wait=wait_random_exponential(max=LONGEST_PAUSE),
            stop=lambda state: self._left() < state.upcoming_sleep,
            sleep=self.sleep,
            reraise=True,
        )
        return again(call)

    def _left(self) -> float:
        """Seconds until the process has no more time; they begin with the first refusal."""
        with self._lock:
            if self._ends is None:
                self._ends = self.clock() + self.seconds
            return self._ends - self.clock()


patience = Patience()
"""Of this process."""
