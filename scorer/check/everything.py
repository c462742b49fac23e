"""All checks of a deployment, in the order in which a request meets what they are about."""

from __future__ import annotations

import secrets
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace

from scorer.check import access, images, resources
from scorer.check.engines import Wait, checks_of
from scorer.check.findings import Finding, Stops, good, left_out, wrong
from scorer.check.leftovers import Log
from scorer.check.trial_request import TrialRequest
from scorer.client.client import Client
from scorer.documents.deployment import Deployment
from scorer.errors import ScorerError


@dataclass(frozen=True, kw_only=True)
class Everything:
    """What is checked, and how long."""

    target: Deployment
    log: Log
    """Told what it waits for."""
    quick: bool
    """Without nodes."""
    minutes: float
    """To wait for nodes, and as many again for the request."""
    every: float
    """Seconds between two polls."""

    def findings(self) -> Generator[Finding, None, None]:
        """Each, as soon as it is known. What is made for a check is taken away again, also where the caller stops halfway."""
        target, me = self.target, access.who()
        yield good("sign-in", f"as {me or 'somebody whose token has no name in it'}")
        engine = checks_of(target)
        self.log("asking storage")
        found = yield from _kept("stores", access.check_stores(target, me), "nodes")
        self.log("asking for quota, images, nodes and the workflows")
        found += yield from _kept("quota", engine.quota(me))
        found += yield from _kept("images", images.check_images(target, me))
        found += yield from _kept("pool", engine.answers(me), "nodes")
        found += yield from _kept("workflow", resources.check_workflows(target, me))
        if self.quick:
            return
        no_nodes = [each for each in found if each.stops == "nodes"]
        if not no_nodes:
            wait = Wait(until=self._until(), every=self.every, log=self.log)
            nodes = yield from _kept("nodes", engine.nodes(_name(), wait))
            found += [replace(each, stops="request") for each in nodes if each.state == "wrong"]
        elif all(each.name != "nodes" for each in no_nodes):  # else they have their line
            yield left_out("nodes", f"fix {_names(no_nodes)} first")
        if ends := [each for each in found if each.stops]:
            yield left_out("request", f"fix {_names(no_nodes or ends)} first")
        else:
            yield from _kept("request", TrialRequest(Client(target), _name(), self._until(), self.every, self.log).findings())

    def _until(self) -> float:
        return time.monotonic() + self.minutes * 60


def _kept(name: str, findings: Iterator[Finding], stops: Stops = "") -> Generator[Finding, None, list[Finding]]:
    """The findings one by one, and at the end all of them; an error of ours is one, too, which stops that."""
    kept: list[Finding] = []
    try:
        for finding in findings:
            kept.append(finding)
            yield finding
    except ScorerError as error:
        kept.append(wrong(name, str(error), "fix that, then run it again", stops))
        yield kept[-1]
    return kept


def _names(findings: list[Finding]) -> str:
    return ", ".join(dict.fromkeys(each.name for each in findings))


def _name() -> str:
    """Of a job or a request that is nobody else's."""
    return f"check-{secrets.token_hex(6)}"
