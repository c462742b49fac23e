"""Whose turn it is: the rules by which senders share a cluster, whatever its engine is."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

from scorer.errors import BusyError, SenderLimitError


def admit(sender: str, at_work: Mapping[str, int], most: int) -> int:
    """How many jobs the sender has at work, of those that are, by sender; `most` may be at work at once.

    Raises BusyError where as many are as may, SenderLimitError where half of those that may are the sender's.
    """
    active = sum(at_work.values())
    if active >= most:
        raise BusyError(f"{active} jobs run and {most} may at once: this one waits, or raise 'maxActiveJobs'.")
    own = at_work.get(sender, 0)
    if own >= math.ceil(most / 2):
        raise SenderLimitError(
            f"{own} jobs of '{sender}' run, which is its share of {most}: this one waits, or raise 'maxActiveJobs'."
        )
    return own


def slot_shares(senders: Mapping[str, str], slots: int) -> dict[str, int]:
    """How many of a cluster's `slots`, or of its nodes, each job may have at once; `senders` says whose each job is.

    A sender alone may have all of them for any of its jobs. Several have equal shares, which their own jobs share.
    """
    jobs = Counter(senders.values())
    if len(jobs) < 2:
        return dict.fromkeys(senders, slots)
    share = math.ceil(slots / len(jobs))
    return {job: math.ceil(share / jobs[sender]) for job, sender in senders.items()}
