"""Sample resources for tests of the emulator itself, and one deployment that works, for those of what runs in Azure."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from emulator import local_azure as emulated
from emulator.arm.cloud import Cloud
from emulator.batch.quota import Quota
from emulator.local_azure import PERSON, LocalAzure
from emulator.logic_app.engine import Engine
from emulator.logic_app.trigger import Trigger
from emulator.logic_app.trigger import serve as serve_trigger
from emulator.pulumi import provider
from emulator.pulumi.engine import Deployment
from tests.emulator.sample_resources import SampleResources

SETTINGS = {
    "operators": [PERSON],
    "nodesMax": 4,
    "batchSize": 1,
    "keepWarmMinutes": 0,
    "taskRetries": 2,
    "taskMinutes": 1440,
}


@pytest.fixture
def samples() -> SampleResources:
    """An empty subscription's first resources."""
    return SampleResources(Cloud())


@contextmanager
def deploy(folder: Path, **more: object) -> Iterator[LocalAzure]:
    """What `pulumi up` makes of SETTINGS and of those in `more`, at work until the block ends."""
    cloud = Cloud()
    cloud.people.add(PERSON)
    with provider.serve(cloud) as port:
        outputs = Deployment(folder=folder, port=port, stack="dev", settings={**SETTINGS, **more}).up().outputs
    with emulated.serve(cloud, outputs["deployment"], folder / "azure") as running:
        yield running


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAzure]:
    """One deployment for all tests; each begins with an empty input (`local_azure`)."""
    with deploy(tmp_path_factory.mktemp("azure")) as running:
        yield running


@pytest.fixture
def local_azure(deployed: LocalAzure) -> Iterator[LocalAzure]:
    """The deployment, with nothing in its input; afterwards its faults are fixed and its jobs over, whose nodes others need."""
    deployed.clear("input")
    yield deployed
    with deployed.batch.lock:
        for job in deployed.batch.ledger.active():
            deployed.batch.pool.end_job(job, "ItsTestIsOver")
    deployed.batch.fault = deployed.batch.earlier = deployed.blobs.fault = deployed.blobs.page = None
    deployed.batch.pool.preempt_every = deployed.batch.pool.fixed = None
    deployed.batch.pool.quota = Quota()
    deployed.cloud.settle()


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    with Engine() as running:
        yield running


@pytest.fixture
def trigger(local_azure: LocalAzure, engine: Engine, tmp_path: Path) -> Iterator[Trigger]:
    with serve_trigger(local_azure, engine, tmp_path / "containers") as running:
        yield running
