"""When scaling to zero doesn't pay: which settings are the best ones for given arrivals, in words and figures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from autoscale.arrivals import MONTH, Setting, Trace, at_random, compare
from autoscale.pool import Pool

LADDER = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
"""Requests a day that are tried."""
ENOUGH = 800
"""Requests of one try."""
WORTH_IT = 0.02
"""What a change saves at the least, as a share of what it changes."""


@dataclass(frozen=True)
class Rung:
    """One rate: the pool without a node of its own, and with one."""

    requests: int
    """A day."""
    zero: Setting
    warm: Setting

    def gain(self, hour_worth: float) -> float:
        """Dollars a month that the warm node saves."""
        month = self.requests * MONTH
        return self.zero.dollars(month, hour_worth) - self.warm.dollars(month, hour_worth)


def ladder(trace: Trace, pool: Pool) -> list[Rung]:
    """Rates from one request a day to what the pool can do, evenly over the day, of the video in the middle of the trace's."""
    middle = sorted(trace.requests, key=lambda request: request.frames * request.pixels)[len(trace.requests) // 2]
    zero, warm = replace(pool, nodes_min=0), replace(pool, nodes_min=max(1, pool.nodes_min))
    found: list[Rung] = []
    for rate in LADDER:
        days = min(28, math.ceil(ENOUGH / rate))
        requests = at_random([rate / 24], days, middle.frames, middle.pixels)
        settings = compare(replace(trace, requests=requests, days=days), [("zero", zero), ("warm", warm)])
        if not all(each.keeps_up for each in settings):
            break
        found.append(Rung(rate, *settings))
    return found


def pays_from(rungs: Sequence[Rung], hour_worth: float) -> float | None:
    """Requests a day from which on a warm node pays; None where it never does as far as the pool can do them."""
    gains = [rung.gain(hour_worth) for rung in rungs]
    if not gains or gains[-1] < 0:
        return None
    last = max((number for number, gain in enumerate(gains) if gain < 0), default=-1)
    if last < 0:
        return float(rungs[0].requests)
    (low, before), (high, after) = ((rungs[number].requests, gains[number]) for number in (last, last + 1))
    share = -before / (after - before)
    return float(low * (high / low) ** share)


def best(settings: Sequence[Setting], requests: float, hour_worth: float) -> Setting | None:
    """The settings that cost least with what waiting is worth; the first ones, where others hardly save anything.

    An engine is chosen for other reasons, too: what it would cost is in the table, and no advice.
    """
    able = [each for each in settings if each.keeps_up and each.pool.engine == settings[0].pool.engine]
    if not able:
        return None
    first = min(able, key=lambda each: each.dollars(requests, hour_worth))
    own = settings[0]
    saved = own.dollars(requests, hour_worth) - first.dollars(requests, hour_worth) if own.keeps_up else math.inf
    return own if saved <= WORTH_IT * own.dollars(requests, hour_worth) else first


def recommendation(settings: Sequence[Setting], rungs: Sequence[Rung], requests: float, hour_worth: float) -> str:
    """What to set, what it costs or saves in a month of so many requests, and when a warm node pays; some sentences."""
    own, chosen = settings[0], best(settings, requests, hour_worth)
    if chosen is None:
        needed = math.ceil(own.slow.load * own.pool.nodes_max * 1.2)
        return (
            f"These nodes can't keep up: the requests take {own.slow.load:.0%} of what {own.pool.nodes_max} nodes can do at the "
            f"lower speed. Set nodesMax to {needed} or more."
        )
    said = [_chosen(own, chosen, requests, hour_worth)]
    from_worth, from_bill = pays_from(rungs, hour_worth), pays_from(rungs, 0.0)
    if rungs:
        most = rungs[-1].requests
        worth = f"where an hour of waiting is worth {hour_worth:g} {'dollar' if hour_worth == 1 else 'dollars'}"
        said.append(f"A warm node (nodesMin {rungs[0].warm.pool.nodes_min}) pays {_from(from_worth, most)} {worth}")
        said[-1] += f"; by the bill alone {_from(from_bill, most)}." if hour_worth else "."
    return " ".join(said)


def _chosen(own: Setting, chosen: Setting, requests: float, hour_worth: float) -> str:
    minutes = _range(chosen.quick.median, chosen.slow.median, ".0f")
    result = f"half of the results are there within {minutes} {'minute' if minutes == '1' else 'minutes'}"
    bill = _range(chosen.quick.dollars, chosen.slow.dollars, ".2f")
    if chosen is own:
        return f"Leave the settings as they are: {bill} dollars a month for nodes, and {result}."
    if not own.keeps_up:
        return f"Set {chosen.text}: as set, the nodes can't keep up. {bill} dollars a month for nodes, and {result}."
    now = f"{_range(own.quick.median, own.slow.median, '.0f')} as set"
    more = chosen.dollars(requests, 0.0) - own.dollars(requests, 0.0)
    hours = (own.dollars(requests, 1.0) - own.dollars(requests, 0.0)) - (
        chosen.dollars(requests, 1.0) - chosen.dollars(requests, 0.0)
    )
    change = f"{abs(more):.2f} {'more' if more >= 0 else 'less'} than as set, in the middle"
    saved = f", which is {more / hours:.2f} for each hour of waiting less" if more > 0 and hours > 0 and hour_worth else ""
    return f"Set {chosen.text}: {bill} dollars a month for nodes, {change}{saved}; {result}, {now}."


def _from(rate: float | None, most: int) -> str:
    if rate is None:
        return f"at no rate up to {most} requests a day"
    return f"from about {rate:.2g} requests a day" if rate < 100 else f"from about {round(rate, -1):.0f} requests a day"


def _range(low: float, high: float, form: str) -> str:
    first, last = (format(each, form) for each in sorted((low, high)))
    return first if first == last else f"{first} to {last}"
