"""What a task of a check told, read back."""

from __future__ import annotations

from scorer import documents
from scorer.check.findings import Finding, wrong
from scorer.check.probe import Facts
from scorer.errors import DocumentError

MOST_BYTES = 65_536
"""Of what a task's program printed."""
AGAIN = "run it again: a Spot node may have gone"


def read_facts(data: bytes, job: str, number: int) -> Facts | Finding:
    """What a task told, which is the last line of what it printed that may be a document."""
    lines = [line for line in data.splitlines() if line.startswith(b"{")]
    try:
        return documents.parse(Facts, lines[-1] if lines else b"", f"stdout.txt of task {number}", job=job, number=number)
    except DocumentError as error:
        return wrong("nodes", str(error), AGAIN)
