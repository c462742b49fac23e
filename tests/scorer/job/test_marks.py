"""What tasks of a job tell each other: a hopeless job stops early, and after a try that was killed the next one takes less."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from scorer.engines.local import LocalEngine
from scorer.errors import FailureThresholdError
from scorer.job.failures import clear_failures, kept_failures
from scorer.job.fallback import fill_gaps
from scorer.job.marks import Marks, too_many_failed
from scorer.job.parts import find_part, find_parts
from scorer.job.score import load_model, score_chunk
from scorer.models import Frames
from scorer.store import FolderStore
from tests.conftest import write_images
from tests.folders import FolderStores
from tests.scorer.cli.command_line import SCORER, run
from tests.scorer.cli.test_steps import addresses
from tests.scorer.job.scoring import Idle, plan_folder

MANY = [f"{number:03d}.png" for number in range(100)]


def damage(stores: FolderStores, names: list[str]) -> None:
    for name in names:
        (stores.input.root / "shots" / name).write_bytes(b"not an image")


def hopeless(stores: FolderStores) -> None:
    """Each chunk of ten alone stays below the 15 frames that may fail."""
    write_images(stores.input.root / "shots", MANY)
    damage(stores, MANY)


def test_failures_are_summed_over_the_job(stores: FolderStores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.scorer.job.scoring.write_images", lambda *_: None)
    hopeless(stores)
    plan = plan_folder(stores, MANY, chunk_frames=10, failure_threshold=0.15)
    model = load_model(plan, stores)
    ended = []
    for chunk in plan.chunks:
        try:
            with kept_failures(plan, chunk.key, stores):
                score_chunk(plan, chunk, stores, model)
        except FailureThresholdError as error:
            ended.append(str(error))
    assert len(ended) == 9
    assert sum(part is not None for part in find_parts(plan, stores)) == 1
    assert "000.png" in ended[-1]
    # The second chunk ended at its sixth frame, the others before their first.
    assert len(list(stores.logs.list("job"))) == 2
    with pytest.raises(FailureThresholdError, match=r"^16 frames failed and at most 15 may \(frame 000\.png: "):
        fill_gaps(plan, stores)
    clear_failures(plan, stores)
    assert not list(stores.work.list("job/failed"))


def test_a_local_run_without_hope_stops_early(stores: FolderStores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.scorer.job.scoring.write_images", lambda *_: None)
    hopeless(stores)
    plan = plan_folder(stores, MANY, chunk_frames=10, failure_threshold=0.15)
    with pytest.raises(FailureThresholdError):
        LocalEngine(stores, workers=1).run(plan, lambda _: None)
    assert len(list(stores.logs.list("job"))) == 2


def test_a_task_at_work_hears_of_the_others(stores: FolderStores, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_folder(stores, MANY, chunk_frames=50, failure_threshold=0.1, batch_size=5)
    monkeypatch.setattr("scorer.job.marks.POLL_SECONDS", 0.0)

    def meanwhile() -> None:
        Marks(plan, plan.chunks[1], stores).tell_failed(11, "frame 7: \x1b[31mred")

    with pytest.raises(FailureThresholdError, match=r"11 frames failed and at most 10 may \(frame 7: red\)"):
        score_chunk(plan, plan.chunks[0], stores, Idle(meanwhile))
    assert b'"frames":5' in stores.logs.get("job/000000.jsonl").splitlines()[-1]


def test_marks_of_other_plans_and_lies_count_for_nothing(stores: FolderStores) -> None:
    plan = plan_folder(stores, MANY, chunk_frames=50, failure_threshold=0.4)
    key = plan.chunks[1].key
    for name in (
        "000001-0123456789abcdef.frames-50", f"{key}.frames-", f"{key}.frames-99999999999", f"{key}.frames--5", "frames-50",
        f"{key}.json", f"{key}.try-8", f"{key}.frames-40",
    ):  # fmt: skip
        stores.work.put(f"job/failed/{name}", b"")
    marks = Marks(plan, plan.chunks[0], stores)
    marks.check()
    assert (marks.elsewhere, marks.begun) == (40, [])
    stores.work.put(f"job/failed/{key}.frames-999999999", b"")
    marks.poll()
    assert marks.elsewhere == 50  # no chunk has more than it has


@pytest.mark.parametrize(
    ("begun", "size"), [([], 8), ([8], 4), ([8, 4], 1), ([16], 8), ([256, 128], 32), ([2], 1), ([2, 1], 1), ([4, 2], 1)]
)
def test_each_try_that_was_killed_makes_batches_smaller(stores: FolderStores, begun: list[int], size: int) -> None:
    plan = plan_folder(stores)
    for each in begun:
        stores.work.put(f"job/failed/{plan.chunks[0].key}.try-{each}", b"")
    marks = Marks(plan, plan.chunks[0], stores)
    marks.poll()
    assert marks.smaller(max([8, *begun])) == size


def test_a_try_that_is_killed_leaves_its_mark_and_one_that_ends_none(stores: FolderStores) -> None:
    plan = plan_folder(stores, batch_size=8)
    seen: list[int] = []

    class Counting(Idle):
        def score(self, frames: Frames) -> Frames:
            seen.append(len(frames))
            assert [entry.path.rpartition(".")[2] for entry in stores.work.list("job/failed")] == [f"try-{len(frames)}"]
            return frames

    part, _ = score_chunk(plan, plan.chunks[0], stores, Counting())
    assert part.failed == 0
    assert set(seen) == {8}
    assert not list(stores.work.list("job/failed"))


def test_a_person_who_stops_a_try_leaves_no_mark(stores: FolderStores) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    plan = plan_folder(stores, batch_size=4)
    with pytest.raises(KeyboardInterrupt):
        score_chunk(plan, plan.chunks[0], stores, Idle(interrupt))
    assert not list(stores.work.list("job/failed"))


def test_a_local_worker_that_is_killed_for_memory_takes_less_at_once(tmp_path: Path) -> None:
    write_images(tmp_path / "shots", [f"{number}.png" for number in range(10)])
    how = ["--model", "invert", "--option", "most_frames=2", "--batch-size", "8", "--workers", "1"]
    run("run", "shots", *how, "--out", "out", folder=tmp_path)
    (log,) = tmp_path.glob(".scorer/logs/*/000000.jsonl")
    assert '"notes":["killed in batches of 4: batches of 1"]' in log.read_text()
    (report,) = tmp_path.glob(".scorer/output/*/report.html")
    assert "killed in batches of 4: batches of 1" in report.read_text()
    assert not list(tmp_path.glob(".scorer/work/*/failed/*"))


def test_a_task_that_is_killed_for_memory_takes_less_at_once(tmp_path: Path) -> None:
    """The step as a node runs it, three tries in all."""
    write_images(tmp_path / "input/shots", [f"{number}.png" for number in range(10)])
    (tmp_path / "input/a.json").write_text(
        '{"name": "job", "input": "shots/", "model": "invert", "batch_size": 8, "options": {"most_frames": 4}}'
    )
    urls = addresses(tmp_path)
    job = run("dispatch", "a.json", folder=tmp_path, environment=urls).stdout.strip()
    codes = []
    for _ in range(2):
        command = [*SCORER, "score", job, "--chunk", "0"]
        codes.append(subprocess.run(command, check=False, env={**os.environ, **urls}).returncode)
    assert codes == [-signal.SIGKILL, 0]
    assert "killed in batches of 8: batches of 4" in (tmp_path / "logs" / job / "000000.jsonl").read_text()
    run("merge", job, folder=tmp_path, environment=urls)


def test_what_a_task_asks_of_its_store(stores: FolderStores, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look where it begins; and, where it takes several frames at once, a mark that comes and goes."""
    plan = plan_folder(stores, batch_size=8)
    calls: list[str] = []
    for name in ("list", "put", "delete"):
        before = getattr(FolderStore, name)

        def counted(self: FolderStore, path: str, *rest: object, name: str = name, before: object = before) -> object:
            if "/failed" in path:
                calls.append(name)
            return before(self, path, *rest)  # type: ignore[operator]  # one of the store's methods

        monkeypatch.setattr(FolderStore, name, counted)
    score_chunk(plan, plan.chunks[0], stores, Idle())
    assert calls == ["list", "put", "delete"]
    assert find_part(plan, plan.chunks[0], stores) is not None


def test_one_frame_is_no_frames() -> None:
    assert str(too_many_failed(1, 0, "frame 0: red.")).startswith("1 frame failed and at most 0 may (frame 0: red): ")
