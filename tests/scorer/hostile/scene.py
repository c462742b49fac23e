"""A job that is done, whose kept files a node rewrites, and whoever reads them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from scorer.cli import jobs
from scorer.client.client import Client
from scorer.documents.deployment import read_deployment
from scorer.documents.request import parse_request
from scorer.documents.status import StatusWriter
from scorer.engines.azure_batch.engine import AzureBatchEngine
from scorer.errors import InternalError, ScorerError
from scorer.job.dispatch import dispatch
from scorer.job.finish import merge_job
from scorer.job.score import load_model, score_chunk
from scorer.submitter.pending import mark_handled
from scorer.submitter.rejection import job_of
from tests.conftest import write_images
from tests.folders import FolderStores
from tests.scorer.documents.test_deployment import DOCUMENT
from tests.scorer.submitter.intake_harness import LIMITS, IntakeHarness
from tests.scorer.test_text import HOSTILE, is_plain

PATH, OTHERS = "requests/acme/nightly.json", "requests/other/theirs.json"
WORDS = HOSTILE.replace("\ud800", "")


@dataclass
class Scene:
    """A job that is done, other people's things beside it, and whoever reads what is kept of it."""

    client: Client
    harness: IntakeHarness
    stores: FolderStores
    folder: Path
    job: str
    said: pytest.CaptureFixture[str]

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def kept(self) -> dict[str, bytes]:
        """Every file that isn't the job's, nor what was asked for."""
        placed = self.folder / "home/.scorer/work" / self.job / "placed.jsonl"  # by the id that was asked for
        own = [self.stores.input.root / PATH, self.folder / "out-report.html", placed]
        own += [store.root / self.job for store in (self.stores.output, self.stores.work, self.stores.logs)]
        own += [self.out, self.folder / "pristine", self.folder / "quarantine" / self.job]
        skipped = {*map(str, own)}
        found: dict[str, bytes] = {}
        for place, folders, names in os.walk(self.folder):
            folders[:] = [each for each in folders if f"{place}/{each}" not in skipped]
            paths = [path for path in (f"{place}/{name}" for name in names) if path not in skipped]
            found |= {path: Path(path).read_bytes() for path in paths if Path(path).is_file()}
        return found

    def save(self) -> None:
        for store in (self.stores.output, self.stores.work, self.stores.logs):
            shutil.copytree(store.root, self.folder / "pristine" / store.root.name)

    def restore(self) -> None:
        for store in (self.stores.output, self.stores.work, self.stores.logs):
            pristine = self.folder / "pristine" / store.root.name
            for path in [path for path in store.root.rglob("*") if path.is_file()]:
                if not (pristine / path.relative_to(store.root)).exists():
                    path.unlink()
            for path in [path for path in pristine.rglob("*") if path.is_file()]:
                own = store.root / path.relative_to(pristine)
                if not own.exists() or own.read_bytes() != path.read_bytes():
                    own.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(path, own)
        shutil.rmtree(self.out, ignore_errors=True)

    def reads(self, reader: Callable[[Scene], object]) -> ScorerError | None:
        """What the reader ends with; it said nothing that a terminal obeys, and nothing else has changed."""
        before = self.kept()
        error = None
        try:
            reader(self)
        except ScorerError as caught:
            error = caught
        assert error is None or (not isinstance(error, InternalError) and is_plain(str(error))), error
        printed = self.said.readouterr()
        assert all(map(is_plain, (printed.out + printed.err).split("\n"))), printed
        after = self.kept()
        assert {path: after.get(path) for path in before} == before
        assert {Path(path).parent for path in after.keys() - before.keys()} <= {self.stores.work.root / "answered"}
        for path in (self.stores.output.root / self.job).glob("*.json"):
            text = path.read_text(errors="replace")
            assert path.read_bytes() in self.planted or is_plain(text.replace("\n", "")), text
        return error

    def fetch(self) -> None:
        """What a person does who wants the job's result."""
        jobs.fetch(self.job, out=self.out)

    planted: tuple[bytes, ...] = ()


def open_scene(
    stores: FolderStores,
    harness: IntakeHarness,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Scene:
    """Play the job to its end, in a world that has all but Azure Batch."""
    monkeypatch.setattr(AzureBatchEngine, "tasks_of", lambda *_: (None, None))
    for name in ("delete", "end"):
        monkeypatch.setattr(AzureBatchEngine, name, lambda *_: None)
    monkeypatch.setattr(AzureBatchEngine, "at_work", lambda *_: {})
    monkeypatch.setattr(AzureBatchEngine, "jobs", lambda *_: [])
    client = Client(read_deployment(json.dumps({**DOCUMENT, "limits": LIMITS})))
    client.stores = stores
    monkeypatch.setattr(jobs, "_client", lambda *_: client)
    write_images(stores.input.root / "shots", ["a.png", "b.png", "c.png", "d.png"])
    data = json.dumps({"name": "nightly", "input": "shots/", "model": "invert", "chunk_frames": 2}).encode()
    stores.input.put(PATH, data)
    job = job_of(f"{stores.input.url}/{PATH}", data)
    plan = dispatch(job, parse_request(data, harness.intake.target.limits), stores)
    StatusWriter(job, stores).state("scoring", frames=plan.frames, request=PATH)
    model = load_model(plan, stores)
    for chunk in plan.chunks:
        score_chunk(plan, chunk, stores, model)
    merge_job(plan, stores)
    theirs = json.dumps({"name": "theirs", "input": "secret/", "model": "invert"}).encode()
    stores.input.put(OTHERS, theirs)
    stores.input.put("secret/a.png", b"secret")
    for store in (stores.output, stores.work, stores.logs):
        store.put("theirs-0123456789ab/result.mp4", b"theirs")
        store.put("theirs-0123456789ab/plan.json", b"theirs")
    mark_handled(stores.input.head(PATH), stores)
    (tmp_path / "home").mkdir()
    (tmp_path / "home/.bashrc").write_text("mine")
    monkeypatch.chdir(tmp_path / "home")
    made = Scene(client, harness, stores, tmp_path, job, capsys)
    made.save()
    return made
