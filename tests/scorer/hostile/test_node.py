"""A node that is no longer ours rewrites what is kept of its job: readers end in a sentence, and touch nothing else."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from scorer.cli import jobs, steps
from scorer.client.client import Standing
from scorer.client.describe import describe
from scorer.documents.deployment import read_deployment
from scorer.documents.plan import read_plan
from scorer.documents.request import parse_request
from scorer.documents.status import Status, StatusWriter, read_status
from scorer.errors import ChangedError, DocumentError, MissingError, ScorerError
from scorer.job.dispatch import dispatch
from scorer.job.finish import close_job, merge_job
from scorer.job.score import score_chunk
from scorer.models import Frames
from scorer.submitter.pending import mark_handled
from scorer.submitter.rejection import Rejection
from tests.conftest import MakeClip, write_images
from tests.folders import FolderStores
from tests.scorer.documents.test_deployment import DOCUMENT
from tests.scorer.hostile.scene import OTHERS, PATH, WORDS, Scene
from tests.scorer.test_text import is_plain

VALUES: list[Any] = [None, -1, 2**70, float("nan"), WORDS, "../../home/.bashrc", ["x" * 5000]]
"""What a field may become."""
GARBAGE = [b"", b"null", b"[]", b"{}", b"\xff\xfe", b"[" * 100_000, b"{" + b" " * 2**21 + b"}", b'{"job": "a", "job": "b"}']
"""What a document may become."""


def variants(document: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    """The document with one field changed, for each field and each value; and what is no document."""
    for place in _places(document):
        for value in VALUES:
            yield f"{'.'.join(map(str, place))}={value!r}"[:200], json.dumps(_changed(document, place, value)).encode()
    for data in GARBAGE:
        yield repr(data[:40]), data


def _places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where a document has values: of a list's, the first."""
    if place:
        yield place
    for key, each in value.items() if isinstance(value, dict) else list(enumerate(value))[:1] if isinstance(value, list) else ():
        yield from _places(each, (*place, key))


def _changed(value: Any, place: tuple[Any, ...], new: Any) -> Any:
    if not place:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[place[0]] = _changed(value[place[0]], place[1:], new)
    return copy


def _urls(scene: Scene) -> tuple[str, str, str, str]:
    stores = scene.stores
    return stores.input.url, stores.output.url, stores.work.url, stores.logs.url


def _look_once(scene: Scene) -> None:
    class SeenError(Exception):
        pass

    def seen(standing: Standing) -> None:
        describe(standing, 1.0)
        raise SeenError

    with pytest.raises(SeenError):
        scene.client.follow(scene.job, 0.01, seen)


PEOPLE: list[Callable[[Scene], object]] = [
    lambda scene: jobs.status(scene.job),
    lambda _: jobs.status(),
    Scene.fetch,
    lambda scene: jobs.cancel(scene.job),
    lambda scene: jobs.restart(scene.job, out=scene.out),
    _look_once,
]
"""A person's commands."""


def _finish(scene: Scene) -> None:
    scene.harness.cluster.senders[scene.job] = "acme"
    scene.harness.cluster.begun[:] = [scene.job]
    try:
        for error in scene.harness.intake._finish():
            raise error
    finally:
        scene.harness.cluster.senders.clear()
        scene.harness.cluster.begun.clear()


MACHINES: list[Callable[[Scene], object]] = [
    lambda scene: scene.harness.intake.take(PATH),
    _finish,
    lambda scene: steps.prepare(scene.job, *_urls(scene)),
    lambda scene: steps.score(scene.job, *_urls(scene)),
    lambda scene: steps.merge(scene.job, *_urls(scene)),
    lambda scene: steps.release(scene.job, *_urls(scene)),
]
"""What runs in Azure."""


def _try_all(scene: Scene, path: Path, variants: Iterator[tuple[str, bytes]], readers: list[Callable[[Scene], object]]) -> None:
    for name, data in variants:
        for reader in readers:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            scene.planted = (data,)
            try:
                scene.reads(reader)
            except Exception as error:
                raise AssertionError(f"{path.name} with {name}: {type(error).__name__} {error}") from error
            scene.restore()


@pytest.mark.parametrize("reader", PEOPLE, ids=["status", "list", "fetch", "cancel", "restart", "follow"])
def test_a_status_that_a_node_wrote(scene: Scene, reader: Callable[[Scene], object]) -> None:
    path = scene.stores.output.root / scene.job / "status.json"
    document = {**json.loads(path.read_bytes()), "error": "x", "exit_code": 3, "stage_seconds": {"merge": 1.0}}
    _try_all(scene, path, variants(document), [reader])


@pytest.mark.parametrize("reader", PEOPLE, ids=["status", "list", "fetch", "cancel", "restart", "follow"])
def test_a_rejection_that_a_node_wrote(scene: Scene, reader: Callable[[Scene], object]) -> None:
    path = scene.stores.output.root / scene.job / "rejected.json"
    told = Rejection(job=scene.job, request=PATH, etag="1", error="no", exit_code=3, time=2e9)
    (scene.stores.output.root / scene.job / "status.json").unlink()
    shutil.rmtree(scene.folder / "pristine")
    scene.save()
    _try_all(scene, path, variants(told.model_dump()), [reader])


@pytest.mark.parametrize("name", ["status.json", "rejected.json"])
def test_what_doesnt_hold_is_told_of_that_job_alone(scene: Scene, name: str) -> None:
    path = scene.stores.output.root / scene.job / name
    if name == "rejected.json":
        (path.parent / "status.json").unlink()
        (scene.folder / "pristine/output" / scene.job / "status.json").unlink()
    for data in GARBAGE:
        path.write_bytes(data)
        scene.planted = (data,)
        assert isinstance(scene.reads(lambda scene: jobs.status(scene.job)), DocumentError)
        assert scene.reads(lambda _: jobs.status()) is None
        assert isinstance(scene.reads(lambda scene: scene.client.restart(scene.job)), DocumentError)
        scene.client.restart(scene.job, PATH)  # whoever knows the request, as 'scorer submit' does, begins it anew
        assert not path.exists() if name == "rejected.json" else json.loads(path.read_bytes())["state"] == "planned"
        scene.restore()
        mark_handled(scene.stores.input.head(PATH), scene.stores)


@pytest.mark.parametrize(
    "request_path", [OTHERS, "secret/a.png", "requests/../secret/a.png", "requests/acme", "requests/none.json"]
)
def test_a_restart_takes_the_jobs_own_request_and_no_other(scene: Scene, request_path: str) -> None:
    StatusWriter(scene.job, scene.stores).state("failed", error="x", exit_code=3, request=request_path)
    scene.planted = ((scene.stores.output.root / scene.job / "status.json").read_bytes(),)
    error = scene.reads(lambda scene: scene.client.restart(scene.job))
    assert isinstance(error, DocumentError | MissingError)


@pytest.mark.parametrize("reader", MACHINES, ids=["take", "finish", "prepare", "score", "merge", "release"])
def test_a_plan_that_a_node_wrote(scene: Scene, reader: Callable[[Scene], object]) -> None:
    """Each variant is refused, or agrees with itself and leads nowhere else."""
    path = scene.stores.work.root / scene.job / "plan.json"
    document = json.loads(path.read_bytes())
    _try_all(scene, path, variants(document), [reader])


def test_a_plan_of_a_video_that_a_node_wrote(stores: FolderStores, make_clip: MakeClip) -> None:
    clip = make_clip(frames=30)
    request = {"name": "film", "input": clip.name, "model": "invert", "chunk_frames": 12}
    plan = dispatch("film", parse_request(json.dumps(request).encode(), _limits()), stores)
    path = stores.work.root / "film/plan.json"
    document = json.loads(path.read_bytes())
    for name, data in variants(document):
        path.write_bytes(data)
        try:
            found = read_plan("film", stores)
        except ScorerError:
            continue
        assert (found.job, found.frames, found.result) == ("film", 30, "result.mp4"), name
        assert all(chunk.range and chunk.range.frames == chunk.frames for chunk in found.chunks), name
        if found != plan:
            with pytest.raises(ChangedError):
                read_plan("film", stores, plan.digest)


def _limits() -> Any:
    return read_deployment(json.dumps(DOCUMENT)).limits


@pytest.mark.parametrize(
    "change",
    [
        {"job": "theirs-0123456789ab"},
        {"request": {"name": "nightly", "input": "secret/", "model": "invert"}},
        {"request": {"name": "nightly", "input": "../output/theirs-0123456789ab/", "model": "invert"}},
        {"frames": 3},
        {"chunks": []},
        {"max_pixels": 10**12},
        {"style_etags": ["x"]},
        {"mask_etag": "x"},
    ],
)
def test_a_plan_of_another_job_or_request_is_refused(scene: Scene, change: dict[str, Any]) -> None:
    path = scene.stores.work.root / scene.job / "plan.json"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), **change}))
    with pytest.raises(DocumentError, match=r"plan\.json"):
        read_plan(scene.job, scene.stores)


def test_tasks_go_by_the_plan_that_they_were_made_for(scene: Scene) -> None:
    plan = read_plan(scene.job, scene.stores)
    assert read_plan(scene.job, scene.stores, plan.digest) == plan
    path = scene.stores.work.root / scene.job / "plan.json"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), "max_pixels": 999}))
    steps.prepare(scene.job, *_urls(scene))  # what earlier versions began goes on without a digest
    scene.said.readouterr()
    steps.prepare(scene.job, *_urls(scene), digest=plan.digest)  # ends well, or its node would get no tasks
    assert "isn't the plan that this job was begun with" in " ".join(scene.said.readouterr().err.split())
    for step in (steps.score, steps.merge, steps.release):
        with pytest.raises(ChangedError, match="isn't the plan that this job was begun with"):
            step(scene.job, *_urls(scene), digest=plan.digest)


@pytest.mark.parametrize("document", ["part", "result", "failure", "records"])
def test_what_tasks_leave_is_looked_at(scene: Scene, document: str) -> None:
    plan = read_plan(scene.job, scene.stores)
    work, job = scene.stores.work.root, scene.job
    path = {
        "part": work / job / f"parts/{plan.chunks[0].key}.json",
        "result": work / job / "result.json",
        "failure": work / job / f"failed/{plan.chunks[0].key}.json",
        "records": scene.stores.logs.root / job / "000000.jsonl",
    }[document]
    if document == "failure":
        content = {"exit_code": 3, "message": "no", "for_good": True}
    else:
        content = json.loads(path.read_bytes().splitlines()[0])
    (scene.stores.output.root / job / "status.json").unlink()  # so that there is something to merge
    (work / job / f"parts/{plan.chunks[0].key}.json").unlink()
    shutil.rmtree(scene.folder / "pristine")
    scene.save()
    _try_all(scene, path, variants(content), MACHINES[3:5])


class Rude:
    """A model whose errors are strangers' words."""

    runtime, device = WORDS, "cpu"

    def score(self, frames: Frames) -> Frames:
        del frames
        raise ValueError(WORDS)

    def reset(self) -> None:
        pass


def test_what_a_model_says_goes_out_clean(scene: Scene) -> None:
    data = json.dumps({"name": "rude", "input": "shots/", "model": "invert", "failure_threshold": 1}).encode()
    plan = dispatch("rude", parse_request(data, scene.harness.intake.target.limits), scene.stores)
    StatusWriter("rude", scene.stores).state("scoring", frames=plan.frames, request=PATH)
    part, _ = score_chunk(plan, plan.chunks[0], scene.stores, Rude())
    assert part.failed == 4
    merge_job(plan, scene.stores)
    written = [path for store in (scene.stores.output, scene.stores.logs) for path in (store.root / "rude").rglob("*")]
    texts = [path.read_text() for path in written if path.suffix in (".json", ".jsonl", ".html")]
    assert len(texts) == 4  # records, report, status, and what a page of many jobs takes
    for text in texts:
        assert all(map(is_plain, text.split("\n")))
    assert "gpj." in "".join(texts)


@pytest.mark.parametrize("name", ["a\u202egnp.png", "a\x1b[2J.png", "a\\b.png"])
def test_images_whose_names_lead_astray_are_refused(scene: Scene, name: str) -> None:
    write_images(scene.stores.input.root / "shots", ["e.png"])
    (scene.stores.input.root / "shots/e.png").rename(scene.stores.input.root / "shots" / name)
    StatusWriter(scene.job, scene.stores).state("planned")
    error = scene.reads(lambda scene: scene.harness.intake.take(PATH))
    assert error is not None
    assert error.exit_code in (2, 3, 12)


def test_a_status_of_tomorrow_is_closed_as_well(scene: Scene) -> None:
    now = time.time()
    for updated, closed in ((now - 60, True), (now + 60, False), (now + 86_400, True), (1e11, True)):
        status = Status(job=scene.job, state="merging", started=now, updated=updated)
        scene.stores.output.put(f"{scene.job}/status.json", status.model_dump_json().encode())
        assert close_job(scene.job, now, "AllTasksComplete", scene.stores) == closed
        assert read_status(scene.job, scene.stores).state == ("failed" if closed else "merging")
