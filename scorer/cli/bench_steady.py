"""`scorer bench --steady`: what steadying gives and costs, on a real clip with `adaptive`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
from rich.table import Table

from scorer.documents.request_fields import Steady
from scorer.job.media import Frame
from scorer.job.model_stage import Scored
from scorer.job.steady_stage import SteadyStage
from scorer.media import images
from scorer.media.flicker import Correspondence
from scorer.models import Frames, ModelSettings, Style, spec
from scorer.models.adaptive import style_square

FAR = 8
"""Frames between two that are compared for what changes slowly."""


@dataclass(frozen=True)
class SteadyRow:
    """One way of steadying. All but times are shares of what it is without."""

    steady: Steady
    flicker: float
    """Warping error of frames that follow each other."""
    far_flicker: float
    """Of frames that are FAR apart."""
    style: float
    """How close frames are to the painting, by the numbers that `adaptive` reads off both."""
    sharpness: float
    """The squares of differences between neighbouring pixels."""
    ms: float
    """Milliseconds of a core a frame."""


def bench_steady(clip: Path, style: Path, count: int = 100, size: tuple[int, int] = (640, 360)) -> list[SteadyRow]:
    """Measure each way on the first `count` frames of the clip, at `size`. Raises ModelError where the model can't run here."""
    source = _frames(clip, count, size)
    model = spec("adaptive").load(ModelSettings((Style(style),), "cpu", 1))
    styled = [model.score(frame[None])[0] for frame in source]
    ways: list[tuple[Steady, list[Frames], float]] = [(way, *_steadied(way, source, styled)) for way in get_args(Steady)]
    near, far = (_errors(source, [frames for _, frames, _ in ways], apart) for apart in (1, FAR))
    close = _closeness(style, [frames for _, frames, _ in ways])
    sharp = [float(np.mean([_sharpness(frame) for frame in frames[:: FAR // 2]])) for _, frames, _ in ways]
    return [
        SteadyRow(way, near[row] / near[0], far[row] / far[0], close[row] / close[0], sharp[row] / sharp[0], ms)
        for row, (way, _, ms) in enumerate(ways)
    ]


def steady_table(rows: Sequence[SteadyRow]) -> Table:
    """The rows as a table for the screen."""
    result = Table("--steady", "flicker", f"at {FAR} frames", "style", "sharpness", "ms of a core/frame")
    for row in rows:
        shares = (row.flicker, row.far_flicker, row.style, row.sharpness)
        result.add_row(row.steady, *(f"{share:.0%}" for share in shares), f"{row.ms:.1f}")
    return result


def _frames(clip: Path, count: int, size: tuple[int, int]) -> list[Frames]:
    import av

    with av.open(str(clip)) as container:
        decoded = (frame.to_ndarray(format="rgb24") for _, frame in zip(range(count), container.decode(video=0), strict=False))
        return [images.resize(np.asarray(frame, np.uint8), *size) for frame in decoded]


def _steadied(way: Steady, source: Sequence[Frames], styled: Sequence[Frames]) -> tuple[list[Frames], float]:
    """What comes out, and milliseconds of a core a frame."""
    stage, given = SteadyStage(way, measured=0), list[Scored]()
    began = time.process_time()
    for number, (frame, made) in enumerate(zip(source, styled, strict=True)):
        given += stage.push(Scored(Frame(number, None, frame, None, 0.0), made, None, 0.0))
    given += stage.rest()
    spent = (time.process_time() - began) * 1000 / len(source)
    return [each.pixels for each in given if each.pixels is not None], spent


def _errors(source: Sequence[Frames], ways: Sequence[Sequence[Frames]], apart: int) -> list[float]:
    """The mean warping error of each way, of pairs of frames that far apart."""
    errors = []
    for number in range(0, len(source) - apart, FAR // 2):
        pixels = Correspondence(source[number], source[number + apart])
        errors.append([pixels.error(frames[number], frames[number + apart]) for frames in ways])
    return [float(mean) for mean in np.mean(errors, axis=0)]


def _closeness(style: Path, ways: Sequence[Sequence[Frames]]) -> list[float]:
    """How much nearer to the painting than a grey picture the frames of each way are, in the 100 numbers of a style."""
    from scorer.models.openvino_runtime import predict_styles

    painting, grey = predict_styles([style_square(style), np.full((256, 256, 3), 128, np.uint8)], 1)

    def distance(frames: Sequence[Frames]) -> float:
        numbers = predict_styles([np.asarray(frame, np.uint8) for frame in frames], 1)
        return float(np.linalg.norm(numbers - painting, axis=1).mean())

    start = float(np.linalg.norm(grey - painting))
    return [1 - distance(frames[:: 3 * FAR]) / start for frames in ways]


def _sharpness(frame: Frames) -> float:
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return float(np.square(np.diff(grey, axis=0)).mean() + np.square(np.diff(grey, axis=1)).mean())
