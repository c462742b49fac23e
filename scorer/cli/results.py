"""Results where a person asked for them: whether they can go there, and that they do."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath

from scorer.cli.options import split_weight
from scorer.documents.paths import ORIGINAL
from scorer.documents.plan import Plan
from scorer.errors import OutputError, RequestError
from scorer.file_names import shortened
from scorer.store import Stores, storage_errors

DIGITS = 6
"""Of a job's id, in the name of its result: two jobs of the same input and style get different ones."""
NAMED = 110
"""Bytes at most of the input's name, and of the style's, in the result's."""


def result_path(source: Path, styles: Sequence[str], out: Path | None, job: str) -> Path:
    """Where the result goes: as asked for, or named after input, style and job. Raises OutputError, RequestError."""
    style = Path(split_weight(styles[0])[0]).stem
    digest = job.rpartition("-")[2][:DIGITS]  # of all that was asked for, and the input's and the styles' paths
    target = out or Path(f"{shortened(source.absolute().stem, NAMED)}-{shortened(style, NAMED)}-{digest}")
    check_place(target, folder=source.is_dir(), source=source)
    return target


_VIDEOS = (".mp4", ".mkv", ".mov", ".webm", ".avi", ".m4v")


def check_place(target: Path, *, folder: bool, source: Path | None = None) -> None:
    """Raise OutputError where `target`, a folder or file, can't be written or is `source`; RequestError where it is misnamed."""
    with storage_errors(str(target), writing=True):  # of names that no file can have
        there, is_input = target.exists(), source is not None and os.path.realpath(target) == os.path.realpath(source)
    if is_input:
        raise OutputError(f"'{target}' is the input itself: give the result another name.")
    if there and target.is_dir() != folder:
        raise OutputError(
            f"'{target}' is in the way: it is a {'folder' if target.is_dir() else 'file'}; give the result another name."
        )
    if folder and not there and target.suffix.lower() in _VIDEOS:
        raise RequestError(f"'{target}' is a video's name, and images come out as a folder: call it '{target.with_suffix('')}'.")
    place = target.absolute() if folder else target.absolute().parent
    nearest = next(each for each in (place, *place.parents) if each.exists())
    with storage_errors(str(target), writing=True), tempfile.TemporaryFile(dir=nearest):
        pass


def check_ending(target: Path, *endings: str) -> None:
    """Raise RequestError where a video's name ends otherwise."""
    if target.suffix.lower() not in endings:
        raise RequestError(
            f"The result can't be named '{target}': it is an {' or an '.join(endings)} file; "
            f"call it '{target.with_suffix(endings[0])}'."
        )


def with_ending(target: Path, plan: Plan, *, asked: bool) -> Path:
    """`target`, ending as the result does. Raises RequestError where it was asked for with another ending."""
    if plan.video is None:
        result = PurePosixPath(plan.image_path(plan.chunks[0].files[0]))
        return target if asked or not plan.request.is_photo else target.with_name(target.name + result.suffix)
    ending = f".{plan.video.container}"
    if not asked:
        return target.with_name(target.name + ending)
    check_ending(target, ending)
    return target


def show_original(stores: Stores, plan: Plan) -> None:
    """Link the input beside the report in output/<job>/, which plays it in step with the result, as far as a disk has links."""
    if plan.video is None:
        return
    source = Path(stores.input.where(plan.request.input))
    link = Path(stores.output.where(f"{plan.job}/{ORIGINAL}{source.suffix}"))
    for make in (os.symlink, os.link):
        with suppress(OSError):
            link.unlink(missing_ok=True)
            make(source, link)
            return


def deliveries(plan: Plan, target: Path) -> Iterator[tuple[str, Path]]:
    """Each file of the result, in the output store, and where it goes."""
    if plan.video:
        yield f"{plan.job}/{plan.result}", target
    for chunk in plan.chunks:
        for file in chunk.files:
            path = plan.image_path(file)
            yield path, target if plan.request.is_photo else target / path.rpartition("/")[2]
