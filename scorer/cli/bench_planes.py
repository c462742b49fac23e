"""From decoded pictures to those to be encoded: by pixels, converted on the processor, and by planes, converted on the device."""

from __future__ import annotations

import tempfile
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from scorer.errors import ModelError

if TYPE_CHECKING:
    from scorer.media.video import VideoInfo
    from scorer.media.video.planes import DecodedPlanes
    from scorer.models.torch_runtime import TorchModel

From = Literal["from pixels", "from planes"]
FROM: tuple[From, From] = ("from pixels", "from planes")


def calls(way: From, model: TorchModel, size: tuple[int, int], batch: int, seconds: float) -> list[float]:
    """Milliseconds of each batch of a drawn film, in one thread, after those that are on their way first."""
    from scorer.job.planes_stage import IN_FLIGHT

    with tempfile.TemporaryDirectory() as folder:
        info, pictures = _pictures(Path(folder), size, batch)
        call = (_by_planes if way == "from planes" else _by_pixels)(model, info, pictures)
        for _ in range(IN_FLIGHT + 1):
            call()
        found: list[float] = []
        end = time.perf_counter() + seconds
        while not found or time.perf_counter() < end:
            began = time.perf_counter()
            call()
            found.append((time.perf_counter() - began) * 1000)
    return found


def _pictures(folder: Path, size: tuple[int, int], count: int) -> tuple[VideoInfo, list[DecodedPlanes]]:
    from scorer.cli.bench_stages import drawn
    from scorer.media.limits import Limits
    from scorer.media.video import PlanesFrame, probe, read_planes

    clip = drawn(folder / "drawn.mp4", count, size)
    index = probe(clip, Limits())
    found = [each.planes for each in read_planes(clip, index.info, index.range(0, count)) if isinstance(each, PlanesFrame)]
    if len(found) < count:
        raise ModelError(f"Frames of {size[0]}x{size[1]} pixels aren't held in planes: choose even sides of 16 or more.")
    return index.info, found


def _by_pixels(model: TorchModel, info: VideoInfo, pictures: list[DecodedPlanes]) -> Callable[[], object]:
    from scorer.media.video.color import ToPicture, ToPixels

    to_pixels = ToPixels(info, info.width, info.height)
    to_picture = ToPicture(info, "yuv420p", full_range=info.full_range)

    def call() -> object:
        made = model.score(np.stack([to_pixels(each.picture) for each in pictures]))
        return [to_picture(each) for each in made]

    return call


def _by_planes(model: TorchModel, info: VideoInfo, pictures: list[DecodedPlanes]) -> Callable[[], object]:
    from scorer.job.planes_stage import IN_FLIGHT
    from scorer.job.planes_torch import Flights
    from scorer.media.video.planes import form_of
    from scorer.models.torch_planes import Conversion

    target = form_of("yuv420p", info.width, info.height, info.matrix, full_range=info.full_range)
    if target is None:
        raise ModelError(f"Frames of {info.width}x{info.height} pixels aren't coded from planes: choose even sides.")
    flights, flying = Flights(model, Conversion(pictures[0].form, target)), deque[Any]()

    def call() -> object:
        flying.append(flights.begin(pictures, len(pictures)))
        if len(flying) < IN_FLIGHT:
            return None
        return [made.picture() for made in flights.land(flying.popleft())]

    return call
