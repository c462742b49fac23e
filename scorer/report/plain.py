"""The page that stands where a report can't be made: it says why, and nothing else."""

from __future__ import annotations

from scorer.report.text import escape

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="default-src 'none'">
<title>{job}</title></head><body><h1>{job}: {state}</h1>{said}</body></html>
"""


def render_plain(job: str, state: str, *said: str | None) -> str:
    """Make the page out of sentences, as HTML; those that are None are left out."""
    sentences = "".join(f"<p>{escape(each, 2000)}</p>" for each in said if each)
    return _PAGE.format(job=escape(job), state=escape(state), said=sentences)
