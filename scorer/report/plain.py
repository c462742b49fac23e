"""The page that stands where a report can't be made: it says why, and nothing else."""

from __future__ import annotations

from scorer.report.pages import page


def render_plain(job: str, state: str, *said: str | None) -> str:
    """Make the page out of sentences, as HTML; those that are None are left out."""
    return page("plain", script=False, job=job, state=state, said=[each for each in said if each])
