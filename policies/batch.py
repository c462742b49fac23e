"""The Batch account and its pools: Entra ID only, nodes nobody can reach, which cost nothing when there's nothing to do."""

from __future__ import annotations

import re
from collections.abc import Iterator

from policies.rule import Resource, Rule, kinds
from policies.values import UNKNOWN, at, elements, expect

POOL = kinds("batch:Pool")
MACHINE = ("deploymentConfiguration", "virtualMachineConfiguration", "containerConfiguration", "containerRegistries")


def _entra_only(resource: Resource) -> Iterator[str]:
    modes = at(resource.props, "allowedAuthenticationModes")
    if isinstance(modes, list) and UNKNOWN in modes:
        return
    yield from expect(
        resource.props, "allowedAuthenticationModes", (["AAD"],), 'set it to ["AAD"] alone, so that account keys open nothing'
    )


def _no_inbound(resource: Resource) -> Iterator[str]:
    pools = at(resource.props, "networkConfiguration", "endpointConfiguration", "inboundNatPools")
    if pools is not UNKNOWN and pools:
        yield "networkConfiguration.endpointConfiguration.inboundNatPools opens ports of the nodes to the internet: leave it out."


def _registry_by_identity(resource: Resource) -> Iterator[str]:
    for registry in elements(at(resource.props, *MACHINE)):
        server = at(registry, "registryServer")
        for name in ("password", "userName"):
            if at(registry, name) is not None:
                yield f"The registry {server} is opened with a {name}: use identityReference with the nodes' identity."
        if at(registry, "identityReference", "resourceId") is None:
            yield f"The registry {server} has no identityReference.resourceId: name the nodes' identity there, which has AcrPull."


def _identity(resource: Resource) -> Iterator[str]:
    yield from expect(
        resource.props, "identity.type", ("UserAssigned",), "give the pool the nodes' user-assigned identity, tasks have no other"
    )
    if at(resource.props, "identity", "userAssignedIdentities") in (None, [], {}):
        yield "identity.userAssignedIdentities is empty: name the nodes' identity, tasks have no other way to blobs."


def _autoscale(resource: Resource) -> Iterator[str]:
    if at(resource.props, "scaleSettings", "fixedScale") is not None:
        yield "scaleSettings.fixedScale keeps nodes that cost money while nothing runs: use scaleSettings.autoScale."
    formula = at(resource.props, "scaleSettings", "autoScale", "formula")
    if formula is UNKNOWN:
        return
    if not isinstance(formula, str) or not formula.strip():
        yield "scaleSettings.autoScale.formula is missing: without one the pool never grows, or never shrinks."
        return
    if not re.search(r"\$Target(Dedicated|LowPriority)Nodes\s*=", formula):
        yield "scaleSettings.autoScale.formula sets no $TargetDedicatedNodes and no $TargetLowPriorityNodes: set one."
    if not re.search(r"\bmin\s*\(", formula):
        yield "scaleSettings.autoScale.formula has no upper limit: put min(..., the most nodes allowed) around what it asks for."


def _no_accounts(resource: Resource) -> Iterator[str]:
    accounts = at(resource.props, "userAccounts")
    if accounts is not UNKNOWN and accounts:
        yield "userAccounts makes accounts that somebody could sign in with: leave it out, tasks run as Batch's own users."


def _inter_node(resource: Resource) -> Iterator[str]:
    yield from expect(
        resource.props,
        "interNodeCommunication",
        (None, "Disabled"),
        "set it to Disabled, tasks of different videos have nothing to say to each other",
    )


def _in_subnet(resource: Resource) -> Iterator[str]:
    if not at(resource.props, "networkConfiguration", "subnetId"):
        yield "networkConfiguration.subnetId is missing: join the nodes' subnet, outside it no firewall guards them."


def _encrypted_once(resource: Resource) -> Iterator[str]:
    machine = at(resource.props, "deploymentConfiguration", "virtualMachineConfiguration")
    if at(machine, "securityProfile", "encryptionAtHost") is True and at(machine, "diskEncryptionConfiguration", "targets"):
        yield "Nodes are encrypted both at the host and inside: leave diskEncryptionConfiguration out, the host has all disks."


def _trusted_launch(resource: Resource) -> Iterator[str]:
    profile = at(resource.props, "deploymentConfiguration", "virtualMachineConfiguration", "securityProfile")
    if at(profile, "securityType") == "trustedLaunch":
        for sentence in expect(profile, "uefiSettings.vTpmEnabled", (True,), "set it to true, Trusted Launch measures into it"):
            yield f"securityProfile: {sentence}"


RULES = [
    Rule(
        name="batch-entra-only",
        demands="The Batch account accepts no account key.",
        kinds=kinds("batch:BatchAccount"),
        check=_entra_only,
    ),
    Rule(name="pool-no-inbound", demands="Nobody can connect to a node.", kinds=POOL, check=_no_inbound),
    Rule(
        name="pool-registry-by-identity",
        demands="Nodes pull images with their identity.",
        kinds=POOL,
        check=_registry_by_identity,
    ),
    Rule(name="pool-identity", demands="Nodes have a user-assigned identity.", kinds=POOL, check=_identity),
    Rule(
        name="pool-autoscale", demands="Pools grow and shrink by a formula that has an upper limit.", kinds=POOL, check=_autoscale
    ),
    Rule(name="pool-no-accounts", demands="Nobody can sign in on a node.", kinds=POOL, check=_no_accounts),
    Rule(name="pool-inter-node", demands="Nodes don't talk to each other.", kinds=POOL, check=_inter_node),
    Rule(name="pool-encrypted-once", demands="Nodes are encrypted in one way.", kinds=POOL, check=_encrypted_once),
    Rule(name="pool-trusted-launch", demands="Trusted Launch has a virtual TPM.", kinds=POOL, check=_trusted_launch),
    Rule(name="pool-in-subnet", demands="Nodes are in a subnet of the stack's own network.", kinds=POOL, check=_in_subnet),
]
