"""One builder for all tests of the images."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.images.builder import Builder, builder


@pytest.fixture(scope="session")
def images() -> Iterator[Builder]:
    """Builds each image once."""
    with builder() as made:
        yield made
