"""What `make test-fast` leaves out."""

from __future__ import annotations

from tests.conftest import NOT_FAST, ROOT


def test_what_is_left_out_is_there() -> None:
    """A file that was renamed would be in again, and need what such a machine lacks."""
    assert [name for name in sorted(NOT_FAST) if not (ROOT / name).exists()] == []
