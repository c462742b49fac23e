"""The Logic App and the events that start it: identity in place of connections and keys, and no event lost in silence."""

from __future__ import annotations

import re
from collections.abc import Iterator

from policies.rule import Resource, Rule, kinds
from policies.values import UNKNOWN, Value, at, elements, expect, walk

WORKFLOW = kinds("logic:Workflow")
SUBSCRIPTION = kinds(
    "eventgrid:SystemTopicEventSubscription",
    "eventgrid:EventSubscription",
    "eventgrid:TopicEventSubscription",
    "eventgrid:DomainEventSubscription",
)
CALLS = {"http", "httpwebhook"}


def _steps(workflow: Value) -> Iterator[tuple[str, Value]]:
    """Every action and trigger of a definition, however deep in scopes and loops, by name."""
    for path, value in walk(at(workflow, "definition")):
        if len(path) >= 2 and path[-2] in {"actions", "triggers"} and isinstance(value, dict):
            yield path[-1], value


def _by_identity(resource: Resource) -> Iterator[str]:
    for name, step in _steps(resource.props):
        calls = at(step, "type")
        if isinstance(calls, str) and calls.lower() in CALLS:
            for sentence in expect(
                step,
                "inputs.authentication.type",
                ("ManagedServiceIdentity",),
                "set it to ManagedServiceIdentity, and identity to the workflow's",
            ):
                yield f"The action {name}: {sentence}"
            if at(step, "inputs", "authentication", "identity") is None:
                yield f"The action {name}: inputs.authentication.identity is not set: name the workflow's user-assigned identity."


def _no_connections(resource: Resource) -> Iterator[str]:
    for name, step in _steps(resource.props):
        kind = at(step, "type")
        if isinstance(kind, str) and kind.lower().startswith("apiconnection"):
            yield f"The step {name} uses an API connection: call the service by HTTP with the workflow's identity."
    for where in ("parameters", "definition.parameters"):
        if at(resource.props, *where.split("."), "$connections") is not None:
            yield f"{where} has $connections: remove them, and call services by HTTP with the workflow's identity."


def _dead_letters(resource: Resource) -> Iterator[str]:
    if not at(resource.props, "deadLetterDestination") and not at(resource.props, "deadLetterWithResourceIdentity"):
        yield "There's no deadLetterWithResourceIdentity and no deadLetterDestination: name a container for them."


def _retries(resource: Resource) -> Iterator[str]:
    for name in ("maxDeliveryAttempts", "eventTimeToLiveInMinutes"):
        if at(resource.props, "retryPolicy") is not UNKNOWN and at(resource.props, "retryPolicy", name) is None:
            yield f"retryPolicy.{name} is not set: say how often and how long an event is tried before it's a dead letter."


def _one_way_in(resource: Resource) -> Iterator[str]:
    for where in (("destination",), ("deliveryWithResourceIdentity", "destination")):
        address = at(resource.props, *where, "endpointUrl")
        signed = isinstance(address, str) and re.search(r"[?&]sig=", address, re.IGNORECASE)
        if signed and at(resource.props, *where, "azureActiveDirectoryApplicationIdOrUri") is not None:
            yield f"{'.'.join(where)} has a signed address and a token: leave sp, sv and sig out of endpointUrl."


def _tokens(resource: Resource) -> Iterator[str]:
    policies = at(resource.props, "accessControl", "triggers", "openAuthenticationPolicies", "policies")
    for name, policy in policies.items() if isinstance(policies, dict) else []:
        claims = {at(claim, "name") for claim in elements(at(policy, "claims"))}
        if UNKNOWN not in claims and not {"iss", "aud", "appid"} <= claims:
            yield f"The policy {name} takes tokens without looking at iss, aud and appid: name whose tokens start the workflow."


RULES = [
    Rule(
        name="workflow-by-identity",
        demands="Every HTTP call of a workflow authenticates with the workflow's identity.",
        kinds=WORKFLOW,
        check=_by_identity,
    ),
    Rule(name="workflow-no-connections", demands="Workflows use no API connections.", kinds=WORKFLOW, check=_no_connections),
    Rule(name="events-dead-letters", demands="Events that can't be delivered are kept.", kinds=SUBSCRIPTION, check=_dead_letters),
    Rule(name="events-one-way-in", demands="Events bring a secret or a token.", kinds=SUBSCRIPTION, check=_one_way_in),
    Rule(name="workflow-tokens", demands="Tokens that start a workflow are known ones.", kinds=WORKFLOW, check=_tokens),
    Rule(name="events-retries", demands="Event subscriptions say how they retry.", kinds=SUBSCRIPTION, check=_retries),
]
