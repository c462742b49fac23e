"""Several tasks on one machine: each takes a slot, and with it a GPU, that no other task has."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from scorer.errors import TaskError
from scorer.store.cache import node_folder, open_folder, try_lock
from scorer.store.errors import storage_errors

# How many tasks the machine runs at once, and how many GPUs it has, as the engine that starts them says.
SLOTS = "SCORER_SLOTS"
GPUS = "SCORER_GPUS"
# Where the tasks of all jobs lock their slots, if not in the node's folder.
SLOTS_DIR = "SCORER_SLOTS_DIR"

# A task that was just killed may hold its slot for a moment longer.
PATIENCE_SECONDS = 60.0


def promised_gpus() -> int:
    """GPUs that the machine has, as the engine says; 0 where it says nothing."""
    return int(os.environ.get(GPUS) or "0")


def promised_slots() -> int:
    """Tasks that the machine runs at once, as the engine says; 0 where it says nothing."""
    return int(os.environ.get(SLOTS) or "0")


@dataclass(frozen=True)
class Slot:
    """One of the machine's slots."""

    number: int
    gpu: int | None
    threads: int | None
    """Processor threads that are its share; None: all."""


@contextmanager
def take_slot(patience: float = PATIENCE_SECONDS) -> Iterator[Slot]:
    """Take a free slot until the block ends, or the process does; from here on CUDA sees its GPU alone.

    Raises TaskError where none gets free, OutputError where none can be taken.
    """
    slots, gpus = promised_slots(), promised_gpus()
    if not slots:  # a task alone on its machine
        yield Slot(0, None, None)
        return
    chosen = os.environ.get(SLOTS_DIR)
    folder = Path(chosen) if chosen else node_folder() / "slots"
    with storage_errors(str(folder), writing=True):
        open_folder(folder)
    deadline = time.monotonic() + patience
    while True:
        for number in range(slots):
            with storage_errors(str(folder), writing=True):
                file = try_lock(folder / str(number))
            if file is None:
                continue
            try:
                gpu = number % gpus if gpus else None
                if gpu is not None:
                    os.environ["CUDA_VISIBLE_DEVICES"] = str(gpu)
                yield Slot(number, gpu, max(1, (os.cpu_count() or 1) // slots))
                return
            finally:
                os.close(file)
        if time.monotonic() >= deadline:
            raise TaskError(f"All {slots} slots of this machine are taken: it was given more tasks than it has room for.")
        time.sleep(0.2)
