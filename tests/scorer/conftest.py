"""What tests of requests share."""

from pathlib import Path

import pytest

from tests.folders import FolderStores
from tests.scorer.office import Office


@pytest.fixture
def office(stores: FolderStores, tmp_path: Path) -> Office:
    return Office.open(stores, tmp_path)
