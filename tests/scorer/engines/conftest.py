"""A workspace of Azure Machine Learning for tests of its engine."""

from collections.abc import Iterator

import pytest

from emulator.batch.quota import Quota
from scorer.azure import resource_manager
from tests.scorer.engines.workspace import SUBMITTER, Workspace, working


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with working(tmp_path_factory.mktemp("workspace")) as running:
        yield running


@pytest.fixture
def azure(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """The workspace, empty, as the submitter sees it."""
    for name, value in workspace.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(resource_manager, "credential", lambda: workspace.identities.credential(SUBMITTER))
    monkeypatch.setattr("scorer.engines.machine_learning.engine.POLL_SECONDS", 0.02)
    yield workspace
    workspace.azure.fault = None
    workspace.azure.stands_still = False
    workspace.azure.quota = Quota()
    workspace.azure.clear()
