"""A report's content, and records, made up."""

from __future__ import annotations

import io
from collections.abc import Iterator

from PIL import Image

from scorer.documents.records import FrameRecord, TaskRecord
from scorer.report import Report, Sample

RED, BLUE, GREEN, GREY = (220, 30, 30), (30, 30, 220), (30, 200, 30), (128, 128, 128)
NASTY = """<script>window.owned=1</script>"'><img src=x onerror="window.owned=2">$job ${title} </title>&amp;"""


def picture(colour: tuple[int, int, int]) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (320, 180), colour).save(data, "JPEG", quality=95)
    return data.getvalue()


REPORT = Report(
    job="holiday-3f9a1c",
    title="holiday.mp4",
    state="done",
    model="adaptive",
    model_source="Ghiasi et al. 2017; weights: Apache-2.0",
    runtime="openvino 2026.4 cpu int8",
    styles=[("swirls.png", picture(GREEN)), ("7", None)],
    settings={"strength": "1.0"},
    versions={"python": "3.11"},
    started=1763900000.0,
    stage_seconds={"dispatch": 1.0, "score": 8.0, "merge": 1.0},
    frames=100,
    width=320,
    height=180,
    samples=[Sample(0, "0:00.0", picture(RED), picture(BLUE)), Sample(50, "0:02.0", picture(GREEN), picture(GREY), 2.0)],
    result=None,
)


def frame(number: int, ms: float = 50.0, error: str | None = None, name: str | None = None) -> FrameRecord:
    return FrameRecord(frame=number, name=name, decode_ms=0.1 * ms, model_ms=0.8 * ms, encode_ms=0.1 * ms, error=error)


def task(chunk: int, worker: str = "laptop:1", failed: int = 0, notes: tuple[str, ...] = ()) -> TaskRecord:
    return TaskRecord(
        chunk=chunk,
        frames=10,
        failed=failed,
        started=1763900000.0 + chunk,
        seconds=0.9,
        worker=worker,
        runtime="torch",
        batch_size=4,
        notes=list(notes),
    )


def some_records(total: int = 100) -> Iterator[FrameRecord | TaskRecord]:
    yield from (frame(number, error="no picture" if number == 41 else None) for number in range(total))
    yield from (task(chunk, failed=chunk == 4, notes=("in tiles",) if chunk == 2 else ()) for chunk in range(total // 10))
