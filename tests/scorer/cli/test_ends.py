"""Whatever is raised wherever it is raised: a typed error, a status that says so, and a report."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from scorer.boundary import typed, words
from scorer.cli import main, steps
from scorer.documents.paths import REPORT
from scorer.documents.records import BadLine, from_lines
from scorer.documents.request import make_request
from scorer.documents.status import Status, read_status
from scorer.engines.local import LocalEngine
from scorer.engines.run import run_job
from scorer.errors import InternalError, ModelError, ScorerError
from scorer.job.dispatch import chunk_length, dispatch
from scorer.job.failures import clear_failures, find_failure, is_final, kept_failures, merge_key
from scorer.job.finish import merge_job
from scorer.job.parts import find_part, forget_part
from scorer.job.score import load_model, score_chunk
from scorer.models import Frames
from scorer.store import FolderStore
from tests.conftest import MakeClip, write_images
from tests.folders import FolderStores
from tests.scorer.job.scoring import Idle, plan_folder, score_all
from tests.scorer.raised import EACH, KINDS, raiser


def told(stores: FolderStores, kind: str) -> None:
    """What must be there where a job has ended by the unforeseen."""
    found = read_status("job", stores)
    assert (found.state, found.exit_code) == ("failed", InternalError.exit_code)
    assert kind in (found.error or "")
    assert len((found.error or "").splitlines()) == 1
    assert kind in stores.output.get(f"job/{REPORT}").decode()


@EACH
def test_whatever_is_raised_leaves_as_one_sentence(kind: str) -> None:
    with pytest.raises(InternalError) as caught, typed():
        raise KINDS[kind]()
    assert kind in str(caught.value)
    assert "report it" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_persons_word_and_typed_errors_pass() -> None:
    for error in (KeyboardInterrupt(), ModelError("none")):
        with pytest.raises(type(error)) as caught, typed():
            raise error
        assert caught.value is error


def test_the_sentence_says_where_and_stays_short() -> None:
    with pytest.raises(InternalError, match=r"scorer/job/dispatch\.py line \d+\)"), typed():
        chunk_length(None)  # type: ignore[arg-type]  # what nobody foresaw
    assert len(words(ValueError("x\n" * 10_000))) < 600


# The places of a merge and of a local run, each called there by name.
MERGE = (
    "scorer.job.finish.fill_gaps",
    "scorer.job.finish.merge",
    "scorer.job.merge.find_parts",
    "scorer.job.merge.most_failures",
)
RUN = (
    "scorer.engines.run.dispatch",
    "scorer.job.finish.merge",
    "scorer.job.dispatch.make_plan",
    "scorer.engines.local.find_parts",
)


@EACH
@pytest.mark.parametrize("place", MERGE)
def test_a_merge_ends(stores: FolderStores, monkeypatch: pytest.MonkeyPatch, kind: str, place: str) -> None:
    plan = plan_folder(stores, ["a.png", "b.png"])
    score_all(plan, stores)
    with monkeypatch.context() as patch:
        patch.setattr(place, raiser(kind))
        with pytest.raises(InternalError):
            merge_job(plan, stores)
    told(stores, kind)
    failure = find_failure(plan, merge_key(plan), stores)
    assert failure is not None
    assert failure.exit_code == InternalError.exit_code
    assert merge_job(plan, stores).status.state == "done"


@EACH
@pytest.mark.parametrize("place", RUN)
def test_a_local_run_ends(stores: FolderStores, monkeypatch: pytest.MonkeyPatch, kind: str, place: str) -> None:
    write_images(stores.input.root / "shots", ["a.png"])
    request = make_request({"name": "job", "input": "shots/", "model": "invert"})
    monkeypatch.setattr(place, raiser(kind))
    with pytest.raises(InternalError):
        run_job("job", request, stores, LocalEngine(stores), "cpu", lambda _: None, lambda _: None)
    told(stores, kind)


@EACH
def test_every_call_of_a_store_may_raise_anything(stores: FolderStores, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    plan = plan_folder(stores, ["a.png", "b.png"])
    score_all(plan, stores)
    for call in ("get", "list", "put"):
        with monkeypatch.context() as patch:
            patch.setattr(FolderStore, call, raiser(kind))
            with pytest.raises(InternalError):
                merge_job(plan, stores)
    assert merge_job(plan, stores).status.state == "done"


@EACH
def test_a_task_ends(stores: FolderStores, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """The step as a node calls it."""
    plan = plan_folder(stores, ["a.png", "b.png"])
    monkeypatch.setattr("scorer.cli.steps.score_chunk", raiser(kind))
    with pytest.raises(InternalError):
        steps.score("job", stores.input.url, stores.output.url, stores.work.url, stores.logs.url, "", 0)
    failure = find_failure(plan, plan.chunks[0].key, stores)
    assert failure is not None
    assert (failure.exit_code, failure.for_good) == (InternalError.exit_code, False)
    assert kind in failure.message


@pytest.mark.parametrize("call", ["get", "list", "put", "fetch", "writing", "delete"])
def test_every_call_of_a_tasks_store_may_raise_anything(
    stores: FolderStores, make_clip: MakeClip, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    clip = make_clip(frames=4, size="32x32").replace(stores.input.root / "film.mp4")
    plan = dispatch("job", make_request({"name": "job", "input": clip.name, "model": "invert", "batch_size": 2}), stores, "cpu")
    model = load_model(plan, stores)

    def task() -> None:
        with kept_failures(plan, plan.chunks[0].key, stores):
            score_chunk(plan, plan.chunks[0], stores, model)
            clear_failures(plan, stores)  # for a mark that can't be deleted a task doesn't fail

    for kind in KINDS:
        with monkeypatch.context() as patch:
            patch.setattr(FolderStore, call, raiser(kind))
            with pytest.raises(InternalError):
                task()
        forget_part(plan, plan.chunks[0], stores)
    task()
    assert find_part(plan, plan.chunks[0], stores) is not None


@EACH
@pytest.mark.parametrize("step", ["prepare", "release", "dispatch"])
def test_the_other_steps_end(
    stores: FolderStores, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: str, step: str
) -> None:
    plan_folder(stores, ["a.png"])
    places = {"prepare": "read_plan", "release": "read_plan", "dispatch": "make_plan"}
    (stores.input.root / "a.json").write_text('{"name": "job", "input": "shots/", "model": "invert"}')
    monkeypatch.setattr(f"scorer.cli.steps.{places[step]}", raiser(kind))
    options = [f"--{name}={getattr(stores, name.split('-')[0]).url}" for name in ("input-url", "output", "work", "logs")]
    monkeypatch.setattr(sys, "argv", ["scorer", step, "a.json", *options])
    with pytest.raises(SystemExit) as ended:
        main.main()
    said = capsys.readouterr().err
    # A preparation ends well whatever goes wrong: else Azure Batch gives the node no tasks.
    expected = {0} if step == "prepare" else {InternalError.exit_code, 0 if kind == "SystemExit" else InternalError.exit_code}
    assert (ended.value.code or 0) in expected
    assert "Traceback" not in said


def test_tries_that_are_used_up_are_final(stores: FolderStores, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_folder(stores, ["a.png"])
    score_all(plan, stores)
    monkeypatch.setenv("SCORER_TRIES", "3")
    monkeypatch.setattr("scorer.job.finish.merge", raiser("ValueError"))
    states = []
    for _ in range(3):
        with pytest.raises(InternalError):
            merge_job(plan, stores)
        states.append(read_status("job", stores).state)
    assert states == ["merging", "merging", "failed"]


class FineError(ScorerError):
    """Somebody else's kind, whose end would be none."""

    exit_code = 0


class HugeError(ScorerError):
    exit_code = 999


class SilentError(ScorerError):
    def __str__(self) -> str:
        raise ValueError("silent")


@pytest.mark.parametrize("raised", [FineError("x"), HugeError("x"), SilentError("x"), KeyboardInterrupt("x")])
def test_a_task_of_an_engine_has_an_end_that_can_be_written_down(
    stores: FolderStores, monkeypatch: pytest.MonkeyPatch, raised: BaseException
) -> None:
    """Nobody presses Ctrl-C where an engine starts tasks: it is a model's."""

    class Model(Idle):
        def score(self, frames: Frames) -> Frames:
            del frames
            raise raised

    plan = plan_folder(stores, ["a.png"])
    monkeypatch.setenv("SCORER_TRIES", "3")
    monkeypatch.setattr("scorer.cli.steps.load_model", lambda *_: Model())
    with pytest.raises(InternalError):
        steps.score("job", stores.input.url, stores.output.url, stores.work.url, stores.logs.url, "", 0)
    failure = find_failure(plan, plan.chunks[0].key, stores)
    assert failure is not None
    assert failure.exit_code == InternalError.exit_code
    assert type(raised).__name__ in failure.message


def test_a_status_that_is_full_leaves_room_for_the_stages_to_come(stores: FolderStores) -> None:
    plan = plan_folder(stores, ["a.png"])
    score_all(plan, stores)
    stages = dict.fromkeys(("a" * length for length in range(1, 21)), 1.0)
    planted = Status(job="job", state="scoring", started=1e9, updated=1e11, frames=1, stage_seconds=stages)
    stores.output.put("job/status.json", planted.model_dump_json().encode())
    assert merge_job(plan, stores).status.state == "done"
    assert set(read_status("job", stores).stage_seconds) == {"score", "merge"}


def test_garbage_among_the_records_is_counted(stores: FolderStores) -> None:
    plan = plan_folder(stores, ["a.png", "b.png"])
    score_all(plan, stores)
    log = stores.logs.root / "job/000000.jsonl"
    garbage = [
        b"\x00\xff garbage", b"[1]", b"null", b"[" * 100_000, b'{"kind":"frame","frame":1e400}', b'{"kind":"frame","frame":-1}',
        b'{"kind":"frame","frame":99999999}', b'{"kind":"frame","frame":1,"model_ms":NaN}',
        b'{"kind":"task","chunk":0,"frames":1,"started":1e300,"seconds":1,"worker":"w","runtime":"r","batch_size":1}',
    ]  # fmt: skip
    log.write_bytes(log.read_bytes() + b"\n".join(garbage) + b"\n")
    assert merge_job(plan, stores).status.state == "done"
    assert read_status("job", stores).note is None
    assert f"{len(garbage)} lines among the records that are none" in stores.output.get(f"job/{REPORT}").decode()
    assert sum(isinstance(line, BadLine) for line in from_lines(log.read_bytes())) == len(garbage) - 1


def test_all_that_is_known_is_shown_to_whoever_asks() -> None:
    code = (
        "import sys; sys.argv[1:] = ['models']; from scorer import models; from scorer.cli import main; "
        "models.names = lambda: 1 / 0; main.main()"
    )
    for debug in ("", "1"):
        variables = {**os.environ, "SCORER_DEBUG": debug}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=variables)
        assert done.returncode == InternalError.exit_code
        assert ("Traceback" in done.stderr) == bool(debug)
        assert "error: Nobody foresaw this error (ZeroDivisionError: division by zero" in done.stderr


def test_final_is_what_nobody_tries_again(stores: FolderStores, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_folder(stores, ["a.png"])
    error = InternalError("odd")
    monkeypatch.delenv("SCORER_TRIES", raising=False)
    assert is_final(plan, "key", error, stores)
    monkeypatch.setenv("SCORER_TRIES", "2")
    for final in (False, True):
        with pytest.raises(InternalError), kept_failures(plan, "key", stores):
            raise error
        assert is_final(plan, "key", error, stores) == final
