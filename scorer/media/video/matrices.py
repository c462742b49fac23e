"""Colours of kinds that the library reads and can't convert: YCgCo, and BT.2020's constant luminance and ICtCp.

Source: ITU-T H.273, 8.3 (matrix coefficients 8, 10 and 14; transfer characteristics), and ITU-R BT.2100 for ICtCp.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float32]
Rare = Literal[8, 10, 14]
"""Code points."""

YCGCO, CONSTANT, ICTCP = 8, 10, 14
NAMES: dict[int, str] = {YCGCO: "YCgCo", CONSTANT: "BT.2020's constant luminance", ICTCP: "ICtCp"}
PQ, HLG = 16, 18

_2020 = np.array([0.2627, 0.6780, 0.0593])
_TO_LMS = np.array([[1688, 2146, 262], [683, 2951, 462], [99, 309, 3688]]) / 4096
_FROM_LMS = np.linalg.inv(_TO_LMS)
_PQ_TO_ICTCP = np.array([[2048, 2048, 0], [6610, -13613, 7003], [17933, -17390, -543]]) / 4096
_HLG_TO_ICTCP = np.array([[2048, 2048, 0], [3625, -7465, 3840], [9500, -9212, -288]]) / 4096


def to_rgb(samples: NDArray[Any], matrix: Rare, transfer: int, *, full_range: bool) -> Numbers:
    """R'G'B' of 0 to 1, (3, H, W), from 16-bit samples (3, H, W)."""
    unit = 65535 if full_range else 256
    low, span, half = (0, 1, 1) if full_range else (16, 219, 224)
    first = (samples[0].astype(np.float32) / unit - low) / span
    second, third = ((each.astype(np.float32) - 32768) / unit / half for each in samples[1:])
    if matrix == YCGCO:
        rest = first - second
        rgb = np.stack([rest + third, first + second, rest - third])
    elif matrix == ICTCP:
        rgb = _from_ictcp(np.stack([first, second, third]), transfer)
    else:
        rgb = _from_constant(first, second, third, transfer)
    clipped: Numbers = np.clip(rgb, 0, 1).astype(np.float32)
    return clipped


def _from_ictcp(samples: Numbers, transfer: int) -> NDArray[Any]:
    linear, coded = _curves(transfer)
    back = np.linalg.inv(_HLG_TO_ICTCP if transfer == HLG else _PQ_TO_ICTCP)
    cones = linear(np.clip(np.tensordot(back, samples, 1), 0, 1))
    return coded(np.clip(np.tensordot(_FROM_LMS, cones, 1), 0, 1))


def _from_constant(luma: Numbers, blue_less: Numbers, red_less: Numbers, transfer: int) -> NDArray[Any]:
    linear, coded = _curves(transfer)
    of_red, of_green, of_blue = _2020
    red, blue = (
        luma + less * np.where(less <= 0, 2 * coded(1 - share), 2 - 2 * coded(share))
        for less, share in ((red_less, of_red), (blue_less, of_blue))
    )
    rest = linear(np.clip(luma, 0, 1)) - of_red * linear(np.clip(red, 0, 1)) - of_blue * linear(np.clip(blue, 0, 1))
    return np.stack([red, coded(np.clip(rest / of_green, 0, 1)), blue])


Curve = Callable[[NDArray[Any]], NDArray[Any]]


def _curves(transfer: int) -> tuple[Curve, Curve]:
    """To light, and back to what is coded."""
    if transfer == PQ:
        return _pq_light, _pq_code
    return (_hlg_light, _hlg_code) if transfer == HLG else (_camera_light, _camera_code)


_M1, _M2, _C1, _C2, _C3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128


def _pq_light(code: NDArray[Any]) -> NDArray[Any]:
    root = code ** (1 / _M2)
    return (np.maximum(root - _C1, 0) / (_C2 - _C3 * root)) ** (1 / _M1)


def _pq_code(light: NDArray[Any]) -> NDArray[Any]:
    root = light**_M1
    return ((_C1 + _C2 * root) / (1 + _C3 * root)) ** _M2


_A, _B, _C = 0.17883277, 0.28466892, 0.55991073


def _hlg_light(code: NDArray[Any]) -> NDArray[Any]:
    return np.where(code <= 0.5, code**2 / 3, (np.exp((code - _C) / _A) + _B) / 12)


def _hlg_code(light: NDArray[Any]) -> NDArray[Any]:
    return np.where(light <= 1 / 12, np.sqrt(3 * light), _A * np.log(np.maximum(12 * light - _B, 1e-6)) + _C)


_ALPHA, _BETA = 1.09929682680944, 0.018053968510807


def _camera_light(code: NDArray[Any]) -> NDArray[Any]:
    return np.where(code < 4.5 * _BETA, code / 4.5, ((code + _ALPHA - 1) / _ALPHA) ** (1 / 0.45))


def _camera_code(light: NDArray[Any]) -> NDArray[Any]:
    return np.where(light < _BETA, 4.5 * light, _ALPHA * light**0.45 - (_ALPHA - 1))
