"""What tests of requests share."""

from pathlib import Path

import pytest

from tests.folders import FolderStores
from tests.scorer.hostile.scene import Scene, open_scene
from tests.scorer.submitter.intake_harness import IntakeHarness


@pytest.fixture
def harness(stores: FolderStores, tmp_path: Path) -> IntakeHarness:
    return IntakeHarness.open(stores, tmp_path)


@pytest.fixture
def scene(
    stores: FolderStores,
    harness: IntakeHarness,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Scene:
    return open_scene(stores, harness, tmp_path, monkeypatch, capsys)


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the tasks on a node share."""
    monkeypatch.setenv("SCORER_NODE_DIR", str(tmp_path))
    return tmp_path
