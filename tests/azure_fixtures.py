"""A cloud to deploy to, and the engine that deploys."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from emulator.arm.cloud import Cloud
from emulator.pulumi import provider
from emulator.pulumi.engine import PROGRAM, Deployment

Deploy = Callable[..., Deployment]


@pytest.fixture
def azure() -> Cloud:
    """An empty cloud."""
    return Cloud()


@pytest.fixture
def deploy(azure: Cloud, tmp_path: Path) -> Iterator[Deploy]:
    """Deployments of a program to `azure`: deploy("dev", nodesMax=3)."""
    with provider.serve(azure) as port:

        def make(stack: str = "dev", program: Path = PROGRAM, **settings: Any) -> Deployment:
            return Deployment(folder=tmp_path, port=port, stack=stack, program=program, settings=settings)

        yield make
