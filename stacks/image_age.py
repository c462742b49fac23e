"""When images are too old: a calendar of periods, the same for all who deploy.

An image that is built again of the same sources takes in what its base's tag has come to mean: Debian's and Python's fixes.
"""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, timedelta

import pulumi

# Seconds since 1970 that stand for the present: https://reproducible-builds.org/specs/source-date-epoch/
CLOCK_VARIABLE = "SOURCE_DATE_EPOCH"
_FIRST_MONDAY = date(1970, 1, 5)


def period(days: int) -> date | None:
    """The day (UTC) on which the current period of `days` began; None for 0, since time makes no new image then.

    Periods are counted from one Monday, so that all who deploy in a period mean the same image, and a preview says what the
    update of the same day does. Raises pulumi.RunError if SOURCE_DATE_EPOCH is set and no time.
    """
    if not days:
        return None
    said = os.environ.get(CLOCK_VARIABLE)
    try:
        today = (datetime.fromtimestamp(int(said), UTC) if said else datetime.now(UTC)).date()
    except (ValueError, OverflowError, OSError) as error:
        raise pulumi.RunError(f"{CLOCK_VARIABLE} '{said}' is no time: write seconds since 1970, or unset it.") from error
    return _FIRST_MONDAY + timedelta(days=(today - _FIRST_MONDAY).days // days * days)
