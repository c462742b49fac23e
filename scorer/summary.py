"""What a job's report shows, collected: samples before and after, styles, settings, records."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from scorer import models, report
from scorer.errors import ScorerError
from scorer.merge import records
from scorer.models.style_image import load_style_image
from scorer.parts import find_part
from scorer.plan import Plan
from scorer.report import Report, Sample
from scorer.samples import jpeg, samples
from scorer.status import Status
from scorer.store import Stores

REPORT = "report.html"

# The longer side of a style in pixels.
STYLE_PX = 240


def write_report(plan: Plan, stores: Stores, status: Status) -> None:
    """Write output/<job>/report.html; where parts are missing, it shows what there is."""
    found = [Sample(pair.frame, _label(plan, pair.frame), pair.before, pair.after) for pair in samples(plan, stores)]
    part = next((part for chunk in plan.chunks if (part := find_part(plan, chunk, stores))), None)
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
        runtime=part.runtime if part else "none", styles=list(_styles(plan, stores)), settings=chosen, versions=report.versions(),
        started=status.started, stage_seconds=status.stage_seconds, frames=plan.frames,
        width=part.width if part else 0, height=part.height if part else 0,
        samples=found, result=plan.result if status.state == "done" else None, error=status.error,
    )  # fmt: skip
    stores.output.put(f"{plan.job}/{REPORT}", report.render(page, records(plan, stores)).encode())


def write_plain_report(status: Status, stores: Stores, why: str | None = None) -> None:
    """Write a page of sentences where there is no plan to report on, or where its report can't be made, and `why`."""
    page = report.render_plain(status.job, status.state, status.error, why)
    stores.output.put(f"{status.job}/{REPORT}", page.encode())


def _styles(plan: Plan, stores: Stores) -> Iterator[tuple[str, bytes | None]]:
    shares = sum(style.weight for style in plan.request.styles)
    for style, etag in zip(plan.request.styles, plan.style_etags, strict=True):
        label = str(style.source) if isinstance(style.source, int) else Path(style.source).name
        label += f" ({style.weight / shares:.0%})" if len(plan.request.styles) > 1 else ""
        picture = None
        if models.spec(plan.request.model).style == "image" and isinstance(style.source, str):
            with suppress(ScorerError):  # it may be gone by now, which the result doesn't mind
                picture = jpeg(load_style_image(stores.input.fetch(style.source, etag), STYLE_PX), STYLE_PX)
        yield label, picture


def _label(plan: Plan, number: int) -> str:
    """An image's name, or a video frame's time."""
    for chunk in plan.chunks:
        if chunk.files and chunk.first <= number < chunk.first + chunk.frames:
            return chunk.files[number - chunk.first].name
    seconds = number / float(plan.video.rate) if plan.video else 0.0
    return f"{int(seconds // 60)}:{seconds % 60:04.1f}"
