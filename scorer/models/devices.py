"""Which GPUs there are, found without loading torch where there can't be any: that alone takes seconds."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from scorer.errors import GpuError, RequestError
from scorer.models import Device
from scorer.node import promised_gpus

# What the drivers of NVIDIA, of AMD and of Windows' Linux put there.
_DRIVERS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
# Values of NVIDIA_VISIBLE_DEVICES that ask for no GPU.
_ASK_FOR_NONE = ("", "void", "none")
# Of NVIDIA_DRIVER_CAPABILITIES.
_CUDA = {"compute", "utility"}
LEAST_DRIVER = 580
"""Of NVIDIA's driver, for CUDA 13, which torch's wheels bring: https://docs.nvidia.com/deploy/cuda-compatibility/"""


DEVICES: dict[str, Device] = {"auto": "auto", "cpu": "cpu", "cuda": "cuda", "mps": "mps"}
"""What a person may name, and its meaning."""


def device_of(text: str) -> Device:
    """The device that a person named. Raises RequestError."""
    try:
        return DEVICES[text]
    except KeyError as error:
        raise RequestError(f"Device '{text}' is not known: choose {', '.join(DEVICES)}.") from error


def gpus() -> int:
    """GPUs that torch can use; 0 without torch. Raises GpuError like `demand_gpus`."""
    found = _gpus()
    if not found:
        demand_gpus()
    return found


def demand_gpus() -> None:
    """Called where torch finds no GPU: a machine that should have some would compute for hours on its processor.

    Raises GpuError where the engine that started this task says that there are GPUs.
    """
    demand_devices()
    if promised := promised_gpus():
        raise GpuError(
            f"This machine should have {promised} GPU(s), but torch finds none: 'nvidia-smi' says whether its driver works "
            f"and is {LEAST_DRIVER} or newer; remove the node, and the task is tried elsewhere."
        )


def demand_devices() -> None:
    """Raise GpuError where the engine says that there are GPUs, and this container was given none.

    NVIDIA's container runtime gives GPUs to images alone that ask for them in their environment:
    https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/docker-specialized.html
    """
    promised = promised_gpus()
    if not promised or sys.platform != "linux" or any(Path(driver).exists() for driver in _DRIVERS):
        return
    asked = os.environ.get("NVIDIA_VISIBLE_DEVICES", "")
    why = (
        f"though NVIDIA_VISIBLE_DEVICES is '{asked}', so the node's container runtime or driver is broken: remove the node"
        if asked not in _ASK_FOR_NONE
        else "as its image doesn't set NVIDIA_VISIBLE_DEVICES=all and NVIDIA_DRIVER_CAPABILITIES=compute,utility,video: "
        "take one that does, as the image of this project"
    )
    raise GpuError(f"This container should have {promised} GPU(s), but was given none, {why}.")


def demand_kernels() -> None:
    """Raise GpuError where the torch that is installed has no code for the GPU that is here, on which each call would fail."""
    import torch

    if torch.version.cuda is None:  # AMD's, which names them otherwise
        return
    capability, built_for = torch.cuda.get_device_capability(), torch.cuda.get_arch_list()
    if not has_kernels(built_for, capability):
        major, minor = capability
        raise GpuError(
            f"The GPU here ({torch.cuda.get_device_name()}) has the compute capability {major}.{minor}, and the torch that is "
            f"installed is built for {', '.join(built_for)}: choose another size of node, or the device 'cpu'."
        )


def has_kernels(built_for: Iterable[str], capability: tuple[int, int]) -> bool:
    """Whether a GPU of that compute capability runs code that is `built_for` architectures such as sm_80 and compute_90.

    Code of one major number runs on all later minor ones; compute_ is compiled for any later GPU when it starts; a letter behind
    the number is for that GPU, or its family, alone. https://docs.nvidia.com/cuda/ada-compatibility-guide/
    """
    for kind, major, minor, letter in re.findall(r"\b(sm|compute)_(\d+)(\d)([af]?)\b", " ".join(built_for)):
        made = (int(major), int(minor))
        same = made == capability if letter == "a" else made[0] == capability[0] and made <= capability
        if same or (kind == "compute" and not letter and made <= capability):
            return True
    return False


def asks_for_gpus() -> bool:
    """Whether this container asks NVIDIA's runtime for GPUs, and for what CUDA needs of the driver.

    https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/docker-specialized.html
    """
    wanted = set(os.environ.get("NVIDIA_DRIVER_CAPABILITIES", "").split(","))
    return os.environ.get("NVIDIA_VISIBLE_DEVICES", "") not in _ASK_FOR_NONE and ("all" in wanted or wanted >= _CUDA)


def _gpus() -> int:
    if find_spec("torch") is None or (sys.platform == "linux" and not any(Path(driver).exists() for driver in _DRIVERS)):
        return 0
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0
