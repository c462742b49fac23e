"""`scorer preview`: some frames of what `scorer run` would make, on one sheet, and what all of it will take."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Annotated

import typer

from scorer.cli.arguments import Overwrite, a_path, a_place, number, whole
from scorer.cli.completion import one_of
from scorer.cli.console import AsJson, Quiet, answer, errors
from scorer.cli.local_job import request_here, style_files
from scorer.cli.options import ScoringOptions, split_weight, with_scoring_options
from scorer.cli.sheet import Cell, check_size, on_sheet, put, sheet
from scorer.client.placed import Placed
from scorer.documents.plan import Plan
from scorer.documents.request import Request
from scorer.engines.processes import usual_count
from scorer.errors import FailureThresholdError, RequestError
from scorer.job.dispatch import chunk_length, make_plan
from scorer.job.forecast import Forecast, Machine, beside, forecast, measure
from scorer.job.preview import Previewer, Remembering, Shown, spread
from scorer.media.image_names import format_for
from scorer.media.images import fit_size
from scorer.media.limits import Limits
from scorer.media.times import as_rounded_clock
from scorer.models.devices import DEVICES, device_of
from scorer.report.text import counted, duration, size
from scorer.store import FolderStore

TOLD_SECONDS = 5.0
"""Between two lines of how far it is."""


def _numbers(text: str | None) -> list[float]:
    """Strengths between commas. Raises RequestError."""
    try:
        return [number(0, 1)(each.strip()) for each in text.split(",")] if text is not None else []
    except typer.BadParameter as error:
        raise RequestError(f"--strengths '{text}' can't be taken: {error.message}.") from None


@with_scoring_options
def preview(
    source: Annotated[Path, typer.Argument(metavar="INPUT", parser=a_path, help="A video, a folder of images, or an image.")],
    scoring: ScoringOptions,
    frames: Annotated[int, typer.Option(metavar="N", parser=whole(1, 24), help="Frames, spread over the whole; a row each.")] = 3,
    strengths: Annotated[
        str | None, typer.Option(metavar="S,S", help="Strengths side by side, such as 0.4,0.7,1; --strength if not given.")
    ] = None,
    cell: Annotated[int, typer.Option(metavar="PX", parser=whole(16, 8192), help="Longer side of a picture at most.")] = 480,
    out: Annotated[Path, typer.Option(metavar="PATH", parser=a_place, help="The sheet, an image.")] = Path("preview.png"),
    device: Annotated[
        str, typer.Option(metavar="|".join(DEVICES), autocompletion=one_of(*DEVICES), help="Where the model computes.")
    ] = "auto",
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Show some frames as `scorer run` would make them, by style and strength, and estimate what all of it takes.

    Of several styles each has a column of its own, and the mix that `scorer run` makes of them has the last.
    """
    format_for("sheet.png", out.name)  # refuses a name that is none of an image's
    root, request = request_here(source, scoring, None)
    columns = _columns(source, scoring, request, _numbers(strengths))
    placed = Placed(Path(".scorer"), "preview", overwrite=overwrite, inputs=[source, *style_files(root, request)])
    placed.check(out)
    with Previewer.opened(FolderStore(root)) as previewer:
        started = time.monotonic()
        plan = _planned(request, previewer, device, frames)
        planning = time.monotonic() - started
        _check_sheet(plan, len(columns) + 1, frames, cell)
        job_chunks = -(-plan.frames // (request.chunk_frames or chunk_length(plan.frames)))
        made = _Pictures(previewer, plan, job_chunks, frames, quiet=quiet)
        made.make(columns)
        put(sheet(list(made.rows(cell))), out, placed)
    seconds, result_bytes = planning + made.forecast.seconds, made.forecast.bytes + beside(plan, source)
    told = f"about {duration(seconds)} here, and {size(result_bytes)}, for {counted(plan.frames, 'frame')}"
    failed = f" · {len(made.failed)} failed ({made.failed[0]})" if made.failed else ""
    facts = {
        "result": str(out.absolute()), "frames": [chunk.first for chunk in made.chunks],
        "columns": [each.label for each in columns], "failed": made.failed, "notes": plan.notes,
        "estimate": {"frames": plan.frames, "seconds": round(seconds, 1), "bytes": result_bytes},
    }  # fmt: skip
    line = f"{out} · {counted(made.count, 'picture')}{failed} · an estimate of the whole, by what these took: {told}"
    answer(facts, [line], str(out), quiet=quiet, as_json=as_json)


@dataclass(frozen=True)
class _Column:
    """What is shown of each frame."""

    label: str
    request: Request


def _columns(source: Path, scoring: ScoringOptions, request: Request, strengths: Sequence[float]) -> list[_Column]:
    """Each style by itself, then all of them as `request` mixes them; at each strength."""
    names = [split_weight(each)[0] for each in scoring.style or []]
    mixed = " + ".join(Path(name).stem for name in names) or scoring.model
    requests = [
        (Path(name).stem, request_here(source, replace(scoring, style=[name]), None)[1]) for name in names if len(names) > 1
    ]
    return [
        _Column(f"{name}{label}", at_strength) for name, each in [*requests, (mixed, request)]
        for label, at_strength in _at_strengths(each, strengths)
    ]  # fmt: skip


def _at_strengths(request: Request, strengths: Sequence[float]) -> list[tuple[str, Request]]:
    """The request at each strength, or as it says itself."""
    if strengths:
        return [(f" · strength {each:g}", request.model_copy(update={"strength": each, "strengths": ()})) for each in strengths]
    said = " · strength by time" if request.strengths else f" · strength {request.strength:g}" if request.strength < 1 else ""
    return [(said, request)]


def _planned(request: Request, previewer: Previewer, device: str, frames: int) -> Plan:
    """The plan of the whole, in as many chunks at least as there are frames to be shown: each begins one."""

    def length(count: int) -> int:
        return min(chunk_length(count), max(1, count // frames))

    any_length = request.model_copy(update={"chunk_frames": None})
    return make_plan("preview", any_length, previewer.stores, device_of(device), Limits(), length)


def _check_sheet(plan: Plan, across: int, down: int, cell: int) -> None:
    """Raise RequestError where the pictures of a video don't fit on a sheet; images tell their size when they are opened."""
    if plan.video is not None:
        width, height = fit_size(plan.video.width, plan.video.height, plan.request.size)
        width, height = fit_size(width, height, min(cell, max(width, height)))
        check_size(across * width, min(down, len(plan.chunks)) * height)


class _Pictures:
    """All pictures of a sheet, and a forecast of the whole job."""

    def __init__(self, previewer: Previewer, plan: Plan, job_chunks: int, frames: int, *, quiet: bool) -> None:
        """Of a job that has so many chunks; the plan may have more."""
        self._previewer, self._plan, self._job_chunks, self._quiet = previewer, plan, job_chunks, quiet
        self._machine = Machine(os.cpu_count() or 1, min(usual_count(plan), job_chunks))
        self._columns: list[tuple[str, list[Shown]]] = []
        self._told = time.monotonic()
        self.chunks = spread(plan.chunks, frames)
        self.forecast = Forecast(0.0, 0)

    @property
    def count(self) -> int:
        """Of the pictures that are made."""
        return sum(len(column) for _, column in self._columns)

    @property
    def failed(self) -> list[str]:
        """Why pictures have failed."""
        return [f"frame {each.name or each.frame}: {each.error}" for _, column in self._columns for each in column if each.error]

    def make(self, columns: Sequence[_Column]) -> None:
        """Score the frames for each column, and some more to know what it takes. Raises ScorerError."""
        began, loading, each = time.monotonic(), 0.0, 0.0
        for styles, same in groupby(columns, lambda column: column.request.styles):
            started = time.monotonic()
            model = self._previewer.load(
                self._of(columns[0].request.model_copy(update={"styles": styles})),
                max(1, self._machine.cores // self._machine.processes),
            )
            loading, remembering = time.monotonic() - started, Remembering(model)
            for column in same:
                plan = self._of(column.request)
                shown: list[Shown] = []
                self._columns.append((column.label, shown))
                for chunk in self.chunks:
                    frame, spent = self._previewer.frame(plan, chunk, remembering)
                    shown.append(frame)
                    each = min(spent.cpu, spent.wall) if len(self._columns) == 1 else each
                    self._tell(len(columns) * len(self.chunks), time.monotonic() - began)
        measured = measure(self._previewer, plan, self.chunks, model, each)
        found = forecast(measured, plan, self._job_chunks, self._machine, on_gpus=getattr(model, "device", "cpu") != "cpu")
        self.forecast = replace(found, seconds=found.seconds + loading)

    def _of(self, request: Request) -> Plan:
        """The plan as it is of that request, whose styles are among its own."""
        etags = {each.source: etag for each, etag in zip(self._plan.request.styles, self._plan.style_etags, strict=True)}
        own = tuple(etags[each.source] for each in request.styles)
        return self._plan.model_copy(update={"request": request, "style_etags": own})

    def _tell(self, total: int, seconds: float) -> None:
        """Say how far it is, now and then: some models take a minute for one frame."""
        if not self._quiet and self.count < total and time.monotonic() - self._told >= TOLD_SECONDS:
            self._told = time.monotonic()
            left = duration(seconds / self.count * (total - self.count))
            errors.print(f"{self.count} of {counted(total, 'picture')} · about {left} left", soft_wrap=True)

    def rows(self, longest: int) -> Iterator[list[Cell]]:
        """The originals and what became of them, no longer than that a side. Raises FailureThresholdError where all failed."""
        if len(self.failed) == self.count:
            raise FailureThresholdError(f"All {counted(self.count, 'picture')} failed ({self.failed[0]}): fix the input.")
        aspect = float(self._plan.video.sample_aspect) if self._plan.video else 1.0
        for row in range(len(self.chunks)):
            first = self._columns[0][1][row]
            when = first.name or (f"frame {first.frame}" if first.seconds is None else as_rounded_clock(first.seconds))
            yield [
                Cell(on_sheet(pixels, longest, aspect), f"{when} · {label}" if not error else f"{when} · failed: {error}")
                for pixels, label, error in [
                    (first.before, "original", None),
                    *((each[row].after, label, each[row].error) for label, each in self._columns),
                ]
                if pixels is not None
            ]
