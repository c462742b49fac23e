"""Results on a person's machine: each file whole or not at all, and none but where it was asked for."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from scorer.client.placed import Placed
from scorer.documents import unbelievable
from scorer.errors import MissingError, OutputError
from scorer.file_names import bars_windows, unfit
from scorer.media.image_names import kind_of
from scorer.store import Store, storage_errors


def place(store: Store, path: str, target: Path, placed: Placed) -> None:
    """Put the file at `path` to `target`: a link, where the disk is the same. A link that stands there is replaced, not followed.

    Raises MissingError; OutputError, also where something stands there that `placed` doesn't let go.
    """
    placed.check(target)
    if bars_windows(target.name) and os.name == "nt":
        raise OutputError(f"'{target}' is no name that Windows takes: fetch the result on another system.")
    etag = store.head(path).etag
    source = store.fetch(path, etag)
    with storage_errors(str(target), writing=True):
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{hashlib.sha256(os.fsencode(target.name)).hexdigest()[:32]}.part")
        temporary.unlink(missing_ok=True)
        try:
            os.link(source, temporary)
        except OSError:
            with source.open("rb") as data, temporary.open("xb") as file:  # nobody else's file, wherever a link would lead
                shutil.copyfileobj(data, file, 2**20)
        placed.add(target, temporary)
        temporary.replace(target)
        temporary.unlink(missing_ok=True)  # it stays where both are links to one file
    store.release(path, etag)


def images(store: Store, folder: str, most: int) -> Iterator[tuple[str, str]]:
    """Path and name of each image that is a job's result, all of them looked at before the first is given.

    Raises MissingError where there is none, DocumentError where there are more than `most`, or where one's name isn't an image's
    in this one folder.
    """
    found: list[tuple[str, str]] = []
    for entry in store.list(folder):
        name = entry.path.rpartition("/")[2]
        if why := unfit(name):
            raise unbelievable(store.where(folder), f"the name {name[:300]!r} is in it: {why}")
        if kind_of(name) is None:
            raise unbelievable(store.where(folder), f"{name!r} is in it, which is no image")
        found.append((entry.path, name))
        if len(found) > most:
            raise unbelievable(store.where(folder), f"more than the job's {most} images are in it")
    if not found:
        raise MissingError(f"There is no image in '{store.where(folder)}': ask for the job anew.")
    yield from found
