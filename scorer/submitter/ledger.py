"""What each sender has asked for on a day (UTC), and what is left of what it may.

    work/senders/<sender>/<day>/<job>.<frames>.<megapixels>.<GPU seconds>.<megabytes>

The name of an empty blob says it all, so that one list sums a day up. It is there before the job is submitted: a dispatch that is
tried again counts once, and a job that fails or is cancelled still counts what was planned. Nodes may not write there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from datetime import UTC, datetime, timedelta

from scorer.documents.paths import SENDERS
from scorer.documents.plan import Plan
from scorer.documents.sender_limits import SenderLimits
from scorer.errors import RequestError
from scorer.store import Store

_NAME = re.compile(r"([a-z0-9_-]{1,64})\.(\d{1,15})\.(\d{1,15})\.(\d{1,15})\.(\d{1,15})")


@dataclass(frozen=True)
class Cost:
    """What a job takes, or all jobs of a day."""

    frames: int = 0
    megapixels: int = 0
    gpu_seconds: int = 0
    megabytes: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(*(one + another for one, another in zip(astuple(self), astuple(other), strict=True)))

    def most(self, other: Cost) -> Cost:
        """Of each the more: a job that is planned anew may have fewer frames, and larger ones."""
        return Cost(*map(max, astuple(self), astuple(other)))


def cost_of(plan: Plan, pixels_per_second: Mapping[str, int]) -> Cost:
    """What the plan's job takes, where a GPU does so many pixels a second of each model.

    A model that nobody has counted, such as a package's, is taken to be as slow as the slowest that somebody has.
    """
    comes, scored = plan.pixels[0], plan.costly_pixels
    rate = pixels_per_second.get(plan.request.model) or min(pixels_per_second.values(), default=0)
    return Cost(
        frames=plan.frames,
        megapixels=math.ceil(plan.frames * max(comes, scored) / 10**6),
        gpu_seconds=math.ceil(plan.frames * scored / rate) if rate else 0,
        megabytes=math.ceil(plan.input_bytes / 10**6),
    )


def charge(work: Store, sender: str, job: str, cost: Cost, limits: SenderLimits, now: datetime | None = None) -> None:
    """Write down what the job takes. Raises RequestError where that is more than is left of the sender's day.

    Whoever is at it at the same time is counted, too: neither gets through on what the other takes.
    """
    now = now or datetime.now(UTC)
    folder = f"{SENDERS}/{sender}/{now:%Y-%m-%d}"
    own = f"{folder}/{job}." + ".".join(map(str, astuple(cost)))
    work.put(own, b"")
    spent: dict[str, Cost] = {}
    for entry in work.list(folder):
        if match := _NAME.fullmatch(entry.path.rpartition("/")[2]):
            spent[match[1]] = spent.get(match[1], Cost()).most(Cost(*map(int, match.groups()[1:])))
    others = sum((each for name, each in spent.items() if name != job), Cost())
    try:
        _check(sender, cost, others, limits, now)
    except RequestError:
        work.delete(own)
        raise


def _check(sender: str, cost: Cost, others: Cost, limits: SenderLimits, now: datetime) -> None:
    again = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    for what, asked, spent, most in [
        ("frames", cost.frames, others.frames, limits.frames),
        ("gigapixels", cost.megapixels / 1000, others.megapixels / 1000, limits.gigapixels),
        ("GPU minutes", cost.gpu_seconds / 60, others.gpu_seconds / 60, limits.gpu_minutes),
        ("GB", cost.megabytes / 1000, others.megabytes / 1000, limits.gigabytes),
    ]:
        if most and asked + spent > most:
            raise RequestError(
                f"This job takes {asked:,.10g} {what}, and of the {most:,} that '{sender}' may ask for in a day "
                f"{max(0, most - spent):,.10g} are left: upload the request again after {again:%Y-%m-%d %H:%M} UTC, "
                "or give less."
            )
