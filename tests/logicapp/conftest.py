"""The workflow's definition, and Microsoft's engine to hold against it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.logic_app.engine import Engine, Json

WORKFLOW = Path(__file__).parents[2] / "logicapp" / "workflow.json"


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    with Engine() as running:
        yield running


@pytest.fixture
def workflow() -> Json:
    definition: Json = json.loads(WORKFLOW.read_text())
    return definition
