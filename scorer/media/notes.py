"""Notes: what can't be kept of an input, or was changed on the way, for whoever asked for the job.

Each is a short plain phrase without a full stop, such as 'the second video track is left out'.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, Field

from scorer.text import clean

LONGEST = 300
"""Characters of one note."""
MOST = 50
"""Notes of one job."""

Note = Annotated[str, AfterValidator(lambda text: clean(text, LONGEST))]
Notes = Annotated[tuple[Note, ...], Field(max_length=MOST)]
"""As a document has them, which somebody else may have written."""


def in_one_line(notes: Sequence[str]) -> str:
    """All of them for a terminal; '' where there are none."""
    return f"not as it was: {'; '.join(notes)}" if notes else ""
