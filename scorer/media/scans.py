"""How often a JPEG goes over its picture: every scan costs all of its pixels, be it of a few bytes alone."""

from __future__ import annotations

MOST_SCANS = 500
"""Of one file; progressive ones have some ten, of each picture that is in them."""

_START_OF_SCAN = b"\xff\xda"
"""ITU-T T.81, B.1.1.3: in coded data a byte 0xFF is followed by 0 or a restart marker."""


def too_many_scans(data: bytes) -> str:
    """Why the JPEG `data` isn't decoded, where it has more scans than any; '' where it may be."""
    scans = data.count(_START_OF_SCAN)
    return f"it has {scans:,} scans, and {MOST_SCANS} are the most" if scans > MOST_SCANS else ""
