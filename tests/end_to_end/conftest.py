"""A deployment that `scorer check` is tried on."""

from collections.abc import Iterator

import pytest

from emulator.local_azure import PERSON, LocalAzure
from emulator.logic_app.trigger import Trigger


@pytest.fixture
def checked(trigger: Trigger) -> Iterator[Trigger]:
    """The deployment, with the rights of whoever deployed it; as it was afterwards."""
    azure = trigger.azure
    azure.blobs.manager.readers.add(PERSON)
    before = leftovers(azure)
    yield trigger
    azure.blobs.manager.readers.clear()
    azure.batch.pool.start_fails = azure.batch.pool.fixed = None
    assert leftovers(azure) == before, "all that a check makes is gone"


@pytest.fixture
def steady(checked: Trigger) -> Trigger:
    """The same on a node that stays, however many simulated minutes a busy machine lets pass between two tasks to share it."""
    checked.azure.batch.pool.fixed = 1
    return checked


def leftovers(azure: LocalAzure) -> set[str]:
    """What checks make where people may delete it."""
    blobs = {f"{name}/{each}" for name in ("input", "output") for each in azure.names(name) if "check" in each}
    return blobs | {job for job in azure.batch.ledger.jobs if job.startswith("check-")}
