"""What tasks leave: whole or not there, found on every machine, made once."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from scorer.documents.plan import Plan
from scorer.documents.request import make_request
from scorer.errors import ChangedError
from scorer.job.dispatch import dispatch
from scorer.job.merge import clear_parts, merge
from scorer.job.parts import find_part, find_parts
from scorer.job.score import load_model, score_chunk
from scorer.store import Entry, FolderStore
from tests.conftest import MakeClip, frame_hashes, write_images
from tests.folders import FolderStores
from tests.scorer.job.scoring import NAMES, Idle, plan_folder, score_all


@pytest.fixture
def video(stores: FolderStores, make_clip: MakeClip) -> Plan:
    clip = make_clip(frames=30)
    return dispatch("job", make_request({"name": "job", "input": clip.name, "model": "invert", "chunk_frames": 12}), stores)


def parts_of(stores: FolderStores, ending: str = "nut") -> set[str]:
    return {path.name for path in (stores.work.root / "job/parts").glob(f"*.{ending}")}


def test_a_part_counts_on_every_machine(video: Plan, stores: FolderStores) -> None:
    """A mounted folder has other inodes and times on each machine."""
    score_all(video, stores)
    found = find_parts(video, stores)
    assert all(found)
    elsewhere = replace(stores, work=FolderStore(stores.work.root.with_name("elsewhere")))
    shutil.copytree(stores.work.root, elsewhere.work.root, copy_function=shutil.copyfile)
    assert find_parts(video, elsewhere) == found
    assert [find_part(video, chunk, elsewhere) for chunk in video.chunks] == found
    assert all(score_chunk(video, chunk, elsewhere, Idle())[1] is False for chunk in video.chunks)
    merge(video, elsewhere)
    assert len(frame_hashes(stores.output.root / "job/result.mp4")) == 30


def test_a_part_that_lacks_bytes_is_made_again(video: Plan, stores: FolderStores) -> None:
    score_all(video, stores)
    part = find_part(video, video.chunks[1], stores)
    assert part is not None
    path = stores.work.root / part.written.path(video)
    path.write_bytes(path.read_bytes()[:-1])
    for _ in ("short", "gone"):
        assert [each is None for each in find_parts(video, stores)] == [False, True, False]
        assert find_part(video, video.chunks[1], stores) is None
        path.unlink(missing_ok=True)
    score_all(video, stores)
    assert all(find_parts(video, stores))
    assert not path.exists()  # no name is written twice


def test_two_tries_at_once_take_nothing_from_one_another(video: Plan, stores: FolderStores) -> None:
    """Either may come to its end first: whoever looks in between finds a whole part, and so does whoever looks afterwards."""
    chunk = video.chunks[0]
    both = threading.Barrier(2)
    with ThreadPoolExecutor(2) as pool:
        idle = [Idle(lambda: both.wait(30)) for _ in range(2)]
        tries = [pool.submit(score_chunk, video, chunk, stores, model) for model in idle]
    parts = [each.result()[0] for each in tries]
    assert all(each.result()[1] for each in tries)
    assert parts_of(stores) == {part.written.file for part in parts}
    assert len(parts_of(stores)) == 2
    found = find_part(video, chunk, stores)
    assert found in parts
    for part in parts:  # whichever JSON is the last one
        stores.work.put(f"job/parts/{chunk.key}.json", part.model_dump_json().encode())
        assert find_part(video, chunk, stores) == find_parts(video, stores)[0] == part


def test_all_parts_are_found_by_one_list(video: Plan, stores: FolderStores, monkeypatch: pytest.MonkeyPatch) -> None:
    score_all(video, stores)
    calls: list[str] = []
    for name in ("list", "head", "get"):
        call = getattr(FolderStore, name)
        monkeypatch.setattr(FolderStore, name, _told(calls, name, call))
    assert all(find_parts(video, stores))
    assert sorted(calls) == ["get", "get", "get", "list"]


def _told(calls: list[str], name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    def told(*arguments: Any) -> Any:
        calls.append(name)
        return call(*arguments)

    return told


def test_a_try_that_ends_behind_the_list_is_found(video: Plan, stores: FolderStores) -> None:
    model = load_model(video, stores)
    score_chunk(video, video.chunks[0], stores, model)

    class Late(FolderStore):
        def list(self, folder: str) -> Iterator[Entry]:
            yield from list(super().list(folder))
            path = stores.work.root / f"job/parts/{video.chunks[0].key}.json"
            path.unlink(missing_ok=True)
            score_chunk(video, video.chunks[0], stores, model)

    found = find_parts(video, replace(stores, work=Late(stores.work.root)))
    assert found[0] is not None
    assert len(parts_of(stores)) == 2
    assert found == find_parts(video, stores)


def test_what_tries_left_goes_with_the_parts(video: Plan, stores: FolderStores) -> None:
    score_all(video, stores)
    folder = stores.work.root / "job/parts"
    name = video.chunks[0].key
    for left in (f"{name}-0123456789abcdef.nut", f".{name}-0123456789abcdef.nut.1.tmp", "000009-ofanotherplan.json"):
        (folder / left).write_bytes(b"half")
    merge(video, stores)
    clear_parts(video, stores)
    assert list(folder.iterdir()) == []
    assert len(frame_hashes(stores.output.root / "job/result.mp4")) == 30


def test_a_part_that_is_there_is_not_made_again(stores: FolderStores) -> None:
    plan = plan_folder(stores, chunk_frames=5)
    model = load_model(plan, stores)
    assert [score_chunk(plan, chunk, stores, model)[1] for chunk in plan.chunks] == [True, True]
    before = {path: path.stat().st_mtime_ns for path in (stores.output.root / "job/result").iterdir()}
    assert [score_chunk(plan, chunk, stores, model)[1] for chunk in plan.chunks] == [False, False]
    assert before == {path: path.stat().st_mtime_ns for path in (stores.output.root / "job/result").iterdir()}


def test_a_part_is_made_again_when_its_bytes_or_its_plan_changed(stores: FolderStores) -> None:
    plan = plan_folder(stores, chunk_frames=5)
    score_all(plan, stores)
    (stores.output.root / "job/result/frame0.png").write_bytes(b"damaged")
    assert [find_part(plan, chunk, stores) is None for chunk in plan.chunks] == [True, False]
    assert [part is None for part in find_parts(plan, stores)] == [True, False]
    write_images(stores.input.root / "shots", [*NAMES[:7], "frame99.png"])
    changed = dispatch("job", plan.request, stores)
    assert all(find_part(changed, chunk, stores) is None for chunk in changed.chunks)
    with pytest.raises(ChangedError, match=r"frame0\.png' has changed"):
        score_all(plan, stores)


def test_changed_settings_reuse_nothing(stores: FolderStores) -> None:
    first = plan_folder(stores)
    changes: list[dict[str, Any]] = [
        {"strength": 0.5}, {"keep_colors": 0.5}, {"stroke_size": 2}, {"size": 32}, {"options": {"scale": 2}}, {"batch_size": 2},
        {"model": "painted", "styles": [{"source": 3}]},
    ]  # fmt: skip
    for change in changes:
        other = plan_folder(stores, **change)
        assert not {chunk.fingerprint for chunk in first.chunks} & {chunk.fingerprint for chunk in other.chunks}, change
    assert plan_folder(stores).chunks == dispatch("job", first.request, stores).chunks
