"""Videos of true structure and absurd numbers: what is taken can be read and joined, the rest is refused in one sentence."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings

from tests.fuzz.cases import VIDEOS, Case, cases
from tests.fuzz.pool import Looker


@pytest.mark.parametrize("format_", VIDEOS)
def test_any_video_is_taken_or_refused(looker: Looker, format_: str) -> None:
    ends: Counter[str] = Counter()

    @settings(max_examples=60, derandomize=True, database=None, deadline=None)
    @given(cases([format_]))
    def holds(case: Case) -> None:
        ends[looker.checked(case)["end"]] += 1

    holds()
    assert min(ends["taken"], ends["InputError"]) > 2, ends  # both ways are gone
