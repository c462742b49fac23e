"""How long chunks are on a cluster: short enough to be tried again, and enough of them for slots to end together."""

import math

from hypothesis import given
from hypothesis import strategies as st

from scorer.job.dispatch import CHUNKS_PER_SLOT, LEAST_FRAMES, MOST_FRAMES, cluster_chunk_length


def test_a_slot_has_some_chunks_of_a_short_job() -> None:
    assert cluster_chunk_length(3000, 8) == 94
    assert math.ceil(3000 / 94) == CHUNKS_PER_SLOT * 8


def test_a_long_job_loses_little_where_a_chunk_is_tried_again() -> None:
    assert cluster_chunk_length(270_000, 8) == MOST_FRAMES


@given(frames=st.integers(1, 10_000_000), slots=st.integers(1, 500))
def test_chunks_are_neither_tiny_nor_huge(frames: int, slots: int) -> None:
    length = cluster_chunk_length(frames, slots)
    assert LEAST_FRAMES <= length <= MOST_FRAMES
    if LEAST_FRAMES * CHUNKS_PER_SLOT * slots <= frames:
        assert math.ceil(frames / length) >= slots * CHUNKS_PER_SLOT * 0.8
