"""`scorer.run`: what the command line does, from Python.

A call is the command with the same options: each is checked where the command's is, and the same call is the same job.
"""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from numbers import Integral, Real
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import typer

from scorer.boundary import typed
from scorer.cli.arguments import a_path, a_place, a_strength, whole
from scorer.cli.local_job import Done, LocalJob
from scorer.cli.options import ScoringOptions
from scorer.documents.plan import Plan
from scorer.documents.records import FrameRecord
from scorer.documents.request_fields import Steady
from scorer.engines.base import Progress
from scorer.errors import RequestError
from scorer.job.merge import records
from scorer.media.coding import Codec, Quality
from scorer.media.wanted import ResultContainer, Sound
from scorer.models import Device
from scorer.store import Stores

AnyPath: TypeAlias = str | os.PathLike[str]
Style: TypeAlias = AnyPath | int
"""An image's or a network's file, or a trained style's number; as text it may have a weight: 'night.jpg@0.7'."""
OnFrames: TypeAlias = Callable[[int, int], object]
"""Called in the caller's thread, twice a second and at the end, with the frames that are done and those that there are."""
Value = TypeVar("Value")


@dataclass(frozen=True)
class Result:
    """A job that is done."""

    job: str
    """Its id: the same call is the same job."""
    path: Path
    """The result: a video, an image, or a folder of images."""
    paths: tuple[Path, ...]
    """All of its files: more than one where it is a folder."""
    report: Path
    """A page of HTML: input and result in step, what was made how, what failed, where the time went."""
    frames: int
    failed: int
    """Frames that stand as they were, since they couldn't be scored."""
    reused: int
    """Frames that an earlier call had done."""
    stage_seconds: Mapping[str, float]
    """How long dispatch, score and merge took; an earlier call's where that did all."""
    notes: tuple[str, ...]
    """What of the input the result doesn't have, or has otherwise."""
    plan: Plan = field(repr=False)
    """What was asked for, and what was found out about the input: `plan.request`, `plan.video`."""
    _stores: Stores = field(repr=False)

    @property
    def seconds(self) -> float:
        """How long it took in all."""
        return sum(self.stage_seconds.values())

    @cached_property
    def records(self) -> tuple[FrameRecord, ...]:
        """One of each frame, in their order: milliseconds of each step, and the error of one that failed.

        They are read from the folder `work` when they are first asked for.
        """
        return tuple(each for each in records(self.plan, self._stores) if isinstance(each, FrameRecord))


def run(
    source: AnyPath,
    *,
    style: Style | Sequence[Style] | None = None,
    model: str = "adaptive",
    options: Mapping[str, object] | None = None,
    size: int | None = None,
    style_size: int | None = None,
    stroke_size: float = 1.0,
    strength: float | str | Sequence[str] | None = None,
    keep_colors: float = 0.0,
    mask: AnyPath | None = None,
    mask_feather: int = 4,
    steady: Steady = "off",
    start: float | str | None = None,
    end: float | str | None = None,
    batch_size: int | None = None,
    chunk_frames: int | None = None,
    container: ResultContainer | None = None,
    sound: Sound = "keep",
    strict: bool = False,
    codec: Codec | None = None,
    quality: Quality = "good",
    failure_threshold: float = 0.05,
    out: AnyPath | None = None,
    workers: int | None = None,
    device: Device = "auto",
    overwrite: bool = False,
    work: AnyPath = ".scorer",
    progress: OnFrames | None = None,
) -> Result:
    """Score a video, a folder of images or one image on this machine, and wait for it; see `scorer run --help`.

    Several styles are mixed; `options` are the model's own. Called again it goes on where it was stopped, and does nothing that
    is done. It works in any thread, and where an event loop runs (`await asyncio.to_thread(scorer.run, ...)` doesn't block it).
    Its worker processes run nothing of the caller's program, which needs no guard (`if __name__ == "__main__"`).

    Raises ScorerError, of a kind in `scorer.errors`, whatever goes wrong; but KeyboardInterrupt for Ctrl-C, and whatever
    `progress` raises, which stops it in the same way: what is done is kept.
    """
    given = {
        "model": str(model), "size": size, "style_size": style_size,
        "stroke_size": stroke_size, "strength": _strengths(strength), "keep_colors": keep_colors, "steady": steady,
        "mask": None if mask is None else _path(mask), "mask_feather": mask_feather,
        "start": start, "end": end,
        "batch_size": batch_size, "chunk_frames": chunk_frames, "container": container, "sound": sound, "strict": strict,
        "codec": codec, "quality": quality, "failure_threshold": failure_threshold,
    }  # fmt: skip
    if multiprocessing.current_process().daemon:
        raise RequestError(
            "This process is a daemon of multiprocessing, which may start no processes, as scorer.run does: call it "
            "elsewhere, or start this one with daemon=False."
        )
    with typed():
        scoring = ScoringOptions(
            style=_styles(style), option=_options(options), **{name: _plain(value) for name, value in given.items()}
        )
        job = LocalJob.of(
            _parsed("source", a_path, _path(source)), scoring, out=None if out is None else _parsed("out", a_place, _path(out)),
            device=str(device), work=_parsed("work", a_place, _path(work)), overwrite=bool(overwrite),
        )  # fmt: skip
        count = None if workers is None else _parsed("workers", whole(1, 256), _plain(workers))
    told = _Told(progress)
    try:
        with typed():
            done = job.run(count, told.plan, told.progress)
    except KeyboardInterrupt:
        if told.error is not None:
            raise told.error from None
        raise
    return _result(job, done)


def _result(job: LocalJob, done: Done) -> Result:
    status = done.outcome.status
    return Result(
        job=job.id, path=done.target.absolute(), paths=tuple(each.absolute() for each in done.files), report=done.report,
        frames=done.outcome.plan.frames, failed=status.failed, reused=done.outcome.reused,
        stage_seconds=dict(status.stage_seconds), notes=done.outcome.plan.notes, plan=done.outcome.plan, _stores=job.stores,
    )  # fmt: skip


class _Told:
    """Passes on how far a job is; an error of the caller's stops the job as Ctrl-C does, since it is none of the job's."""

    def __init__(self, progress: OnFrames | None) -> None:
        self._progress, self._frames = progress, 0
        self.error: Exception | None = None

    def plan(self, plan: Plan) -> None:
        self._frames = plan.frames

    def progress(self, progress: Progress) -> None:
        if self._progress is None:
            return
        try:
            self._progress(progress.done, self._frames)
        except Exception as error:
            self.error = error
            raise KeyboardInterrupt from error


def _styles(style: Style | Sequence[Style] | None) -> list[str]:
    if style is None:
        return []
    if isinstance(style, str | bytes | os.PathLike) or not isinstance(style, Sequence):
        return [_text(style)]
    return [_text(each) for each in style]


def _strengths(strength: float | str | Sequence[str] | None) -> list[Any] | None:
    if strength is None:
        return None
    each = [strength] if isinstance(strength, str) or not isinstance(strength, Sequence) else strength
    return [_parsed("strength", a_strength, one) if isinstance(one, str) else _plain(one) for one in each]


def _text(style: object) -> str:
    plain = _plain(style)
    return str(plain) if isinstance(plain, int) and not isinstance(plain, bool) else _path(style)


def _options(options: Mapping[str, object] | None) -> list[str]:
    """As they are typed."""
    if not isinstance(options, Mapping | None):
        raise RequestError(f"'options' is {options!r}: write the model's own by their names, such as {{'precision': 'float32'}}.")
    return [f"{name}={json.dumps(_plain(value), default=str)}" for name, value in (options or {}).items()]


def _path(value: object) -> str:
    """Raises RequestError for what is no path."""
    if not isinstance(value, str | bytes | os.PathLike):
        raise RequestError(f"{value!r} is no path: give text, or a pathlib.Path.")
    return os.fsdecode(value)


def _plain(value: object) -> Any:
    """A number as Python's own, be it NumPy's or another library's."""
    if isinstance(value, bool | str) or value is None:
        return value
    if isinstance(value, Integral):
        return int(value)
    return float(value) if isinstance(value, Real) else value


def _parsed(name: str, parse: Callable[[object], Value], value: object) -> Value:
    """What the command line's own parser says of it. Raises RequestError."""
    try:
        return parse(value)
    except typer.BadParameter as error:
        raise RequestError(f"'{name}' can't be taken: {error.message}.") from None
