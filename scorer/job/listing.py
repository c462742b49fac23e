"""The images of a request: those of a folder, in natural order, or the one that it names."""

from __future__ import annotations

from collections.abc import Sequence

from scorer.documents.request import Request
from scorer.errors import InputError
from scorer.file_names import LONGEST, unfit
from scorer.job.budget import check_bytes, check_images
from scorer.media.image_names import SUFFIXES, is_image, notes_on, passed_over, result_name
from scorer.media.images import natural_order
from scorer.media.limits import Limits
from scorer.store import Entry, Store


def images(request: Request, store: Store, limits: Limits) -> tuple[list[Entry], tuple[str, ...]]:
    """The images that the request asks to score, and notes on them. Raises InputError, as `in_folder` does; MissingError."""
    if not request.is_photo:
        return in_folder(store, request.folder, limits, request.image_format)
    entry = store.head(request.input)
    check_images([entry], limits)
    return [entry], _notes([entry], request.image_format, alone=True)


def in_folder(store: Store, folder: str, limits: Limits, image_format: str | None = None) -> tuple[list[Entry], tuple[str, ...]]:
    """The images right inside `folder`, in natural order, and notes: what is passed over, what results won't have of them.

    Raises InputError for a folder without images, more images or bytes than may be, and names that can't be used.
    """
    where = store.where(folder)
    entries = list(store.list(folder))
    others = list(store.others(folder))
    found = {entry.path: entry for entry in entries if is_image(_name(entry))}
    _check_names([*map(_name, found.values()), *filter(is_image, others)])
    passed = passed_over([*(_name(entry) for entry in entries if entry.path not in found), *others])
    if not found:
        there = f" ({passed})" if passed else ""
        raise InputError(f"'{where}' has no images in it{there}: put {', '.join(sorted(SUFFIXES))} files there.")
    if len(found) > limits.max_frames:
        raise InputError(f"'{where}' has {len(found)} images in it: split it, since a job takes {limits.max_frames} at most.")
    check_bytes(where, list(found.values()), limits)
    check_images(list(found.values()), limits)
    ordered = [found[path] for path in natural_order(found)]
    return ordered, (*filter(None, [passed]), *_notes(ordered, image_format))


def _name(entry: Entry) -> str:
    return entry.path.rpartition("/")[2]


def _check_names(names: Sequence[str]) -> None:
    for name in names:
        if why := unfit(name):
            raise InputError(f"The image {name!r} can't be used by its name: {why}. Rename it.")


def _notes(entries: Sequence[Entry], image_format: str | None, *, alone: bool = False) -> tuple[str, ...]:
    """Raises InputError where results can't have the names that they should."""
    results: dict[str, str] = {}
    for name in map(_name, entries):
        result = result_name(name, image_format)
        if unfit(result):
            raise InputError(f"The image {name!r} can't be used, since its result '{result}' is over {LONGEST} bytes: rename it.")
        if (other := results.setdefault(result, name)) != name:
            raise InputError(f"The images '{other}' and '{name}' would both come out as '{result}': rename one of them.")
    return tuple(notes_on([_name(entry) for entry in entries], image_format, alone=alone))
