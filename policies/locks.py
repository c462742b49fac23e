"""Locks: on single resources, and against deletion alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from policies.rule import Node, Resource, Rule, StackRule, kinds
from policies.values import at, expect

LOCK = "authorization:ManagementLockByScope"
WIDE = kinds("authorization:ManagementLockAtResourceGroupLevel", "authorization:ManagementLockAtSubscriptionLevel")


def _narrow(resource: Resource) -> Iterator[str]:
    scope = at(resource.props, "scope")
    group = isinstance(scope, str) and re.fullmatch(r"/?subscriptions/[^/]+(/resourceGroups/[^/]+)?/?", scope, re.IGNORECASE)
    if resource.kind in WIDE or group:
        yield "The lock is on a group or a subscription: lock single resources, as the workflow and Batch delete what they made."


def _deletion_alone(resource: Resource) -> Iterator[str]:
    yield from expect(
        resource.props,
        "level",
        ("CanNotDelete",),
        "set it to CanNotDelete, as ReadOnly stops 'pulumi up' and revoking links, too",
    )


def _all_accounts(nodes: Sequence[Node]) -> Iterator[tuple[str, str]]:
    """Whoever locks one account means to keep what is in all of them."""
    locks = [node for node in nodes if node.kind == LOCK]
    for node in nodes:
        if (
            node.kind == "storage:StorageAccount"
            and locks
            and not any(node.urn in each.origins.get("scope", ()) for each in locks)
        ):
            yield node.urn, f"{node.name} has no lock, and another resource has one: lock it, too."


RULES = [
    Rule(name="lock-narrow", demands="Locks are on single resources.", kinds=kinds(LOCK) | WIDE, check=_narrow),
    Rule(name="lock-deletion", demands="Locks are against deletion alone.", kinds=kinds(LOCK), check=_deletion_alone),
]
STACK_RULES = [StackRule(name="lock-all-accounts", demands="Where one is locked, all accounts are.", check=_all_accounts)]
