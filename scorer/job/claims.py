"""Which worker is at which chunk: claims in the work store, by which workers share a job and know nothing of each other.

    work/<job>/claims/<chunk>.json        made by whoever takes the chunk, and rewritten as long as it is at work
    work/<job>/claims/merge-<plan>.json   by whoever merges

A claim is theirs who made it where none was (If-None-Match), or who replaced the very version that they had seen (If-Match): the
store sees to it that there is one. One that nobody rewrites for two minutes is free again. How long that is, each worker measures
by its own monotonic clock, from when it first saw the version, which the store tells apart by ETag and last-modified. Two wall
clocks are never compared: those of machines differ by minutes, a laptop's jumps, and the store's is a third one. Time in which a
worker didn't poll (it was suspended, the store was away) hardly counts: the owner may have been unable to renew, too.

An engine that begins a worker again as often as its machine is lost or its container dies gives it a name, its task. What an
earlier try of a task had is free for the next one at once: Azure Batch begins none before it has given up the one before.

A claim spares work, and decides nothing: an owner that was suspended and wakes up after its chunk was given away makes the same
bytes in a part of its own, and of two parts one counts.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from scorer import documents
from scorer.boundary import typed
from scorer.documents import MOST_BYTES, Count, Words, paths
from scorer.errors import ChangedError, DocumentError, MissingError, ScorerError
from scorer.store import Entry, Store

RENEW_SECONDS = 30.0
FREE_SECONDS = 120.0


class Claim(BaseModel):
    """Kept as work/<job>/claims/<chunk>.json."""

    model_config = ConfigDict(frozen=True)

    worker: Annotated[Words, Field(max_length=300)]
    """Host, process, and what tells it from others of these."""
    version: Annotated[str, Field(max_length=32)]
    """No two that are written are the same."""
    lost: Count = 0
    """Workers that had it and were not heard of again."""
    free: bool = False
    """Whether its worker has let go of it."""
    task: Annotated[str, Field(max_length=64)] = ""
    """The task of an engine that its worker is a try of; '' where there is none."""


def worker_name() -> str:
    """A name that no other process has."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


@dataclass
class _Seen:
    """A version of somebody's claim."""

    etag: str
    modified: float
    seconds: float = 0.0
    """For how long it was seen to be the same."""
    claim: Claim | None = None
    """What it says, once that was read."""


@dataclass
class _Own:
    etag: str
    claim: Claim
    written: float
    """When, of the worker's clock."""


@dataclass
class Claims:
    """The claims of one job, as one of its workers sees them."""

    job: str
    store: Store
    worker: str = field(default_factory=worker_name)
    clock: Callable[[], float] = time.monotonic
    task: str = ""
    """The engine's task that the worker is a try of, if it is one."""
    _own: dict[str, _Own] = field(default_factory=dict)
    _seen: dict[str, _Seen] = field(default_factory=dict)
    _polled: float | None = None

    def poll(self) -> None:
        """See which claims there are, and how long each has been the same."""
        began = self.clock()
        passed = 0.0 if self._polled is None else min(began - self._polled, RENEW_SECONDS)
        found = {}
        for entry in self.store.list(f"{self.job}/{paths.CLAIMS}"):
            key = entry.path.rpartition("/")[2].removesuffix(".json")
            before = self._seen.get(key)
            if before is not None and (before.etag, before.modified) == (entry.etag, entry.modified):
                before.seconds += passed
                found[key] = before
            elif before is not None and before.etag == entry.etag:  # written by this worker, which didn't know when
                found[key] = _Seen(entry.etag, entry.modified, claim=before.claim)
            else:
                found[key] = _Seen(entry.etag, entry.modified)
        self._seen, self._polled = found, self.clock()

    def take(self, key: str) -> Claim | None:
        """Claim what `key` names, unless somebody has it; what was seen at the last poll counts."""
        if key in self._own:
            return None
        seen = self._seen.get(key)
        if seen is None:
            claim = self._written()
            return self._taken(key, claim, self.store.create(paths.claim(self.job, key), _data(claim)))
        held = self._read(key, seen)
        if held is None or not self._may_have(held, seen):
            return None
        claim = self._written(lost=held.lost if held.free else held.lost + 1)
        return self._taken(key, claim, self.store.replace(paths.claim(self.job, key), _data(claim), seen.etag))

    def is_tasks(self, key: str) -> bool:
        """Whether another task of the engine has the claim, by the last poll: the engine begins it again where it is lost."""
        seen = self._seen.get(key)
        held = self._read(key, seen) if seen is not None else None
        return seen is not None and held is not None and bool(held.task) and not self._may_have(held, seen)

    def _may_have(self, held: Claim, seen: _Seen) -> bool:
        return held.free or seen.seconds >= FREE_SECONDS or self._had(held)

    def take_back(self, keys: Iterable[str]) -> list[str]:
        """Let go of those of `keys` that an earlier try of this worker's task had when it was lost; which those are."""
        if not self.task:
            return []
        left = [key for key in keys if (seen := self._seen.get(key)) and (held := self._read(key, seen)) and self._had(held)]
        taken = [key for key in left if self.take(key) is not None]
        for key in taken:
            self.release(key)
        return taken

    def _had(self, held: Claim) -> bool:
        """Whether the claim is an earlier try's of this worker's task."""
        return bool(self.task) and held.task == self.task and held.worker != self.worker and not held.free

    def renew(self) -> list[str]:
        """Rewrite those of this worker's claims that are due; which of them others have by now."""
        lost = []
        for key, own in list(self._own.items()):
            if self.clock() - own.written < RENEW_SECONDS:
                continue
            if self._replaced(key, own, self._written(lost=own.claim.lost)) is None:
                del self._own[key]
                lost.append(key)
        return lost

    def release(self, key: str) -> None:
        """Let go of the claim, if this worker still has it."""
        if (own := self._own.pop(key, None)) is not None:
            claim = self._written(lost=own.claim.lost, free=True)
            if self._replaced(key, own, claim) is not None:
                self._seen[key] = _Seen(self._own.pop(key).etag, 0.0, claim=claim)  # the next poll says when

    def release_all(self) -> None:
        """Let go of all claims, as far as the store answers."""
        for key in list(self._own):
            with suppress(ScorerError), typed():
                self.release(key)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Renew this worker's claims while the block runs, which does nothing else with them."""
        over = threading.Event()

        def renew() -> None:
            while not over.wait(RENEW_SECONDS / 10):
                with suppress(ScorerError), typed():  # the next time, or not at all: then somebody else does the same again
                    self.renew()

        thread = threading.Thread(target=renew, name="claims", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _written(self, lost: int = 0, *, free: bool = False) -> Claim:
        return Claim(worker=self.worker, version=secrets.token_hex(8), lost=lost, free=free, task=self.task)

    def _replaced(self, key: str, own: _Own, claim: Claim) -> Claim | None:
        return self._taken(key, claim, self.store.replace(paths.claim(self.job, key), _data(claim), own.etag))

    def _taken(self, key: str, claim: Claim, entry: Entry | None) -> Claim | None:
        """The claim if it was written, as `entry`, or by a call whose answer got lost; else somebody else's is there."""
        entry = entry or self._found(key, claim)
        if entry is None:
            self._seen[key] = _Seen("", 0.0, claim=Claim(worker="", version=""))
            return None
        self._seen.pop(key, None)
        self._own[key] = _Own(entry.etag, claim, self.clock())
        return claim

    def _found(self, key: str, claim: Claim) -> Entry | None:
        """The claim that is there, if this worker wrote it: nobody else writes its name."""
        path = paths.claim(self.job, key)
        try:
            entry = self.store.head(path)
            there = documents.read(Claim, self.store, path, etag=entry.etag)
        except (MissingError, ChangedError, DocumentError):
            return None
        return entry if (there.worker, there.free) == (claim.worker, claim.free) else None

    def _read(self, key: str, seen: _Seen) -> Claim | None:
        """What that version says; None where it is another one by now. One that doesn't hold is somebody's all the same."""
        if seen.claim is None:
            path = paths.claim(self.job, key)
            try:
                data = self.store.get(path, seen.etag, MOST_BYTES)
                seen.claim = documents.parse(Claim, data, self.store.where(path))
            except DocumentError:
                seen.claim = Claim(worker="", version="")
            except (MissingError, ChangedError):
                return None
        return seen.claim


def clear_claims(job: str, store: Store) -> None:
    """Delete all claims of a job that is done."""
    store.delete_all(entry.path for entry in store.list(f"{job}/{paths.CLAIMS}"))


def _data(claim: Claim) -> bytes:
    return claim.model_dump_json(exclude_defaults=True).encode()
