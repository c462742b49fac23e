"""Models whose results and faults a test can foretell; installed as a package of their own by conftest.py."""

import os
import signal
import time
from importlib import import_module
from pathlib import Path

import numpy as np

from scorer.models import Frames, Model, ModelSettings, ModelSpec


class Invert:
    """Inverts frames; its options make it slow, hungry, faulty or large."""

    runtime, device = "trial cpu", "cpu"

    def __init__(self, settings: ModelSettings) -> None:
        self.options = settings.options

    def score(self, frames: Frames) -> Frames:
        if self.options.get("deadly"):
            os._exit(77)
        if len(frames) > int(self.options.get("most_frames", 256)):
            os.kill(os.getpid(), signal.SIGKILL)  # as Linux does where memory is used up
        time.sleep(float(self.options.get("sleep_ms", 0)) / 1000)
        most = self.options.get("most_pixels")
        if most is not None and frames.shape[0] * frames.shape[1] * frames.shape[2] > int(most):
            raise MemoryError
        poison = self.options.get("poison")
        if poison is not None and any(abs(float(frame.mean()) - float(poison)) < 2 for frame in frames):
            raise ValueError("this frame is poison")
        scale = int(self.options.get("scale", 1))
        inverted: Frames = np.iinfo(frames.dtype).max - frames
        return inverted.repeat(scale, axis=1).repeat(scale, axis=2)

    def reset(self) -> None:
        pass


def load(settings: ModelSettings) -> Model:
    if package := settings.options.get("needs"):
        import_module(str(package))
    if settings.options.get("plants"):
        _plant()
    return Invert(settings)


def _plant() -> None:
    """Do what a sender's model may do to all that its container can write to: other bytes, or a link, in each file's place."""
    for name in ("SCORER_NODE_DIR", "SCORER_SLOTS_DIR"):
        for number, path in enumerate(sorted(Path(os.environ[name]).rglob("*"))):
            if path.is_file() and number % 2:
                path.write_bytes(b"planted")
            elif path.is_file():
                path.unlink()
                path.symlink_to("/etc/hostname")


SPEC = ModelSpec(
    name="invert",
    summary="255 minus each component",
    style="none",
    load=load,
    options=dict.fromkeys(
        ("deadly", "most_frames", "needs", "plants", "sleep_ms", "most_pixels", "poison", "scale"), "for tests"
    ),
    tile_overlap=8,
)
