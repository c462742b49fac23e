"""Dispatch: a request becomes a plan, which says all that the tasks must know, so that none of them has to ask twice."""

from __future__ import annotations

import hashlib
import json
import math
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from scorer import documents, listing, models
from scorer.documents import Count
from scorer.errors import ChangedError, RequestError, ScorerError
from scorer.image_names import result_name
from scorer.limits import Limits
from scorer.models import Device, ModelSettings, Style
from scorer.models.style_image import check_bytes as check_style_bytes
from scorer.names import LONGEST_BLOB
from scorer.notes import Notes
from scorer.plan_check import check_plan
from scorer.request import Request
from scorer.sandbox import check_style, probe_video
from scorer.store import Entry, Stores, called
from scorer.video import FrameRange, VideoIndex, VideoInfo
from scorer.work import check_bytes, check_room, encoding, fit_video

# Raised whenever parts made by older code would differ from those made now.
PART_FORMAT = 4

PLAN = "plan.json"
MOST_BYTES = 2**29
"""Of a plan: a million images with long names."""

Etag = Annotated[str, Field(max_length=200)]


class FrameFile(BaseModel):
    """One image of a folder, as dispatch saw it."""

    model_config = ConfigDict(frozen=True)

    path: Annotated[str, Field(max_length=LONGEST_BLOB)]
    etag: Etag

    @property
    def name(self) -> str:
        """Its name in its folder."""
        return self.path.rpartition("/")[2]


class Chunk(BaseModel):
    """Consecutive frames that one task scores."""

    model_config = ConfigDict(frozen=True)

    index: Count
    first: Count
    """The job's number of its first frame."""
    frames: Annotated[Count, Field(ge=1)]
    range: FrameRange | None = None
    """Where a video's chunk is to be found."""
    files: tuple[FrameFile, ...] = ()
    """The images of a folder's chunk."""
    fingerprint: Annotated[str, Field(pattern="^[0-9a-f]{16}$")]
    """Changes with anything that its result depends on: a part of another fingerprint is never taken for this one's."""

    @property
    def part(self) -> str:
        """The name of its part, without the ending."""
        return f"parts/{self.index:06d}-{self.fingerprint}"


class Plan(BaseModel):
    """One job, cut into chunks. Kept as work/<job>/plan.json."""

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    job: str
    request: Request
    device: Device
    input_etag: Etag
    """Of a video; a folder's images have theirs in the chunks."""
    input_bytes: Annotated[int, Field(ge=0)] = 0
    """Of the video, or of all images."""
    style_etags: tuple[Etag, ...]
    """One a style, '' where it is a number."""
    video: VideoInfo | None
    frames: Annotated[Count, Field(ge=1)]
    max_pixels: Count = Limits().max_pixels
    """Of one frame."""
    max_batch_pixels: Annotated[int, Field(ge=1)] = Limits().max_batch_pixels
    """Of all frames that the model gets at once."""
    notes: Notes = ()
    """What of the input the result won't have, or will have otherwise."""
    chunks: Annotated[tuple[Chunk, ...], Field(max_length=Limits().max_chunks)]

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        check_plan(self)
        return self

    @cached_property
    def digest(self) -> str:
        """SHA-256 of its document: the tasks of a job go by the plan that they were made for, and by no other."""
        return hashlib.sha256(self.to_json()).hexdigest()

    def to_json(self) -> bytes:
        """Its document."""
        return self.model_dump_json(exclude_defaults=True).encode()

    @property
    def fingerprint(self) -> str:
        """Of all its chunks: another plan of the same job has another one."""
        return hashlib.sha256(" ".join(chunk.fingerprint for chunk in self.chunks).encode()).hexdigest()[:16]

    def chunk_of(self, frame: int) -> Chunk:
        """The chunk that the job's frame `frame` is in."""
        return self.chunks[bisect_right(self.chunks, frame, key=lambda chunk: chunk.first) - 1]

    @property
    def shared_inputs(self) -> Iterator[tuple[str, str]]:
        """Path and ETag of what every task needs: the video, the styles."""
        if self.video is not None:
            yield self.request.input, self.input_etag
        for style, etag in zip(self.request.styles, self.style_etags, strict=True):
            if isinstance(style.source, str):
                yield style.source, etag

    def part_path(self, chunk: Chunk) -> str:
        """Where in the work store a video's chunk has its parts, with a token for each try."""
        return f"{self.job}/{chunk.part}.{self.request.coding.part_container}"

    @property
    def result(self) -> str:
        """The result's name in output/<job>/: a video, or a folder."""
        return f"result.{self.video.container}" if self.video else "result/"

    def image_path(self, file: FrameFile) -> str:
        """Where in the output store an image's result is."""
        return f"{self.job}/{self.result}{result_name(file.name, self.request.image_format)}"


# A task on a cluster begins with a container and a model, some 20 to 40 seconds: as long as some 240 frames take on a small GPU.
STARTUP_FRAMES = 240
TASKS_PER_SLOT = 4
LEAST_FRAMES, MOST_FRAMES = 24, 1200


def cluster_chunk_length(frame_count: int, slots: int) -> int:
    """Frames of one task on a cluster that runs `slots` tasks at once, where neither the request nor the stack says.

    Four tasks a slot, so that slots of different speed end together and a lost node loses a quarter of its work at most. But
    where that makes tasks shorter than their own start-up, they are as long as that, as far as every slot still gets one.
    """
    even = math.ceil(frame_count / (TASKS_PER_SLOT * slots))
    if even < STARTUP_FRAMES:
        even = min(STARTUP_FRAMES, math.ceil(frame_count / slots))
    return min(max(even, LEAST_FRAMES), MOST_FRAMES)


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
    stores.writable(job)
    plan = make_plan(job, request, stores, device, limits, length or chunk_length, batch_size)
    # Also where it is there already: it is kept for some days from its last writing on.
    data = plan.to_json()
    if len(data) > MOST_BYTES:
        raise RequestError(f"The plan of job '{job}' would have {len(data)} bytes, {MOST_BYTES} at most: ask for fewer frames.")
    stores.work.put(f"{job}/{PLAN}", data)
    return plan


def read_plan(job: str, stores: Stores, digest: str | None = None) -> Plan:
    """The plan that `dispatch` kept.

    Raises MissingError; DocumentError where it doesn't hold; ChangedError where its digest is not `digest`.
    """
    path = f"{job}/{PLAN}"
    data = stores.work.get(path, most=MOST_BYTES)
    if digest is not None and hashlib.sha256(data).hexdigest() != digest:
        raise ChangedError(f"'{stores.work.where(path)}' isn't the plan that this job was begun with: ask for the job anew.")
    return documents.parse(Plan, data, stores.work.where(path), job=job)


def make_plan(
    job: str, request: Request, stores: Stores, device: Device, limits: Limits, length: Callable[[int], int] = chunk_length,
    batch_size: int | None = None,
) -> Plan:  # fmt: skip
    """The plan for `request`: styles and input looked up, the input probed and cut into chunks."""
    length = _capped(request, limits, length)
    _check_model(request, device)
    style_etags = tuple(_style_etags(request, stores, limits))
    most = {"max_pixels": limits.max_pixels, "max_batch_pixels": limits.max_batch_pixels}
    if request.media == "video":
        entry = stores.input.head(request.input)
        where = stores.input.where(entry.path)
        check_bytes(where, [entry], limits)
        check_room(entry, stores)
        try:
            path = stores.input.fetch(entry.path, entry.etag)
            with called(path, where):
                index = probe_video(path, limits, request.asked)
            request = fit_video(request, index.info, limits, batch_size, where)
            notes = (*index.notes, *encoding(request, index.info).notes)
            chunks = _video_chunks(index, length(index.info.frames), [*_common(request, device, style_etags), entry.etag])
        except ScorerError:  # whoever plans many jobs keeps nothing of what is refused
            stores.input.release(entry.path, entry.etag)
            raise
        return Plan(
            job=job, request=request, device=device, input_etag=entry.etag, input_bytes=entry.size, style_etags=style_etags,
            video=index.info, frames=index.info.frames, chunks=chunks, notes=notes, **most,
        )  # fmt: skip
    files, notes = listing.images(request, stores.input, limits)
    request = request.model_copy(update={"batch_size": request.batch_size or batch_size})
    chunks = _folder_chunks(files, length(len(files)), _common(request, device, style_etags))
    return Plan(
        job=job, request=request, device=device, input_etag="", input_bytes=sum(each.size for each in files),
        style_etags=style_etags, video=None, frames=len(files), chunks=chunks, notes=notes, **most,
    )  # fmt: skip


def _check_model(request: Request, device: Device) -> None:
    """Raise what the model says of styles and options without being loaded. A package's is on nodes only."""
    if request.package is None and (check := models.spec(request.model).check):
        styles = (
            Style(Path(each.source) if isinstance(each.source, str) else each.source, each.weight) for each in request.styles
        )
        check(ModelSettings(tuple(styles), device, options=request.options))


def _common(request: Request, device: Device, style_etags: tuple[str, ...]) -> list[object]:
    """What all chunks depend on."""
    own = request.model_dump(
        mode="json", exclude={"name", "chunk_frames", "failure_threshold", "priority", "container", "sound", "strict"}
    )
    return [PART_FORMAT, own, device, style_etags]


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
    """Frames of one task by the number of all: what the request says, else `length`. Raises RequestError for too many tasks."""

    def capped(frame_count: int) -> int:
        own = request.chunk_frames or length(frame_count)
        if math.ceil(frame_count / own) > limits.max_chunks:
            least = math.ceil(frame_count / limits.max_chunks)
            raise RequestError(
                f"The request's chunk_frames is {own}: of {frame_count} frames that makes more than {limits.max_chunks} tasks; "
                f"ask for {least} or more, or leave it out."
            )
        return own

    return capped


def _video_chunks(index: VideoIndex, length: int, common: Sequence[object]) -> tuple[Chunk, ...]:
    info = index.info
    return tuple(
        Chunk(
            index=number,
            first=frame_range.first,
            frames=frame_range.frames,
            range=frame_range,
            fingerprint=_fingerprint([*common, info.model_dump(mode="json"), frame_range.model_dump(mode="json")]),
        )
        for number, frame_range in enumerate(index.ranges(length))
    )


def _folder_chunks(files: Sequence[Entry], length: int, common: Sequence[object]) -> tuple[Chunk, ...]:
    chunks = []
    for number, first in enumerate(range(0, len(files), length)):
        own = tuple(FrameFile(path=entry.path, etag=entry.etag) for entry in files[first : first + length])
        digest = _fingerprint([*common, [[file.path, file.etag] for file in own]])
        chunks.append(Chunk(index=number, first=first, frames=len(own), files=own, fingerprint=digest))
    return tuple(chunks)


def _fingerprint(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
