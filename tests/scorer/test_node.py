"""Several tasks on one machine: no two have the same slot, and a GPU has no more tasks than slots."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from scorer.errors import TaskError
from scorer.node import promised_gpus, take_slot

HOLD = textwrap.dedent("""
    import os, sys
    from scorer.node import take_slot
    with take_slot() as slot:
        print(slot.number, os.environ.get("CUDA_VISIBLE_DEVICES"), flush=True)
        sys.stdin.read()
""")


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCORER_NODE_DIR", str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "none yet")  # so that it is put back afterwards


def hold() -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.usefixtures("node")
def test_tasks_share_gpus_evenly_and_slots_never(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCORER_SLOTS", "4")
    monkeypatch.setenv("SCORER_GPUS", "2")
    tasks = [hold() for _ in range(4)]
    try:
        assert sorted(map(line, tasks)) == ["0 0", "1 1", "2 0", "3 1"]
        with pytest.raises(TaskError, match="All 4 slots"), take_slot(patience=0.3):
            pass
        tasks[1].kill()  # a killed task gives back what it had, without a word
        tasks[1].wait()
        with take_slot(patience=5) as slot:
            assert slot.gpu in (0, 1)
    finally:
        for task in tasks:
            task.kill()
            task.wait()


@pytest.mark.usefixtures("node")
def test_a_machine_without_gpus_has_slots_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCORER_SLOTS", "1")
    monkeypatch.setenv("SCORER_GPUS", "0")
    with take_slot() as slot:
        assert (slot.number, slot.gpu) == (0, None)


@pytest.mark.parametrize(("said", "gpus"), [(None, 0), ("", 0), ("0", 0), ("4", 4)])
def test_the_engine_says_how_many_gpus_there_are(said: str | None, gpus: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SCORER_GPUS", raising=False)
    if said is not None:
        monkeypatch.setenv("SCORER_GPUS", said)
    assert promised_gpus() == gpus


def test_a_task_alone_takes_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SCORER_SLOTS", raising=False)
    with take_slot() as slot:
        assert (slot.gpu, slot.threads) == (None, None)
