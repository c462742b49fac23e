"""What all of a job will take here, in time and in bytes, by what some of its frames have taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scorer.documents.plan import Chunk, Plan
from scorer.errors import ScorerError
from scorer.job.preview import Previewer, Spent, spread
from scorer.job.score import batch_size
from scorer.media.video.source import open_source
from scorer.models import Model

MEASURED_SECONDS = 8.0
"""How long measuring takes, roughly; longer where a model takes that long for two frames."""
IN_A_ROW = 24
"""Frames of one place: behind a key frame, those that follow are small at first."""
SOUND = 16_000
"""Bytes a second of a track whose rate its container doesn't tell."""


@dataclass(frozen=True)
class Machine:
    """What the whole job would run on."""

    cores: int
    processes: int
    """Of workers, each of which has a GPU of its own where there are some."""


@dataclass(frozen=True)
class Forecast:
    """What all of a job may take."""

    seconds: float
    bytes: int


@dataclass
class Measured:
    """What parts of a job have taken."""

    spent: list[Spent] = field(default_factory=list)
    sizes: list[Sequence[int]] = field(default_factory=list)
    """Bytes of frames that stand one after the other, of a video beginning with a key frame."""


def measure(previewer: Previewer, plan: Plan, chunks: Sequence[Chunk], model: Model, each: float) -> Measured:
    """Score frames in a row at the beginning of the chunks; `each` is how many seconds one is known to take, roughly.

    What a single frame takes in the same place is taken off: a decoder's way there, and a file's beginning and end.
    Raises ScorerError.
    """
    measured = Measured()
    affordable = int(MEASURED_SECONDS / max(each, 0.001))
    if affordable < 2:
        _, both = previewer.frames(plan, chunks[len(chunks) // 2], model, 2)
        return Measured([both], [both.sizes])
    batch = batch_size(plan, getattr(model, "device", "cpu"))
    places = max(1, min(len(chunks), affordable // IN_A_ROW))
    more = max(1, min(affordable // places - 2, IN_A_ROW) // batch) * batch
    for chunk in spread(chunks, places):
        _, one = previewer.frames(plan, chunk, model, 1)
        _, many = previewer.frames(plan, chunk, model, 1 + more) if chunk.frames > 1 else (None, one)
        measured.spent.append(many.without(one) if many.frames > 1 else one)
        measured.sizes.append(many.sizes)
    return measured


def forecast(measured: Measured, plan: Plan, chunks: int, machine: Machine, *, on_gpus: bool) -> Forecast:
    """Of all the plan's frames in so many chunks, with all cores busy, or all GPUs, whichever are slower."""
    frames = sum(each.frames for each in measured.spent)
    of_cores = sum(each.cpu for each in measured.spent) / frames / machine.cores
    of_gpus = sum(each.wall for each in measured.spent) / frames / machine.processes if on_gpus else 0.0
    return Forecast(plan.frames * max(of_cores, of_gpus), _bytes(measured, plan, chunks))


def _bytes(measured: Measured, plan: Plan, chunks: int) -> int:
    """Each chunk of a video begins with a key frame, which is larger than others."""
    if plan.video is None:
        sizes = [size for each in measured.sizes for size in each]
        return round(plan.frames * sum(sizes) / len(sizes))
    keys, others = [each[0] for each in measured.sizes], [size for each in measured.sizes for size in each[1:]]
    key = sum(keys) / len(keys)
    other = sum(others) / len(others) if others else key
    return round(chunks * key + (plan.frames - chunks) * other)


def beside(plan: Plan, path: Path) -> int:
    """Bytes of the sound that a video's result has, by what the container of the input at `path` says of it."""
    if plan.video is None:
        return 0
    try:
        with open_source(path) as container:
            rates = {stream.index: stream.bit_rate or 8 * SOUND for stream in container.streams.audio}
    except ScorerError:  # it was there before; an estimate does without
        return 0
    return round(sum(rates.get(track.stream, 0) for track in plan.video.tracks) / 8 * plan.video.seconds)
