"""Records: one line of JSON about each frame and each task, in one folder a job.

Every task may write there: what is no record, or has values that none has, is told apart from records and counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from scorer.documents import Count, Moment, Words
from scorer.store import Store

Milliseconds = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]
Text = Annotated[Words, Field(max_length=10_000)]


LINE = 16_384
"""Bytes of a line at most: a name, an error, some numbers."""


class FrameRecord(BaseModel):
    """One frame: where its time went, and what went wrong with it."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["frame"] = "frame"
    frame: Count
    """Its number in the job, from 0."""
    name: Text | None = None
    """Its file's name, where the input is a folder of images."""
    decode_ms: Milliseconds = 0.0
    model_ms: Milliseconds = 0.0
    """Its share of its batch's time."""
    steady_ms: Milliseconds = 0.0
    encode_ms: Milliseconds = 0.0
    error: Text | None = None
    """Why the original frame (or, where there is none, the frame before) stands in its place."""


class TaskRecord(BaseModel):
    """One task: a chunk scored once, by one process."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["task"] = "task"
    chunk: Count
    frames: Count
    failed: Count = 0
    started: Moment
    seconds: float = Field(ge=0, le=1e9, allow_inf_nan=False)
    """From the first frame's decode to the part's last byte."""
    worker: Text
    """Host and process."""
    runtime: Text
    batch_size: Count
    flicker_pairs: Count = 0
    """Pairs of frames whose warping errors were measured, before and after steadying; the errors are sums."""
    flicker_before: Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)] = 0.0
    flicker_after: Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)] = 0.0
    notes: list[Text] = Field(default_factory=list, max_length=100)
    """What the task had to do to get through: a smaller batch, tiles."""


# Each try of a chunk leaves its own: the first that comes has the chunk's name, later ones something of their own behind it.
_NAME = re.compile(r"(\d{6,})(-[0-9a-f]+)?\.jsonl")


def newest_records(job: str, logs: Store) -> dict[int, str]:
    """Paths of the records that each chunk's latest try has left."""
    found: dict[int, tuple[float, bool, str]] = {}
    for entry in logs.list(job):
        if match := _NAME.fullmatch(entry.path.rpartition("/")[2]):
            chunk, age = int(match[1]), (entry.modified, match[2] is not None, entry.path)
            found[chunk] = max(age, found.get(chunk, age))
    return {chunk: path for chunk, (_, _, path) in found.items()}


@dataclass(frozen=True)
class BadLine:
    """A line that is no record."""


Line = FrameRecord | TaskRecord | BadLine
Record = Annotated[FrameRecord | TaskRecord, Field(discriminator="kind")]
_RECORD: TypeAdapter[FrameRecord | TaskRecord] = TypeAdapter(Record)


def to_lines(records: Iterable[FrameRecord | TaskRecord]) -> bytes:
    """One JSON object a line; what is at its default is left out, but for the kind."""
    return b"".join(
        b'{"kind":"%b",%b\n' % (record.kind.encode(), record.model_dump_json(exclude_defaults=True).encode()[1:])
        for record in records
    )


def most_bytes(frames: int) -> int:
    """How long the file of a chunk of so many frames can be."""
    return (frames + 10) * LINE


def from_lines(data: bytes) -> Iterator[Line]:
    """The records of a file that `to_lines` made, and a BadLine for each line that isn't one."""
    for line in data.splitlines():
        try:
            yield _RECORD.validate_json(line)
        except ValidationError:
            yield BadLine()
