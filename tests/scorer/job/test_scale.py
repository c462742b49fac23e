"""Long jobs: calls, bytes and memory grow as frames do, or not at all."""

from __future__ import annotations

import gc
import io
import json
import threading
import tracemalloc
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from azure.batch import BatchClient
from azure.core.credentials import AccessToken
from azure.core.pipeline.transport import RequestsTransport
from requests import PreparedRequest, Response, Session
from requests.adapters import BaseAdapter

from scorer.documents.deployment import Deployment
from scorer.documents.paths import claim, failure
from scorer.documents.plan import Chunk, Plan
from scorer.documents.records import FrameRecord, TaskRecord, to_lines
from scorer.documents.request import make_request
from scorer.engines.azure_batch.engine import COLLECTION, AzureBatchEngine
from scorer.engines.task_count import count_tasks
from scorer.job.claims import Claims
from scorer.job.dispatch import cluster_chunk_length, dispatch, make_plan
from scorer.job.finish import merge_job
from scorer.job.media import Written
from scorer.job.merge import clear_parts, records
from scorer.job.parts import Part, keep_part
from scorer.job.remaining import Remaining
from scorer.media.limits import Limits
from scorer.media.video import PartWriter, VideoIndex, join, probe
from scorer.store import Entry, FolderStore, Stores
from tests.conftest import MakeClip, ffmpeg
from tests.folders import FolderStores
from tests.scorer.documents.test_deployment import DOCUMENT

Film = Callable[..., Plan]
"""Of so many frames, in chunks of so many, for a model."""

SLOTS = 20
REQUEST = {"name": "film", "input": "frames/", "model": "painted", "styles": [{"source": 7}]}


class Listed(FolderStore):
    """A folder of so many images, none of which is there."""

    def __init__(self, root: Path, images: int) -> None:
        super().__init__(root)
        self.images, self.lists = images, 0

    def list(self, folder: str) -> Iterator[Entry]:
        self.lists += 1
        return (Entry(f"{folder}frame-{number:07d}.png", 100, f'"0x8DC{number:012X}"') for number in range(self.images))


def planned(root: Path, images: int) -> tuple[int, int, int, Plan]:
    """Lists, bytes of memory and bytes of the plan of a folder."""
    store = Listed(root, images)
    gc.collect()
    tracemalloc.start()
    plan = make_plan(
        "film", make_request(REQUEST), Stores(store, store, store, store), "cpu", Limits(),
        lambda frames: cluster_chunk_length(frames, SLOTS),
    )  # fmt: skip
    size = len(plan.to_json())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return store.lists, peak, size, plan


def test_a_folder_is_planned_in_memory_that_grows_as_it_does(tmp_path: Path) -> None:
    planned(tmp_path, 100)  # what is made once, by whichever test comes first
    small, large = planned(tmp_path, 1_000), planned(tmp_path, 6_000)
    assert small[0] == large[0] == 1
    # Garbage that is not collected yet counts as well, the more of it the more a process has: six times, and 36 for a square.
    assert large[1] < 18 * small[1]
    assert large[2] < 6.5 * small[2]
    assert large[2] / 6_000 < 100, "bytes of an image"


@pytest.fixture
def film(make_clip: MakeClip, stores: FolderStores, monkeypatch: pytest.MonkeyPatch) -> Film:
    """Plans of videos of any length: what the probe would find stands in for them."""
    clip = make_clip(frames=10)
    info = probe(clip, Limits()).info

    def plan(frames: int, length: int | None = None, model: str = "painted") -> Plan:
        own = info.model_copy(update={"frames": frames, "end_pts": info.start_pts + frames})
        index = VideoIndex(own, array("q", range(frames)), array("q", range(0, frames, 250)))
        monkeypatch.setattr("scorer.job.dispatch.probe_video", lambda *_: index)
        styles = [{"source": 7}] if model == "painted" else []
        request = make_request({**REQUEST, "input": clip.name, "model": model, "styles": styles, "chunk_frames": length})
        return make_plan(
            "film", request, stores, "cpu", Limits(), lambda count: cluster_chunk_length(count, SLOTS)
        )  # fmt: skip

    return plan


def test_a_million_frames_of_a_video_are_a_short_plan(film: Film) -> None:
    sizes = {frames: len(film(frames).to_json()) for frames in (10_000, 100_000, 1_000_000)}
    assert sizes[1_000_000] < 11 * sizes[100_000]
    assert sizes[1_000_000] / 1_000_000 < 1, "bytes of a frame"
    assert len(film(1_000_000, 100).chunks) == Limits().max_chunks


class Transport(BaseAdapter):
    """Azure Batch as it answers a submitter whose job isn't there yet; every call is counted."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = Counter[str]()
        self.largest = 0
        self.made: dict[str, Any] | None = None

    def close(self) -> None: ...

    def send(self, request: PreparedRequest, *_: Any, **__: Any) -> Response:
        body = request.body if isinstance(request.body, bytes | str) else b""
        self.largest = max(self.largest, len(body))
        path = str(request.url).partition("?")[0].partition("/jobs")[2]
        self.calls[f"{request.method} {path}"] += 1
        status, content = self._answer(str(request.method), path, body)
        answer = Response()
        answer.status_code, answer.request, answer.url = status, request, str(request.url)
        answer.headers["Content-Type"] = "application/json"
        answer.raw = io.BytesIO(json.dumps(content).encode() if content is not None else b"")
        return answer

    def _answer(self, method: str, path: str, body: bytes | str) -> tuple[int, object]:
        if path.endswith("addtaskcollection"):
            return 200, {"value": [{"taskId": task["id"], "status": "success"} for task in json.loads(body)["value"]]}
        if method == "POST" and not path:
            self.made = {**json.loads(body), "state": "active"}
            return 201, None
        if method == "GET" and not path:
            return 200, {"value": [self.made] if self.made else []}
        if method == "GET":
            return (200, self.made) if self.made else (404, {"code": "JobNotFound"})
        return 200, None


class _Token:
    def get_token(self, *_: str, **__: Any) -> AccessToken:
        return AccessToken("token", 2**40)


def test_batch_is_called_once_for_a_hundred_tasks(film: Film) -> None:
    found = {}
    # A model whose speed nobody knows: each quarter of an hour of a slot is a task.
    for frames in (10_000, 100_000):
        plan, deployment = film(frames), Deployment.model_validate({**DOCUMENT, "pixelsPerSecond": {"painted": 1000}})
        transport, session = Transport(), Session()
        session.mount("https://", transport)
        client = BatchClient("https://films.example.net", _Token(), transport=RequestsTransport(session=session))
        AzureBatchEngine(client, deployment).submit(plan, "", 0)
        tasks = count_tasks(plan, deployment).all
        assert tasks == len(plan.chunks), "as many as there can be"
        adds = transport.calls.pop("POST /film/addtaskcollection")
        assert adds == -(-tasks // COLLECTION) + 1, "the merge comes last"
        assert transport.largest < 2**20, "bytes that Azure Batch takes in a call"
        found[frames] = sum(transport.calls.values())
    assert len(set(found.values())) == 1, "all others are as many whatever a job has"


class Counting(FolderStore):
    """Counts what it is asked."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.calls = Counter[str]()

    def __getattribute__(self, name: str) -> Any:
        found = object.__getattribute__(self, name)
        if name not in ("list", "get", "put", "head", "delete", "create", "replace", "fetch"):
            return found
        calls: Counter[str] = object.__getattribute__(self, "calls")

        def counted(*arguments: Any) -> Any:
            calls[name] += 1
            return found(*arguments)

        return counted


def test_a_worker_polls_by_lists_alone(film: Film, tmp_path: Path) -> None:
    store = Counting(tmp_path / "work")
    stores = Stores(store, store, store, store)
    counts = []
    for frames in (1_000, 8_000):
        plan = film(frames, 10)
        left, claims = Remaining(plan, stores, 3), Claims(plan.job, store)
        for chunk in plan.chunks[::2]:
            keep_part(plan, chunk, stores, _part(chunk))
        for chunk in plan.chunks[1::50]:
            store.put(claim(plan.job, chunk.key), b"{}")
            store.put(failure(plan.job, chunk.key), b"{}")
        left.poll()
        store.calls.clear()
        left.poll()
        claims.poll()
        counts.append(dict(store.calls))
        assert len(left.open) == len(plan.chunks) // 2
    assert counts[0]["list"] == counts[1]["list"] == 3
    assert counts[1].get("get", 0) <= counts[1].get("put", 0) + 20, "what failed is read again only where it may have changed"


def _part(chunk: Chunk, file: str = "") -> Part:
    written = Written(file=file or f"{chunk.key}-{0:016x}.nut", size=0)
    return Part(chunk=chunk.index, frames=chunk.frames, failed=0, width=16, height=16, written=written, runtime="none")


def tiny(root: Path, chunks: int) -> tuple[Plan, Stores, Counting]:
    """A job whose parts are there: two frames of 16x16 each."""
    store = Counting(root / "work")
    stores = Stores(FolderStore(root / "input"), FolderStore(root / "output"), store, FolderStore(root / "logs"))
    (root / "input").mkdir(parents=True)
    source = root / "input/film.mp4"
    ffmpeg("-f", "lavfi", "-i", f"color=s=16x16:r=25:d={chunks * 2 / 25}", "-c:v", "libx264", "-preset", "ultrafast", source)
    plan = dispatch("film", make_request({"name": "film", "input": "film.mp4", "model": "invert", "chunk_frames": 2}), stores)
    assert plan.video is not None
    pts = probe(source, Limits()).pts
    for chunk in plan.chunks:
        part = _part(chunk, f"{chunk.key}-{0:016x}.{plan.request.coding.part_container}")
        with store.writing(part.written.path(plan)) as path, PartWriter(path, plan.video, 16, 16, plan.request.coding) as writer:
            for number in range(chunk.first, chunk.first + chunk.frames):
                writer.write(np.full((16, 16, 3), number % 256, np.uint8), pts[number])
        written = part.written.model_copy(update={"size": store.head(part.written.path(plan)).size})
        keep_part(plan, chunk, stores, part.model_copy(update={"written": written}))
        frames = [FrameRecord(frame=number) for number in range(chunk.first, chunk.first + chunk.frames)]
        task = TaskRecord(chunk=chunk.index, frames=2, started=1, seconds=1, worker="one", runtime="none", batch_size=1)
        stores.logs.put(f"film/{chunk.index:06d}.jsonl", to_lines([*frames, task]))
    return plan, stores, store


def test_a_merge_asks_for_each_part_a_few_times_and_opens_one_after_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, most = [0], [0]
    real = join.__globals__["_open_part"]

    class Watched:
        def __init__(self, part: Path) -> None:
            self.inner = real(part)

        def __enter__(self) -> Any:
            opened[0] += 1
            most[0] = max(most[0], opened[0])
            return self.inner.__enter__()

        def __exit__(self, *ended: Any) -> Any:
            opened[0] -= 1
            return self.inner.__exit__(*ended)

    monkeypatch.setitem(join.__globals__, "_open_part", Watched)
    calls = []
    for chunks in (20, 80):
        plan, stores, store = tiny(tmp_path / str(chunks), chunks)
        store.calls.clear()
        merge_job(plan, stores)
        calls.append(Counter(store.calls))
        assert probe(tmp_path / f"{chunks}/output/film/result.mp4", Limits()).info.frames == chunks * 2
        assert not list(store.list("film/parts"))
    assert most[0] <= 3, "of a part, however many there are"
    more = {name: (calls[1][name] - calls[0][name]) / 60 for name in calls[1]}
    assert more["get"] <= 3
    assert more["fetch"] == 1
    assert more["list"] == 0
    assert sum(more.values()) < 8


def test_parts_are_deleted_and_records_read_several_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call to Azure takes some hundredths of a second: one after another, 10,000 take minutes."""
    plan, stores, store = tiny(tmp_path, 8)
    together = threading.Barrier(4, timeout=30)
    real_delete, real_get = FolderStore.delete, FolderStore.get

    def delete(self: FolderStore, path: str) -> None:
        together.wait()
        real_delete(self, path)

    def get(self: FolderStore, path: str, etag: str | None = None, most: int | None = None) -> bytes:
        if path.endswith(".jsonl"):
            together.wait()
        return real_get(self, path, etag, most)

    monkeypatch.setattr(FolderStore, "get", get)
    found = [line.frame for line in records(plan, stores) if isinstance(line, FrameRecord)]
    assert found == list(range(16)), "in order all the same"
    monkeypatch.setattr(FolderStore, "delete", delete)
    assert len(list(store.list("film/parts"))) == 16
    clear_parts(plan, replace(stores))
    assert not list(store.list("film/parts"))
