"""`scorer bench --stages`: what each stage of a task takes here, and what of the machine that is.

It needs no command line: `scorer.cli.gpu_check` measures by it on machines that have neither typer nor rich.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from scorer.cli.bench_ceilings import least_bytes, measured_ceilings, operations
from scorer.cli.bench_machine import machine_here
from scorer.cli.bench_worker import STARTS
from scorer.documents.measured import STAGES, Ceilings, Measured, Stage, Stages, Took
from scorer.errors import ModelError
from scorer.models import Device, Model, ModelSettings, Style, spec

if TYPE_CHECKING:
    import av

    from scorer.media.video import PartWriter

Frames = NDArray[Any]
Item = TypeVar("Item")

FRAMES = 48
"""Of a clip, that are measured; all of them are kept in memory."""


@dataclass
class _Clock:
    """What a stage takes."""

    seconds: float = 0.0
    core_seconds: float = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        began, spent = time.perf_counter(), time.process_time()
        yield
        self.seconds += time.perf_counter() - began
        self.core_seconds += time.process_time() - spent

    def took(self, frames: int) -> Took:
        return Took(ms=self.seconds * 1000 / frames, core_ms=self.core_seconds * 1000 / frames)

    def each(self, items: Iterable[Item]) -> Iterator[Item]:
        """The items, timed while they are made."""
        source = iter(items)
        while True:
            with self.running():
                item = next(source, None)
            if item is None:
                return
            yield item


@dataclass
class _Busy:
    """How long the model computes: by CUDA's own events, or by the clock around it where it runs on a processor."""

    on_cuda: bool
    _seconds: float = 0.0
    _events: list[tuple[Any, Any]] = field(default_factory=list)

    def score(self, model: Model, batch: Frames) -> Frames:
        """What the model makes of the batch."""
        if not self.on_cuda:
            began = time.perf_counter()
            made = model.score(batch)
            self._seconds += time.perf_counter() - began
            return made
        import torch

        event: Any = torch.cuda.Event  # which comes without types
        before, after = event(enable_timing=True), event(enable_timing=True)
        before.record()
        made = model.score(batch)
        after.record()
        self._events.append((before, after))
        return made

    @property
    def seconds(self) -> float:
        """So far."""
        if self._events:
            import torch

            torch.cuda.synchronize()
        return self._seconds + sum(float(before.elapsed_time(after)) for before, after in self._events) / 1000


def measure(
    models: Sequence[str], sizes: Sequence[tuple[int, int]], clip: Path | None, device: Device = "auto", frames: int = FRAMES
) -> Measured:
    """Measure each model at each size (width, height) on the clip's first frames, on a drawn film where there is none.

    Raises ModelError where a model can't run here.
    """
    machine = machine_here(device)
    ceilings = measured_ceilings(machine.device)
    with tempfile.TemporaryDirectory() as folder:
        source = clip or drawn(Path(folder) / "drawn.mp4", frames)
        rows = [
            measure_stages(model, size, source, clip.name if clip else "drawn", device, frames, ceilings)
            for size in sizes
            for model in models
        ]
    return Measured.made_here(machine, ceilings, stages=tuple(rows))


def measure_stages(
    model: str, size: tuple[int, int], clip: Path, name: str, device: Device, frames: int, ceilings: Ceilings | None
) -> Stages:  # fmt: skip
    """One model at one size. Raises ModelError where it can't run here, InputError for a clip that can't be used."""
    with tempfile.TemporaryDirectory() as folder:
        loaded = _load(model, device, Path(folder))
        on_cuda = getattr(loaded, "device", "cpu") == "cuda"
        batch = spec(model).batch_size if on_cuda else 1
        clocks: dict[Stage, _Clock] = {stage: _Clock() for stage in STAGES}
        film = _Film(clip, size, Path(folder) / "part.mp4")
        pictures = list(islice(clocks["decode"].each(film.pictures()), frames))
        pixels = list(clocks["convert"].each(map(film.to_pixels, pictures)))
        loaded.score(np.stack([pixels[0]] * batch))  # what is compiled is compiled for this shape
        scored = _score_all(loaded, pixels, batch, clocks["model"])
        list(clocks["convert back"].each(map(film.to_picture, scored)))
        with clocks["encode"].running():
            film.write(scored)
        for part in ("seconds", "core_seconds"):  # what writes a part converts as well
            rest = getattr(clocks["encode"], part) - getattr(clocks["convert back"], part)
            setattr(clocks["encode"], part, max(0.0, rest))
        with clocks["write"].running():
            film.keep()
        busy, wall = _overlapped(film, loaded, batch, frames, on_cuda=on_cuda)
    count = len(pixels)
    took = {stage: clock.took(count) for stage, clock in clocks.items()}
    rate = size[0] * size[1] * 1000 / max(took["model"].ms, 1e-6)  # pixels a second
    start, start_core = _start(model, size)
    counted, moved = operations(model), least_bytes(model, 2 if on_cuda else 4)
    return Stages(
        model=model, runtime=str(loaded.runtime), width=size[0], height=size[1], batch=batch, frames=count, clip=name,
        stages=took, frames_per_second=count / wall, busy=busy / wall,
        of_matmul=counted * rate / ceilings.matmul if counted and ceilings else None,
        of_copy=moved * rate / ceilings.copy_bytes if moved and ceilings else None,
        start_seconds=start, start_core_seconds=start_core,
    )  # fmt: skip


def _load(model: str, device: Device, folder: Path) -> Model:
    from scorer.cli.bench_worker import style_of

    source = style_of(model, folder)
    return spec(model).load(ModelSettings(styles=(Style(source),), device=device))


class _Film:
    """The clip as a task has it: decoded and converted by the code that scores."""

    def __init__(self, clip: Path, size: tuple[int, int], part: Path) -> None:
        from scorer.media.coding import Coding
        from scorer.media.limits import Limits
        from scorer.media.video import encoding_of, probe
        from scorer.media.video.color import ToPicture, ToPixels

        self._clip, self._size, self._part, self._coding = clip, size, part, Coding(codec="h264")
        self.index = probe(clip, Limits())
        info = self.index.info
        encoding = encoding_of(info, self._coding, *size)
        self.to_pixels = ToPixels(info, *size)
        self.to_picture = ToPicture(info, encoding.pixel_format, full_range=encoding.full_range)

    def pictures(self) -> Iterator[av.VideoFrame]:
        """As they are decoded."""
        from scorer.media.video.source import numbered_stream, open_source, prepare

        with open_source(self._clip) as container:
            stream = numbered_stream(container, self.index.info.stream)
            prepare(container, stream)
            yield from container.decode(stream)

    def frames(self, count: int) -> Iterator[Frames]:
        """The first `count` as the model gets them."""
        from scorer.media.video import VideoFrame, read_frames

        own = self.index.ranges(min(count, self.index.info.frames))[0]
        for found in read_frames(self._clip, self.index.info, own, self._size):
            if isinstance(found, VideoFrame):
                yield found.pixels

    def write(self, scored: Iterable[Frames]) -> None:
        """A part of them."""
        with self.writer() as writer:
            for number, each in enumerate(scored):
                writer.write(each, self.pts(number))

    def writer(self) -> PartWriter:
        """Of a part of them."""
        from scorer.media.video import PartWriter

        return PartWriter(self._part, self.index.info, *self._size, self._coding)

    def pts(self, number: int) -> int:
        """When the frame of that number is shown, on the clip's clock."""
        info = self.index.info
        return info.start_pts + round(number / (info.rate * info.time_base))

    def keep(self) -> None:
        """Put the part into a store, as it is done after the last frame."""
        from scorer.store import FolderStore

        FolderStore(self._part.parent / "store").put("part.mp4", self._part.read_bytes())


def _score_all(model: Model, pixels: Sequence[Frames], batch: int, clock: _Clock) -> list[Frames]:
    scored: list[Frames] = []
    for group in _batches(pixels, batch):
        with clock.running():
            scored += list(model.score(group))
    return scored[: len(pixels)]


def _batches(pixels: Iterable[Frames], size: int) -> Iterator[Frames]:
    """Batches of one size, the last one filled up as a task fills it."""
    source = iter(pixels)
    while group := list(islice(source, size)):
        yield np.stack(group + [group[-1]] * (size - len(group)))


def _overlapped(film: _Film, model: Model, batch: int, frames: int, *, on_cuda: bool) -> tuple[float, float]:
    """All stages at a time, as a task has them: seconds that the model computed, and seconds of the clock."""
    from scorer.job.pipeline import WriteBehind, read_ahead

    busy, count, began = _Busy(on_cuda), 0, time.perf_counter()
    with film.writer() as writer:

        def write(item: tuple[int, Frames]) -> None:
            writer.write(item[1], film.pts(item[0]))

        left = min(frames, film.index.info.frames)
        with WriteBehind(write, batch + 1) as behind:
            for group in _batches(read_ahead(film.frames(frames), batch + 1), batch):
                for each in busy.score(model, group)[: left - count]:
                    behind.put((count, each))
                    count += 1
    return busy.seconds, time.perf_counter() - began


def _start(model: str, size: tuple[int, int]) -> tuple[float, float]:
    """Seconds until a new process has made its first frames, by the clock and of all cores. Raises ModelError."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-m", "scorer.cli.bench_worker", model, STARTS, *map(str, size)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)  # noqa: S603  # own module
    took, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ModelError(f"Model '{model}' can't be started here ({reason}): repair its installation.")
    return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def drawn(path: Path, frames: int, size: tuple[int, int] = (1280, 720)) -> Path:
    """A film in which a drawn picture moves, 4 pixels a frame."""
    import av

    from scorer.cli.bench_worker import picture

    width, height = size
    wide = picture(width + 4 * frames, height)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(frames):
            shown = np.ascontiguousarray(wide[:, 4 * number : 4 * number + width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(shown, format="rgb24")))
        container.mux(stream.encode(None))
    return path
