"""Dispatch: a request becomes a plan, cut into chunks."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from scorer import models
from scorer.documents.paths import PLAN, WRITABLE
from scorer.documents.plan import MOST_BYTES, PART_FORMAT, Chunk, FrameFile, Plan
from scorer.documents.request import Request
from scorer.errors import RequestError, ScorerError
from scorer.job import listing
from scorer.job.budget import check_bytes, check_room, encoding, fit_video
from scorer.job.mask_lookup import FoundMask, find_mask
from scorer.job.steady_stage import REACH
from scorer.media.limits import Limits
from scorer.media.style_image import check_bytes as check_style_bytes
from scorer.media.video import VideoIndex
from scorer.media.video.part import part_of
from scorer.models import Device, ModelSettings, Style
from scorer.sandbox import check_style, probe_video
from scorer.store import Entry, Stores, called

CHUNKS_PER_SLOT = 4
LEAST_FRAMES, MOST_FRAMES = 24, 240


def cluster_chunk_length(frame_count: int, slots: int) -> int:
    """Frames of one chunk on a cluster that runs `slots` tasks at once, where neither the request nor the stack says.

    Four chunks a slot, so that slots of different speed end together. A task scores chunk after chunk, so short ones cost no
    start-up: at most 240 frames, which is what a lost node or a failed try loses.
    """
    return min(max(math.ceil(frame_count / (CHUNKS_PER_SLOT * slots)), LEAST_FRAMES), MOST_FRAMES)


def chunk_length(frame_count: int) -> int:
    """Frames of one task where the request doesn't say: 64 chunks a job, but at least 24 and at most 240 frames each.

    Short chunks lose little when one is killed and spread evenly over workers; long ones decode less in vain, since a chunk's
    decoding starts at the last key frame before it (most videos have one every 48 to 250 frames).
    """
    return min(max(math.ceil(frame_count / 64), 24), 240)


def dispatch(
    job: str, request: Request, stores: Stores, device: Device = "auto", limits: Limits | None = None,
    length: Callable[[int], int] | None = None, batch_size: int | None = None,
) -> Plan:  # fmt: skip
    """Plan the job and keep the plan; the same inputs give the same plan.

    `length` says of a number of frames how many of them one task gets, where the request doesn't: `chunk_length` if not given.
    `batch_size` frames, or as many as fit, the model gets at once where the request doesn't say.
    Raises RequestError for too many chunks, too large frames or batches, InputError, MissingError or StyleError for what the
    request names, OutputError where nothing can be written.
    """
    limits = limits or Limits()
    _check_writable(job, stores)
    plan = make_plan(job, request, stores, device, limits, length or chunk_length, batch_size)
    # Also where it is there already: it is kept for some days from its last writing on.
    data = plan.to_json()
    if len(data) > MOST_BYTES:
        raise RequestError(f"The plan of job '{job}' would have {len(data)} bytes, {MOST_BYTES} at most: ask for fewer frames.")
    stores.work.put(f"{job}/{PLAN}", data)
    return plan


def _check_writable(job: str, stores: Stores) -> None:
    """Raise now, not after the work, where the job's folders can't be written. Logs are for whoever scores to write."""
    for store in (stores.output, stores.work):
        store.put(f"{job}/{WRITABLE}", b"")
        store.delete(f"{job}/{WRITABLE}")


def make_plan(
    job: str, request: Request, stores: Stores, device: Device, limits: Limits, length: Callable[[int], int] = chunk_length,
    batch_size: int | None = None,
) -> Plan:  # fmt: skip
    """The plan for `request`: styles and input looked up, the input probed and cut into chunks."""
    length = _capped(request, limits, length)
    _check_model(request, device)
    style_etags, mask = tuple(_style_etags(request, stores, limits)), find_mask(request, stores, limits)
    most = {"max_pixels": limits.max_pixels, "max_batch_pixels": limits.max_batch_pixels}
    if request.media == "video":
        entry = stores.input.head(request.input)
        where = stores.input.where(entry.path)
        check_bytes(where, [entry], limits)
        check_room(entry, stores)
        try:
            path = stores.input.fetch(entry.path, entry.etag)
            with called(path, where):
                index = part_of(probe_video(path, limits, request.asked), request.start, request.end, where)
            request = fit_video(request, index.info, limits, batch_size, where)
            notes = (*index.notes, *encoding(request, index.info).notes)
            reach = REACH[request.steady]
            common = [*_common(request, device, style_etags, mask), entry.etag]
            chunks = _video_chunks(index, length(index.info.frames), reach, mask, common)
        except ScorerError:  # whoever plans many jobs keeps nothing of what is refused
            stores.input.release(entry.path, entry.etag)
            raise
        return Plan(
            job=job, request=request, device=device, input_etag=entry.etag, input_bytes=entry.size, style_etags=style_etags,
            mask_etag=mask.etag, mask_video=mask.video, video=index.info, frames=index.info.frames, chunks=chunks, notes=notes,
            **most,
        )  # fmt: skip
    files, notes = listing.images(request, stores.input, limits)
    request = request.model_copy(update={"batch_size": request.batch_size or batch_size})
    chunks = _folder_chunks(files, length(len(files)), _common(request, device, style_etags, mask))
    return Plan(
        job=job, request=request, device=device, input_etag="", input_bytes=sum(each.size for each in files),
        style_etags=style_etags, mask_etag=mask.etag, video=None, frames=len(files), chunks=chunks, notes=notes, **most,
    )  # fmt: skip


def _check_model(request: Request, device: Device) -> None:
    """Raise what the model says of styles and options without being loaded. A package's is on nodes only."""
    if request.package is None and (check := models.spec(request.model).check):
        styles = (
            Style(Path(each.source) if isinstance(each.source, str) else each.source, each.weight, each.at)
            for each in request.styles
        )
        check(ModelSettings(tuple(styles), device, options=request.model_options))


def _common(request: Request, device: Device, style_etags: tuple[str, ...], mask: FoundMask) -> list[object]:
    """What all chunks depend on."""
    own = request.model_dump(
        mode="json", exclude={"name", "chunk_frames", "failure_threshold", "priority", "container", "sound", "strict"}
    )
    return [PART_FORMAT, own, device, style_etags, mask.etag]


def _style_etags(request: Request, stores: Stores, limits: Limits) -> Iterator[str]:
    """One a style, '' where it is a number. Raises MissingError; StyleError where one isn't the image that the model takes."""
    images = request.package is None and models.spec(request.model).style == "image"  # a package's model is on nodes only
    for style in request.styles:
        if isinstance(style.source, int):
            yield ""
            continue
        entry = stores.input.head(style.source)
        if images:
            _check_style(entry, stores, limits)
        yield entry.etag


def _check_style(entry: Entry, stores: Stores, limits: Limits) -> None:
    where = stores.input.where(entry.path)
    check_style_bytes(where, entry.size)
    path = stores.input.fetch(entry.path, entry.etag)
    try:
        with called(path, where):
            check_style(path, limits)
    finally:
        stores.input.release(entry.path, entry.etag)


def _capped(request: Request, limits: Limits, length: Callable[[int], int]) -> Callable[[int], int]:
    """Frames of one chunk by the number of all: what the request says, else `length`, or more where that makes too many chunks.

    Raises RequestError where the request itself asks for too many.
    """

    def capped(frame_count: int) -> int:
        own = request.chunk_frames or max(length(frame_count), math.ceil(frame_count / limits.max_chunks))
        if math.ceil(frame_count / own) > limits.max_chunks:
            least = math.ceil(frame_count / limits.max_chunks)
            raise RequestError(
                f"The request's chunk_frames is {own}: of {frame_count} frames that makes more than {limits.max_chunks} chunks; "
                f"ask for {least} or more, or leave it out."
            )
        return own

    return capped


def _video_chunks(
    index: VideoIndex, length: int, reach: int, mask: FoundMask, common: Sequence[object]
) -> tuple[Chunk, ...]:  # fmt: skip
    chunks = []
    for number, own in enumerate(index.ranges(length)):
        around = index.around(own, reach) if reach else None
        masks = mask.range(index.info, own, index.pts[own.first + own.frames - 1])
        depends_on = [
            each.model_dump(mode="json") for each in (index.info, own, around, mask.video, masks) if each is not None
        ]  # fmt: skip
        fingerprint = _fingerprint([*common, *depends_on])
        chunks.append(
            Chunk(index=number, first=own.first, frames=own.frames, range=own, around=around, mask=masks, fingerprint=fingerprint)
        )
    return tuple(chunks)


def _folder_chunks(files: Sequence[Entry], length: int, common: Sequence[object]) -> tuple[Chunk, ...]:
    chunks = []
    for number, first in enumerate(range(0, len(files), length)):
        own = tuple(FrameFile(path=entry.path, etag=entry.etag) for entry in files[first : first + length])
        digest = _fingerprint([*common, [[file.path, file.etag] for file in own]])
        chunks.append(Chunk(index=number, first=first, frames=len(own), files=own, fingerprint=digest))
    return tuple(chunks)


def _fingerprint(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
