"""Marks of containers that examine what a request names: one that is ended by it never deletes its mark, and a few are enough.

attempts/<request>-<token>    in the work store, empty; written anew every BEAT seconds while somebody is at work, deleted then
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from scorer.boundary import typed
from scorer.documents.paths import ATTEMPTS
from scorer.errors import InputError, InternalError, ScorerError
from scorer.store import Entry, Stores
from scorer.submitter.pending import request_key

MOST = 3
"""Of containers that one request may end; one may have been ended by something else."""

BEAT = 5.0
"""Seconds."""


@contextmanager
def attempt(entry: Entry, stores: Stores) -> Iterator[None]:
    """Around all that examines what the request at `entry` names. Raises InputError where that has ended MOST containers.

    What nobody foresaw counts as such an end: it would come again at every poll, for days.
    """
    _check(entry, stores)
    own = f"{ATTEMPTS}/{request_key(entry)}-{secrets.token_hex(8)}"
    stores.work.put(own, b"")
    ended = threading.Event()
    heart = threading.Thread(target=_beat, args=(own, stores, ended), daemon=True)
    heart.start()
    stays = False
    try:
        with typed():
            yield
    except InternalError:
        stays = True
        raise
    finally:
        ended.set()
        heart.join()
        if not stays:
            stores.work.delete(own)


def _beat(own: str, stores: Stores, ended: threading.Event) -> None:
    while not ended.wait(BEAT):
        with suppress(ScorerError):  # the next one may be written
            stores.work.put(own, b"")


def _check(entry: Entry, stores: Stores) -> None:
    """Others may examine the same request at this moment: their marks change."""
    before = _marks(entry, stores)
    if len(before) < MOST:
        return
    time.sleep(2 * BEAT)
    after = _marks(entry, stores)
    if len(before.items() & after.items()) >= MOST:
        raise InputError(
            f"Request '{entry.path}' ended whatever looked at its files {MOST} times: give other files, or smaller ones."
        )


def _marks(entry: Entry, stores: Stores) -> dict[str, str]:
    """ETags by path."""
    start = f"{ATTEMPTS}/{request_key(entry)}-"
    return {each.path: each.etag for each in stores.work.list(ATTEMPTS) if each.path.startswith(start)}
