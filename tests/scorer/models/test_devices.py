"""GPUs: a machine that should have some, as the engine says, never computes without them unless it is asked to."""

import pytest

from scorer.errors import ModelError
from scorer.models import Device, ModelSettings, devices, runtime
from scorer.models.devices import gpus
from scorer.models.runtime import RuntimeOptions, choose_runtime

MISSING = r"^This machine should have 4 GPU\(s\), but torch finds none: .+\.$"


@pytest.fixture(autouse=True)
def processor(monkeypatch: pytest.MonkeyPatch) -> None:
    """No GPU, both runtimes installed, and no word of the engine."""
    monkeypatch.setattr(devices, "_gpus", lambda: 0)
    monkeypatch.setattr(runtime, "available", lambda: True)
    monkeypatch.delenv("SCORER_GPUS", raising=False)


def test_gpus_that_should_be_there_are_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert gpus() == 0
    monkeypatch.setenv("SCORER_GPUS", "4")
    with pytest.raises(ModelError, match=MISSING):
        gpus()
    monkeypatch.setattr(devices, "_gpus", lambda: 1)  # the one that the task's slot has
    assert gpus() == 1


def test_another_runtime_does_not_stand_in_for_gpus_that_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_runtime(ModelSettings(), RuntimeOptions()) == "openvino"
    monkeypatch.setenv("SCORER_GPUS", "4")
    with pytest.raises(ModelError, match=MISSING):
        choose_runtime(ModelSettings(), RuntimeOptions())


@pytest.mark.parametrize(
    ("device", "options"), [("cpu", RuntimeOptions()), ("auto", RuntimeOptions(runtime="openvino"))], ids=["device", "runtime"]
)
def test_who_asks_for_the_processor_gets_it(device: Device, options: RuntimeOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCORER_GPUS", "4")
    assert choose_runtime(ModelSettings(device=device), options) == "openvino"
