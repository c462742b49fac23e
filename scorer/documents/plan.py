"""The plan: all that the tasks of a job must know, so that none of them has to ask twice."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from scorer import documents
from scorer.documents import Count
from scorer.documents.paths import PLAN, RESULT_IMAGES
from scorer.documents.plan_check import check_plan
from scorer.documents.request import Request
from scorer.errors import ChangedError
from scorer.file_names import LONGEST_BLOB
from scorer.media.image_names import result_name
from scorer.media.limits import Limits
from scorer.media.notes import Notes
from scorer.media.video import FrameRange, VideoInfo
from scorer.models import Device
from scorer.store import Stores

# Raised whenever parts made by older code would differ from those made now.
PART_FORMAT = 6

MOST_BYTES = 2**29
"""Of a plan: a million images with long names."""

# Images aren't opened to find out, so a folder's are taken to be of full HD.
FULL_HD = (1920, 1080)

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
    around: FrameRange | None = None
    """What is read for it where its frames depend on those around it: it, and some more on each side."""
    files: tuple[FrameFile, ...] = ()
    """The images of a folder's chunk."""
    mask: FrameRange | None = None
    """Of the mask's video, what is shown while the chunk's frames are."""
    fingerprint: Annotated[str, Field(pattern="^[0-9a-f]{16}$")]
    """Changes with anything that its result depends on: a part of another fingerprint is never taken for this one's."""

    @property
    def key(self) -> str:
        """What the names of its part and its failures begin with: another fingerprint, another part and another failure."""
        return f"{self.index:06d}-{self.fingerprint}"


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
    mask_etag: Etag = ""
    mask_video: VideoInfo | None = None
    """Where the mask is one."""
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
        """Path and ETag of what every task needs: the video, the styles, the mask."""
        if self.video is not None:
            yield self.request.input, self.input_etag
        for style, etag in zip(self.request.styles, self.style_etags, strict=True):
            if isinstance(style.source, str):
                yield style.source, etag
        if self.request.mask:
            yield self.request.mask, self.mask_etag

    @property
    def pixels(self) -> tuple[int, int]:
        """Of one frame, as it comes and as the model gets it."""
        width, height = (self.video.width, self.video.height) if self.video else FULL_HD
        scale = self.request.size / max(width, height) if self.request.size else 1.0
        return width * height, max(1, round(width * scale)) * max(1, round(height * scale))

    @property
    def costly_pixels(self) -> int:
        """Of one frame, as the model works on it or as it is made, whichever is more: what its time is reckoned by."""
        made = self.pixels[1]
        return max(made, round(made / self.request.stroke_size**2))

    @property
    def result(self) -> str:
        """The result's name in output/<job>/: a video, or a folder."""
        return f"result.{self.video.container}" if self.video else RESULT_IMAGES

    def image_path(self, file: FrameFile) -> str:
        """Where in the output store an image's result is."""
        return f"{self.job}/{self.result}{result_name(file.name, self.request.image_format)}"


def read_plan(job: str, stores: Stores, digest: str | None = None) -> Plan:
    """The plan that `dispatch` kept.

    Raises MissingError; DocumentError where it doesn't hold; ChangedError where its digest is not `digest`.
    """
    path = f"{job}/{PLAN}"
    data = stores.work.get(path, most=MOST_BYTES)
    if digest is not None and hashlib.sha256(data).hexdigest() != digest:
        raise ChangedError(f"'{stores.work.where(path)}' isn't the plan that this job was begun with: ask for the job anew.")
    return documents.parse(Plan, data, stores.work.where(path), job=job)
