"""How many frames one task gets, where nobody says."""

import math

from hypothesis import given
from hypothesis import strategies as some

from scorer.job.dispatch import LEAST_FRAMES, MOST_FRAMES, STARTUP_FRAMES, cluster_chunk_length


def test_a_long_video_makes_four_tasks_a_slot() -> None:
    assert cluster_chunk_length(9600, 8) == 300


def test_where_that_is_shorter_than_a_start_up_tasks_are_as_long_as_one() -> None:
    assert cluster_chunk_length(3000, 8) == STARTUP_FRAMES


def test_a_short_video_still_gives_every_slot_one() -> None:
    assert math.ceil(800 / cluster_chunk_length(800, 8)) == 8


@given(some.integers(1, 10_000_000), some.integers(1, 8000))
def test_limits(frames: int, slots: int) -> None:
    length = cluster_chunk_length(frames, slots)
    assert LEAST_FRAMES <= length <= MOST_FRAMES
    tasks = math.ceil(frames / length)
    if LEAST_FRAMES < length < MOST_FRAMES:
        # Every slot has work, but for what rounding takes: no more than a fifth of them goes without.
        assert tasks >= min(slots, math.ceil(frames / STARTUP_FRAMES)) * 0.8
