"""Ground for the tests of the stand-in itself, and one deployment that works, for those of what runs in Azure."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from emulator import local_azure
from emulator.arm.cloud import Cloud
from emulator.batch.quota import Quota
from emulator.local_azure import PERSON, SmallAzure
from emulator.logic_app import trigger
from emulator.logic_app.engine import Engine
from emulator.logic_app.trigger import Trigger
from emulator.pulumi import provider
from emulator.pulumi.engine import Deployment
from tests.emulator.sample_resources import Ground

SETTINGS = {
    "operators": [PERSON],
    "nodesMax": 4,
    "batchSize": 1,
    "keepWarmMinutes": 0,
    "taskRetries": 2,
    "taskMinutes": 1440,
}


@pytest.fixture
def ground() -> Ground:
    """An empty subscription's first resources."""
    return Ground(Cloud())


@contextmanager
def deploy(folder: Path, **more: object) -> Iterator[SmallAzure]:
    """What `pulumi up` makes of SETTINGS and of those in `more`, at work until the block ends."""
    cloud = Cloud()
    cloud.people.add(PERSON)
    with provider.serve(cloud) as port:
        outputs = Deployment(folder=folder, port=port, stack="dev", settings={**SETTINGS, **more}).up().outputs
    with local_azure.serve(cloud, outputs["deployment"], folder / "small") as running:
        yield running


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallAzure]:
    """One deployment for all tests; every test has jobs and blobs of its own."""
    with deploy(tmp_path_factory.mktemp("azure")) as running:
        yield running


@pytest.fixture
def small_azure(deployed: SmallAzure) -> Iterator[SmallAzure]:
    """The deployment, its faults fixed afterwards."""
    yield deployed
    deployed.batch.fault = deployed.batch.earlier = deployed.blobs.fault = deployed.blobs.page = None
    deployed.batch.pool.preempt_every = deployed.batch.pool.fixed = None
    deployed.batch.pool.quota = Quota()
    deployed.cloud.settle()


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    with Engine() as running:
        yield running


@pytest.fixture
def way(small_azure: SmallAzure, engine: Engine, tmp_path: Path) -> Iterator[Trigger]:
    with trigger.serve(small_azure, engine, tmp_path / "containers") as running:
        yield running
