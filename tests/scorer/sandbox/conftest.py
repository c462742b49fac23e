"""What the tests of the process apart share."""

import pytest

from scorer.sandbox import looking
from tests import apart


@pytest.fixture
def started_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process apart loads its code itself, as it does in the product."""
    monkeypatch.setattr(looking, "_started", apart.start_anew)
