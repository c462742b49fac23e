"""Waiting for what happens in a service of the emulator, as tests do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

TICK = 0.02


def wait_until(condition: Callable[[], bool], lock: threading.RLock, told: Callable[[], str], seconds: float) -> None:
    """Until something has come true, asked with the service's lock. Raises TimeoutError, with what the service tells then."""
    deadline = time.monotonic() + seconds
    while True:
        with lock:
            if condition():
                return
        if time.monotonic() > deadline:
            raise TimeoutError(f"What was waited for didn't happen:\n{told()}")
        time.sleep(TICK)
