"""What a job's report shows, collected: samples before and after, styles, settings, records."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np

from scorer import models, report
from scorer.documents.paths import ORIGINAL, REPORT, task_logs
from scorer.documents.plan import Plan
from scorer.documents.status import Status
from scorer.errors import ScorerError
from scorer.job import reproduce
from scorer.job.masking import first_mask
from scorer.job.merge import find_result, records
from scorer.job.overview import LABEL, Summary, keep_summary
from scorer.job.parts import find_part
from scorer.job.samples import Pair, find_failed, find_small, jpeg, samples
from scorer.job.video_facts import Facts
from scorer.media.style_image import load_style_image
from scorer.media.times import as_clock, as_rounded_clock
from scorer.media.video import VideoInfo
from scorer.report import Report, Sample
from scorer.report.text import counted, duration, size
from scorer.store import FolderStore, Stores

STYLE_PX = 240
"""The longer side of a style in pixels."""
MOST_STYLE_BYTES = 60_000


def write_report(plan: Plan, stores: Stores, status: Status) -> None:
    """Write output/<job>/report.html; where parts are missing, it shows what there is."""
    part = next((part for chunk in plan.chunks if (part := find_part(plan, chunk, stores))), None)
    request, info, done = plan.request, plan.video, status.state == "done"
    title = PurePosixPath(request.input).name
    page = Report(
        job=plan.job, title=title, state=status.state, model=request.model, model_source=models.spec(request.model).source,
        runtime=part.runtime if part else "", styles=list(_styles(plan, stores)), mask=_mask(plan, stores),
        settings=_settings(plan, status),
        versions=report.versions(), started=status.started, stage_seconds=status.stage_seconds, frames=plan.frames,
        width=part.width if part else 0, height=part.height if part else 0,
        samples=[_sample(plan, pair) for pair in samples(plan, stores)], result=plan.result if done else None,
        photo=plan.image_path(plan.chunks[0].files[0]).rpartition("/")[2] if request.is_photo else "",
        names=[plan.job + PurePosixPath(plan.result).suffix] if info else (),
        original_names=[ORIGINAL + PurePosixPath(title).suffix, title] if info else (),
        seconds=info.seconds if info else 0.0, rate=float(info.rate) if info else 0.0,
        late=info.shown_at(info.start_pts) if info and info.is_part else None,
        aspect=float(info.sample_aspect) if info else 1.0,
        command=None if status.request else reproduce.command(request, plan.device),
        facts=list(_facts(plan, stores, done=done)), notes=plan.notes, files=list(_files(plan, stores)), error=status.error,
    )  # fmt: skip
    html = report.render(page, records(plan, stores), partial(find_failed, plan, stores))
    stores.output.put(f"{plan.job}/{REPORT}", html.encode())
    if isinstance(stores.output, FolderStore):  # a deployment has no page of all jobs, and its nodes may write nothing for one
        keep_summary(_summary(plan, page, stores), stores)


def _summary(plan: Plan, page: Report, stores: Stores) -> Summary:
    request = plan.request
    told: list[object] = [
        plan.input_etag or [[file.name, file.etag] for chunk in plan.chunks for file in chunk.files],
        request.input,
    ]
    if plan.video is not None and plan.video.is_part:  # two parts of one video don't play in step
        told += [plan.video.start_pts, plan.video.end_pts]
    return Summary(
        job=plan.job, input=page.title[:LABEL], input_key=hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16],
        media=request.media, model=request.model, styles=tuple(label[:LABEL] for label, _ in page.styles),
        settings={name: value[:LABEL] for name, value in reproduce.settings(request, plan.device).items()},
        width=page.width, height=page.height, aspect=page.aspect, rate=page.rate, picture=find_small(plan, stores) or b"",
    )  # fmt: skip


def write_plain_report(status: Status, stores: Stores, why: str | None = None) -> None:
    """Write a page of sentences where there is no plan to report on, or where its report can't be made, and `why`."""
    page = report.render_plain(status.job, status.state, status.error, why)
    stores.output.put(f"{status.job}/{REPORT}", page.encode())


def _settings(plan: Plan, status: Status) -> dict[str, str]:
    by = {"request": status.request} if status.request else {}
    return by | reproduce.settings(plan.request, plan.device)


def _styles(plan: Plan, stores: Stores) -> Iterator[tuple[str, bytes | None]]:
    shares, count = defaultdict[float | None, float](float), Counter(style.at for style in plan.request.styles)
    for style in plan.request.styles:
        shares[style.at] += style.weight
    for style, etag in zip(plan.request.styles, plan.style_etags, strict=True):
        label = str(style.source) if isinstance(style.source, int) else Path(style.source).name
        label += f" ({style.weight / shares[style.at]:.0%})" if count[style.at] > 1 else ""
        label += "" if style.at is None else f" at {as_clock(style.at)}"
        picture = None
        if models.spec(plan.request.model).style == "image" and isinstance(style.source, str):
            with suppress(ScorerError):  # it may be gone by now, which the result doesn't mind
                image = load_style_image(stores.input.fetch(style.source, etag), STYLE_PX)
                picture = jpeg(image, STYLE_PX, MOST_STYLE_BYTES)
        yield label, picture


def _mask(plan: Plan, stores: Stores) -> tuple[str, bytes | None] | None:
    """What the mask is called, and a picture of it, where a video begins."""
    if plan.request.mask is None:
        return None
    picture = None
    with suppress(ScorerError):  # it may be gone by now, which the result doesn't mind
        if (mask := first_mask(plan, stores)) is not None:
            picture = jpeg(np.repeat(mask[..., None], 3, axis=2), STYLE_PX, MOST_STYLE_BYTES)
    return f"mask: {PurePosixPath(plan.request.mask).name}", picture


def _sample(plan: Plan, pair: Pair) -> Sample:
    """A sample and what it is called: an image's name, or when a video shows it."""
    chunk = plan.chunk_of(pair.frame)
    info, within = plan.video, pair.frame - chunk.first
    if info is None or chunk.range is None:
        file = chunk.files[within]
        return Sample(pair.frame, file.name, pair.before, pair.after, name=plan.image_path(file).rpartition("/")[2])
    # Exact where the rate is constant, or the chunk short.
    ends = chunk.range.end_pts if chunk.range.end_pts is not None else info.end_pts
    pts = chunk.range.start_pts + round((ends - chunk.range.start_pts) * within / chunk.frames)
    seconds = float(info.result_pts(pts) * info.result_time_base)
    return Sample(pair.frame, as_rounded_clock(seconds), pair.before, pair.after, seconds)


def _facts(plan: Plan, stores: Stores, *, done: bool) -> Iterator[tuple[str, str, str]]:
    """What is said of input and output, side by side: name, input, output."""
    if plan.video is None:
        images = list(stores.output.list(f"{plan.job}/{plan.result}")) if done else []
        yield "images", _kinds(file.name for chunk in plan.chunks for file in chunk.files), _kinds(each.path for each in images)
        yield "together", size(plan.input_bytes), size(sum(each.size for each in images)) if done else ""
        return
    result = find_result(plan, stores) if done else None
    if result is not None and result.facts is not None:
        yield from _both(plan, *result.facts)
        return
    entry = stores.output.find(f"{plan.job}/{plan.result}") if done else None
    yield from ((name, before, "") for name, before in _planned(plan.video))
    yield "file", size(plan.input_bytes), size(entry.size) if entry else ""


def _kinds(names: Iterator[str]) -> str:
    counts = Counter(PurePosixPath(name).suffix.lower().lstrip(".") for name in names)
    return ", ".join(f"{count:,} {kind}" for kind, count in counts.most_common(20))


def _both(plan: Plan, before: Facts, after: Facts) -> Iterator[tuple[str, str, str]]:
    if plan.video is not None and plan.video.is_part:
        yield "part", _part(plan.video), ""
    yield "container", before.container, after.container
    yield "video", before.video, after.video
    yield "size", before.size, after.size
    yield "frames", f"{plan.frames:,}", f"{plan.frames:,}"
    yield "rate", before.rate, after.rate
    yield "duration", duration(before.seconds), duration(after.seconds)
    yield "pixels", before.pixels, after.pixels
    yield "colour", before.colour, after.colour
    yield "sound", _sound(before), _sound(after)
    if before.subtitles or after.subtitles:
        yield "subtitles", counted(before.subtitles, "track"), counted(after.subtitles, "track")
    yield "file", size(before.bytes), size(after.bytes)


def _part(info: VideoInfo) -> str:
    """From when to when of the input's clock."""
    return " to ".join(as_clock(info.shown_at(pts)) for pts in (info.start_pts, info.end_pts))


def _sound(facts: Facts) -> str:
    more = [f"and {facts.tracks - len(facts.sound)} more tracks"] if facts.tracks > len(facts.sound) else []
    return "; ".join([*facts.sound, *more]) or "none"


def _planned(info: VideoInfo) -> Iterator[tuple[str, str]]:
    """What is known of an input before there is a result."""
    if info.is_part:
        yield "part", _part(info)
    yield "size", f"{info.width} \u00d7 {info.height}"
    yield "frames", f"{info.frames:,}"
    yield "rate", f"{float(info.rate):.6g} frames/s{'' if info.constant else ', on average'}"
    yield "duration", duration(info.seconds)
    yield "sound", ", ".join(info.audio[:20]) or "none"


def _files(plan: Plan, stores: Stores) -> Iterator[tuple[str, str, str | None]]:
    """Where else there is something of the job, as far as it may be told: no account's name, no folder outside the job's own."""
    folders = {"plan and parts": (stores.work, f"{plan.job}/"), "records": (stores.logs, f"{plan.job}/")}
    if not stores.logs.url.startswith("file:"):
        folders["what tasks printed"] = (stores.logs, task_logs(plan.job))
    together = stores.output.url.rpartition("/")[0]
    for name, (store, path) in folders.items():
        parent, _, own = store.url.rpartition("/")
        is_near = parent == together and parent.startswith("file:")
        yield name, f"{own}/{path}", f"../../{own}/{path}" if is_near else None
