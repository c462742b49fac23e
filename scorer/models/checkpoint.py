"""Weights from files that strangers may have made: nothing in them is executed, and they can't grow without bound."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from scorer.errors import ScorerError

if TYPE_CHECKING:
    from torch import Tensor

_AROUND = ("state_dict", "model_state_dict", "model", "net", "network", "params", "generator")
"""Where training programs keep a network's state beside an optimizer's."""
_PARALLEL = "module."


def read_weights(path: Path, max_bytes: int, refuse: type[ScorerError]) -> dict[str, Tensor]:
    """Read a state dict, on the CPU: `.safetensors` as such, anything else as torch's format without unpickling code.

    Raises `refuse`, naming the file, where it is missing, larger than `max_bytes`, damaged, or holds more than tensors.
    """
    from torch import Tensor

    _check_size(path, max_bytes, refuse)
    try:
        weights = _unwrapped(_load(path))
    # A file made to do harm, or a damaged one, ends torch's reader with nearly any exception.
    except Exception as error:
        reason = str(error).strip().split("\n")[0].split(". ")[0][:120] or type(error).__name__
        raise refuse(
            f"The weights {path} can't be read without running code from the file, or are damaged ({reason}): "
            "give a file made by torch.save(network.state_dict(), ...) or by safetensors."
        ) from error
    if not isinstance(weights, Mapping) or not all(isinstance(each, Tensor) for each in weights.values()):
        raise refuse(f"The file {path} holds something else than a state dict: save module.state_dict() itself.")
    return {str(name): tensor for name, tensor in weights.items()}


def check_weights(
    weights: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]], path: Path, refuse: type[ScorerError]
) -> None:
    """Compare the names and shapes found in `path` with those a network has.

    Raises `refuse`, naming the file and the first key that doesn't fit.
    """
    for name, tensor in weights.items():
        if name not in shapes:
            raise refuse(f"The weights {path} are of another network: '{name}' has no place in it.")
        if tuple(tensor.shape) != shapes[name]:
            raise refuse(f"The weights {path} are of another network: '{name}' is {tuple(tensor.shape)}, not {shapes[name]}.")
        if not tensor.is_floating_point() or not bool(tensor.isfinite().all()):
            raise refuse(f"The weights {path} are damaged: '{name}' isn't made of finite numbers.")
    for name in shapes:
        if name not in weights:
            raise refuse(f"The weights {path} are of another network: '{name}' is missing.")


def _check_size(path: Path, max_bytes: int, refuse: type[ScorerError]) -> None:
    try:
        size = path.stat().st_size
        if zipfile.is_zipfile(path):  # torch's format is a zip file, whose entries a stranger may have compressed
            with zipfile.ZipFile(path) as archive:
                size = max(size, sum(entry.file_size for entry in archive.infolist()))
    except FileNotFoundError:
        raise refuse(f"There is no file of weights {path}: check its name.") from None
    except (OSError, zipfile.BadZipFile) as error:
        raise refuse(f"The weights {path} can't be read ({error}): give an undamaged file.") from error
    if size > max_bytes:
        raise refuse(f"The weights {path} hold {size:,} bytes, more than the {max_bytes:,} of this network: give the right file.")


def _unwrapped(found: object) -> object:
    """The state dict in what training programs save around it, its names without what DataParallel puts before each."""
    if isinstance(found, Mapping):
        found = next((found[key] for key in _AROUND if isinstance(found.get(key), Mapping)), found)
    if isinstance(found, Mapping) and found and all(str(name).startswith(_PARALLEL) for name in found):
        return {str(name).removeprefix(_PARALLEL): value for name, value in found.items()}
    return found


def _load(path: Path) -> object:
    import torch
    from safetensors.torch import load_file

    if path.suffix == ".safetensors":
        return load_file(path)
    return torch.load(path, map_location="cpu", weights_only=True)
