"""The whole architecture, end to end; and its faulty twin, which brings the same video."""

import threading
import time
from pathlib import Path

import pytest

from emulator.logic_app.trigger import Trigger
from emulator.rehearsal import Rehearsal, compared, rehearse
from emulator.timeline_svg import draw
from tests.conftest import ffmpeg
from tests.end_to_end.job_helpers import lose_merger


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory, bunny: Path) -> Path:
    """A few frames of a real clip, with its sound."""
    path = tmp_path_factory.mktemp("clip") / "bunny.mp4"
    ffmpeg("-i", bunny, "-frames:v", "48", "-vf", "scale=160:-2", "-t", "1.92", path)
    return path


@pytest.fixture(scope="module")
def smooth(tmp_path_factory: pytest.TempPathFactory, clip: Path) -> Rehearsal:
    return rehearse(tmp_path_factory.mktemp("smooth"), clip, print)


def test_everything_from_up_to_destroy(smooth: Rehearsal) -> None:
    assert smooth.resources >= 80
    assert smooth.left == 0
    assert (smooth.status["state"], smooth.status["frames"], smooth.status["failed"]) == ("done", 48, 0)
    assert set(smooth.runs) == {"Succeeded"}  # the event's, and the looks of a clock that ran ahead
    *checks, last = smooth.checks
    assert {line.split()[0] for line in checks} == {"ok"}
    assert last == f"{len(checks)} checks are well"
    assert len(smooth.bars) == 5  # four chunks and the merge
    assert all(bar.good for bar in smooth.bars)
    counts = [count for _, count in smooth.nodes]
    assert max(counts) == 4
    assert counts[-1] == 0
    told = [text for _, text in sorted(smooth.lines, key=lambda line: line[0])]
    order = ["request ", "event ", "container ", "pool ", "node ", "task "]
    first = [next(number for number, text in enumerate(told) if text.startswith(word)) for word in order]
    assert first == sorted(first), "in the order of the architecture's picture"


def test_the_bill_is_minutes_by_prices(smooth: Rehearsal) -> None:
    by_hand = sum((after - before) * count for (before, count), (after, _) in zip(smooth.nodes, smooth.nodes[1:], strict=False))
    assert smooth.node_minutes["dedicated"] == 0
    assert smooth.node_minutes["spot"] * 60 == pytest.approx(by_hand, rel=0.1)
    assert smooth.bill()[0][1] == pytest.approx(smooth.node_minutes["spot"] / 60 * 0.063)


def test_the_picture_shows_each_task(smooth: Rehearsal) -> None:
    picture = draw(smooth.nodes, smooth.bars, smooth.minutes * 60)
    assert picture.count("<title>") == 5
    assert "<title>merge: " in picture


def test_the_faulty_twin_brings_the_same_video(smooth: Rehearsal, clip: Path, tmp_path: Path) -> None:
    lost = threading.Event()

    def faults(trigger: Trigger) -> None:
        # Told twice, late; the container group never starts; the run's time is over at once; the clock finds the request.
        trigger.deliveries = lambda _: [0.2, 0.0]
        trigger.starts = lambda name: name.startswith("look-")
        trigger.overrides = lambda event: {"timeLimitMinutes": 0} if event else {}

        def lose_the_merge() -> None:
            while not lost.is_set():
                with trigger.azure.batch.lock:
                    for node in list(trigger.azure.batch.pool.nodes):
                        if any(run.task == "merge" for run in node.runs):
                            trigger.azure.batch.pool.preempt(node.id)
                            lost.set()
                time.sleep(0.01)

        threading.Thread(target=lose_the_merge, daemon=True).start()

    twin = rehearse(tmp_path, clip, print, faults)
    assert lost.is_set()
    assert "Failed TimedOut" in twin.runs
    assert twin.runs.count("Succeeded") >= 1
    assert [bar.good for bar in twin.bars if bar.task == "merge"] == [False, True]
    assert sum(bar.task != "merge" for bar in twin.bars) == 4  # nothing was scored twice
    assert twin.result == smooth.result
    assert twin.left == 0


def test_the_other_engines_faulty_twin_brings_the_same_video(smooth: Rehearsal, clip: Path, tmp_path: Path) -> None:
    lost = threading.Event()

    def faults(trigger: Trigger) -> None:
        # As above; and no result is written before whoever merges first has lost its node.
        trigger.deliveries = lambda _: [0.2, 0.0]
        trigger.starts = lambda name: name.startswith("look-")
        trigger.overrides = lambda event: {"timeLimitMinutes": 0} if event else {}
        azure = trigger.azure
        azure.blobs.fault = lambda method, path: 503 if method == "PUT" and "/result." in path and not lost.is_set() else None

        def lose_the_merger() -> None:
            while not (found := [each for each in azure.names("work") if "/claims/merge-" in each]):
                time.sleep(0.05)
            lose_merger(azure, found[0])
            lost.set()

        threading.Thread(target=lose_the_merger, daemon=True).start()

    twin = rehearse(tmp_path, clip, print, faults, engine="machine-learning")
    assert lost.is_set()
    assert "Failed TimedOut" in twin.runs
    assert twin.runs.count("Succeeded") >= 1
    assert sum(not bar.good for bar in twin.bars) == 1, "the worker whose node was lost"
    assert (twin.status["state"], twin.status["frames"], twin.status["failed"]) == ("done", 48, 0)
    assert twin.result == smooth.result
    assert twin.left == 0
    header, _, *rows = compared([smooth, twin])[1:]
    assert [row.split(" | ")[0] for row in rows] == ["| `batch`", "| `machine-learning`"]
    assert header.startswith("| engine ")
