"""Motion that is known is found, what can't be seen isn't trusted, and the same comes out on any number of threads."""

from __future__ import annotations

import subprocess
import sys

import cv2
import numpy as np
import pytest

from scorer.media.motion import chained, look, moved, steps
from scorer.models import Frames

SHIFT = (6, 10)


def scene(seed: int, height: int = 240, width: int = 400) -> Frames:
    """Soft blots of all sizes, (H, W, 3)."""
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    layers = [cv2.GaussianBlur(noise, (0, 0), size).astype(float) for size in (2, 5, 12)]
    mixed = sum(layer - layer.mean() for layer in layers)
    return np.asarray(np.clip(128 + 6 * mixed, 0, 255), np.uint8)


def view(picture: Frames, down: int, right: int, height: int = 200, width: int = 320) -> Frames:
    return np.ascontiguousarray(picture[down : down + height, right : right + width])


def rgba(frame: Frames) -> Frames:
    return np.dstack([frame, np.zeros_like(frame[..., :1])])


def test_a_camera_that_pans_is_followed() -> None:
    """What is moved along the flow lies over the frame that it is moved to."""
    picture = scene(1)
    one, two = view(picture, 10, 10), view(picture, 10 + SHIFT[0], 10 + SHIFT[1])
    first, second = look(one), look(two)
    assert first is not None
    assert second is not None
    found = steps(first, second)
    assert found is not None
    inner = np.s_[20:-20, 20:-20]
    for (own, other), step, sign in zip(((one, two), (two, one)), found, (-1, 1), strict=True):
        scale = own.shape[1] / step.flow.shape[1]
        assert np.median(step.flow[..., 0]) * scale == pytest.approx(sign * SHIFT[1], abs=0.5)
        assert np.median(step.flow[..., 1]) * scale == pytest.approx(sign * SHIFT[0], abs=0.5)
        over = moved(rgba(own), rgba(other), step)[..., :3]
        before = np.abs(own[inner].astype(int) - other[inner]).mean()
        assert np.abs(own[inner].astype(int) - over[inner]).mean() < before / 5
        assert (step.trust[10:-10, 10:-10] >= 128).mean() > 0.95


def test_two_steps_lead_as_far_as_both() -> None:
    picture = scene(2)
    looks = [look(view(picture, 10 + 3 * number, 10 + 5 * number)) for number in range(3)]
    first, second, third = (each for each in looks if each is not None)
    there, on = steps(first, second), steps(second, third)
    assert there is not None
    assert on is not None
    one, two = there[0], on[0]
    both = chained(one, two)
    scale = 320 / both.flow.shape[1]
    assert np.median(both.flow[..., 0]) * scale == pytest.approx(-10, abs=0.6)
    assert np.median(both.flow[..., 1]) * scale == pytest.approx(-6, abs=0.6)
    assert np.mean(both.trust) <= min(np.mean(one.trust), np.mean(two.trust))


def test_what_was_hidden_is_not_trusted() -> None:
    """A square in front of the scene goes to the right: what it uncovers is nowhere in the frame before."""
    picture, front = view(scene(3), 0, 0), scene(4)
    frames = []
    for at in (100, 124):
        frame = picture.copy()
        frame[60:140, at : at + 80] = front[60:140, :80]
        frames.append(frame)
    first, second = (look(each) for each in frames)
    assert first is not None
    assert second is not None
    found = steps(first, second)
    assert found is not None
    _, back = found
    trust = cv2.resize(back.trust, (320, 200))
    assert (trust[70:130, 104:120] < 128).mean() > 0.8
    assert (trust[10:40] >= 128).mean() > 0.95
    own, other = np.full((200, 320, 4), 200, np.uint8), np.full((200, 320, 4), 10, np.uint8)
    kept = moved(own, other, back)
    assert np.array_equal(np.unique(kept), [10, 200])  # nothing between: a pixel is the other's or its own
    assert np.array_equal(kept[..., 0] == 200, trust < 128)


@pytest.mark.parametrize("height", [200, 201])
def test_another_scene_or_another_size_is_no_motion(height: int) -> None:
    first, second = look(view(scene(5), 0, 0)), look(view(scene(6), 0, 0, height=height))
    assert first is not None
    assert second is not None
    assert steps(first, second) is None


@pytest.mark.parametrize(
    ("height", "width", "is_seen"), [(11, 400, False), (12, 400, True), (400, 11, False), (12, 12, True), (1, 1, False)]
)
def test_frames_that_are_too_small_have_none(height: int, width: int, is_seen: bool) -> None:
    frame = np.zeros((height, width, 3), np.uint8)
    found = look(frame)
    assert (found is not None) == is_seen
    if found is not None:
        assert steps(found, found) is not None


def test_no_size_is_read_beyond() -> None:
    """DIS ends the process where a side is short. Asked in another process, of which each size may be the last."""
    code = """
import numpy as np
from scorer.media.motion import look, steps
sides = (1, 2, 11, 12, 13, 15, 16, 20, 24, 31, 32, 33, 47, 63, 64)
for short in sides:
    for long in (short, 60, 100, 200, 320, 401, 639, 640, 2000):
        for shape in ((short, long), (long, short)):
            print(*shape, flush=True)
            frames = np.random.default_rng(0).integers(0, 256, (2, *shape, 3), np.uint8)
            one, two = look(frames[0]), look(frames[1])
            if one is not None and two is not None:
                steps(one, two)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-20:] + done.stderr


def test_a_long_narrow_frame_is_reduced_by_its_longer_side() -> None:
    assert look(np.zeros((40, 6400, 3), np.uint8)) is None
    assert look(np.zeros((240, 6400, 3), np.uint8)) is not None


def test_sixteen_bits_move_as_eight_do() -> None:
    one, two = view(scene(7), 10, 10), view(scene(7), 12, 13)
    looks = [look(frame.astype(np.uint16) * 257) for frame in (one, two)]
    for deep, plain in zip(looks, (look(one), look(two)), strict=True):
        assert deep is not None
        assert plain is not None
        assert np.array_equal(deep.grey, plain.grey)
        assert np.array_equal(deep.colors, plain.colors)


def test_the_number_of_threads_changes_nothing() -> None:
    one, two = look(view(scene(8), 10, 10)), look(view(scene(8), 14, 18))
    assert one is not None
    assert two is not None
    before, found = cv2.getNumThreads(), []
    try:
        for threads in (1, 2, 5):
            cv2.setNumThreads(threads)
            found.append(steps(one, two) or ())
    finally:
        cv2.setNumThreads(before)
    for other in found[1:]:
        for step, same in zip(found[0], other, strict=True):
            assert np.array_equal(step.flow, same.flow)
            assert np.array_equal(step.trust, same.trust)
