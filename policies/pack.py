"""All rules, as Pulumi's policies."""

from __future__ import annotations

from pulumi_policy import (
    Policy,
    PolicyResource,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)

from policies import access, batch, credentials, locks, logs, machine_learning, network, registry, scanning, storage, workflow
from policies.rule import Node, Resource, Rule, StackRule, kind_of
from policies.values import plain

RULES: list[Rule] = [
    *storage.RULES,
    *batch.RULES,
    *machine_learning.RULES,
    *registry.RULES,
    *network.RULES,
    *workflow.RULES,
    *access.RULES,
    *credentials.RULES,
    *logs.RULES,
    *locks.RULES,
    *scanning.RULES,
]
STACK_RULES: list[StackRule] = [*access.STACK_RULES, *logs.STACK_RULES, *locks.STACK_RULES, *scanning.STACK_RULES]


def policies() -> list[Policy]:
    """Every rule as a policy."""
    return [*(_of_resources(rule) for rule in RULES), *(_of_stacks(rule) for rule in STACK_RULES)]


def _of_resources(rule: Rule) -> ResourceValidationPolicy:
    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        kind = kind_of(args.resource_type)
        if kind is None or (rule.kinds and kind not in rule.kinds):
            return
        for sentence in rule.check(Resource(kind=kind, name=args.name, props=plain(args.props))):
            report(sentence, None)

    return ResourceValidationPolicy(rule.name, rule.demands, validate)


def _of_stacks(rule: StackRule) -> StackValidationPolicy:
    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        for urn, sentence in rule.check([node for resource in args.resources if (node := _node(resource))]):
            report(sentence, urn)

    return StackValidationPolicy(rule.name, rule.demands, validate)


def _node(resource: PolicyResource) -> Node | None:
    kind = kind_of(resource.resource_type)
    if kind is None:
        return None
    origins = {name: frozenset(origin.urn for origin in found) for name, found in resource.property_dependencies.items()}
    return Node(kind=kind, name=resource.name, urn=resource.urn, props=plain(resource.props), origins=origins)
