"""What tests of tasks and their parts share: a folder to score, and a model that only waits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from scorer.documents.plan import Plan
from scorer.documents.records import BadLine, FrameRecord, TaskRecord, from_lines
from scorer.documents.request import make_request
from scorer.job.dispatch import dispatch
from scorer.job.score import load_model, score_chunk
from scorer.models import Frames
from tests.conftest import write_images
from tests.folders import FolderStores

NAMES = [f"frame{number}.png" for number in range(10)]


def plan_folder(stores: FolderStores, names: list[str] = NAMES, **changes: Any) -> Plan:
    write_images(stores.input.root / "shots", names)
    request = make_request({"name": "job", "input": "shots/", "model": "invert", "failure_threshold": 1.0, **changes})
    return dispatch("job", request, stores)


def score_all(plan: Plan, stores: FolderStores) -> list[FrameRecord]:
    model = load_model(plan, stores)
    for chunk in plan.chunks:
        score_chunk(plan, chunk, stores, model)
    return [record for record in task_records(plan, stores) if isinstance(record, FrameRecord)]


def task_records(plan: Plan, stores: FolderStores) -> list[FrameRecord | TaskRecord]:
    lines = [line for chunk in plan.chunks for line in from_lines(stores.logs.get(f"job/{chunk.index:06d}.jsonl"))]
    return [line for line in lines if not isinstance(line, BadLine)]


class Idle:
    """Gives frames as they came."""

    runtime, device = "idle", "cpu"

    def __init__(self, first: Callable[[], object] = lambda: None) -> None:
        self._first: Callable[[], object] | None = first

    def score(self, frames: Frames) -> Frames:
        if self._first is not None:
            self._first()
            self._first = None
        return frames

    def reset(self) -> None:
        pass
