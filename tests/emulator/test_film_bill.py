"""The film whose bill is in the benchmarks: what runs of it, and that nothing is left."""

from __future__ import annotations

from pathlib import Path

from tests.emulator.film_bill import FRAMES, NEW, OLD, play


def test_a_film_begins_one_task_and_its_merge_where_it_began_nine(tmp_path: Path) -> None:
    assert sum(NEW.chunks) == sum(OLD.chunks) == FRAMES
    bills = [play(new_folder(tmp_path / name), workload, 260.0, 0.05) for name, workload in (("old", OLD), ("new", NEW))]
    assert [bill.runs for bill in bills] == [9, 2]
    assert all(bill.node_minutes > 0 and bill.dollars > 0 for bill in bills)


def new_folder(path: Path) -> Path:
    path.mkdir()
    return path
