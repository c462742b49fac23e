"""When frames are shown: rates and time stamps, bounded here once, so that all arithmetic behind this is safe.

Bounds are those of what is written: mp4 keeps how long a frame is shown, and how much later than decoded, in 31 bits.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from scorer.errors import InputError
from scorer.media.opened import Source
from scorer.media.video.info import MIN_TIMESCALE, MOST_TICKS

DAY = 24 * 60 * 60
LONGEST = 366 * DAY
"""Seconds from the first frame to the last."""
SLOWEST, FASTEST = Fraction(1, DAY), Fraction(100_000)
"""Frames a second."""
_FARTHEST = 2**61
"""Ticks from 0: the difference of two is still one of 64 bits."""

_USUAL_RATES = [Fraction(n) for n in (24, 25, 30, 48, 50, 60, 100, 120)]
_USUAL_RATES += [Fraction(n * 1000, 1001) for n in (24, 30, 48, 60, 120)]


@dataclass(frozen=True)
class Clock:
    """What a video's time stamps say."""

    rate: Fraction
    """Frames a second; the mean where it varies."""
    constant: bool
    unit: Fraction | None
    """Of the result, where the source's own is too fine for the longest frame, or too coarse."""
    duration: int
    """How long the last frame is shown, in the source's unit."""


def read_clock(
    path: Source, pts: array[int], time_base: Fraction, declared: Iterable[Fraction | None], origin: int, last_duration: int
) -> Clock:
    """What the frames' stamps `pts` (ascending, in `time_base`) say; `declared` are the rates that the container does.

    `origin` is the pts where the result's clock starts. Raises InputError for stamps and rates that no result could have.
    """
    ticks = _ticks(path, pts, time_base)
    rates = [rate for rate in declared if rate and usable(rate)]
    rate, constant = _rate(ticks, time_base, rates)
    if not usable(rate):
        raise InputError(
            f"'{path}' has {float(rate):,.0f} frames a second, and at most {int(FASTEST):,} can be shown: export it again."
        )
    usual = round(1 / (rate * time_base)) if constant else pts[-1] - pts[-2]
    # A duration is rounded, and so are the time stamps that it was made of.
    if not 0 < last_duration * time_base <= DAY or (constant and abs(last_duration - usual) <= 1):
        last_duration = usual
    if abs(pts[0] - origin) * time_base > DAY:
        hours = float((pts[0] - origin) * time_base / 3600)
        raise InputError(f"'{path}' shows its first frame {hours:,.0f} hours from its start: export it again.")
    unit = None if constant else _unit(path, ticks, max(last_duration, 1), time_base)
    return Clock(rate, constant, unit, max(last_duration, 1))


def usable(rate: Fraction) -> bool:
    """Whether a result can have this rate."""
    return SLOWEST <= rate <= FASTEST


def _ticks(path: Source, pts: array[int], time_base: Fraction) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Each frame's since the first one's."""
    if not pts:
        raise InputError(f"'{path}' has no frame that is shown: convert it to H.264 in an mp4 file, or copy it again.")
    if max(abs(pts[0]), abs(pts[-1])) > _FARTHEST:
        raise InputError(f"'{path}' has time stamps that no clock shows ({float(pts[-1] * time_base):.3g} s): export it again.")
    ticks = np.frombuffer(pts, np.int64) - pts[0]
    gaps = np.diff(ticks)
    if len(gaps) and int(gaps.max()) * time_base > DAY:
        number = int(gaps.argmax())
        hours = float(int(gaps.max()) * time_base / 3600)
        raise InputError(
            f"'{path}' shows frame {number} for {hours:,.0f} hours, and a day is the most: its time stamps jump, export it again."
        )
    if int(ticks[-1]) * time_base > LONGEST:
        days = float(int(ticks[-1]) * time_base / DAY)
        raise InputError(f"'{path}' lasts {days:,.0f} days, and {LONGEST // DAY} are the most: cut it into shorter videos first.")
    return ticks


def _rate(
    ticks: np.ndarray[tuple[int], np.dtype[np.int64]], time_base: Fraction, declared: list[Fraction]
) -> tuple[Fraction, bool]:
    """Frames a second, and whether all time stamps agree with that to a tick.

    Of the rates that agree, a usual one is preferred that the container declares, then a usual one, then a declared one.
    """
    if len(ticks) < 2:
        return (declared or [Fraction(25)])[0], True
    mean = (len(ticks) - 1) / (int(ticks[-1]) * time_base)
    numbers = np.arange(len(ticks))
    usual = [each for each in declared if each in _USUAL_RATES] + _USUAL_RATES
    for rate in [*usual, *declared, mean]:
        # Two time stamps are rounded, the first frame's and this one's: half a tick each; but no two frames to one number.
        duration = float(1 / (rate * time_base))
        agree = np.abs(ticks - numbers * duration).max() <= min(1.001, 0.49 * duration)
        if agree and rate.numerator < 2**30 and rate.denominator <= MOST_TICKS:
            return rate, True
    return (mean.limit_denominator(1001) if mean >= 1 else 1 / (1 / mean).limit_denominator(1001)), False


def _unit(path: Source, ticks: np.ndarray[tuple[int], np.dtype[np.int64]], last: int, time_base: Fraction) -> Fraction | None:
    """The result's: one in which the longest frame has ticks that an mp4 can count, and a start and decoding times have room.

    None where the source's own is such a unit.
    """
    gaps = np.diff(ticks)
    longest = max(int(gaps.max()), last) * time_base
    own = time_base.denominator
    if longest * own <= MOST_TICKS:
        finer = own
        while finer < MIN_TIMESCALE and 2 * longest * finer <= MOST_TICKS:
            finer *= 2
        return Fraction(1, finer) if finer != own else None
    unit = Fraction(1, int(MOST_TICKS / longest))
    if int(gaps.min()) * time_base < unit:
        raise InputError(
            f"'{path}' shows frames for {float(longest):,.0f} s and for {float(int(gaps.min()) * time_base):.2g} s, "
            "which no result can hold both: export it at a constant rate."
        )
    return unit
