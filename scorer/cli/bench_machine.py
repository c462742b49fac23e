"""Which machine it is that something is measured on."""

from __future__ import annotations

import os
import platform
import subprocess
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from scorer.documents.measured import Machine
from scorer.models import Device

_PACKAGES = ("batch-scoring", "torch", "openvino", "onnxruntime", "av", "numpy", "opencv-python-headless")


def machine_here(device: Device = "auto") -> Machine:
    """What this machine is."""
    processor, cores = _processor(), len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    versions = {"python": platform.python_version()}
    for name in _PACKAGES:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    if device in ("auto", "cuda") and find_spec("torch") is not None:
        import torch

        if torch.cuda.is_available():
            known = torch.cuda.get_device_properties(0)
            versions["cuda"] = str(torch.version.cuda)
            return Machine(
                processor=processor, cores=cores, device="cuda", name=known.name, driver=_driver(),
                memory_gb=round(known.total_memory / 2**30, 1), versions=versions,
            )  # fmt: skip
    return Machine(processor=processor, cores=cores, device="cpu", name=processor, versions=versions)


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _driver() -> str:
    """Of NVIDIA; '' where nobody says."""
    with suppress(OSError, subprocess.SubprocessError):
        asked = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        return subprocess.run(asked, capture_output=True, text=True, check=True, timeout=30).stdout.split()[0]  # noqa: S603  # no input
    return ""
