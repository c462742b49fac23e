"""The container registry: no admin user, no anonymous pull."""

from __future__ import annotations

from collections.abc import Iterator

from policies.rule import Resource, Rule, kinds
from policies.values import expect

REGISTRY = kinds("containerregistry:Registry")


def _no_admin(resource: Resource) -> Iterator[str]:
    yield from expect(
        resource.props,
        "adminUserEnabled",
        (None, False),
        "set it to false and pull by identity, the admin user is a shared password",
    )


def _no_anonymous_pull(resource: Resource) -> Iterator[str]:
    yield from expect(
        resource.props, "anonymousPullEnabled", (None, False), "set it to false, images are for the stack's identities only"
    )


RULES = [
    Rule(name="registry-no-admin", demands="The registry has no admin user.", kinds=REGISTRY, check=_no_admin),
    Rule(name="registry-no-anonymous-pull", demands="Nobody pulls images anonymously.", kinds=REGISTRY, check=_no_anonymous_pull),
]
