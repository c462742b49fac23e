"""The network: a VNet whose subnets let nothing in and only what is named out.

Sources: https://learn.microsoft.com/azure/batch/batch-virtual-network, https://learn.microsoft.com/azure/virtual-network/service-tags-overview
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pulumi
from pulumi_azure_native import network

from stacks.setting_types import Mount

BATCH_NODES = "BatchNodeManagement"
HTTPS = ("443",)
PACKAGES = ("80", "443")
NFS = ("2049",)
LAST_PRIORITY = 4096


class Outbound(NamedTuple):
    """A rule of a network security group for what goes out."""

    name: str
    target: str
    ports: Sequence[str] = HTTPS
    protocol: network.SecurityRuleProtocol = network.SecurityRuleProtocol.TCP


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
    mount: Mount = "none"
    """How the nodes mount storage."""
    foreign_registry: bool = False
    """Whether images come from a registry on the internet."""
    any_azure: bool = False
    """Whether the submitter may call all of the region's Azure, rather than the services that it uses."""
    machine_learning: bool = False
    """Whether nodes are Azure Machine Learning's, not Batch's."""


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
        rules = [_allow_out(each, 100 + 10 * number) for number, each in enumerate(outbound)]
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
    rules = [_batch(args), *_common(args)]
    if args.machine_learning:
        rules += _machine_learning(args)
    if args.mount == "nfs":
        rules.append(Outbound("parts", "VirtualNetwork", NFS))
    if args.mount != "none":
        # Batch installs what it mounts with: blobfuse from packages.microsoft.com, and what that needs, or NFS's client where the
        # image has none, from Ubuntu's mirrors, which speak HTTP. Neither has a service tag of its own.
        # https://github.com/Azure/Batch/blob/master/changelogs/nodeagent/CHANGELOG.md (not confirmed: whether this image has it)
        rules.append(Outbound("packages", "Internet", PACKAGES))
    return rules


def _batch(args: NetworkArgs) -> Outbound:
    # Batch asks for any protocol there, and has the nodes of Azure Machine Learning in its hands, too:
    # https://learn.microsoft.com/azure/batch/batch-virtual-network#general-virtual-network-requirements
    return Outbound("batch", f"{BATCH_NODES}.{args.location}", HTTPS, network.SecurityRuleProtocol.ASTERISK)


def _machine_learning(args: NetworkArgs) -> list[Outbound]:
    """What nodes call beside what all of them do. The service's own images and packages lie in storage accounts of the region.

    Source: https://learn.microsoft.com/azure/machine-learning/how-to-secure-training-vnet
    """
    return [
        Outbound("machine-learning", "AzureMachineLearning"),
        Outbound("machine-learning-udp", "AzureMachineLearning", ("5831",), network.SecurityRuleProtocol.UDP),
        Outbound("resource-manager", "AzureResourceManager"),
        Outbound("service-images", "MicrosoftContainerRegistry"),
        Outbound("front-door", "AzureFrontDoor.FirstParty"),
        # By `_common` where accounts aren't private.
        *([Outbound("service-storage", f"Storage.{args.location}")] if args.private else []),
    ]


def _submitter_outbound(args: NetworkArgs) -> list[Outbound]:
    if args.machine_learning:
        # Jobs are submitted at Azure Resource Manager.
        return [Outbound("resource-manager", "AzureResourceManager"), *_common(args)]
    if args.private:
        return _common(args)
    if args.any_azure:
        return [Outbound("any-azure", f"AzureCloud.{args.location}"), *_common(args)]
    # A Batch account's own address has no service tag to itself. This one has Batch's addresses of the region; that the
    # account's is among them is likely, and not said by Microsoft: where it isn't, `any_azure` lets the submitter through.
    return [_batch(args), *_common(args)]


def _common(args: NetworkArgs) -> list[Outbound]:
    """The services that both use. Storage has a tag for all accounts of a region: where ours are private, none is let through."""
    rules = [
        Outbound("registry", f"AzureContainerRegistry.{args.location}"),
        Outbound("sign-in", "AzureActiveDirectory"),
        Outbound("telemetry", "AzureMonitor"),
    ]
    if args.private or args.machine_learning:
        # A workspace has a private endpoint in either isolation.
        rules.append(Outbound("private-endpoints", "VirtualNetwork"))
    if not args.private:
        rules.append(Outbound("storage", f"Storage.{args.location}"))
    if args.foreign_registry:
        rules.append(Outbound("foreign-registry", "Internet"))
    return rules


def _allow_out(rule: Outbound, priority: int) -> network.SecurityRuleArgs:
    return network.SecurityRuleArgs(
        name=rule.name,
        priority=priority,
        direction=network.SecurityRuleDirection.OUTBOUND,
        access=network.SecurityRuleAccess.ALLOW,
        protocol=rule.protocol,
        source_address_prefix="VirtualNetwork",
        source_port_range="*",
        destination_address_prefix=rule.target,
        destination_port_ranges=list(rule.ports),
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
