"""Weights from files that strangers may have made: nothing in them is executed, and they can't grow without bound."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scorer.errors import ScorerError

if TYPE_CHECKING:
    from torch import Tensor

_AROUND = ("state_dict", "model_state_dict", "model", "net", "network", "params", "generator")
"""Where training programs keep a network's state beside an optimizer's; under another key, it is the one of most tensors."""
_DEEPEST = 4


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
    if odd := next((str(name) for name, each in weights.items() if not _is_plain(each)), None):
        raise refuse(f"The weights {path} can't be used: '{odd}' is sparse, quantized or without its values; save it as float32.")
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


def _is_plain(tensor: Tensor) -> bool:
    """Whether it has all its values, as they are: others end what is computed of them with whatever torch raises."""
    import torch

    return tensor.layout is torch.strided and not tensor.is_quantized and tensor.device.type == "cpu"


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
    """The state dict in what training programs save around it."""
    dicts = list(_state_dicts(found, 0))
    return max(dicts, key=len) if dicts else found


def _state_dicts(found: object, depth: int) -> Iterator[Mapping[Any, Any]]:
    """Those that lie in `found`, of which known keys hide all others."""
    from torch import Tensor

    if not isinstance(found, Mapping) or depth > _DEEPEST:
        return
    if found and all(isinstance(each, Tensor) for each in found.values()):
        yield found
        return
    known = [found[key] for key in _AROUND if isinstance(found.get(key), Mapping)]
    for inner in known[:1] or list(found.values()):
        yield from _state_dicts(inner, depth + 1)


def without_prefix(weights: Mapping[str, Tensor], first: str) -> dict[str, Tensor]:
    """The weights without what is put before all their names; `first` is a name that the network itself has.

    DataParallel puts `module.` there, torch.compile `_orig_mod.`, a class around the network its attribute.
    """
    found = min((name.removesuffix(first) for name in weights if name.endswith(first)), key=len, default="")
    shared = found if all(name.startswith(found) for name in weights) else ""
    return {name.removeprefix(shared): tensor for name, tensor in weights.items()}


def _load(path: Path) -> object:
    import torch
    from safetensors.torch import load_file

    if path.suffix.lower() == ".safetensors":
        return load_file(path)
    return torch.load(path, map_location="cpu", weights_only=True)
