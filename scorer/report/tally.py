"""What a report keeps of a job's records: sums, bins and short lists, of a size that doesn't grow with the job."""

from __future__ import annotations

import bisect
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from scorer.documents.records import BadLine, FrameRecord, Line, TaskRecord

BINS = 600
"""Columns of the plot of time per frame."""
LISTED = 200
"""Failed frames listed."""
ROWS = 24
"""Workers with a row of their own."""
BARS = 600
"""Bars of one worker; twice as many are held before the nearest are joined."""
NOTES = 50
"""Distinct notes listed."""
OTHER = "other workers"

_STEP = math.log(1.02)


@dataclass
class Bin:
    """The times of some frames that follow each other."""

    frames: int = 0
    failed: int = 0
    slowest: float = 0.0
    counts: Counter[int] = field(default_factory=Counter)

    def add(self, ms: float) -> None:
        """One more frame's time."""
        self.frames += 1
        self.slowest = max(self.slowest, ms)
        # Steps of 2% keep a bin small however many frames it stands for.
        self.counts[round(math.log(max(ms, 1e-3)) / _STEP)] += 1

    @property
    def median(self) -> float:
        """The lower median in milliseconds, at most 1% off; 0 where there is no frame."""
        left = (self.frames + 1) // 2
        for step in sorted(self.counts):
            left -= self.counts[step]
            if left <= 0:
                return self.slowest if self.frames == 1 else min(math.exp(step * _STEP), self.slowest)
        return 0.0


class Bar(NamedTuple):
    """One task, or several of one worker that were joined: when, and how much."""

    started: float
    ended: float
    tasks: int
    chunk: int
    frames: int
    failed: int
    batch_size: int
    notes: tuple[str, ...]


class Failure(NamedTuple):
    """A frame that failed, and why."""

    frame: int
    name: str
    error: str


@dataclass
class Tally:
    """The records of a job of `total` frames, summed up."""

    total: int
    bins: list[Bin] = field(default_factory=list)
    recorded: int = 0
    failed: int = 0
    failures: list[Failure] = field(default_factory=list)
    """Those of the lowest numbers, in order."""
    stage_ms: dict[str, float] = field(default_factory=lambda: {"decode": 0.0, "model": 0.0, "steady": 0.0, "encode": 0.0})
    slowest_ms: float = 0.0
    slowest_frame: int = 0
    tasks: int = 0
    task_frames: int = 0
    task_seconds: float = 0.0
    """Of all tasks together, from the first frame on: no model is loaded in them."""
    workers: dict[str, list[Bar]] = field(default_factory=dict)
    flicker_pairs: int = 0
    flicker_before: float = 0.0
    """Sums of what was measured of pairs of frames."""
    flicker_after: float = 0.0
    notes: Counter[str] = field(default_factory=Counter)
    bad_lines: int = 0
    """Lines among the records that are none, or of frames that the job hasn't."""

    def __post_init__(self) -> None:
        self.bins = [Bin() for _ in range(max(1, math.ceil(self.total / self.width)))]

    @property
    def width(self) -> int:
        """Frames a bin stands for."""
        return max(1, math.ceil(self.total / BINS))

    def add_all(self, records: Iterable[Line]) -> Tally:
        """Take in the records, in any order, each once."""
        for record in records:
            if isinstance(record, BadLine) or (isinstance(record, FrameRecord) and record.frame >= self.total):
                self.bad_lines += 1
            elif isinstance(record, FrameRecord):
                self._add_frame(record)
            else:
                self._add_task(record)
        self.workers = {worker: join(bars, BARS) for worker, bars in sorted(self.workers.items())}
        if OTHER in self.workers:  # It reads as the rest only where it comes last.
            self.workers[OTHER] = self.workers.pop(OTHER)
        return self

    def _add_frame(self, record: FrameRecord) -> None:
        self.recorded += 1
        self.stage_ms["decode"] += record.decode_ms
        self.stage_ms["model"] += record.model_ms
        self.stage_ms["steady"] += record.steady_ms
        self.stage_ms["encode"] += record.encode_ms
        in_bin = self.bins[record.frame // self.width]
        if record.error is not None:
            # A failed frame's time would flatter the plot: it skipped some of the work.
            in_bin.failed += 1
            self.failed += 1
            bisect.insort(self.failures, Failure(record.frame, record.name or "", record.error))
            del self.failures[LISTED:]
            return
        ms = record.decode_ms + record.model_ms + record.steady_ms + record.encode_ms
        in_bin.add(ms)
        if ms > self.slowest_ms:
            self.slowest_ms, self.slowest_frame = ms, record.frame

    def _add_task(self, record: TaskRecord) -> None:
        self.tasks += 1
        self.task_frames += record.frames
        self.task_seconds += record.seconds
        self.flicker_pairs += record.flicker_pairs
        self.flicker_before += record.flicker_before
        self.flicker_after += record.flicker_after
        for note in record.notes:
            if note in self.notes or len(self.notes) < NOTES:
                self.notes[note] += 1
        full = len(self.workers) >= ROWS and record.worker not in self.workers
        bars = self.workers.setdefault(OTHER if full else record.worker, [])
        bars.append(
            Bar(
                record.started,
                record.started + record.seconds,
                1,
                record.chunk,
                record.frames,
                record.failed,
                record.batch_size,
                tuple(record.notes),
            )
        )
        if len(bars) >= 2 * BARS:
            bars[:] = join(bars, BARS)


def join(bars: list[Bar], most: int) -> list[Bar]:
    """`bars` in order of time, those with the smallest gaps between them joined until at most `most` are left."""
    ordered = sorted(bars)
    surplus = len(ordered) - most
    if surplus <= 0:
        return ordered
    gaps = sorted(range(1, len(ordered)), key=lambda index: ordered[index].started - ordered[index - 1].ended)
    joined = set(gaps[:surplus])
    kept = [ordered[0]]
    for index, bar in enumerate(ordered[1:], start=1):
        if index in joined:
            kept[-1] = _both(kept[-1], bar)
        else:
            kept.append(bar)
    return kept


def _both(first: Bar, second: Bar) -> Bar:
    return Bar(
        first.started,
        max(first.ended, second.ended),
        first.tasks + second.tasks,
        min(first.chunk, second.chunk),
        first.frames + second.frames,
        first.failed + second.failed,
        min(first.batch_size, second.batch_size),
        tuple(dict.fromkeys(first.notes + second.notes))[:3],
    )
