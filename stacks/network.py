"""The network: a VNet whose subnets let nothing in and only what is named out.

Sources: https://learn.microsoft.com/azure/batch/batch-virtual-network, https://learn.microsoft.com/azure/virtual-network/service-tags-overview
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pulumi
from pulumi_azure_native import network

# A rule of a network security group: its name, where to, which ports.
Outbound = tuple[str, str, Sequence[str]]

BATCH_NODES = "BatchNodeManagement"
HTTPS = ("443",)
PACKAGES = ("80", "443")
LAST_PRIORITY = 4096


@dataclass(frozen=True, kw_only=True)
class NetworkArgs:
    """What the network is made of."""

    resource_group_name: pulumi.Input[str]
    location: str
    """The region whose services may be called."""
    address_space: str
    """The VNet's range: a quarter each for nodes, submitter and endpoints, a quarter free."""
    zone_redundant: bool = False
    private: bool = False
    """Whether storage, registry and Batch have private endpoints."""
    mount: Literal["none", "blob"] = "none"
    """How the nodes mount storage."""
    foreign_registry: bool = False
    """Whether images come from a registry on the internet."""
    any_azure: bool = False
    """Whether the submitter may call all of the region's Azure, rather than the services that it uses."""


class Network(pulumi.ComponentResource):
    """A VNet with the subnets `nodes`, `submitter` and `endpoints`, a NAT gateway, and service endpoints to storage."""

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("batch-scoring:stacks:Network", name, None, opts)
        self._name, self._args = name, args

        address = network.PublicIPAddress(
            f"{name}-nat",
            resource_group_name=args.resource_group_name,
            public_ip_allocation_method=network.IPAllocationMethod.STATIC,
            sku={"name": network.PublicIPAddressSkuName.STANDARD, "tier": network.PublicIPAddressSkuTier.REGIONAL},
            zones=["1", "2", "3"] if args.zone_redundant else None,
            opts=pulumi.ResourceOptions(parent=self),
        )
        gateway = network.NatGateway(
            f"{name}-nat",
            resource_group_name=args.resource_group_name,
            public_ip_addresses=[{"id": address.id}],
            sku={"name": network.NatGatewaySkuName.STANDARD},
            opts=pulumi.ResourceOptions(parent=self),
        )
        # Subnets stand inside the VNet's own body: made one by one they would collide, since Azure changes a VNet once at a time.
        quarters = [str(quarter) for quarter in ipaddress.IPv4Network(args.address_space).subnets(prefixlen_diff=2)]
        nat = network.SubResourceArgs(id=gateway.id)
        # Private endpoints are addresses of the VNet; by a service endpoint their accounts would be called around them.
        storage = [] if args.private else [network.ServiceEndpointPropertiesFormatArgs(service="Microsoft.Storage")]
        vnet = network.VirtualNetwork(
            f"{name}-vnet",
            resource_group_name=args.resource_group_name,
            address_space=network.AddressSpaceArgs(address_prefixes=[args.address_space]),
            subnets=[
                network.SubnetArgs(
                    name="nodes",
                    address_prefix=quarters[0],
                    default_outbound_access=False,
                    nat_gateway=nat,
                    network_security_group=self._guard("nodes", _nodes_outbound(args)),
                    service_endpoints=storage,
                    # Batch makes a private link service and an endpoint to it here for nodes without public addresses:
                    # https://learn.microsoft.com/azure/batch/simplified-node-communication-pool-no-public-ip,
                    # https://github.com/MicrosoftDocs/azure-docs/issues/95888
                    private_endpoint_network_policies=network.VirtualNetworkPrivateEndpointNetworkPolicies.DISABLED,
                    private_link_service_network_policies=network.VirtualNetworkPrivateLinkServiceNetworkPolicies.DISABLED,
                ),
                network.SubnetArgs(
                    name="submitter",
                    address_prefix=quarters[1],
                    default_outbound_access=False,
                    nat_gateway=nat,
                    network_security_group=self._guard("submitter", _submitter_outbound(args), accept_vnet=True),
                    service_endpoints=storage,
                    delegations=[
                        network.DelegationArgs(
                            name="container-groups", service_name="Microsoft.ContainerInstance/containerGroups"
                        )
                    ],
                ),
                network.SubnetArgs(
                    name="endpoints",
                    address_prefix=quarters[2],
                    default_outbound_access=False,
                    network_security_group=self._guard("endpoints", [], accept_vnet=True),
                    private_endpoint_network_policies=network.VirtualNetworkPrivateEndpointNetworkPolicies.ENABLED,
                ),
            ],
            opts=pulumi.ResourceOptions(parent=self),
        )

        self.id = vnet.id
        self.address = address.ip_address.apply(lambda text: text or "")
        """The public address that everything inside is seen from outside as."""
        self.addresses = [self.address]
        self.group_id: str | None = None
        """Of its own resource group, where that isn't the deployment's."""
        self.nodes_subnet_id = pulumi.Output.concat(vnet.id, "/subnets/nodes")
        self.submitter_subnet_id = pulumi.Output.concat(vnet.id, "/subnets/submitter")
        self.endpoints_subnet_id = pulumi.Output.concat(vnet.id, "/subnets/endpoints")
        self.register_outputs({"id": self.id, "address": self.address})

    def _guard(self, subnet: str, outbound: Sequence[Outbound], accept_vnet: bool = False) -> network.NetworkSecurityGroupArgs:
        """The subnet's security group. `accept_vnet` leaves the VNet in, as Azure's own rules do.

        Private endpoints are called from there, and container groups by Azure itself, which shows the portal their console (port
        19390): https://learn.microsoft.com/azure/container-instances/container-instances-virtual-network-concepts
        """
        rules = [_allow_out(name, 100 + 10 * number, target, ports) for number, (name, target, ports) in enumerate(outbound)]
        rules.append(_deny("no-other-way-out", network.SecurityRuleDirection.OUTBOUND))
        if not accept_vnet:
            rules.append(_deny("nothing-in", network.SecurityRuleDirection.INBOUND))
        group = network.NetworkSecurityGroup(
            f"{self._name}-{subnet}",
            resource_group_name=self._args.resource_group_name,
            security_rules=rules,
            opts=pulumi.ResourceOptions(parent=self),
        )
        return network.NetworkSecurityGroupArgs(id=group.id)


def _nodes_outbound(args: NetworkArgs) -> list[Outbound]:
    rules: list[Outbound] = [("batch", f"{BATCH_NODES}.{args.location}", HTTPS), *_common(args)]
    if args.mount == "blob":
        # Batch installs blobfuse when it mounts: from packages.microsoft.com, and what that needs from Ubuntu's mirrors, which
        # speak HTTP. Neither has a service tag of its own.
        rules.append(("packages", "Internet", PACKAGES))
    return rules


def _submitter_outbound(args: NetworkArgs) -> list[Outbound]:
    if args.private:
        return _common(args)
    if args.any_azure:
        return [("any-azure", f"AzureCloud.{args.location}", HTTPS), *_common(args)]
    # A Batch account's own address has no service tag to itself. This one has Batch's addresses of the region; that the
    # account's is among them is likely, and not said by Microsoft: where it isn't, `any_azure` lets the submitter through.
    return [("batch", f"{BATCH_NODES}.{args.location}", HTTPS), *_common(args)]


def _common(args: NetworkArgs) -> list[Outbound]:
    """The services that both use. Storage has a tag for all accounts of a region: where ours are private, none is let through."""
    rules: list[Outbound] = [
        ("registry", f"AzureContainerRegistry.{args.location}", HTTPS),
        ("sign-in", "AzureActiveDirectory", HTTPS),
        ("telemetry", "AzureMonitor", HTTPS),
    ]
    if args.private:
        rules.append(("private-endpoints", "VirtualNetwork", HTTPS))
    else:
        rules.append(("storage", f"Storage.{args.location}", HTTPS))
    if args.foreign_registry:
        rules.append(("foreign-registry", "Internet", HTTPS))
    return rules


def _allow_out(name: str, priority: int, target: str, ports: Sequence[str]) -> network.SecurityRuleArgs:
    return network.SecurityRuleArgs(
        name=name,
        priority=priority,
        direction=network.SecurityRuleDirection.OUTBOUND,
        access=network.SecurityRuleAccess.ALLOW,
        # Batch asks for any protocol there: https://learn.microsoft.com/azure/batch/batch-virtual-network#general-virtual-network-requirements
        protocol=network.SecurityRuleProtocol.ASTERISK if target.startswith(BATCH_NODES) else network.SecurityRuleProtocol.TCP,
        source_address_prefix="VirtualNetwork",
        source_port_range="*",
        destination_address_prefix=target,
        destination_port_ranges=list(ports),
    )


def _deny(name: str, direction: network.SecurityRuleDirection) -> network.SecurityRuleArgs:
    return network.SecurityRuleArgs(
        name=name,
        priority=LAST_PRIORITY,
        direction=direction,
        access=network.SecurityRuleAccess.DENY,
        protocol=network.SecurityRuleProtocol.ASTERISK,
        source_address_prefix="*",
        source_port_range="*",
        destination_address_prefix="*",
        destination_port_range="*",
    )
