"""What was measured on one machine: `scorer bench --stages` and `--gpu-check` write it, `scorer plan --measured` reads it.

Nothing here needs more than pydantic: a machine with a GPU to measure may have little else.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scorer.documents import MOST_BYTES, Count, Moment, Words
from scorer.errors import InputError, MissingError, RequestError
from scorer.validation import faults

KIND: Literal["batch-scoring measurements"] = "batch-scoring measurements"
VERSION: Literal[1] = 1

Rate = Annotated[float, Field(gt=0, le=1e18, allow_inf_nan=False)]
Milliseconds = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
Text = Annotated[Words, Field(max_length=300)]
Side = Annotated[int, Field(ge=1, le=65_536)]
Computed = Literal["cpu", "cuda", "mps"]
"""What models compute on."""
Stage = Literal["decode", "convert", "model", "convert back", "encode", "write"]

STAGES: tuple[Stage, ...] = ("decode", "convert", "model", "convert back", "encode", "write")
"""Of a task, in this order."""


class _Measured(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Machine(_Measured):
    """Where it was measured."""

    processor: Text
    cores: Annotated[int, Field(ge=1, le=100_000)]
    """That this process may use."""
    device: Computed
    name: Text
    """Of the GPU, or of the processor."""
    driver: Text = ""
    memory_gb: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    """Of the GPU; 2**30 bytes each."""
    versions: Annotated[dict[Annotated[str, Field(max_length=60)], Text], Field(max_length=60)] = {}
    """Of what computed."""


class Ceilings(_Measured):
    """What the device does at most, measured in the same run."""

    dtype: Text
    matmul: Rate
    """Operations a second of a large product of matrices, two for each multiplication with its addition."""
    copy_bytes: Rate
    """Bytes a second that are read and written by a copy of a large array."""


class Took(_Measured):
    """What one frame takes in one stage."""

    ms: Milliseconds
    """Of the clock."""
    core_ms: Milliseconds
    """Of all cores together."""


class Stages(_Measured):
    """One model at one size: each stage alone, and all of them overlapped as a task has them."""

    model: Text
    runtime: Text
    width: Side
    height: Side
    batch: Annotated[int, Field(ge=1, le=1000)]
    frames: Annotated[Count, Field(ge=1)]
    """That were measured."""
    clip: Text
    codec: Literal["h264"] = "h264"
    stages: Annotated[dict[Stage, Took], Field(min_length=len(STAGES))]
    frames_per_second: Rate
    """Of one process in which the stages overlap."""
    busy: Share
    """Of its time: for which the GPU computed, by CUDA's events; or for which the model did, on a processor."""
    of_matmul: Share | None = None
    """Share of the measured ceilings that the model reaches alone; None where nobody has counted what it does."""
    of_copy: Share | None = None
    """The same of copying, by the least bytes that its layers read and write when each result goes through memory once."""
    start_seconds: Seconds
    """From a new process to its first frames."""
    start_core_seconds: Seconds

    @property
    def pixels(self) -> int:
        """Of a frame."""
        return self.width * self.height

    @property
    def coding_core_ms(self) -> float:
        """Of a frame, the model left out."""
        return sum(took.core_ms for stage, took in self.stages.items() if stage != "model")


class Way(_Measured):
    """One way to compute a model, without anything around it."""

    model: Text
    way: Text
    runtime: Text
    width: Side
    height: Side
    batch: Annotated[int, Field(ge=1, le=1000)]
    ms: Milliseconds
    """A frame, the median of all calls."""


class Workers(_Measured):
    """A whole job, by so many processes on the machine."""

    model: Text
    width: Side
    height: Side
    workers: Annotated[int, Field(ge=1, le=1000)]
    frames: Annotated[Count, Field(ge=1)]
    seconds: Seconds
    """Of its scoring, processes' start and all."""
    frames_per_second: Rate


class Measured(_Measured):
    """All of it."""

    kind: Literal["batch-scoring measurements"]
    version: Literal[1]
    made: Moment
    machine: Machine
    ceilings: Ceilings | None = None
    stages: Annotated[tuple[Stages, ...], Field(max_length=1000)] = ()
    ways: Annotated[tuple[Way, ...], Field(max_length=1000)] = ()
    workers: Annotated[tuple[Workers, ...], Field(max_length=1000)] = ()
    left_out: Annotated[tuple[Text, ...], Field(max_length=100)] = ()
    """Steps that couldn't be taken here, each with why."""

    @classmethod
    def made_here(cls, machine: Machine, ceilings: Ceilings | None, **parts: Any) -> Self:
        """The document of today's version, of what was measured just now."""
        return cls(kind=KIND, version=VERSION, made=time.time(), machine=machine, ceilings=ceilings, **parts)

    def nearest(self, model: str, pixels: int) -> Stages | None:
        """The stages of the model at the size that is nearest; None where there are none of it."""
        own = [each for each in self.stages if each.model == model]
        return min(own, key=lambda each: abs(each.pixels - pixels), default=None)


def read_measured(path: Path) -> Measured:
    """The measurements in a file.

    Raises MissingError, InputError; RequestError where it holds none, or those of another version.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"'{path}' has more than {MOST_BYTES:,} bytes, so it is no file of measurements.")
        return Measured.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise MissingError(f"There is no '{path}': `scorer bench --stages --json {path.name}` makes one.") from None
    except OSError as error:
        raise InputError(f"'{path}' can't be read ({error.strerror}).") from error
    except ValidationError as error:
        raise _refusal(path, error) from error


def _refusal(path: Path, error: ValidationError) -> RequestError:
    found = faults(error)
    wrong = {fault.path[0] if fault.path else "": fault for fault in found}
    made_by = "`scorer bench --stages --json FILE` makes one"
    if "" in wrong or "kind" in wrong:
        return RequestError(f"'{path}' holds no measurements: {made_by}.")
    if "version" in wrong and wrong["version"].kind != "missing":
        return RequestError(f"'{path}' has measurements of version {wrong['version'].quoted}, not {VERSION}: {made_by}.")
    return RequestError(f"'{path}' can't be used ({found[0]}): {made_by}.")
