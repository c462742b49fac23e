"""Scans for malware: they end somewhere in money, and the scanner reaches what it is to scan."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from policies.rule import Node, Resource, Rule, StackRule, kinds
from policies.values import UNKNOWN, at, elements, expect

SETTING = "security:DefenderForStorage"


def _capped(resource: Resource) -> Iterator[str]:
    upload = at(resource.props, "properties", "malwareScanning", "onUpload")
    cap = at(upload, "capGBPerMonth")
    if at(upload, "isEnabled") is True and cap is not UNKNOWN and not (isinstance(cap, int | float) and cap > 0):
        yield "properties.malwareScanning.onUpload.capGBPerMonth sets no limit: say how many GB a month may be paid for."


def _own(resource: Resource) -> Iterator[str]:
    yield from expect(
        resource.props,
        "properties.overrideSubscriptionLevelSettings",
        (True,),
        "set it to true, so that what the subscription says of all its accounts changes nothing here",
    )


def _reached(nodes: Sequence[Node]) -> Iterator[tuple[str, str]]:
    """Source: https://learn.microsoft.com/azure/storage/common/storage-network-security-trusted-azure-services."""
    scanned = {urn for node in nodes if node.kind == SETTING for urn in node.origins.get("resourceId", ())}
    for node in nodes:
        if node.kind != "storage:StorageAccount" or node.urn not in scanned:
            continue
        rules = at(node.props, "networkRuleSet", "resourceAccessRules")
        ids = [at(rule, "resourceId") for rule in elements(rules)]
        known = rules is not UNKNOWN and UNKNOWN not in ids
        if known and not any(
            isinstance(each, str) and re.search(r"/Microsoft\.Security/datascanners/", each, re.I) for each in ids
        ):
            yield node.urn, f"{node.name} is scanned, and its networkRuleSet.resourceAccessRules lack the scanner: name it there."


RULES = [
    Rule(name="scan-capped", demands="Scans for malware have a limit a month.", kinds=kinds(SETTING), check=_capped),
    Rule(name="scan-own", demands="Scans for malware are the stack's own.", kinds=kinds(SETTING), check=_own),
]
STACK_RULES = [StackRule(name="scan-reached", demands="What is scanned lets the scanner in.", check=_reached)]
