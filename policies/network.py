"""The network: nothing comes in, what goes out is named, no subnet is left to Azure's defaults."""

from __future__ import annotations

from collections.abc import Iterator

from policies.rule import Resource, Rule, kinds
from policies.values import UNKNOWN, Value, at, elements, expect, texts

GROUP = kinds("network:NetworkSecurityGroup")
SUBNET = kinds("network:Subnet", "network:VirtualNetwork")
ANYWHERE = {"*", "0.0.0.0/0", "::/0", "Any"}
EVERY_PORT = {"*", "0-65535", "1-65535"}


def _rules(resource: Resource) -> list[Value]:
    """The rules of a security group, or the one that stands alone."""
    return [resource.props] if resource.kind == "network:SecurityRule" else elements(at(resource.props, "securityRules"))


def _is(rule: Value, direction: str, access: str) -> bool:
    said = (at(rule, "direction"), at(rule, "access"))
    return all(
        isinstance(value, str) and value.lower() == wanted for value, wanted in zip(said, (direction, access), strict=True)
    )


def _no_inbound(resource: Resource) -> Iterator[str]:
    for rule in _rules(resource):
        if _is(rule, "inbound", "allow"):
            yield f"The rule {_name(rule, resource)} lets traffic in: remove it, every part of the stack connects outwards only."


def _outbound_named(resource: Resource) -> Iterator[str]:
    for rule in _rules(resource):
        if not _is(rule, "outbound", "allow"):
            continue
        name = _name(rule, resource)
        if ANYWHERE & set(texts(at(rule, "destinationAddressPrefix"), at(rule, "destinationAddressPrefixes"))):
            yield f"The rule {name} lets traffic out to anywhere: name a service tag (Storage.<region>) or addresses."
        if EVERY_PORT & set(texts(at(rule, "destinationPortRange"), at(rule, "destinationPortRanges"))):
            yield f"The rule {name} lets traffic out to every port: name the ports."


def _outbound_services(resource: Resource) -> Iterator[str]:
    for rule in _rules(resource):
        targets = texts(at(rule, "destinationAddressPrefix"), at(rule, "destinationAddressPrefixes"))
        for target in targets if _is(rule, "outbound", "allow") else []:
            if target.lower().partition(".")[0] == "azurecloud":
                yield (
                    f"The rule {_name(rule, resource)} lets traffic out to {target}, to everybody's machines there: name the "
                    "services that are called (Storage.<region>, BatchNodeManagement.<region>)."
                )


def _outbound_closed(resource: Resource) -> Iterator[str]:
    rules = _rules(resource)
    if at(resource.props, "securityRules") is UNKNOWN or UNKNOWN in rules:
        return
    if not any(_is(rule, "outbound", "deny") and _whole_internet(rule) for rule in rules):
        yield "No rule denies outbound traffic to the internet on every port: add one last, Azure's default rule allows it."


def _whole_internet(rule: Value) -> bool:
    to = texts(at(rule, "destinationAddressPrefix"), at(rule, "destinationAddressPrefixes"))
    ports = texts(at(rule, "destinationPortRange"), at(rule, "destinationPortRanges"))
    return bool((ANYWHERE | {"Internet"}) & set(to)) and "*" in ports and at(rule, "protocol") == "*"


def _name(rule: Value, resource: Resource) -> str:
    name = at(rule, "name")
    return name if isinstance(name, str) else resource.name


def _subnets(resource: Resource) -> Iterator[tuple[str, Value]]:
    """The subnet itself, or those that a virtual network holds, by name."""
    if resource.kind == "network:Subnet":
        yield resource.name, resource.props
    else:
        for subnet in elements(at(resource.props, "subnets")):
            yield str(at(subnet, "name")), subnet


def _guarded(resource: Resource) -> Iterator[str]:
    for name, subnet in _subnets(resource):
        if subnet is not UNKNOWN and at(subnet, "networkSecurityGroup") is None:
            yield f"The subnet {name} has no networkSecurityGroup: give it one that lets nothing in."


def _no_default_outbound(resource: Resource) -> Iterator[str]:
    for name, subnet in _subnets(resource):
        for sentence in expect(
            subnet, "defaultOutboundAccess", (False,), "set it to false, way out is a NAT gateway with an address of our own"
        ):
            yield f"The subnet {name}: {sentence}"


def _way_out(resource: Resource) -> Iterator[str]:
    """Private endpoints are reached and never reach: a subnet for them applies network policies to them, and needs no way out."""
    for name, subnet in _subnets(resource):
        ways = [
            at(subnet, "natGateway"),
            at(subnet, "serviceEndpoints"),
            at(subnet, "privateEndpointNetworkPolicies") not in (None, "Disabled"),
        ]
        if subnet is not UNKNOWN and not any(ways):
            yield f"The subnet {name} has no natGateway, no serviceEndpoints and isn't for private endpoints: add a NAT gateway."


RULES = [
    Rule(
        name="network-no-inbound",
        demands="No security group lets traffic in.",
        kinds=GROUP | kinds("network:SecurityRule"),
        check=_no_inbound,
    ),
    Rule(
        name="network-outbound-named",
        demands="Security groups name what may be reached and on which ports.",
        kinds=GROUP | kinds("network:SecurityRule"),
        check=_outbound_named,
    ),
    Rule(
        name="network-outbound-services",
        demands="Security groups let out to services, not to all of Azure.",
        kinds=GROUP | kinds("network:SecurityRule"),
        check=_outbound_services,
    ),
    Rule(
        name="network-outbound-closed",
        demands="Security groups deny the rest of the internet.",
        kinds=GROUP,
        check=_outbound_closed,
    ),
    Rule(name="subnet-guarded", demands="Every subnet has a security group.", kinds=SUBNET, check=_guarded),
    Rule(
        name="subnet-no-default-outbound",
        demands="No subnet uses Azure's default way out.",
        kinds=SUBNET,
        check=_no_default_outbound,
    ),
    Rule(name="subnet-way-out", demands="Every subnet has a way out of the stack's own.", kinds=SUBNET, check=_way_out),
]
