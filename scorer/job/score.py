"""Score one chunk: decode → model → encode, overlapped; the part is whole or absent."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

from scorer import models
from scorer.boundary import words
from scorer.documents import paths
from scorer.documents.plan import Chunk, Plan
from scorer.documents.records import FrameRecord, TaskRecord, to_lines
from scorer.documents.request import Request
from scorer.errors import ModelError, ScorerError
from scorer.job.marks import Marks, most_failures
from scorer.job.masking import Masking
from scorer.job.media import Frame, Media, ms_since, open_media
from scorer.job.model_stage import ModelStage, Scored
from scorer.job.parts import Part, find_part, keep_part
from scorer.job.pipeline import WriteBehind, read_ahead
from scorer.job.planes_stage import PlanesStage
from scorer.job.planes_way import planes_stage
from scorer.job.samples import FAILED, is_shown, keep_failed, keep_sample
from scorer.job.steady_mixing import Mixing
from scorer.job.steady_stage import SteadyStage
from scorer.media.video.planes import CodedPlanes, DecodedPlanes
from scorer.models import Frames, Model, ModelOverTime, ModelSettings, Style
from scorer.store import Stores, called


def load_model(plan: Plan, stores: Stores, threads: int | None = None) -> Model:
    """The plan's model, its styles fetched and encoded. Raises StyleError, ModelError."""
    request = plan.request
    styles = []
    with ExitStack() as named:
        for style, etag in zip(request.styles, plan.style_etags, strict=True):
            source: Path | int = style.source if isinstance(style.source, int) else stores.input.fetch(style.source, etag)
            if isinstance(source, Path):
                named.enter_context(called(source, stores.input.where(str(style.source))))
            styles.append(Style(source, style.weight, style.at))
        with _of_model(request, "loaded"):
            settings = ModelSettings(tuple(styles), plan.device, threads, request.model_options)
            return models.spec(request.model).load(settings)


@contextmanager
def _of_model(request: Request, done: str) -> Iterator[None]:
    """Around what a model does beside scoring: whatever it raises becomes ModelError, since it may be a user's own."""
    try:
        yield
    except (ScorerError, KeyboardInterrupt):
        raise
    except ImportError as error:
        raise ModelError(
            f"Model '{request.model}' needs the package '{error.name}', which isn't installed: "
            "install it (pip install '.[scorer]' in a checkout brings torch)."
        ) from error
    except BaseException as error:
        raise ModelError(f"Model '{request.model}' can't be {done} ({words(error)}): fix it.") from error


def batch_size(plan: Plan, device: str) -> int:
    """Frames a model that computes on `device` gets at once."""
    return plan.request.batch_size or (models.spec(plan.request.model).batch_size if device == "cuda" else 1)


OnRecord = Callable[[FrameRecord, Frames | None, Frames | None], None]
"""Called with each frame's record, and its pixels before and after the model."""


def score_chunk(
    plan: Plan, chunk: Chunk, stores: Stores, model: Model, on_frames: Callable[[int], None] = lambda _: None,
    on_records: Callable[[Sequence[FrameRecord | TaskRecord]], None] = lambda _: None,
    scale: tuple[float, float] | None = None,
    on_pixels: OnRecord | None = None,
) -> tuple[Part, bool]:  # fmt: skip
    """Make the chunk's part, unless it is there already; also says whether it was made now.

    `on_frames` is called with how many frames more are written, now and then, from another thread.
    `on_records` is given what was written down, also of a try that fails.
    `scale` is what the model makes of sizes, where that is known before a frame came through.
    `on_pixels` is given each frame before and after, as it is before it is coded.
    Raises ChangedError, StorageFullError, FailureThresholdError (too many frames failed, here and in the chunks whose parts are
    there), OutOfMemoryError, TaskError (a GPU that fails).
    """
    if done := find_part(plan, chunk, stores):
        return done, False
    started, clock = time.time(), time.perf_counter()
    with _of_model(plan.request, "used"):
        model.reset()
        runtime, device = str(model.runtime), getattr(model, "device", "cpu")  # a package of an earlier version doesn't say
    marks = Marks(plan, chunk, stores)
    marks.check()
    stage = _model_stage(plan, model, marks, batch_size(plan, device), scale)
    planes = planes_stage(plan, stage, model, device) if on_pixels is None else None
    steady = SteadyStage(plan.request.steady, mixing=mixing_on(device) if plan.request.steady != "off" else None)
    kept = _Kept(plan, chunk, stores, on_frames, on_pixels)
    size = stage.size
    try:
        stages = _Stages(stage, planes if isinstance(planes, PlanesStage) else None, steady, Masking(plan, chunk, stores))
        with marks.trying(size), open_media(plan, chunk, stores, planes=stages.planes is not None) as media:
            _score(media, stages, size, kept.add)
    finally:  # a task that fails leaves its records too
        runtime += _converted(planes)
        task = TaskRecord(
            chunk=chunk.index, frames=len(kept.records), failed=kept.failed, started=started, seconds=time.perf_counter() - clock,
            worker=f"{socket.gethostname()}:{os.getpid()}", runtime=runtime, batch_size=size, notes=stage.notes,
            flicker_pairs=steady.flicker.pairs, flicker_before=steady.flicker.before, flicker_after=steady.flicker.after,
        )  # fmt: skip
        stores.logs.add(paths.records(plan.job, chunk.index), to_lines([*kept.records, task]))
        on_records([*kept.records, task])
    part = Part(
        chunk=chunk.index, frames=chunk.frames, failed=kept.failed, width=kept.width, height=kept.height, scale=stage.scale,
        written=media.written(), runtime=runtime,
    )  # fmt: skip
    marks.tell_failed(kept.failed, kept.example)
    keep_part(plan, chunk, stores, part)
    return part, True


def _converted(planes: PlanesStage | str | None) -> str:
    """What a record says of where colours were converted, behind what computed."""
    if isinstance(planes, PlanesStage):
        return f", planes {planes.runs}" if planes.runs else ", RGB (pictures)"
    return f", RGB ({planes})" if planes else ""


def mixing_on(device: str) -> Mixing[Any] | None:
    """How frames are steadied beside a model that computes on `device`: there, if torch has it; None is the usual way."""
    if device != "cuda" or find_spec("torch") is None:
        return None
    import torch

    from scorer.job.steady_torch import TorchMixing

    return TorchMixing(torch.device(device)) if torch.cuda.is_available() else None


def _model_stage(plan: Plan, model: Model, marks: Marks, usual: int, scale: tuple[float, float] | None) -> ModelStage:
    """The model over the chunk, in batches of `usual` frames or, where those have killed a task, fewer."""
    request, spec, size = plan.request, models.spec(plan.request.model), marks.smaller(usual)
    notes = [f"killed in batches of {min(marks.begun)}: batches of {size}"] if marks.begun else []
    return ModelStage(
        model, size, spec.tile_overlap, most_failures(plan), plan.max_batch_pixels * size // usual, plan.max_pixels,
        spec.least_side, cast(ModelOverTime, model) if request.has_timed_styles else None, request.keep_colors,
        request.stroke_size, is_aligned=request.steady != "off" or request.has_timed_styles, scale=scale, notes=notes,
        check=marks.check,
    )  # fmt: skip


@dataclass
class _Kept:
    """What is kept of a chunk's frames as they are written: a record each, samples, pictures of some that failed."""

    plan: Plan
    chunk: Chunk
    stores: Stores
    on_frames: Callable[[int], None]
    on_pixels: OnRecord | None
    records: list[FrameRecord] = field(default_factory=list)
    width: int = 0
    height: int = 0
    """Of the last frame."""
    _pictures: int = 0

    def add(self, record: FrameRecord, before: Frames | DecodedPlanes | None, after: Frames | CodedPlanes | None) -> None:
        """Keep what belongs to a frame that was written."""
        self.records.append(record)
        if after is not None:
            self.height, self.width = after.shape[:2]
        if not isinstance(before, DecodedPlanes) and not isinstance(after, CodedPlanes):
            self._keep(record, before, after)
        elif record.error is not None or is_shown(self.plan, record.frame):
            self._keep(record, _pixels(before), _pixels(after))
        self.on_frames(1)

    def _keep(self, record: FrameRecord, before: Frames | None, after: Frames | None) -> None:
        if record.error is None and before is not None and after is not None:
            keep_sample(self.plan, self.chunk, self.stores, record.frame, before, after)
        elif before is not None and self._pictures < FAILED:
            keep_failed(self.plan, self.chunk, self.stores, record.frame, before)
            self._pictures += 1
        if self.on_pixels is not None:
            self.on_pixels(record, before, after)

    @property
    def failed(self) -> int:
        """How many frames have failed."""
        return sum(record.error is not None for record in self.records)

    @property
    def example(self) -> str:
        """Why the first of them has; '' where none has."""
        failures = (f"frame {record.name or record.frame}: {record.error}" for record in self.records if record.error)
        return next(failures, "")


def _pixels(held: Frames | DecodedPlanes | CodedPlanes | None) -> Frames | None:
    return held.pixels() if isinstance(held, DecodedPlanes | CodedPlanes) else held


@dataclass(frozen=True)
class _Stages:
    """What frames go through between decoding and encoding."""

    model: ModelStage
    planes: PlanesStage | None
    """Around the model's, where frames are held in planes."""
    steady: SteadyStage
    masking: Masking


OnWritten = Callable[[FrameRecord, Frames | DecodedPlanes | None, Frames | CodedPlanes | None], None]
"""Called with each frame's record, and what it is before and after the model."""


def _score(media: Media[Any], stages: _Stages, size: int, on_written: OnWritten) -> None:
    """Run the stages over the chunk; frames are steadied, masked and encoded while the model goes on."""

    def write(scored: Scored) -> None:
        for each in stages.steady.push(scored):
            encode(each)

    def encode(scored: Scored) -> None:
        started = time.perf_counter()
        frame = scored.frame
        after = scored.planes or stages.masking.apply(frame, scored.pixels)
        media.write(frame, after)
        record = FrameRecord(
            frame=frame.number, name=media.name(frame.number), decode_ms=round(frame.decode_ms, 3),
            model_ms=round(scored.model_ms, 3), steady_ms=round(scored.steady_ms, 3), encode_ms=round(ms_since(started), 3),
            error=scored.error,
        )  # fmt: skip
        on_written(record, frame.planes or frame.pixels, after)

    most, model = stages.model.most_pixels, stages.planes or stages.model
    with WriteBehind(write, size + 1, most, lambda scored: _weight(scored.planes or scored.pixels, scored.frame)) as behind:
        for scored in model.run(read_ahead(media.read(), size + 1, most, lambda frame: _weight(None, frame))):
            behind.put(scored)
    for each in stages.steady.rest():
        encode(each)


def _weight(made: Frames | CodedPlanes | None, frame: Frame[Any]) -> int:
    """Of what was made of a frame, and of the frame: as many pixels of 8 bits as take the same memory."""
    return sum(0 if each is None else each.nbytes // 3 for each in (made, frame.planes or frame.pixels))
