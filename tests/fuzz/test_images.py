"""Images of true structure and absurd numbers: as frames and as styles they are taken whole, or refused in one sentence."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings

from tests.fuzz.cases import IMAGES, Case, cases
from tests.fuzz.pool import Looker


@pytest.mark.parametrize("format_", IMAGES)
def test_any_image_is_taken_or_refused(looker: Looker, format_: str) -> None:
    ends: Counter[str] = Counter()

    @settings(max_examples=120, derandomize=True, database=None, deadline=None)
    @given(cases([format_]))
    def holds(case: Case) -> None:
        ends[looker.checked(case)["end"]] += 1

    holds()
    assert min(ends["taken"], ends["InputError"]) > 5, ends  # both ways are gone
