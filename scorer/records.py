"""Records: one line of JSON about each frame and each task, in one folder a job."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter


class FrameRecord(BaseModel):
    """One frame: where its time went, and what went wrong with it."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["frame"] = "frame"
    frame: int
    """Its number in the job, from 0."""
    name: str | None = None
    """Its file's name, where the input is a folder of images."""
    decode_ms: float = 0.0
    model_ms: float = 0.0
    """Its share of its batch's time."""
    encode_ms: float = 0.0
    error: str | None = None
    """Why the original frame (or, where there is none, the frame before) stands in its place."""


class TaskRecord(BaseModel):
    """One task: a chunk scored once, by one process."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["task"] = "task"
    chunk: int
    frames: int
    failed: int = 0
    started: float
    """Seconds since 1970."""
    seconds: float
    """From the first frame's decode to the part's last byte."""
    worker: str
    """Host and process."""
    runtime: str
    batch_size: int
    notes: list[str] = Field(default_factory=list)
    """What the task had to do to get through: a smaller batch, tiles."""


Record = Annotated[FrameRecord | TaskRecord, Field(discriminator="kind")]
_RECORD: TypeAdapter[FrameRecord | TaskRecord] = TypeAdapter(Record)


def to_lines(records: Iterable[FrameRecord | TaskRecord]) -> bytes:
    """One JSON object a line; what is at its default is left out, but for the kind."""
    return b"".join(
        b'{"kind":"%b",%b\n' % (record.kind.encode(), record.model_dump_json(exclude_defaults=True).encode()[1:])
        for record in records
    )


def from_lines(data: bytes) -> Iterator[FrameRecord | TaskRecord]:
    """The records of a file that `to_lines` made."""
    for line in data.splitlines():
        yield _RECORD.validate_json(line)
