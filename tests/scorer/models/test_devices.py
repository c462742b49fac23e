"""GPUs: a machine that should have some, as the engine says, never computes without them unless it is asked to."""

from pathlib import Path

import pytest
import torch

from autoscale.gpu_sizes import SIZES
from scorer.errors import GpuError
from scorer.models import Device, ModelSettings, devices, runtime
from scorer.models.devices import asks_for_gpus, demand_devices, gpus, has_kernels
from scorer.models.runtime import RuntimeOptions, choose_runtime

MISSING = r"^This machine should have 4 GPU\(s\), but torch finds none: .+\.$"


@pytest.fixture(autouse=True)
def processor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A GPU's driver that torch can't use, both runtimes installed, and no word of the engine."""
    (tmp_path / "nvidiactl").touch()
    monkeypatch.setattr(devices, "_DRIVERS", (str(tmp_path / "nvidiactl"),))
    monkeypatch.setattr(devices, "_gpus", lambda: 0)
    monkeypatch.setattr(runtime, "available", lambda: True)
    for name in ("SCORER_GPUS", "NVIDIA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (None, "its image doesn't set NVIDIA_VISIBLE_DEVICES=all"),
        ("void", "its image doesn't set NVIDIA_VISIBLE_DEVICES=all"),
        ("all", "NVIDIA_VISIBLE_DEVICES is 'all', so the node's container runtime or driver is broken"),
    ],
)
def test_a_container_that_was_given_no_gpu_says_why(asked: str | None, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_DRIVERS", ("/dev/no-such-driver",))
    if asked is not None:
        monkeypatch.setenv("NVIDIA_VISIBLE_DEVICES", asked)
    demand_devices()
    monkeypatch.setenv("SCORER_GPUS", "4")
    for call in (demand_devices, gpus):
        with pytest.raises(GpuError, match=rf"^This container should have 4 GPU\(s\).*, .*{why}.*\.$") as raised:
            call()
        assert raised.value.exit_code == 20


@pytest.mark.parametrize(
    ("visible", "capabilities", "asks"),
    [
        ("all", "compute,utility,video", True),
        ("0,1", "all", True),
        ("all", "utility", False),
        ("all", "", False),
        ("void", "all", False),
        ("", "all", False),
    ],
)
def test_an_image_asks_for_gpus_and_for_cuda(
    visible: str, capabilities: str, asks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NVIDIA_VISIBLE_DEVICES", visible)
    monkeypatch.setenv("NVIDIA_DRIVER_CAPABILITIES", capabilities)
    assert asks_for_gpus() == asks


def test_gpus_that_should_be_there_are_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert gpus() == 0
    monkeypatch.setenv("SCORER_GPUS", "4")
    with pytest.raises(GpuError, match=MISSING):
        gpus()
    monkeypatch.setattr(devices, "_gpus", lambda: 1)  # the one that the task's slot has
    assert gpus() == 1


def test_another_runtime_does_not_stand_in_for_gpus_that_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_runtime(ModelSettings(), RuntimeOptions()) == "openvino"
    monkeypatch.setenv("SCORER_GPUS", "4")
    with pytest.raises(GpuError, match=MISSING):
        choose_runtime(ModelSettings(), RuntimeOptions())


@pytest.mark.parametrize(
    ("device", "options"), [("cpu", RuntimeOptions()), ("auto", RuntimeOptions(runtime="openvino"))], ids=["device", "runtime"]
)
def test_who_asks_for_the_processor_gets_it(device: Device, options: RuntimeOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCORER_GPUS", "4")
    assert choose_runtime(ModelSettings(device=device), options) == "openvino"


CAPABILITIES = {"T4": (7, 5), "A100": (8, 0), "H100": (9, 0)}
"""https://developer.nvidia.com/cuda-gpus"""


@pytest.mark.parametrize("gpu", sorted({size.gpu.partition(" ")[0] for size in SIZES.values()}))
def test_torch_has_code_for_every_gpu_that_a_cluster_may_have(gpu: str) -> None:
    assert has_kernels((torch._C._cuda_getArchFlags() or "").split(), CAPABILITIES[gpu])


@pytest.mark.parametrize(
    ("built_for", "capability", "runs"),
    [
        ("sm_75 sm_80", (7, 0), False), ("sm_75 sm_80", (7, 5), True), ("sm_80", (8, 9), True), ("sm_86", (8, 0), False),
        ("sm_80", (9, 0), False), ("sm_80 compute_80", (9, 0), True), ("sm_90a", (9, 0), True), ("sm_100a", (10, 3), False),
        ("sm_100f", (10, 3), True), ("compute_90a", (10, 0), False), ("sm_100", (10, 0), True), ("", (8, 0), False),
    ],
)  # fmt: skip
def test_code_runs_on_gpus_of_its_kind(built_for: str, capability: tuple[int, int], *, runs: bool) -> None:
    assert has_kernels(built_for.split(), capability) == runs
