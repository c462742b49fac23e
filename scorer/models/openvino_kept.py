"""Calibrations that are kept in the node's folder: measured once a machine, and not once a process.

One is found by all that it depends on: the weights, the style, OpenVINO's version, the kind of machine, the code that measures.
"""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from scorer.models.weights import Array, Weights
from scorer.store.cache import is_own, locked, new_beside, node_folder, open_folder, open_tree, take_away

_CODE = ("openvino_calibration.py", "openvino_networks.py", "openvino_runtime.py", "phases.py")
_MOST_KEPT = 200
"""Files of about a kilobyte; those that were used longest ago go first."""


class Calibration(BaseModel):
    """What int8 needs to know of a network in one style."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    ranges: dict[str, tuple[float, float]]
    """Lowest and highest input of each convolution that int8 keeps apart; beyond them values are clipped."""
    psnr: float
    """Of int8 against float32 on the calibration's images, in decibels."""


def calibration(weights: Weights, style: Array, measure: Callable[[], Calibration]) -> Calibration:
    """The network's calibration in the style, `measure`d if there is none yet.

    A folder that can't be used is no reason to fail: then nothing is kept.
    """
    try:
        folder = node_folder() / "calibrations"
        with locked(folder.with_suffix(".lock")):  # whoever comes second has less to do by waiting
            open_folder(folder)
            path = folder / f"{_digest(weights, style)}.json"
            return _read(path) or _write(path, measure())
    except OSError:
        return measure()


def _digest(weights: Weights, style: Array) -> str:
    found = hashlib.sha256(_machine().encode())
    for name in sorted(weights):
        found.update(f"{name}{weights[name].shape}".encode())
        found.update(weights[name].tobytes())
    found.update(f"{style.shape}".encode() + style.tobytes())
    return found.hexdigest()[:32]


@cache
def _machine() -> str:
    import openvino

    code = [hashlib.sha256((Path(__file__).with_name(name)).read_bytes()).hexdigest() for name in _CODE]
    return "\n".join([openvino.__version__, platform.machine(), *code])


def _read(path: Path) -> Calibration | None:
    if not is_own(path):
        return None
    try:
        found = Calibration.model_validate_json(path.read_bytes())
    except ValidationError:
        return None
    with suppress(OSError):  # another user's
        os.utime(path)
    return found


def _write(path: Path, found: Calibration) -> Calibration:
    """Keep it, whole or not at all."""
    take_away(path)
    made = new_beside(path)
    made.write_text(found.model_dump_json(), encoding="utf-8")
    open_tree(made)
    made.replace(path)
    kept = sorted(path.parent.glob("*.json"), key=lambda each: each.stat().st_mtime)
    for old in kept[:-_MOST_KEPT]:
        old.unlink()
    return found
