"""What the tests of made files share."""

from collections.abc import Iterator

import pytest

from tests.fuzz.pool import Looker


@pytest.fixture(scope="module")
def looker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Looker]:
    with Looker(tmp_path_factory.mktemp("cases")) as looker:
        yield looker
