"""Azure's clock in tests: it stands still but for those who wait, so that minutes cost nothing, and are as many each time."""

from __future__ import annotations

import os
import urllib.request
from dataclasses import dataclass, field
from threading import Lock

# Where processes that wait tell so.
VARIABLE = "SMALL_AZURE_CLOCK"


@dataclass
class Clock:
    """Seconds since the subscription was empty."""

    now: float = 0.0
    _lock: Lock = field(default_factory=Lock)

    def wait(self, seconds: float) -> None:
        """Somebody waits so long."""
        with self._lock:
            self.now += seconds


def tell(seconds: float) -> None:
    """Wait, in a process that a test started."""
    request = urllib.request.Request(f"{os.environ[VARIABLE]}?seconds={seconds}", method="POST")  # noqa: S310  # loopback
    with urllib.request.build_opener().open(request, timeout=60):
        pass
