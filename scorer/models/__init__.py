"""Models: each maps a batch of frames to a batch of frames, and knows nothing of files, videos or stores.

A model joins by an entry point in the group `scorer.models` that names a `ModelSpec`; a user's own package does the same
(see examples/edges). Published by `scorer publish`, its weights are the files in the folder that the environment variable
SCORER_WEIGHTS names.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Literal, Protocol

from scorer.boundary import words
from scorer.errors import ModelError
from scorer.media.pixels import Frames
from scorer.text import closest

__all__ = [
    "STYLE_KINDS",
    "Device",
    "Frames",
    "Model",
    "ModelOverTime",
    "ModelSettings",
    "ModelSpec",
    "Style",
    "StyleKind",
    "forget",
    "installed",
    "names",
    "spec",
]

StyleKind = Literal["image", "number", "network", "none"]
STYLE_KINDS: dict[StyleKind, str] = {
    "image": "an image", "number": "a trained style's number", "network": "a trained network's file", "none": "none",
}  # fmt: skip
"""What the styles of a kind are, in words."""
Device = Literal["auto", "cpu", "cuda", "mps"]

# OpenVINO, when it is imported, tells Google Analytics so: from a thread, by a process that is forked while others work. It does
# without where this package isn't there (openvino/tools/ovc/telemetry_utils.py).
_MODULES: dict[str, Any] = sys.modules
_MODULES.setdefault("openvino_telemetry", None)


class Model(Protocol):
    """A loaded model, ready to score. One process uses it from one thread."""

    device: str
    """Where it computes: 'cpu', 'cuda' or 'mps'. It says how many frames it gets at once where nobody else does."""

    @property
    def runtime(self) -> str:
        """What computes, for records and reports: 'torch 2.14 cuda float16 compiled', 'openvino 2026.4 cpu int8', ..."""

    def score(self, frames: Frames) -> Frames:
        """Map (N, H, W, 3) to (N, H', W', 3) of the same dtype; H', W' depend on H, W alone.

        The frames are contiguous, and the model's own: it may write to them. Each side has its spec's `least_side` or more.
        How strong the result is, is no matter of the model: what it makes is blended with the original frame behind it.
        N is the same in every call of a job: the last batch of a chunk is filled up by the caller.
        Raises MemoryError or torch.OutOfMemoryError where the batch doesn't fit; the caller then tries less.
        """

    def reset(self) -> None:
        """Called before the first frame of a chunk: forget the frames seen so far."""


class ModelOverTime(Model, Protocol):
    """What a model is whose styles have times."""

    def score_at(self, frames: Frames, seconds: Sequence[float]) -> Frames:
        """Like `score`, each of the N frames in the style of its time, which depends on nothing else."""


@dataclass(frozen=True)
class Style:
    """What gives the style: an image, the number of a trained style, or the file of a trained network."""

    source: Path | int
    weight: float = 1.0
    at: float | None = None
    """When frames are wholly in it, in seconds of the video's clock; in between styles pass into one another. None: always."""


@dataclass(frozen=True)
class ModelSettings:
    """What a model is loaded with; checked against its ModelSpec before."""

    styles: tuple[Style, ...] = ()
    device: Device = "auto"
    threads: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelSpec:
    """A model's entry in the list: what it is, what it needs, and how to load it."""

    name: str
    summary: str
    style: StyleKind
    load: Callable[[ModelSettings], Model]
    max_styles: int = 1
    over_time: bool = False
    """Whether its styles may have times: what `load` gives is a ModelOverTime then."""
    check: Callable[[ModelSettings], None] | None = None
    """Raises StyleError or RequestError for what `load` would refuse, as far as no file and no runtime is needed to know: whoever
    plans a job has neither, and shall not find it out on a GPU."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Its own options, by name, each with one line of help that states the default."""
    source: str = ""
    """Paper, weights and their licence, in one line."""
    batch_size: int = 8
    """Frames it gets at once on a GPU where the request doesn't say; on a CPU it is 1."""
    least_side: int = 1
    """Pixels that a frame must have a side for it to work: narrower ones are padded by reflection, and its result is cropped."""
    tile_overlap: int | None = 32
    """Pixels that two tiles share where a frame is too large for memory; None: it can't work on tiles."""
    runs: Callable[[], str] | None = None
    """What it would compute on here, such as 'openvino'; raises ModelError, saying what to install, where it can't run."""
    see: str = ""
    """How to see its styles."""
    downloads: str = ""
    """What it fetches from the internet when first used, if anything: the nodes of a deployment have none."""


@cache
def _entries() -> dict[str, EntryPoint]:
    """Every installed model's entry point, by name."""
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group="scorer.models"):
        if entry.name in found:
            raise ModelError(f"Two packages offer a model called '{entry.name}': uninstall one of them.")
        found[entry.name] = entry
    return dict(sorted(found.items()))


@cache
def spec(name: str) -> ModelSpec:
    """The model called `name`. Raises ModelError, naming those that are there, or why its package can't be loaded."""
    entry = _entries().get(name)
    if entry is None:
        near = closest(name, _entries())
        meant = f"did you mean '{near}'? There are" if near else "choose one of"
        raise ModelError(f"There is no model '{name}': {meant} {', '.join(_entries())}.")
    try:
        found = entry.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # it is somebody else's code
        raise ModelError(f"Model '{name}' ({entry.value}) can't be loaded: {words(error)}") from error
    if not isinstance(found, ModelSpec):
        raise ModelError(f"Model '{name}' ({entry.value}) is no ModelSpec: see examples/edges.")
    if found.style not in STYLE_KINDS:
        raise ModelError(f"Model '{name}' ({entry.value}) has the style {found.style!r}: it is one of {', '.join(STYLE_KINDS)}.")
    return found


def names() -> list[str]:
    """Those of every model that is installed, none of which is loaded. Raises ModelError."""
    return list(_entries())


def installed(name: str) -> ModelSpec | ModelError:
    """The model called `name`, or why its package can't be loaded."""
    try:
        return spec(name)
    except ModelError as error:
        return error


def forget() -> None:
    """Look again at what is installed, next time."""
    _entries.cache_clear()
    spec.cache_clear()
