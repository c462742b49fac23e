"""Requests that wait: those in the input store that nobody has answered yet, in the order in which they are taken in.

Senders are told apart by the first folder below requests/, and take turns.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

from scorer.documents.paths import ANSWERED, ATTEMPTS, REQUESTS
from scorer.store import Entry, Stores
from scorer.store.errors import is_unsafe_name
from scorer.submitter.rejection import unread_job_id

DAY = 86_400.0
# A mark is kept as long as plans are, and storage deletes once a day: what is nearly as old as that may have lost its mark.
MARGIN = 3600.0


def waiting(stores: Stores, work_days: int, at_work: Mapping[str, int]) -> list[Entry]:
    """The requests that wait, the next first. Those older than plans are kept were answered, or given up.

    `at_work` says how many jobs each sender has at work. A request that somebody began to examine, and came to no end, may end
    whoever examines it next: it comes behind all others.
    """
    oldest = time.time() - work_days * DAY + MARGIN
    begun = Counter(entry.path.partition("/")[2].partition("-")[0] for entry in stores.work.list(ATTEMPTS))
    answered = {entry.path for entry in stores.work.list(ANSWERED)}
    found = stores.input.walk(REQUESTS)
    left = (
        entry
        for entry in found
        if entry.path.endswith(".json") and entry.modified > oldest and f"{ANSWERED}/{request_key(entry)}" not in answered
    )
    return sorted(take_turns(left, at_work), key=lambda entry: begun[request_key(entry)])


def mark_handled(entry: Entry, stores: Stores) -> None:
    """The request has its answer: it waits no more, unless it is uploaded anew."""
    stores.work.put(f"{ANSWERED}/{request_key(entry)}", b"")


def is_handled(entry: Entry, stores: Stores) -> bool:
    """Whether the request, as it is, has had its answer."""
    return stores.work.find(f"{ANSWERED}/{request_key(entry)}") is not None


def request_key(entry: Entry) -> str:
    """A name for the request as it is: uploaded anew, it has another."""
    return hashlib.sha256(f"{entry.path}\0{entry.etag}".encode()).hexdigest()[:32]


def sender(path: str) -> str:
    """Whose request is at `path`: the first folder below requests/, '' where it is right inside."""
    folders = path.split("/")[1:-1]
    return folders[0] if folders else ""


def unread_id(address: str, entry: Entry) -> str:
    """The id of the job that a request which isn't even read would be."""
    return unread_job_id(address, b"" if is_unsafe_name(entry.path) else entry.etag.encode())


def take_turns(entries: Iterable[Entry], at_work: Mapping[str, int]) -> Iterator[Entry]:
    """Whoever has fewer jobs at work and before it in its own line comes first; then whoever uploaded earlier.

    A sender's own come in the order of their upload. Without what is at work, whoever is first at each poll would stay first.
    """
    by_sender: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in sorted(entries, key=lambda entry: (entry.modified, entry.path)):
        by_sender[sender(entry.path)].append(entry)
    places = {entry.path: at_work.get(name, 0) + before for name, own in by_sender.items() for before, entry in enumerate(own)}
    found = (entry for own in by_sender.values() for entry in own)
    return iter(sorted(found, key=lambda entry: (places[entry.path], entry.modified, entry.path)))
