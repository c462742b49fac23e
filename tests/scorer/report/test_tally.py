"""What a report counts: bounded in size, and right."""

from __future__ import annotations

import math
import statistics
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from scorer.documents.records import FrameRecord, TaskRecord
from scorer.report import render, versions
from scorer.report.plots import ticks
from scorer.report.tally import BINS, LISTED, OTHER, ROWS, Bar, Bin, Tally, join
from scorer.report.text import duration, share, size
from tests.scorer.report.samples import REPORT, frame, task


def test_records_are_streamed_and_the_page_stays_small() -> None:
    total = 100_000

    def many() -> Iterator[FrameRecord | TaskRecord]:
        for number in range(total):
            yield frame(number, 40 + number % 50, error=f"why {number}" if number % 100 == 7 else None)
        yield from (task(chunk, f"host-{chunk}") for chunk in range(2_000))
        yield from (task(chunk, "host-1", notes=(f"note {chunk}",)) for chunk in range(3_000))

    tracemalloc.start()
    html = render(replace(REPORT, frames=total, samples=[]), many())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12e6  # the records alone, kept, would be some 100 MB
    assert len(html) < 500_000
    assert html.count("<tr>") == LISTED + 1
    assert "And 800 more" in html
    assert "5,000 tasks on more than 24 workers" in html


def test_bins_agree_with_the_statistics_module() -> None:
    chance = np.random.default_rng(5)
    total = 5_000
    times = chance.lognormal(4, 0.6, total).tolist()
    order = chance.permutation(total).tolist()
    tally = Tally(total).add_all(frame(number, times[number]) for number in order)
    assert len(tally.bins) <= BINS
    assert sum(each.frames for each in tally.bins) == total
    for index, each in enumerate(tally.bins):
        own = times[index * tally.width : (index + 1) * tally.width]
        assert each.median == pytest.approx(statistics.median_low(own), rel=0.0101)
        assert each.slowest == pytest.approx(max(own))
    assert tally.slowest_frame == times.index(max(times))
    assert sum(tally.stage_ms.values()) == pytest.approx(sum(times))


def test_a_failed_frame_is_marked_but_not_timed() -> None:
    tally = Tally(3).add_all([frame(2, 10), frame(1, 9_000, error="b"), frame(0, error="a")])
    assert [(each.frames, each.failed) for each in tally.bins] == [(0, 1), (0, 1), (1, 0)]
    assert [each.frame for each in tally.failures] == [0, 1]
    assert tally.slowest_ms == 10
    assert Bin().median == 0


def test_few_slow_frames_do_not_flatten_the_plot() -> None:
    html = render(REPORT, (frame(number, 5_000 if number == 0 else 50) for number in range(100)))
    assert html.count('<i class="over"') == 1
    assert "frame 0 with 5,000 ms" in html
    assert '">60 ms</span>' in html


def test_too_many_workers_share_the_last_row() -> None:
    tally = Tally(1).add_all(task(number, f"host-{number:03}") for number in range(100))
    assert len(tally.workers) == ROWS + 1
    assert list(tally.workers)[-1] == OTHER
    assert sum(bar.tasks for bars in tally.workers.values() for bar in bars) == 100


def test_the_nearest_bars_are_joined() -> None:
    bars = [Bar(start, start + 1, 1, start, 10, start == 5, 4, ("tiles",) if start == 6 else ()) for start in (0, 3, 5, 6, 20)]
    assert join(bars, 5) == bars
    joined = join(list(reversed(bars)), 3)
    assert [(bar.started, bar.ended, bar.tasks) for bar in joined] == [(0, 1, 1), (3, 7, 3), (20, 21, 1)]
    assert (joined[1].frames, joined[1].failed, joined[1].notes) == (30, 1, ("tiles",))


@pytest.mark.parametrize("top", [0.003, 0.9, 1, 7, 55, 101, 99_999, 1e7])
def test_ticks_are_few_and_reach_the_top(top: float) -> None:
    marks = ticks(top)
    assert 2 <= len(marks) <= 6
    assert marks[0] == 0
    assert marks[-2] < top <= marks[-1] * (1 + 1e-9)
    assert round(marks[1] / 10 ** math.floor(math.log10(marks[1]) + 1e-9), 6) in (1, 2, 5)


def test_figures_read_well() -> None:
    assert [duration(each) for each in (0.04, 41.26, 59.97, 200, 3599.7, 7500)] == [
        "0.0 s", "41.3 s", "1 min 00 s", "3 min 20 s", "1 h 00 min", "2 h 05 min"
    ]  # fmt: skip
    assert [share(each, 10_000) for each in (0, 1, 110, 5_000, 9_999, 10_000)] == [
        "0%",
        "under 0.1%",
        "1.1%",
        "50%",
        "over 99.9%",
        "100%",
    ]
    assert share(1, 0) == "0%"


def test_sizes_read_well() -> None:
    assert [size(each) for each in (1, 999, 24_300, 1_250_000, 3 * 10**12)] == [
        "1 byte", "999 bytes", "24.3 kB", "1.2 MB", "3,000.0 GB"
    ]  # fmt: skip


def test_names_that_no_page_can_carry() -> None:
    html = render(replace(REPORT, job="a\x00b\udc80\x1b<\"'", title="x" * 500), [])
    assert "Job a\ufffdb\ufffd\ufffd&lt;&#34;&#39;" in html
    assert "<h1>" + "x" * 400 + "…</h1>" in html


def test_versions_name_what_is_installed() -> None:
    found = versions()
    assert found["numpy"] == np.__version__
    assert {"python", "platform", "av", "ffmpeg"} <= found.keys()
    assert all(found.values())
