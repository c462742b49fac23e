from __future__ import annotations

import cv2
import numpy as np
import pytest

from scorer.media.flicker import Correspondence
from scorer.models import Frames
from tests.scorer.media.test_motion import scene, view


def styled(frame: Frames, noise: float, seed: int) -> Frames:
    """Something that goes with the frame, and noise that doesn't."""
    painted = cv2.applyColorMap(cv2.blur(frame, (9, 9)), cv2.COLORMAP_OCEAN).astype(float)
    return np.clip(painted + np.random.default_rng(seed).normal(0, noise, frame.shape), 0, 255).astype(np.uint8)


def test_what_moves_with_its_source_hardly_flickers_and_noise_counts_as_much_as_there_is() -> None:
    picture = scene(1)
    one, two = view(picture, 10, 10), view(picture, 13, 17)
    pixels = Correspondence(one, two)
    quiet = pixels.error(styled(one, 0, 1), styled(two, 0, 2))
    errors = [pixels.error(styled(one, noise, 1), styled(two, noise, 2)) for noise in (8, 16)]
    assert quiet < errors[0] / 4 < errors[1] / 8
    # Of two values with noise of 16 levels the squares differ by 2 * 16 * 16, less what moving between pixels smoothes.
    assert errors[1] - quiet == pytest.approx(3 * 2 * (16 / 255) ** 2, rel=0.3)


def test_without_motion_it_is_the_mean_square_difference() -> None:
    frame = view(scene(2), 0, 0)
    one, two = styled(frame, 10, 1), styled(frame, 10, 2)
    plain = np.square(one.astype(float) / 255 - two.astype(float) / 255).sum(axis=2).mean()
    assert Correspondence(frame, frame).error(one, two) == pytest.approx(plain, rel=1e-2)


def test_what_comes_into_sight_does_not_count() -> None:
    """A square in front of the scene goes to the right, and what it uncovers is painted white in one frame alone."""
    back, front = view(scene(3), 0, 0), scene(4)
    frames = []
    for at in (100, 124):
        frame = back.copy()
        frame[60:140, at : at + 80] = front[60:140, :80]
        frames.append(frame)
    marked = frames[0].copy()
    marked[60:140, 170:200] = 255
    pixels = Correspondence(frames[1], frames[0])
    seen = frames[1].copy()
    seen[70:130, 102:122] = 255
    assert pixels.error(seen, frames[0]) < 2 * pixels.error(frames[1], frames[0]) + 0.01
    everywhere = np.full_like(frames[1], 255)
    assert pixels.error(everywhere, frames[0]) > 0.2


@pytest.mark.parametrize("shape", [(720, 1280), (20, 20), (16, 700), (1, 1)])
def test_any_size(shape: tuple[int, int]) -> None:
    frame = scene(0, *shape)
    assert Correspondence(frame, frame).error(frame, frame) < 1e-5
    deep = frame.astype(np.uint16) * 257
    assert Correspondence(deep, deep).error(frame, deep) < 1e-5


def test_styled_frames_may_have_another_size_than_the_source() -> None:
    frame = view(scene(5), 0, 0)
    large = frame.repeat(2, axis=0).repeat(2, axis=1)
    assert Correspondence(frame, frame).error(large, frame) < 1e-5
