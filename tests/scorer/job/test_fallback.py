"""Tasks that failed for good: another try ends at once, and the merge decides whether the job can do without."""

from pathlib import Path

import pytest

from scorer.documents.plan import Plan
from scorer.documents.records import FrameRecord
from scorer.documents.request import make_request
from scorer.documents.status import read_status
from scorer.errors import FailureThresholdError, InputError, ModelError, StoreError, TaskError
from scorer.job.dispatch import dispatch
from scorer.job.failures import clear_failures, find_failure, kept_failures
from scorer.job.fallback import fill_gaps
from scorer.job.finish import merge_job
from scorer.job.merge import records
from scorer.job.score import load_model, score_chunk
from tests.conftest import MakeClip, frame_hashes
from tests.folders import FolderStores


@pytest.fixture
def plan(stores: FolderStores, make_clip: MakeClip) -> Plan:
    clip = make_clip(frames=40)
    clip.replace(stores.input.root / "clip.mp4")
    content = {"name": "job", "input": "clip.mp4", "model": "invert", "chunk_frames": 10, "failure_threshold": 0.3}
    return dispatch("job", make_request(content), stores, "cpu")


def score_all_but(plan: Plan, stores: FolderStores, *left_out: int) -> None:
    model = load_model(plan, stores)
    for chunk in plan.chunks:
        if chunk.index not in left_out:
            score_chunk(plan, chunk, stores, model)


def fail(plan: Plan, stores: FolderStores, index: int) -> None:
    with pytest.raises(InputError), kept_failures(plan, plan.chunks[index].key, stores):
        raise InputError("The chunk is poison.")


def test_what_failed_for_good_isnt_tried_again(plan: Plan, stores: FolderStores) -> None:
    fail(plan, stores, 1)
    tried = False
    with pytest.raises(InputError, match="poison"), kept_failures(plan, plan.chunks[1].key, stores):
        tried = True
    assert not tried
    clear_failures(plan, stores)
    with kept_failures(plan, plan.chunks[1].key, stores):
        tried = True
    assert tried


def test_what_may_pass_is_tried_again(plan: Plan, stores: FolderStores) -> None:
    key = plan.chunks[0].key
    for error in (StoreError("The store is away."), ModelError("This machine's driver is broken.")):
        with pytest.raises(type(error)), kept_failures(plan, key, stores):
            raise error
        failure = find_failure(plan, key, stores)
        assert failure is not None
        assert failure.message == str(error)


def test_originals_stand_in_where_styles_have_times(stores: FolderStores, make_clip: MakeClip) -> None:
    make_clip(frames=5).replace(stores.input.root / "clip.mp4")
    styles = [{"source": 3, "at": 0}, {"source": 4, "at": 1}]
    content = {"name": "job", "input": "clip.mp4", "model": "painted", "styles": styles, "failure_threshold": 1}
    plan = dispatch("job", make_request(content), stores, "cpu")
    fail(plan, stores, 0)
    assert merge_job(plan, stores).status.failed == 5
    assert all("poison" in (record.error or "") for record in records(plan, stores) if isinstance(record, FrameRecord))


def test_originals_stand_in_up_to_the_threshold(plan: Plan, stores: FolderStores) -> None:
    score_all_but(plan, stores, 2)
    fail(plan, stores, 2)
    outcome = merge_job(plan, stores)
    assert (outcome.status.state, outcome.status.failed) == ("done", 10)
    assert len(frame_hashes(stores.output.root / "job/result.mp4")) == 40
    failed = [record for record in records(plan, stores) if isinstance(record, FrameRecord) and record.error]
    assert [record.frame for record in failed] == list(range(20, 30))
    assert all("poison" in (record.error or "") for record in failed)
    assert merge_job(plan, stores).status == outcome.status  # again: nothing to do


@pytest.mark.parametrize("why", ["The GPU failed (RuntimeError: CUDA error: unknown error).", "The driver is out of memory."])
def test_originals_stand_in_whatever_the_reason_says(plan: Plan, stores: FolderStores, why: str) -> None:
    score_all_but(plan, stores, 2)
    with pytest.raises(TaskError), kept_failures(plan, plan.chunks[2].key, stores):
        raise TaskError(why)
    assert merge_job(plan, stores).status.failed == 10
    failed = [record for record in records(plan, stores) if isinstance(record, FrameRecord) and record.error]
    assert all(why in (record.error or "") for record in failed)


def test_more_than_that_fails_the_job_with_the_reason(plan: Plan, stores: FolderStores) -> None:
    score_all_but(plan, stores, 0, 3)
    fail(plan, stores, 3)
    with pytest.raises(FailureThresholdError, match=r"20 frames failed and at most 12 may \(chunk 3: The chunk is poison"):
        merge_job(plan, stores)
    status = read_status("job", stores)
    assert (status.state, status.exit_code) == ("failed", 10)
    assert "poison" in (stores.output.root / "job/report.html").read_text()


def test_what_all_missing_chunks_failed_with_is_the_jobs_own_error(plan: Plan, stores: FolderStores) -> None:
    for index in range(4):
        fail(plan, stores, index)
    with pytest.raises(InputError, match=r"^The chunk is poison\.$"):
        merge_job(plan, stores)
    assert read_status("job", stores).exit_code == 3


def test_parts_that_nobody_tried_to_make_are_just_missing(plan: Plan, stores: FolderStores) -> None:
    with pytest.raises(TaskError, match="4 of 4 parts"):
        fill_gaps(plan, stores)


def test_what_cant_even_be_copied_is_said(plan: Plan, stores: FolderStores) -> None:
    score_all_but(plan, stores, 3)
    clip = stores.input.root / "clip.mp4"
    Path(clip).write_bytes(b"swapped")
    with pytest.raises(TaskError, match=r"Chunk 3 .* can't even be copied"):
        fill_gaps(plan, stores)
