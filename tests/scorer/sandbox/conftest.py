"""What the tests of the sandboxed process share."""

import pytest

from emulator import forked_sandbox
from scorer.sandbox import examine


@pytest.fixture
def started_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sandboxed process loads its code itself, as it does in the product."""
    monkeypatch.setattr(examine, "_started", forked_sandbox.start_anew)
