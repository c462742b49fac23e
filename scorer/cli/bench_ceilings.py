"""What a device does at most, measured; and how much of it a model must do at the least."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np

from scorer.documents.measured import Ceilings, Computed
from scorer.errors import ModelError

SECONDS = 0.5
"""That each ceiling is measured for."""
_SIDE = {"cuda": 8192, "cpu": 1024}
_BYTES = {"cuda": 2**30, "cpu": 2**26}


def measured_ceilings(device: Computed) -> Ceilings:
    """By torch where it is installed, half precision on CUDA; else by numpy."""
    if device == "cuda":
        return _by_torch("cuda")
    return _by_torch("cpu") if find_spec("torch") is not None else _by_numpy()


def _by_torch(device: str) -> Ceilings:
    import torch

    dtype = torch.float16 if device == "cuda" else torch.float32
    side = _SIDE[device]
    left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    source = torch.zeros(_BYTES[device], dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    settle = torch.cuda.synchronize if device == "cuda" else _nothing
    product = _quickest(lambda: torch.mm(left, right), settle)
    copy = _quickest(lambda: target.copy_(source), settle)
    return Ceilings(dtype=str(dtype).removeprefix("torch."), matmul=2 * side**3 / product, copy_bytes=2 * len(source) / copy)


def _by_numpy() -> Ceilings:
    side = _SIDE["cpu"]
    left = np.random.default_rng(0).normal(size=(side, side)).astype(np.float32)
    source = np.zeros(_BYTES["cpu"], np.uint8)
    target = np.ones_like(source)
    product = _quickest(lambda: left @ left, _nothing)
    copy = _quickest(lambda: np.copyto(target, source), _nothing)
    return Ceilings(dtype="float32", matmul=2 * side**3 / product, copy_bytes=2 * len(source) / copy)


def _nothing() -> None:
    pass


def _quickest(call: Callable[[], object], settle: Callable[[], None]) -> float:
    """Seconds of the quickest call: a ceiling is what can be reached."""
    best, end = float("inf"), time.perf_counter() + SECONDS
    call()
    settle()
    while time.perf_counter() < end:
        began = time.perf_counter()
        call()
        settle()
        best = min(best, time.perf_counter() - began)
    return max(best, 1e-9) if best < float("inf") else SECONDS


def _shapes(model: str) -> list[tuple[int, int, int, float, float]]:
    """Of each convolution of a stylisation network: channels in and out, kernel's side, and pixels in and out for one of a frame.

    Empty for a model that is no such network, or whose weights aren't here.
    """
    from scorer.models.weights import adaptive_weights, layers, painted_weights

    readers = {"adaptive": adaptive_weights, "painted": painted_weights}
    if model not in readers:
        return []
    try:
        weights = readers[model]()
    except ModelError:
        return []
    found, scale = [], 1.0
    for name in layers(weights):
        out, given, side, _ = weights[f"{name}.weight"].shape
        before = scale
        if name in ("contract.1", "contract.2"):
            scale /= 4
        elif name in ("expand.0", "expand.1"):  # the picture is doubled as it is read
            scale *= 4
        found.append((given, out, side, before, scale))
    return found


def operations(model: str) -> float:
    """For a pixel of a frame, two for each multiplication with its addition; 0 where nobody knows."""
    return sum(2 * given * out * side**2 * after for given, out, side, _, after in _shapes(model))


def least_bytes(model: str, of_number: int) -> float:
    """That are read and written for a pixel, where all but convolutions is done on the way and numbers have so many bytes."""
    return sum((given * before + out * after) * of_number for given, out, _, before, after in _shapes(model))
