"""Whatever a model raises or makes: its frames have failed, and a run says whose fault it was."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from scorer.errors import FailureThresholdError, ModelError, ScorerError
from scorer.job.score import score_chunk
from scorer.models import Frames, Model
from tests.conftest import write_images
from tests.folders import FolderStores
from tests.scorer.cli.command_line import run, status
from tests.scorer.job.scoring import Idle, plan_folder, task_records
from tests.scorer.raised import EACH, KINDS


class Faulty(Idle):
    """Raises in one of its calls."""

    def __init__(self, kind: str, where: str) -> None:
        super().__init__()
        self._kind, self._where = kind, where

    @property
    def runtime(self) -> str:  # type: ignore[override]  # a model may have it either way
        self._maybe("runtime")
        return "faulty"

    def score(self, frames: Frames) -> Frames:
        self._maybe("score")
        return frames

    def reset(self) -> None:
        self._maybe("reset")

    def _maybe(self, where: str) -> None:
        if self._where == where:
            raise KINDS[self._kind]()


def faulty(kind: str, where: str) -> Model:
    """A model of which one call raises."""
    return cast("Model", Faulty(kind, where))


@EACH
@pytest.mark.parametrize("where", ["runtime", "reset"])
def test_a_model_that_raises_in_a_property_is_to_blame(stores: FolderStores, kind: str, where: str) -> None:
    plan = plan_folder(stores, ["a.png"])
    with pytest.raises(ModelError, match="Model 'invert' can't be used"):
        score_chunk(plan, plan.chunks[0], stores, faulty(kind, where))


@EACH
def test_frames_that_a_model_fails_on_are_stood_in_for(stores: FolderStores, kind: str) -> None:
    plan = plan_folder(stores, ["a.png", "b.png"], batch_size=2)
    if kind == "MemoryError":
        with pytest.raises(ScorerError, match="doesn't fit into memory"):
            score_chunk(plan, plan.chunks[0], stores, faulty(kind, "score"))
        return
    part, _ = score_chunk(plan, plan.chunks[0], stores, faulty(kind, "score"))
    assert part.failed == 2


MADE: dict[str, Callable[[Frames], object]] = {
    "nothing": lambda _: None,
    "fewer frames": lambda frames: frames[:1],
    "floats": lambda frames: frames.astype(np.float32),
    "grey": lambda frames: frames[..., :1],
    "no pixels": lambda frames: frames[:, :0],
    "a list": list,
}


@pytest.mark.parametrize("made", MADE)
def test_what_a_model_may_not_make_counts_as_failed(stores: FolderStores, made: str) -> None:
    class Odd(Idle):
        def score(self, frames: Frames) -> Frames:
            return MADE[made](frames)  # type: ignore[return-value]  # that is what is tried

    plan = plan_folder(stores, ["a.png", "b.png"], batch_size=2)
    part, _ = score_chunk(plan, plan.chunks[0], stores, Odd())
    # A model that gives one frame for two gives one for one, too: what failed together is tried one by one.
    assert part.failed == 2
    assert any("the model made" in (record.error or "") for record in task_records(plan, stores) if record.kind == "frame")


LOADS = {"SystemExit(0)": 7, "KeyboardInterrupt()": 70, "PanicLike('panic')": 7, "RecursionError('deep')": 7}


@pytest.mark.parametrize("raised", LOADS)
@pytest.mark.parametrize("where", ["load", "score"])
def test_a_run_with_a_model_that_raises(tmp_path: Path, raised: str, where: str) -> None:
    """A process as a person starts it, with a model as a user installs it."""
    site = tmp_path / "site"
    (site / "faulty-1.0.dist-info").mkdir(parents=True)
    (site / "faulty-1.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: faulty\nVersion: 1.0\n")
    (site / "faulty-1.0.dist-info/entry_points.txt").write_text("[scorer.models]\nfaulty = faulty:SPEC\n")
    (site / "faulty.py").write_text(
        "from scorer.models import ModelSpec\n"
        "class PanicLike(BaseException): pass\n"
        "class Faulty:\n"
        "    runtime = 'faulty'\n"
        "    def reset(self): pass\n"
        f"    def score(self, frames): raise {raised}\n"
        f"def load(settings):\n    {'raise ' + raised if where == 'load' else 'return Faulty()'}\n"
        "SPEC = ModelSpec(name='faulty', summary='', style='none', load=load)\n"
    )
    write_images(tmp_path / "shots", ["a.png", "b.png"])
    path = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])
    code = LOADS[raised] if where == "load" or raised == "KeyboardInterrupt()" else FailureThresholdError.exit_code
    done = run("run", "shots", "--model", "faulty", "--quiet", folder=tmp_path, code=code, environment={"PYTHONPATH": path})
    (sentence,) = done.stderr.strip().splitlines()
    assert sentence.startswith("error: ")
    found = status(tmp_path)
    assert (found["state"], found["exit_code"]) == ("failed", code)
    assert found["error"] == sentence.removeprefix("error: ")
    assert list(tmp_path.glob(".scorer/output/*/report.html"))
    assert list(tmp_path.glob(".scorer/work/*/failed/*.json"))
