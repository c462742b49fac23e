"""Which tests `make test-fast` leaves out, and which begin first."""

from __future__ import annotations

import heapq

import pytest

from tests.conftest import NOT_FAST, ROOT
from tests.order import FEW, SECONDS, WAITING, in_turn

FILES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("test_*.py"))


def test_what_is_named_is_there() -> None:
    """A file that was renamed would be fast again, and need what such a machine lacks; or begin last, and be waited for."""
    assert [name for name in sorted({*NOT_FAST, *SECONDS}) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("workers", [3, 5])
def test_workers_come_to_their_end_together(workers: int) -> None:
    """Each takes the next file as it comes free."""
    order = in_turn(FILES)
    assert sorted(order) == FILES
    free = [0] * workers
    for file in order:
        heapq.heappush(free, heapq.heappop(free) + SECONDS.get(file, FEW))
    assert max(free) - min(free) <= 5


def test_what_waits_runs_beside_what_computes() -> None:
    """At no time has either kind come much further than the other."""
    kinds = {waits: [file for file in FILES if (file.partition("/")[0] in WAITING) == waits] for waits in (True, False)}
    whole = {waits: sum(SECONDS.get(file, FEW) for file in kind) for waits, kind in kinds.items()}
    done = {True: 0, False: 0}
    for file in in_turn(FILES):
        done[file.partition("/")[0] in WAITING] += SECONDS.get(file, FEW)
        assert abs(done[True] / whole[True] - done[False] / whole[False]) < 0.15, file
