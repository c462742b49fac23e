"""Where VGG19's trained weights come from: a file named in the environment, or torchvision's, fetched once and checked always."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scorer.errors import ModelError

VARIABLE = "SCORER_VGG19"
"""Environment variable: the path of VGG19's weights. No option: options come with a request, from somebody else."""

SECONDS = 20  # of silence until a host counts as unreachable


def vgg19_file(url: str | None = None) -> Path:
    """Return the file that SCORER_VGG19 names, or the one in torch.hub's folder (TORCH_HOME moves it), fetched if need be.

    The latter's name carries the first digits of its SHA-256. Raises ModelError where it can't be had or isn't what its
    name says.
    """
    if named := os.environ.get(VARIABLE):
        return Path(named)

    import torch

    url = url or _published()
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[1]
    if not path.is_file():
        _download(url, path)
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if not found.startswith(_prefix(path)):
        raise ModelError(f"The VGG19 weights {path} aren't the published ones (SHA-256 {found[:8]}): delete the file.")
    return path


def _prefix(path: Path) -> str:
    """Read the first digits of the SHA-256, as the file's name states them after the last hyphen."""
    return path.stem.rsplit("-", 1)[1]


def _published() -> str:
    from torchvision.models import VGG19_Weights

    return str(VGG19_Weights.IMAGENET1K_V1.url)


def _download(url: str, path: Path) -> None:
    import torch

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _patience(SECONDS):
            torch.hub.download_url_to_file(url, str(path), hash_prefix=_prefix(path), progress=False)
    except (OSError, RuntimeError) as error:  # torch.hub says with a RuntimeError that the hash is wrong
        reason = getattr(error, "reason", None) or error
        raise ModelError(
            f"The VGG19 weights can't be downloaded from {url} ({reason}): "
            f"put that file at {path}, or set {VARIABLE} to the path of a local one."
        ) from error


@contextmanager
def _patience(seconds: float) -> Iterator[None]:
    """torch.hub sets no time limit of its own, and would wait minutes for a host that doesn't answer."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
