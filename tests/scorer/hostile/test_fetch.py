"""A person fetches what a node has left of a job: nothing lands beside what was asked for, and no link is followed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from scorer.cli import jobs
from scorer.errors import DocumentError, MissingError, OutputError
from scorer.store import Entry, FolderStore
from tests.scorer.hostile.scene import Scene

NAMES = [
    "../../home/.bashrc", "..", ".", "", "/etc/cron.d/x", "..\\..\\home\\.bashrc", "C:evil.png", "C:\\evil.png", ".bashrc",
    "a.png\n", "a\x1b[2J.png", "a\u202egnp.png", "trail.png.", "trail.png ", "x" * 1000 + ".png", "run.sh", "a.png\0.sh", "NUL",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_names_that_lead_out_of_the_folder(scene: Scene, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A listing may hold any name: nothing is fetched where one of them is none of an image."""

    class Forged(FolderStore):
        def list(self, folder: str) -> Iterator[Entry]:
            yield from super().list(folder)
            yield Entry(folder + name, 1, "1")

        def head(self, path: str) -> Entry:
            return Entry(path, 1, "1")

        def fetch(self, path: str, etag: str | None = None) -> Path:
            del path, etag
            return scene.stores.input.root / "secret/a.png"

    monkeypatch.setattr(scene.client, "stores", replace(scene.stores, output=Forged(scene.stores.output.root)))
    assert isinstance(scene.reads(Scene.fetch), DocumentError)
    assert not scene.out.exists()


def test_more_names_than_frames(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless(FolderStore):
        def list(self, folder: str) -> Iterator[Entry]:
            number = 0
            while True:
                number += 1
                yield Entry(f"{folder}{number}.png", 1, "1")

    monkeypatch.setattr(scene.client, "stores", replace(scene.stores, output=Endless(scene.stores.output.root)))
    status = json.loads((scene.stores.output.root / scene.job / "status.json").read_bytes())
    (scene.stores.output.root / scene.job / "status.json").write_text(json.dumps({**status, "frames": 10**9}))
    assert isinstance(scene.reads(Scene.fetch), DocumentError)
    assert not scene.out.exists()


def test_a_result_without_images_or_report(scene: Scene) -> None:
    (scene.stores.output.root / scene.job / "report.html").unlink()
    jobs.fetch(scene.job, out=scene.out)
    assert scene.said.readouterr().out.rstrip().endswith("report: none")
    for path in (scene.stores.output.root / scene.job / "result").iterdir():
        path.unlink()
    assert isinstance(scene.reads(Scene.fetch), MissingError)


def test_links_that_stand_at_the_place_are_left_or_replaced(scene: Scene) -> None:
    """Whatever names somebody left there: they are never followed."""
    scene.out.mkdir()
    mine = scene.folder / "home/.bashrc"
    for name in ("a.png", ".a.png.part", "b.png"):
        (scene.out / name).symlink_to(mine)
    os.link(mine, scene.out / "c.png")
    assert isinstance(scene.reads(Scene.fetch), OutputError)
    assert all((scene.out / name).is_symlink() for name in ("a.png", "b.png"))
    assert scene.reads(lambda scene: jobs.fetch(scene.job, out=scene.out, overwrite=True)) is None
    assert mine.read_text() == "mine"
    names = ["a.png", "b.png", "c.png", "d.png"]
    assert all((scene.out / name).is_file() and not (scene.out / name).is_symlink() for name in names)
    for name in names:
        assert (scene.out / name).read_bytes() == (scene.stores.output.root / scene.job / "result" / name).read_bytes()
    assert scene.reads(Scene.fetch) is None  # and again
