"""Before a long run: some of its frames as it will make them.

A frame is shown by scoring the first of a chunk, by the code that scores all of it; so a long video takes as long as a short one.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import av

from scorer.documents.plan import Chunk, Plan
from scorer.documents.records import FrameRecord
from scorer.errors import InputError
from scorer.job.media import open_media
from scorer.job.score import load_model, score_chunk
from scorer.job.steady_stage import REACH
from scorer.models import Frames, Model, ModelOverTime
from scorer.store import FolderStore, Store, Stores


@dataclass(frozen=True)
class Shown:
    """One frame of the job, by itself."""

    frame: int
    name: str | None
    """Its file's name, where the input is a folder of images."""
    seconds: float | None
    """When a video shows it, by the clock of the whole."""
    before: Frames | None
    """(H, W, 3), at the size the model gets; None where it couldn't be decoded. So is `after`, as it is before it is coded."""
    after: Frames | None
    error: str | None


@dataclass(frozen=True)
class Spent:
    """What some frames took."""

    frames: int
    cpu: float
    """Seconds of processors."""
    wall: float
    """Seconds of the clock."""
    sizes: tuple[int, ...] = ()
    """Bytes of each frame as it is coded, in the order of the file: a video's first is a key frame."""

    def without(self, fewer: Spent) -> Spent:
        """What the frames took that aren't among the fewer ones, which take their share of beginning and end with them."""
        cpu, wall = max(0.0, self.cpu - fewer.cpu), max(0.0, self.wall - fewer.wall)
        return replace(self, frames=self.frames - fewer.frames, cpu=cpu, wall=wall)


@dataclass
class Previewer:
    """Scores some frames of a plan; what that leaves is gone with it."""

    stores: Stores
    _made: int = 0

    @classmethod
    @contextmanager
    def opened(cls, media: Store) -> Iterator[Previewer]:
        """With an input store of the plan's."""
        with tempfile.TemporaryDirectory(prefix="scorer-preview-", ignore_cleanup_errors=True) as folder:
            yield cls(Stores(media, *(FolderStore(Path(folder) / name) for name in ("output", "work", "logs"))))

    def load(self, plan: Plan, threads: int) -> Model:
        """The plan's model. Raises StyleError, ModelError."""
        return load_model(plan, self.stores, threads)

    def frame(self, plan: Plan, chunk: Chunk, model: Model) -> tuple[Shown, Spent]:
        """The chunk's first frame. Raises ScorerError like `score_chunk`."""
        (shown,), spent = self.frames(plan, chunk, model, 1)
        return shown, spent

    def frames(self, plan: Plan, chunk: Chunk, model: Model, count: int) -> tuple[list[Shown], Spent]:
        """The chunk's first frames, as many as it has up to `count`."""
        self._made += 1
        own = opening(plan, chunk, count, self._made)
        found: list[Shown] = []

        def keep(record: FrameRecord, before: Frames | None, after: Frames | None) -> None:
            found.append(Shown(record.frame, record.name, _seconds(plan, chunk), before, after, record.error))

        began, cpu = time.perf_counter(), time.process_time()
        part, _ = score_chunk(plan, own, self.stores, model, on_pixels=keep)
        wall, cpu = time.perf_counter() - began, time.process_time() - cpu
        if plan.video is None:
            sizes = tuple(self.stores.output.head(plan.image_path(file)).size for file in own.files)
        else:
            sizes = _packets(Path(self.stores.parts.where(part.written.path(plan))))
        return found, Spent(own.frames, cpu, wall, sizes)

    def original(self, plan: Plan, chunk: Chunk) -> Frames:
        """The chunk's first frame as the model would get it. Raises InputError where it can't be decoded."""
        with open_media(plan, opening(plan, chunk, 1, 0), self.stores) as media:
            frame = next(each for each in media.read() if each.is_own)
        if frame.pixels is None:
            raise InputError(f"Frame {frame.number} can't be shown: {frame.error}")
        return frame.pixels


def opening(plan: Plan, chunk: Chunk, count: int, number: int) -> Chunk:
    """The chunk's first frames, up to `count` of them, as a chunk that `number` tells from others."""
    count = min(count, chunk.frames)
    changes: dict[str, object] = {"frames": count, "fingerprint": f"{number:016x}", "files": chunk.files[:count]}
    for name, found in (("range", chunk.range), ("around", chunk.around)):
        if found is None:
            continue
        last = chunk.first + count + (REACH[plan.request.steady] if name == "around" else 0)
        frames = min(last, found.first + found.frames) - found.first
        pts = None if found.pts is None else found.pts[:frames]
        changes[name] = found.model_copy(update={"frames": frames, "pts": pts})
    return chunk.model_copy(update=changes)


def spread(chunks: Sequence[Chunk], count: int) -> list[Chunk]:
    """Up to `count` of the chunks, spread evenly over all."""
    return [chunks[number] for number in sorted({(2 * at + 1) * len(chunks) // (2 * count) for at in range(count)})]


def _seconds(plan: Plan, chunk: Chunk) -> float | None:
    """When the chunk's first frame is shown."""
    if plan.video is None or chunk.range is None:
        return None
    return float(plan.video.shown_at(chunk.range.start_pts))


def _packets(part: Path) -> tuple[int, ...]:
    """Bytes of each coded picture of a part."""
    with av.open(str(part)) as container:
        return tuple(packet.size for packet in container.demux(video=0) if packet.size)


class Remembering:
    """A model that computes nothing twice: frames at several strengths are one frame to it."""

    def __init__(self, model: Model) -> None:
        self._model, self._made = model, dict[bytes, Frames]()
        self.runtime, self.device = model.runtime, getattr(model, "device", "cpu")
        self._before = hashlib.sha256()

    def score(self, frames: Frames) -> Frames:
        """What the model makes of frames (N, H, W, 3), which may depend on those before."""
        return self._remembered(frames, (), lambda: self._model.score(frames))

    def score_at(self, frames: Frames, seconds: Sequence[float]) -> Frames:
        """The same of a model whose styles have times."""
        model = cast(ModelOverTime, self._model)
        return self._remembered(frames, seconds, lambda: model.score_at(frames, seconds))

    def _remembered(self, frames: Frames, seconds: Sequence[float], score: Callable[[], Frames]) -> Frames:
        self._before.update(repr((frames.shape, frames.dtype, tuple(seconds))).encode() + frames.tobytes())
        key = self._before.digest()
        if key not in self._made:
            self._made[key] = score()
        return self._made[key].copy()

    def reset(self) -> None:
        """The model's own is done for each frame anyway, whether or not it computes one."""
        self._before = hashlib.sha256()
        self._model.reset()
