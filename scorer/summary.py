"""What a job's report shows, collected: samples before and after, styles, settings, records."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from scorer import frames, models, report, video
from scorer.errors import ScorerError
from scorer.merge import records
from scorer.models import Frames
from scorer.models.style_image import load_style_image
from scorer.plan import Chunk, Plan
from scorer.report import Report, Sample
from scorer.request import Limits
from scorer.score import find_part
from scorer.status import Status
from scorer.store import Stores

REPORT = "report.html"

# Frames shown before and after, and their longer side in pixels: enough to judge by, and a page of about a megabyte.
SAMPLES = 6
SAMPLE_PX = 960
STYLE_PX = 240


def write_report(plan: Plan, stores: Stores, status: Status) -> None:
    """Write output/<job>/report.html; where parts are missing, it shows what there is."""
    samples = list(_samples(plan, stores))
    height, width = (samples[0][1].shape[:2]) if samples else (plan.video.height, plan.video.width) if plan.video else (0, 0)
    request = plan.request
    spec = models.spec(request.model)
    chosen = {
        "strength": str(request.strength),
        "size": f"{request.size} px" if request.size else "as the input",
        **{name: str(value) for name, value in request.options.items()},
        "chunks": f"{len(plan.chunks)} of up to {plan.chunks[0].frames} frames",
        "failure threshold": f"{request.failure_threshold:.0%}",
    }
    page = Report(
        job=plan.job, title=Path(request.input).name, state=status.state, model=request.model, model_source=spec.source,
        runtime=_runtime(plan, stores), styles=list(_styles(plan, stores)), settings=chosen, versions=report.versions(),
        started=status.started, stage_seconds=status.stage_seconds, frames=plan.frames, width=width, height=height,
        samples=[sample for sample, _ in samples], result=plan.result if status.state == "done" else None,
    )  # fmt: skip
    stores.output.put(f"{plan.job}/{REPORT}", report.render(page, records(plan, stores)).encode())


def _runtime(plan: Plan, stores: Stores) -> str:
    parts = (find_part(plan, chunk, stores) for chunk in plan.chunks)
    return next((part.runtime for part in parts if part), "none")


def _styles(plan: Plan, stores: Stores) -> Iterator[tuple[str, bytes | None]]:
    shares = sum(style.weight for style in plan.request.styles)
    for style, etag in zip(plan.request.styles, plan.style_etags, strict=True):
        label = str(style.source) if isinstance(style.source, int) else Path(style.source).name
        label += f" ({style.weight / shares:.0%})" if len(plan.request.styles) > 1 else ""
        picture = None
        if models.spec(plan.request.model).style == "image" and isinstance(style.source, str):
            picture = _jpeg(load_style_image(stores.input.fetch(style.source, etag), STYLE_PX), STYLE_PX)
        yield label, picture


def _samples(plan: Plan, stores: Stores) -> Iterator[tuple[Sample, Frames]]:
    """Frames spread evenly over the job, each with its scored pixels, where both can be had."""
    for number in sorted({(2 * sample + 1) * plan.frames // (2 * SAMPLES) for sample in range(SAMPLES)}):
        chunk = next(chunk for chunk in plan.chunks if chunk.first <= number < chunk.first + chunk.frames)
        if find_part(plan, chunk, stores) is None:
            continue
        try:
            pair = _pair(plan, chunk, number, stores)
        except ScorerError:  # the frame is one of those that failed
            continue
        if pair:
            label = chunk.files[number - chunk.first].name if chunk.files else _time_label(plan, number)
            yield Sample(number, label, _jpeg(pair[0], SAMPLE_PX), _jpeg(pair[1], SAMPLE_PX)), pair[1]


def _time_label(plan: Plan, number: int) -> str:
    seconds = number / float(plan.video.rate) if plan.video else 0.0
    return f"{int(seconds // 60)}:{seconds % 60:04.1f}"


def _pair(plan: Plan, chunk: Chunk, number: int, stores: Stores) -> tuple[Frames, Frames] | None:
    """The frame before and after; None where it could not be decoded."""
    if plan.video is None or chunk.range is None:
        return _from_folder(plan, chunk, number, stores)
    source = stores.input.fetch(plan.request.input, plan.input_etag)
    part = stores.work.root / plan.part_path(chunk)
    index = video.probe(part, max_pixels=2**31, max_frames=chunk.frames)
    offset = number - chunk.first
    before = next(islice(video.read_frames(source, plan.video, chunk.range), offset, None))
    after = next(islice(video.read_frames(part, index.info, index.ranges(chunk.frames)[0]), offset, None))
    if isinstance(before, video.MissingFrame) or isinstance(after, video.MissingFrame):
        return None
    return before.pixels, after.pixels


def _from_folder(plan: Plan, chunk: Chunk, number: int, stores: Stores) -> tuple[Frames, Frames]:
    file, limits = chunk.files[number - chunk.first], Limits()
    before = frames.decode(stores.input.get(file.path, file.etag), file.name, limits.max_pixels)
    after = frames.decode(stores.output.get(f"{plan.job}/{plan.result}{file.name}"), file.name, 2**31)
    return before.pixels, after.pixels


def _jpeg(pixels: Frames, size: int) -> bytes:
    small = frames.fit(pixels, min(size, max(pixels.shape[:2])))
    if small.dtype == np.uint16:
        small = (small >> 8).astype(np.uint8)
    return cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()
