"""What a check has made is taken away again, however the check ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from scorer.errors import ScorerError
from scorer.store import Store

Log = Callable[[str], None]


@contextmanager
def taken_away(what: str, log: Log) -> Iterator[None]:
    """Around taking `what` away: where that fails it is told, and the rest is taken away all the same."""
    log(f"removing {what}")
    try:
        yield
    except ScorerError as error:
        log(f"{what} is left and costs nothing: remove it by hand ({error})")


def empty(store: Store, folder: str) -> None:
    """Delete everything below a folder."""
    for entry in list(store.walk(folder)):
        store.delete(entry.path)
