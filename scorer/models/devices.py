"""Which GPUs there are, found without loading torch where there can't be any: that alone takes seconds."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

from scorer.errors import ModelError, RequestError
from scorer.models import Device
from scorer.slots import promised_gpus

# What the drivers of NVIDIA, of AMD and of Windows' Linux put there.
_DRIVERS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")


DEVICES: dict[str, Device] = {"auto": "auto", "cpu": "cpu", "cuda": "cuda", "mps": "mps"}
"""What a person may name, and its meaning."""


def device_of(text: str) -> Device:
    """The device that a person named. Raises RequestError."""
    try:
        return DEVICES[text]
    except KeyError as error:
        raise RequestError(f"Device '{text}' is not known: choose {', '.join(DEVICES)}.") from error


def gpus() -> int:
    """GPUs that torch can use; 0 without torch. Raises ModelError like `demand_gpus`."""
    found = _gpus()
    if not found:
        demand_gpus()
    return found


def demand_gpus() -> None:
    """Called where torch finds no GPU: a machine that should have some would compute for hours on its processor.

    Raises ModelError where the engine that started this task says that there are GPUs.
    """
    if promised := promised_gpus():
        raise ModelError(
            f"This machine should have {promised} GPU(s), but torch finds none: 'nvidia-smi' says whether its driver works; "
            "remove the node, and the task is tried elsewhere."
        )


def _gpus() -> int:
    if find_spec("torch") is None or (sys.platform == "linux" and not any(Path(driver).exists() for driver in _DRIVERS)):
        return 0
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0
