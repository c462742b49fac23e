"""A job's end: in which order what is written appears, and what the next run makes of an end that was cut off."""

from collections.abc import Callable

import pytest

from scorer.documents.paths import REPORT, STATUS
from scorer.documents.plan import Plan
from scorer.documents.request import Request, make_request
from scorer.documents.status import read_status
from scorer.engines.base import Progress
from scorer.engines.run import run_job
from scorer.errors import ChangedError, StorageFullError
from scorer.job.dispatch import dispatch
from scorer.job.finish import merge_job
from scorer.job.score import load_model, score_chunk
from scorer.store import Entry, FolderStore
from tests.conftest import MakeClip
from tests.folders import FolderStores


class Here:
    """An engine without processes."""

    def __init__(self, stores: FolderStores) -> None:
        self.stores = stores
        self.runs = 0

    def run(self, plan: Plan, on_progress: Callable[[Progress], None]) -> None:
        self.runs += 1
        model = load_model(plan, self.stores)
        for chunk in plan.chunks:
            score_chunk(plan, chunk, self.stores, model)
        on_progress(Progress(plan.frames, 0, 0))


@pytest.fixture
def asked(stores: FolderStores, make_clip: MakeClip) -> Request:
    make_clip(frames=20).replace(stores.input.root / "clip.mp4")
    return make_request({"name": "job", "input": "clip.mp4", "model": "invert", "chunk_frames": 10})


def run(request: Request, stores: FolderStores, engine: Here) -> None:
    run_job("job", request, stores, engine, "cpu", lambda _: None, lambda _: None)


def test_whoever_reads_done_finds_result_and_report(
    asked: Request, stores: FolderStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = FolderStore.put
    states = []

    def watched(self: FolderStore, path: str, data: bytes) -> Entry:
        if path == f"job/{STATUS}":
            there = [(self.root / "job" / name).exists() for name in ("result.mp4", REPORT)]
            states.append((b'"done"' in data.split(b'"frames"')[0], *there))
        return put(self, path, data)

    monkeypatch.setattr(FolderStore, "put", watched)
    run(asked, stores, Here(stores))
    assert states[-1] == (True, True, True)
    assert [state[0] for state in states].count(True) == 1
    assert b"done" in stores.output.get(f"job/{REPORT}")


def scored(asked: Request, stores: FolderStores) -> Plan:
    """A job of which only the merge is left."""
    plan = dispatch("job", asked, stores, "cpu")
    model = load_model(plan, stores)
    for chunk in plan.chunks:
        score_chunk(plan, chunk, stores, model)
    return plan


def test_an_end_that_was_cut_off_is_made_good(asked: Request, stores: FolderStores, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    plan = scored(asked, stores)
    with monkeypatch.context() as patch:
        patch.setattr("scorer.job.finish.write_report", killed)
        with pytest.raises(KeyboardInterrupt):
            merge_job(plan, stores)
    assert read_status("job", stores).state == "merging"
    made = stores.output.head("job/result.mp4")
    assert merge_job(plan, stores).status.state == "done"
    assert stores.output.head("job/result.mp4") == made, "the result was whole already"
    assert stores.output.find(f"job/{REPORT}")
    assert not list(stores.work.list("job/parts"))
    # And once all is there, nothing is done again.
    engine = Here(stores)
    run(asked, stores, engine)
    assert engine.runs == 0


def test_a_failure_that_no_report_can_be_written_of_is_told_all_the_same(
    asked: Request, stores: FolderStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StorageFullError("No space is left.")

    monkeypatch.setattr("scorer.job.finish.write_report", full)
    monkeypatch.setattr("scorer.job.finish.merge", full)
    with pytest.raises(StorageFullError):
        run(asked, stores, Here(stores))
    status = read_status("job", stores)
    assert (status.state, status.exit_code) == ("failed", 9)


@pytest.mark.parametrize("kind", [StorageFullError, ValueError, RecursionError, SystemExit])
def test_a_report_that_cant_be_made_undoes_no_result(
    asked: Request, stores: FolderStores, monkeypatch: pytest.MonkeyPatch, kind: type[BaseException]
) -> None:
    def broken(*_: object) -> None:
        raise kind("<b>no</b>")

    monkeypatch.setattr("scorer.job.finish.write_report", broken)
    run(asked, stores, Here(stores))
    status = read_status("job", stores)
    assert (status.state, status.error) == ("done", None)
    assert "can't be made" in (status.note or "")
    page = stores.output.get(f"job/{REPORT}").decode()
    assert "done" in page
    assert "&lt;b&gt;no&lt;/b&gt;" in page
    engine = Here(stores)
    run(asked, stores, engine)
    assert engine.runs == 0


def test_a_merge_that_will_be_tried_again_hasnt_failed(
    asked: Request, stores: FolderStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StorageFullError("No space is left.")

    plan = scored(asked, stores)
    with monkeypatch.context() as patch:
        patch.setattr("scorer.job.finish.merge", full)
        with pytest.raises(StorageFullError):
            merge_job(plan, stores)
    status = read_status("job", stores)
    assert (status.state, status.error, status.exit_code) == ("merging", "No space is left.", 9)
    assert b"No space is left." in stores.output.get(f"job/{REPORT}")
    merge_job(plan, stores)
    status = read_status("job", stores)
    assert (status.state, status.error, status.exit_code) == ("done", None, None)
    assert b"No space is left." not in stores.output.get(f"job/{REPORT}")


def test_a_merge_that_no_try_can_help_has_failed(asked: Request, stores: FolderStores, monkeypatch: pytest.MonkeyPatch) -> None:
    def swapped(*_: object) -> None:
        raise ChangedError("It has changed.")

    plan = dispatch("job", asked, stores, "cpu")
    monkeypatch.setattr("scorer.job.finish.fill_gaps", swapped)
    with pytest.raises(ChangedError):
        merge_job(plan, stores)
    assert (read_status("job", stores).state, read_status("job", stores).exit_code) == ("failed", 5)
