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
from scorer.job.media import Media, ms_since, open_media
from scorer.job.model_stage import ModelStage, Scored
from scorer.job.parts import Part, find_part, keep_part
from scorer.job.pipeline import WriteBehind, read_ahead
from scorer.job.samples import FAILED, keep_failed, keep_sample
from scorer.job.steady_mixing import Mixing
from scorer.job.steady_stage import SteadyStage
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
    on_pixels: OnRecord = lambda *_: None,
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
    steady = SteadyStage(plan.request.steady, mixing=mixing_on(device) if plan.request.steady != "off" else None)
    kept = _Kept(plan, chunk, stores, on_frames, on_pixels)
    size = stage.size
    try:
        with marks.trying(size), open_media(plan, chunk, stores) as media:
            _score(media, stage, steady, Masking(plan, chunk, stores), size, kept.add)
    finally:  # a task that fails leaves its records too
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
    on_pixels: OnRecord
    records: list[FrameRecord] = field(default_factory=list)
    width: int = 0
    height: int = 0
    """Of the last frame."""
    _pictures: int = 0

    def add(self, record: FrameRecord, before: Frames | None, after: Frames | None) -> None:
        """Keep what belongs to a frame that was written."""
        self.records.append(record)
        if after is not None:
            self.height, self.width = after.shape[:2]
        if record.error is None and before is not None and after is not None:
            keep_sample(self.plan, self.chunk, self.stores, record.frame, before, after)
        elif before is not None and self._pictures < FAILED:
            keep_failed(self.plan, self.chunk, self.stores, record.frame, before)
            self._pictures += 1
        self.on_pixels(record, before, after)
        self.on_frames(1)

    @property
    def failed(self) -> int:
        """How many frames have failed."""
        return sum(record.error is not None for record in self.records)

    @property
    def example(self) -> str:
        """Why the first of them has; '' where none has."""
        failures = (f"frame {record.name or record.frame}: {record.error}" for record in self.records if record.error)
        return next(failures, "")


def _score(
    media: Media[Any], stage: ModelStage, steady: SteadyStage, masking: Masking, size: int, on_record: OnRecord
) -> None:  # fmt: skip
    """Run the stages over the chunk; frames are steadied, masked and encoded while the model goes on."""

    def write(scored: Scored) -> None:
        for each in steady.push(scored):
            encode(each)

    def encode(scored: Scored) -> None:
        started = time.perf_counter()
        frame = scored.frame
        pixels = masking.apply(frame, scored.pixels)
        media.write(frame, pixels)
        record = FrameRecord(
            frame=frame.number, name=media.name(frame.number), decode_ms=round(frame.decode_ms, 3),
            model_ms=round(scored.model_ms, 3), steady_ms=round(scored.steady_ms, 3), encode_ms=round(ms_since(started), 3),
            error=scored.error,
        )  # fmt: skip
        on_record(record, frame.pixels, pixels)

    most = stage.most_pixels
    with WriteBehind(write, size + 1, most, lambda scored: _weight(scored.pixels) + _weight(scored.frame.pixels)) as behind:
        for scored in stage.run(read_ahead(media.read(), size + 1, most, lambda frame: _weight(frame.pixels))):
            behind.put(scored)
    for each in steady.rest():
        encode(each)


def _weight(pixels: Frames | None) -> int:
    """As many pixels of 8 bits as take the same memory."""
    return 0 if pixels is None else pixels.nbytes // 3
