"""Ground for the tests of the stand-in itself."""

import pytest

from tests.azure.cloud import Cloud
from tests.azure.ground import Ground


@pytest.fixture
def ground() -> Ground:
    """An empty subscription's first resources."""
    return Ground(Cloud())
