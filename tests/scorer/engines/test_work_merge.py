"""The last step of a job that workers share: one of them merges, whoever is lost in it, and two at a time do no harm."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from threading import Barrier

import pytest

from scorer.documents import paths
from scorer.documents.plan import Chunk, Plan
from scorer.documents.request import make_request
from scorer.documents.status import StatusWriter, read_status
from scorer.engines import work
from scorer.engines.processes import Ending, Processes
from scorer.engines.work import MOST_LOST, WorkEngine, work_job
from scorer.errors import (
    ChangedError,
    FailureThresholdError,
    GpuError,
    InternalError,
    RequestError,
    ScorerError,
    StoreError,
    TaskError,
)
from scorer.job import claims, finish
from scorer.job.claims import Claim, Claims
from scorer.job.dispatch import dispatch
from scorer.job.failures import find_failure, keep_failure, merge_key, recorded_failures
from scorer.job.finish import Outcome, done_before, merge_job
from scorer.job.merge import find_result
from scorer.job.score import load_model, score_chunk
from scorer.store import Entry, FolderStore
from tests.conftest import MakeClip
from tests.folders import FolderStores


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "RENEW_SECONDS", 0.05)
    monkeypatch.setattr(claims, "FREE_SECONDS", 0.3)
    monkeypatch.setattr(work, "POLL_SECONDS", 0.02)


@pytest.fixture
def plan(stores: FolderStores, make_clip: MakeClip) -> Plan:
    make_clip(frames=20)
    content = {"name": "job", "input": "clip.mp4", "model": "invert", "chunk_frames": 10, "failure_threshold": 0.5}
    planned = dispatch("job", make_request(content), stores, "cpu")
    StatusWriter("job", stores).state("scoring", frames=planned.frames)
    return planned


@pytest.fixture
def scored(plan: Plan, stores: FolderStores) -> Plan:
    """The plan, all of its parts there."""
    model = load_model(plan, stores)
    for chunk in plan.chunks:
        score_chunk(plan, chunk, stores, model)
    return plan


def worker(stores: FolderStores, name: str = "one", tries: int = 3) -> WorkEngine:
    return WorkEngine(stores, Claims("job", stores.work, name), tries, processes=1)


def finish_job(plan: Plan, engine: WorkEngine) -> Outcome:
    return work_job(plan, engine, lambda: merge_job(plan, engine.stores, tries=engine.tries), lambda _: None)


def left(stores: FolderStores) -> set[str]:
    return {path.name for path in (stores.work.root / "job").rglob("*") if path.is_file()}


def test_a_merger_that_is_lost_is_replaced(scored: Plan, stores: FolderStores) -> None:
    assert Claims("job", stores.work, "lost").take(merge_key(scored)) is not None
    assert finish_job(scored, worker(stores)).status.state == "done"
    assert left(stores) == {"plan.json", "result.json"}


def test_of_many_one_merges_and_all_hear_of_it(scored: Plan, stores: FolderStores) -> None:
    merges: list[str] = []
    together = Barrier(4)

    def work_on(name: str) -> Outcome:
        engine = worker(stores, name)

        def merge() -> Outcome:
            if done_before(scored, stores) is None:
                merges.append(name)
            return merge_job(scored, stores, tries=3)

        together.wait(30)
        return work_job(scored, engine, merge, lambda _: None)

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(work_on, "abcd"))
    assert [outcome.status.state for outcome in outcomes] == ["done"] * 4
    assert len(merges) == 1
    assert left(stores) == {"plan.json", "result.json"}


def test_two_that_merge_at_a_time_leave_a_result_that_holds(
    scored: Plan, stores: FolderStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One was suspended in the middle, and its claim given away: it writes its result over the other's, in the worst moment."""
    writing = FolderStore.writing
    first = True

    @contextmanager
    def interrupted(store: FolderStore, path: str) -> Iterator[Path]:
        nonlocal first
        is_late, first = first, False
        with writing(store, path) as target:
            yield target
        if is_late:  # it has written its video, and not what says so; then another one comes to its end
            head = FolderStore.head

            def other(store: FolderStore, path: str) -> Entry:
                monkeypatch.setattr(FolderStore, "head", head)
                entry = head(store, path)
                with monkeypatch.context() as plain:
                    plain.setattr(finish, "clear_parts", lambda *_: None)
                    merge_job(scored, stores, tries=3)
                return entry

            monkeypatch.setattr(FolderStore, "head", other)

    monkeypatch.setattr(FolderStore, "writing", interrupted)
    merge_job(scored, stores, tries=3)
    assert find_result(scored, stores) is not None
    assert done_before(scored, stores) is not None


def test_a_late_merge_whose_parts_are_gone_is_the_done_jobs(
    scored: Plan, stores: FolderStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other has come to its end, and taken the parts away, while this one was suspended."""
    one = worker(stores)

    def late() -> Outcome:
        merge_job(scored, stores, tries=3)  # the other
        raise ChangedError("A part that was there is gone.")

    outcome = one.merge(scored, late)
    assert outcome is not None
    assert outcome.status.state == "done"
    # A status that a late one wrote over the other's doesn't have the job done anew.
    StatusWriter.resume("job", stores).state("merging")
    monkeypatch.setattr(finish, "fill_gaps", lambda *_: pytest.fail("there are no gaps"))
    assert merge_job(scored, stores, tries=3).status.state == "done"


def test_a_merge_that_fails_is_tried_again_and_at_last_ends_the_job(scored: Plan, stores: FolderStores) -> None:
    tries: list[int] = []

    def merge() -> Outcome:
        tries.append(len(tries))
        return merge_job(scored, stores, ready=fails, tries=3)

    def fails() -> None:
        raise StoreError("The store is away.")

    with pytest.raises(StoreError):
        work_job(scored, worker(stores), merge, lambda _: None)
    assert len(tries) == 3
    assert read_status("job", stores).state == "failed"
    with pytest.raises(StoreError, match="The store is away"):  # whoever comes now hears why
        finish_job(scored, worker(stores, "two"))


def test_a_part_that_was_damaged_is_made_again_before_the_merge(scored: Plan, stores: FolderStores) -> None:
    (stores.work.root / paths.part("job", scored.chunks[1].key)).write_bytes(b"{}")
    engine = worker(stores)
    assert engine.merge(scored, lambda: pytest.fail("a part is missing")) is None
    assert finish_job(scored, engine).status.failed == 0
    assert engine.scored == 10


def test_a_chunk_that_takes_its_machines_with_it_is_given_up(scored: Plan, stores: FolderStores) -> None:
    chunk = scored.chunks[0]
    key = chunk.key
    stores.work.delete(paths.part("job", key))
    lost = Claim(worker="gone", version="0", lost=MOST_LOST)
    stores.work.put(paths.claim("job", key), lost.model_dump_json().encode())
    outcome = finish_job(scored, worker(stores))
    assert outcome.status.failed == 10  # the originals
    failure = find_failure(scored, key, stores)
    assert failure is not None
    assert failure.exit_code == TaskError.exit_code
    assert f"lost with its worker {MOST_LOST + 1} times" in failure.message


@pytest.mark.parametrize(
    ("error", "stops"),
    [
        (TaskError("All slots are taken."), True),
        (GpuError("None."), True),
        (StoreError("Away."), False),
        (InternalError("?"), False),
    ],
)
def test_what_is_wrong_with_a_machine_stops_its_worker_alone(
    plan: Plan, stores: FolderStores, error: ScorerError, stops: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others go on with the chunk; what is wrong with the chunk keeps nobody from the next one."""
    given: list[Chunk] = []

    class Failing(Processes):
        @property
        def has_room(self) -> bool:
            return not self.waiting

        def __enter__(self) -> Processes:
            self.waiting: list[Chunk] = []
            return self

        def give(self, chunk: Chunk) -> None:
            given.append(chunk)
            self.waiting.append(chunk)

        def endings(self, seconds: float) -> Iterator[Ending]:
            del seconds
            chunk = self.waiting.pop()
            with suppress(ScorerError), recorded_failures(plan, chunk.key, stores):
                raise error
            yield Ending(chunk, error=error, code=0)

    monkeypatch.setattr(work, "Processes", Failing)
    with pytest.raises(type(error)) if stops else nullcontext():
        worker(stores, tries=2).run(plan, lambda _: None)
    assert len(given) == (1 if stops else 4)
    claims = [json.loads(path.read_bytes()) for path in (stores.work.root / "job/claims").iterdir()]
    assert all(claim["free"] for claim in claims)


def test_chunks_that_failed_for_good_are_no_more_tried(plan: Plan, stores: FolderStores) -> None:
    for chunk in plan.chunks:
        error = RequestError("It can't be.")
        keep_failure(plan, chunk.key, error, stores, for_good=True)
    with pytest.raises(RequestError, match="It can't be"):
        finish_job(plan, worker(stores))
    assert read_status("job", stores).state == "failed"


def test_too_many_failures_end_the_job_as_on_a_cluster(plan: Plan, stores: FolderStores) -> None:
    for chunk in plan.chunks:
        for _ in range(2):
            keep_failure(plan, chunk.key, TaskError(f"Chunk {chunk.index} is bad."), stores, for_good=False)
    with pytest.raises(FailureThresholdError, match="Chunk 0 is bad"):
        finish_job(plan, worker(stores, tries=2))
