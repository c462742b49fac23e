"""What a company has already: looked up by its resource id before anything is made, and left as it is.

Nothing of it is in Pulumi's state, so nothing changes or deletes it. What lacks for us is told in sentences, in a preview as
well. Whoever deploys must be able to read it, to join its subnets and to assign roles on it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import pulumi
from pulumi_azure_native import batch, containerregistry, network, resources

from stacks import resource_ids
from stacks.existing_settings import private_services
from stacks.settings import Settings

DELEGATION = "Microsoft.ContainerInstance/containerGroups"
STORAGE = "Microsoft.Storage"
CONTAINERS_OWN = ipaddress.IPv4Network("172.17.0.0/16")
# Of a subnet, Azure keeps as many addresses: https://learn.microsoft.com/azure/virtual-network/virtual-networks-faq
KEPT = 5

T = TypeVar("T")


@dataclass(frozen=True)
class Group:
    """The resource group that everything is in."""

    name: pulumi.Output[str]
    id: pulumi.Output[str]
    made: resources.ResourceGroup | None = None
    """None where it was there before, and stays."""


@dataclass(frozen=True)
class ExistingNetwork:
    """A VNet with subnets, as its owner made them."""

    id: pulumi.Output[str]
    nodes_subnet_id: pulumi.Output[str]
    submitter_subnet_id: pulumi.Output[str]
    endpoints_subnet_id: pulumi.Output[str]
    group_id: str | None
    """Of the resource group that it is in, where that isn't the deployment's."""
    addresses: Sequence[pulumi.Input[str]] = ()
    """Public ones that everything inside is seen from outside as."""


@dataclass(frozen=True)
class ExistingBatchAccount:
    """A Batch account, as its owner made it: who reaches it is the owner's business."""

    id: pulumi.Output[str]
    name: pulumi.Output[str]
    endpoint: pulumi.Output[str]
    resource_group_name: str
    group_id: str
    """Of that group."""


@dataclass(frozen=True)
class ExistingRegistry:
    """A registry, as its owner made it."""

    id: pulumi.Output[str]
    name: str
    login_server: pulumi.Output[str]
    public: bool = field(default=True, init=False)
    """Whoever builds in it knows that it is, or is told by the look-up."""


@dataclass(frozen=True)
class Existing:
    """What the settings name; None for what is made."""

    group: Group | None
    network: ExistingNetwork | None
    registry: ExistingRegistry | None
    batch_account: ExistingBatchAccount | None


def look_up(chosen: Settings) -> Existing:
    """All that the settings name. Raises pulumi.RunError with a sentence for each thing that is missing or lacks something."""
    faults: list[str] = []

    def found(named: str, look: Callable[[Settings], T]) -> T | None:
        try:
            return look(chosen) if named else None
        except pulumi.RunError as error:
            faults.append(str(error))
            return None

    there = Existing(
        found(chosen.existing_resource_group_resource_id, _group),
        found(chosen.existing_virtual_network_resource_id, _virtual_network),
        found(chosen.existing_registry_resource_id, _registry),
        found(chosen.existing_batch_account_resource_id, _batch_account),
    )
    if faults:
        raise pulumi.RunError("\n".join(faults))
    return there


def _group(chosen: Settings) -> Group:
    """The resource group that the settings name."""
    known = resource_ids.parse(chosen.existing_resource_group_resource_id)
    there = _looked_up("resource group", known, lambda: resources.get_resource_group(resource_group_name=known.name))
    _check("resource group", known, there.id, lambda: [])
    return Group(pulumi.Output.from_input(there.name), pulumi.Output.from_input(there.id))


def _virtual_network(chosen: Settings) -> ExistingNetwork:
    """The VNet that the settings name, with its subnets."""
    known = resource_ids.parse(chosen.existing_virtual_network_resource_id)
    there = _looked_up(
        "VNet", known, lambda: network.get_virtual_network(resource_group_name=known.group, virtual_network_name=known.name)
    )
    _check("VNet", known, there.id or "", lambda: network_lacks(chosen, there))
    # The id as the settings have it: Azure may write the group's name otherwise from one answer to the next.
    network_id = pulumi.Output.from_input(known.text)

    def subnet(name: str) -> pulumi.Output[str]:
        return pulumi.Output.concat(network_id, "/subnets/", name)

    return ExistingNetwork(
        network_id,
        subnet(chosen.nodes_subnet_name),
        subnet(chosen.submitter_subnet_name),
        subnet(chosen.endpoints_subnet_name),
        known.group_id,
        chosen.egress_ips,
    )


def _batch_account(chosen: Settings) -> ExistingBatchAccount:
    """The Batch account that the settings name."""
    known = resource_ids.parse(chosen.existing_batch_account_resource_id)
    there = _looked_up(
        "Batch account", known, lambda: batch.get_batch_account(resource_group_name=known.group, account_name=known.name)
    )
    _check("Batch account", known, there.id, lambda: account_lacks(chosen, there))
    return ExistingBatchAccount(
        pulumi.Output.from_input(known.text),
        pulumi.Output.from_input(known.name),
        pulumi.Output.from_input(f"https://{there.account_endpoint}"),
        known.group,
        known.group_id,
    )


def _registry(chosen: Settings) -> ExistingRegistry:
    """The registry that the settings name."""
    known = resource_ids.parse(chosen.existing_registry_resource_id)
    there = _looked_up(
        "registry", known, lambda: containerregistry.get_registry(resource_group_name=known.group, registry_name=known.name)
    )
    _check("registry", known, there.id, lambda: registry_lacks(chosen, there))
    return ExistingRegistry(pulumi.Output.from_input(known.text), known.name, pulumi.Output.from_input(there.login_server))


def network_lacks(chosen: Settings, found: network.GetVirtualNetworkResult) -> list[str]:
    """What is missing in a VNet, a sentence each."""
    if _region(found.location) != chosen.location:
        return [f"it is in {found.location}, and location is {chosen.location}: Batch joins VNets of its own region alone."]
    subnets = {str(each.name).lower(): each for each in found.subnets or []}
    wanted: dict[str, Callable[[Settings, network.outputs.SubnetResponse], list[str]]] = {
        chosen.nodes_subnet_name: _nodes_lack,
        chosen.submitter_subnet_name: _submitter_lacks,
    }
    if private_services(chosen):
        wanted[chosen.endpoints_subnet_name] = _endpoints_lack
    lacks = []
    for name, look in wanted.items():
        subnet = subnets.get(name.lower())
        said = ["doesn't exist: its owner makes it."] if subnet is None else look(chosen, subnet)
        lacks += [f"its subnet '{name}' {each}" for each in said]
    return lacks


def _region(location: str | None) -> str:
    """The short name of a region, which Azure tells as 'West Europe', too."""
    return "".join((location or "").split()).lower()


def _nodes_lack(chosen: Settings, subnet: network.outputs.SubnetResponse) -> list[str]:
    ranges = _ranges(subnet)
    room = _room(subnet)
    lacks = _without_endpoint(chosen, subnet)
    if subnet.delegations:
        lacks.append("is delegated to a service: nodes need one that isn't.")
    if any(each.overlaps(CONTAINERS_OWN) for each in ranges):
        lacks.append(f"overlaps {CONTAINERS_OWN}, which containers on the nodes use: take another.")
    if room < chosen.nodes_max:
        lacks.append(f"has room for {room} nodes, and nodesMax is {chosen.nodes_max}: widen it, or lower nodesMax.")
    # Of a pool without public addresses: https://learn.microsoft.com/azure/batch/simplified-node-communication-pool-no-public-ip
    for what, value in (
        ("private endpoints", subnet.private_endpoint_network_policies),
        ("private link services", subnet.private_link_service_network_policies),
    ):
        if value not in (None, "Disabled"):
            lacks.append(f"has network policies for {what}, with which no nodes without public addresses come: disable them.")
    return lacks


def _submitter_lacks(chosen: Settings, subnet: network.outputs.SubnetResponse) -> list[str]:
    lacks = _without_endpoint(chosen, subnet)
    if not any(str(each.service_name).lower() == DELEGATION.lower() for each in subnet.delegations or []):
        lacks.append(f"isn't delegated to {DELEGATION}: its owner does that.")
    if (room := _room(subnet)) < chosen.max_submitters:
        lacks.append(
            f"has room for {room} container groups, and maxSubmitters is {chosen.max_submitters}: widen it, "
            "or lower maxSubmitters."
        )
    return lacks


def _endpoints_lack(_: Settings, subnet: network.outputs.SubnetResponse) -> list[str]:
    return ["is delegated to a service: private endpoints need one that isn't."] if subnet.delegations else []


def _without_endpoint(chosen: Settings, subnet: network.outputs.SubnetResponse) -> list[str]:
    """Storage lets subnets in that have its service endpoint, where there are no private endpoints."""
    has = any(str(each.service).startswith(STORAGE) for each in subnet.service_endpoints or [])
    return [] if has or chosen.private else [f"has no service endpoint {STORAGE}: its owner adds it."]


def _ranges(subnet: network.outputs.SubnetResponse) -> list[ipaddress.IPv4Network]:
    texts = subnet.address_prefixes or ([subnet.address_prefix] if subnet.address_prefix else [])
    return [ipaddress.IPv4Network(text) for text in texts if ":" not in text]


def _room(subnet: network.outputs.SubnetResponse) -> int:
    """Addresses that machines and container groups can have."""
    return max(0, sum(each.num_addresses - KEPT for each in _ranges(subnet)))


def account_lacks(chosen: Settings, found: batch.GetBatchAccountResult) -> list[str]:
    """What is wrong with a Batch account, a sentence each."""
    lacks = []
    if _region(found.location) != chosen.location:
        lacks.append(f"it is in {found.location}, and location is {chosen.location}: nodes are where their account is.")
    if found.pool_allocation_mode != "BatchService":
        lacks.append(f"its pools are allocated by {found.pool_allocation_mode}, and only BatchService is known to work.")
    modes = [str(mode) for mode in found.allowed_authentication_modes or []]
    if modes and "AAD" not in modes:
        lacks.append(f"it lets nobody in by Microsoft Entra ID ({', '.join(modes)} alone): its owner allows AAD.")
    return lacks


def registry_lacks(chosen: Settings, found: containerregistry.GetRegistryResult) -> list[str]:
    """What is wrong with a registry, a sentence each."""
    if chosen.builds_any and found.public_network_access == "Disabled":
        return ["it is closed to the internet, so nothing can be built in it: set image and submitterImage to ready ones."]
    return []


def _looked_up(what: str, known: resource_ids.ResourceId, look_up: Callable[[], T]) -> T:
    """What `look_up` finds. Raises pulumi.RunError with what Azure says where there is no such thing, or it may not be read."""
    try:
        return look_up()
    except Exception as error:  # Pulumi has no kind of its own for a look-up that failed
        azures = " ".join(str(error).rpartition(" returned an error: ")[2].split())
        raise pulumi.RunError(
            f"The {what} '{known.name}' can't be used: there is none by the id '{known.text}' that whoever deploys may read. "
            f"Azure says: {azures}"
        ) from None


def _check(what: str, known: resource_ids.ResourceId, found: str, lacks: Callable[[], list[str]]) -> None:
    """Raise pulumi.RunError where what was found, by its id, is another one or lacks something."""
    if not resource_ids.same(found, known.text):
        said = [f"it isn't in the subscription that is deployed to, which has '{found}' instead."]
    else:
        said = lacks()
    if said:
        raise pulumi.RunError("\n".join(f"The {what} '{known.name}' can't be used: {each}" for each in said))
