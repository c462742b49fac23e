"""Networks to judge: each as it should be, and as it may be changed."""

from __future__ import annotations

from pulumi_azure_native import network

from tests.policies.resource_samples import DATA, GATEWAY, GROUP, IDENTITY, Make, changed


def traffic(direction: str, access: str, to: str = "*", ports: str = "*", **more: object) -> network.SecurityRuleArgs:
    """One rule of a security group."""
    rule = network.SecurityRuleArgs(
        name="rule",
        priority=100,
        direction=direction,
        access=access,
        protocol="*",
        source_address_prefix="*",
        source_port_range="*",
        destination_address_prefix=to,
        destination_port_range=ports,
    )
    return changed(rule, **more)


CLOSED = ("Outbound", "Deny")


def security_group(*rules: network.SecurityRuleArgs) -> Make:
    """A network security group."""
    return lambda name: network.NetworkSecurityGroup(name, resource_group_name="trial", security_rules=list(rules))


def alone(direction: str, access: str, to: str, ports: str) -> Make:
    """A rule outside the body of its group."""
    return lambda name: network.SecurityRule(
        name,
        resource_group_name="trial",
        network_security_group_name="group",
        priority=100,
        direction=direction,
        access=access,
        protocol="Tcp",
        destination_address_prefix=to,
        destination_port_range=ports,
    )


def inner(**changes: object) -> network.SubnetArgs:
    """A subnet in the body of its network."""
    group = network.NetworkSecurityGroupArgs(id=f"{GROUP}/group")
    gateway = network.SubResourceArgs(id=GATEWAY)
    args = network.SubnetArgs(
        name="nodes",
        address_prefix="10.0.0.0/24",
        default_outbound_access=False,
        nat_gateway=gateway,
        network_security_group=group,
    )
    return changed(args, **changes)


def subnet(**changes: object) -> Make:
    """A virtual network with a good subnet and another."""
    return lambda name: network.VirtualNetwork(
        name,
        resource_group_name="trial",
        address_space=network.AddressSpaceArgs(address_prefixes=["10.0.0.0/16"]),
        subnets=[inner(), inner(name="other", **changes)],
    )


def lone_subnet(**changes: object) -> Make:
    """A subnet outside the body of its network."""
    args = network.SubnetInitArgs(
        resource_group_name="trial",
        virtual_network_name="vnet",
        default_outbound_access=False,
        nat_gateway=network.SubResourceArgs(id=GATEWAY),
        network_security_group=network.NetworkSecurityGroupArgs(id=f"{GROUP}/group"),
    )
    return lambda name: network.Subnet(name, changed(args, **changes))


def flow_log(**changes: object) -> Make:
    """Logs of what flows through a VNet."""
    args = network.FlowLogArgs(
        network_watcher_name="watcher",
        resource_group_name="NetworkWatcherRG",
        storage_id=DATA,
        target_resource_id=f"{GROUP}/providers/Microsoft.Network/virtualNetworks/vnet",
        enabled=True,
        identity=network.ManagedServiceIdentityArgs(
            type=network.ResourceIdentityType.USER_ASSIGNED, user_assigned_identities=[IDENTITY]
        ),
    )
    return lambda name: network.FlowLog(name, changed(args, **changes))
